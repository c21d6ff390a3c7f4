//! Styles. This is the only file with colours: the sixteen of the terminal, which the user has chosen, and those of lanes
//! and stages, which reports share ([`palette`]).
//!
//! Colour repeats what a symbol or a word already says, so the screen reads the same without it (`NO_COLOR`).

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::meter::Stage;
use crate::palette::{self, Hue, Rgb};

/// Focus of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Here,
    Elsewhere,
}

/// Glyphs that the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyphs {
    Unicode,
    /// ASCII only: the locale is not UTF-8, or it is the Linux console.
    Ascii,
}

/// Colours and glyphs of the terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) theme: Theme,
    pub(super) glyphs: Glyphs,
}

impl Look {
    /// Replaces what the terminal cannot show, after everything is drawn.
    pub(super) fn finish(self, buf: &mut Buffer) {
        if self.glyphs == Glyphs::Ascii {
            to_ascii(buf);
        }
    }
}

/// Number of colours that the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    None,
    Sixteen,
    Indexed,
    True,
}

impl Colours {
    /// Returns the number of colours by the values of `NO_COLOR`, `COLORTERM` and `TERM`.
    pub(super) fn of(none: &str, colorterm: &str, term: &str) -> Self {
        match colorterm {
            _ if !none.is_empty() => Self::None,
            "truecolor" | "24bit" => Self::True,
            _ if term.ends_with("-direct") => Self::True,
            _ if term.contains("256color") => Self::Indexed,
            _ => Self::Sixteen,
        }
    }
}

/// Styles by meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    colours: Colours,
}

impl Theme {
    pub(super) const fn new(colours: Colours) -> Self {
        Self { colours }
    }

    const fn has_colour(self) -> bool {
        !matches!(self.colours, Colours::None)
    }

    fn paint(self, colour: Color) -> Style {
        if self.has_colour() { Style::new().fg(colour) } else { Style::new() }
    }

    fn hue(self, Hue { rgb: Rgb(red, green, blue), indexed, basic }: Hue) -> Style {
        match self.colours {
            Colours::None => Style::new(),
            Colours::Sixteen => Style::new().fg(BASIC[usize::from(basic) % BASIC.len()]),
            Colours::Indexed => Style::new().fg(Color::Indexed(indexed)),
            Colours::True => Style::new().fg(Color::Rgb(red, green, blue)),
        }
    }

    pub(super) fn border(self, focus: Focus) -> Style {
        match focus {
            Focus::Here => self.paint(Color::Cyan),
            Focus::Elsewhere => self.faint(),
        }
    }

    pub(super) fn title(self, focus: Focus) -> Style {
        match focus {
            Focus::Here => self.paint(Color::Cyan).add_modifier(Modifier::BOLD),
            Focus::Elsewhere => self.plain().add_modifier(Modifier::BOLD),
        }
    }

    /// Returns the style of the row under the cursor.
    pub(super) fn cursor(self, focus: Focus) -> Style {
        match focus {
            // The row's own colours would become patches of background.
            Focus::Here => Style::reset().add_modifier(Modifier::REVERSED),
            Focus::Elsewhere => self.strong(),
        }
    }

    /// Returns the terminal's own colour, even inside a coloured frame.
    pub(super) fn plain(self) -> Style {
        self.paint(Color::Reset)
    }

    /// Returns the style of what matters less: units, times, borders of panes in the background.
    pub(super) fn faint(self) -> Style {
        if self.has_colour() {
            Style::new().fg(Color::DarkGray)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    #[expect(clippy::unused_self, reason = "all styles are taken from a theme in the same way")]
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn accent(self) -> Style {
        self.paint(Color::Cyan)
    }

    /// Returns the style of a chosen tab or protocol; its brackets say so as well.
    pub(super) fn chosen(self) -> Style {
        self.paint(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.paint(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.paint(Color::LightRed)
    }

    pub(super) fn warn(self) -> Style {
        self.paint(Color::Yellow)
    }

    pub(super) fn folder(self) -> Style {
        self.paint(Color::LightBlue).add_modifier(Modifier::BOLD)
    }

    pub(super) fn progress(self) -> Style {
        self.paint(Color::Cyan)
    }

    /// Returns light blue: plain blue is hardly legible on the black of many terminals.
    pub(super) fn rate(self) -> Style {
        self.paint(Color::LightBlue)
    }

    /// Returns the style of a lane's bars, curve and ratio, by its index.
    pub(super) fn lane(self, lane: usize) -> Style {
        self.hue(palette::lane(lane))
    }

    /// Returns the style of a stage in a lane's bar. The stage's name stands beside it.
    pub(super) fn stage(self, stage: Stage) -> Style {
        self.hue(palette::stage(stage))
    }

    /// Returns the style of a key in the footer.
    pub(super) fn key(self) -> Style {
        self.paint(Color::Cyan).add_modifier(Modifier::BOLD)
    }
}

/// The sixteen colours by their numbers.
const BASIC: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// Frame of every pane.
pub(super) const FRAME: border::Set<'static> = border::ROUNDED;

/// Frame of a warning that must not be overlooked; heavy, so that it shows without colour.
pub(super) const ALARM_FRAME: border::Set<'static> = border::THICK;

/// Replaces glyphs that the terminal cannot show. Widgets draw in Unicode only; only this function knows of other
/// terminals.
fn to_ascii(buf: &mut Buffer) {
    for cell in &mut buf.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let plain = match symbol.chars().next().unwrap_or(' ') {
            '╭' | '╮' | '╰' | '╯' | '┼' | '┤' | '├' | '└' | '┘' | '✓' => '+',
            '│' | '┊' => '|',
            '▃' | '▄' => ':',
            '▅' | '▆' | '▇' => '=',
            '▀' => '"',
            '─' | '—' | '–' | '╴' => '-',
            '█' | '▉' | '▊' | '▋' | '▌' | '┏' | '┓' | '┗' | '┛' | '━' | '┃' | '╸' => {
                '#'
            }
            '▍' | '▎' | '▏' | '░' | '·' | '▁' | '▂' => '.',
            '▚' => '/',
            '▸' | '≥' | '→' | '►' => '>',
            '←' | '◄' => '<',
            '↑' => '^',
            '↓' => 'v',
            '✗' | '×' => 'x',
            '≈' | '…' => '~',
            '\u{2800}' => ' ',
            '\u{2801}'..='\u{28ff}' => '*',
            _ => '?',
        };
        cell.set_char(plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::race::STAGES;

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        for (none, colorterm, term, colours) in [
            ("", "truecolor", "xterm-256color", Colours::True),
            ("", "24bit", "xterm", Colours::True),
            ("", "", "xterm-direct", Colours::True),
            ("", "", "tmux-256color", Colours::Indexed),
            ("", "yes", "screen-256color", Colours::Indexed),
            ("", "", "linux", Colours::Sixteen),
            ("1", "truecolor", "xterm-256color", Colours::None),
        ] {
            assert_eq!(Colours::of(none, colorterm, term), colours, "{none} {colorterm} {term}");
        }
    }

    #[test]
    fn lanes_have_their_own_colours_however_many_there_are() {
        for colours in [Colours::Sixteen, Colours::Indexed, Colours::True] {
            let theme = Theme::new(colours);
            let lanes = (0..4).map(|lane| theme.lane(lane));
            let all: Vec<Style> = lanes.chain(STAGES.map(|stage| theme.stage(stage))).collect();
            for (at, one) in all.iter().enumerate() {
                assert!(!all[at + 1..].contains(one), "{colours:?}: {one:?}");
            }
        }
        assert_eq!(Theme::new(Colours::True).lane(1).fg, Some(Color::Rgb(0x00, 0x72, 0xB2)));
        assert_eq!(Theme::new(Colours::None).lane(1), Style::new());
    }
}
