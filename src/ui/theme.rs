//! Styles by meaning. The colours are those of a theme (`palette`), which the user can choose; those of lanes and stages
//! are the same in every theme and in reports (`hues`).
//!
//! Colour repeats what a symbol or a word already says, so the screen reads the same without it (`NO_COLOR`).

use std::sync::LazyLock;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use super::ambiguous;
use super::palette::{Depth, Palette};
use crate::hues::{self, Hue, Rgb};
use crate::meter::Stage;

/// Focus of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Here,
    Elsewhere,
}

/// Glyphs that the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyphs {
    /// All that the widgets draw.
    Unicode,
    /// No glyph of ambiguous width: the terminal draws these two cells wide.
    Narrow,
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
        match self.glyphs {
            Glyphs::Unicode => {}
            Glyphs::Narrow => to_ascii(buf, ambiguous::is_ambiguous),
            Glyphs::Ascii => to_ascii(buf, |_| true),
        }
    }
}

/// Styles by meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    palette: &'static Palette,
    /// Colours of the terminal; `None` without colours.
    depth: Option<Depth>,
}

impl Theme {
    /// Returns the theme without colours.
    pub(super) fn without_colours() -> Self {
        static NO_COLOUR: LazyLock<Palette> = LazyLock::new(|| Palette::built_in("no-colour"));
        Self { palette: &NO_COLOUR, depth: None }
    }

    /// Returns the theme `dark`.
    #[cfg(test)]
    pub(super) fn dark(depth: Depth) -> Self {
        Self::of(Palette::built_in("dark"), depth)
    }

    /// Returns a theme of these styles, which are kept for as long as the program runs.
    pub(super) fn of(palette: Palette, depth: Depth) -> Self {
        Self { palette: Box::leak(Box::new(palette.adapted(depth))), depth: Some(depth) }
    }

    pub(super) fn border(self, focus: Focus) -> Style {
        match focus {
            Focus::Here => self.palette.accent,
            Focus::Elsewhere => self.faint(),
        }
    }

    pub(super) fn title(self, focus: Focus) -> Style {
        match focus {
            Focus::Here => self.palette.accent.add_modifier(Modifier::BOLD),
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
    pub(super) const fn plain(self) -> Style {
        if self.depth.is_some() { Style::new().fg(Color::Reset) } else { Style::new() }
    }

    /// Returns the style of what matters less: units, times, borders of panes in the background.
    pub(super) fn faint(self) -> Style {
        self.palette.faint
    }

    #[expect(clippy::unused_self, reason = "all styles are taken from a theme in the same way")]
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn accent(self) -> Style {
        self.palette.accent
    }

    /// Returns the style of a chosen tab or protocol; its brackets say so as well.
    pub(super) fn chosen(self) -> Style {
        self.palette.accent.add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.palette.good
    }

    pub(super) fn bad(self) -> Style {
        self.palette.bad
    }

    pub(super) fn warn(self) -> Style {
        self.palette.warn
    }

    pub(super) fn folder(self) -> Style {
        self.palette.folder
    }

    pub(super) fn progress(self) -> Style {
        self.palette.progress
    }

    pub(super) fn rate(self) -> Style {
        self.palette.rate
    }

    /// Returns the style of a lane's bars, curve and ratio, by its index.
    pub(super) fn lane(self, lane: usize) -> Style {
        self.hue(hues::lane(lane))
    }

    /// Returns the style of a stage in a lane's bar. The stage's name stands beside it.
    pub(super) fn stage(self, stage: Stage) -> Style {
        self.hue(hues::stage(stage))
    }

    fn hue(self, Hue { rgb: Rgb(red, green, blue), indexed, basic }: Hue) -> Style {
        Style::new().fg(match self.depth {
            None => return Style::new(),
            Some(Depth::Sixteen) => BASIC[usize::from(basic) % BASIC.len()],
            Some(Depth::Many) => Color::Indexed(indexed),
            Some(Depth::True) => Color::Rgb(red, green, blue),
        })
    }

    /// Returns the style of a key in the footer.
    pub(super) fn key(self) -> Style {
        self.palette.accent.add_modifier(Modifier::BOLD)
    }
}

/// The sixteen colours by their numbers.
pub(super) const BASIC: [Color; 16] = [
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
fn to_ascii(buf: &mut Buffer, cannot_be_shown: impl Fn(&str) -> bool) {
    for cell in &mut buf.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() || !cannot_be_shown(symbol) {
            continue;
        }
        let plain = match symbol.chars().next().unwrap_or(' ') {
            '╭' | '╮' | '╰' | '╯' | '┼' | '┤' | '├' | '└' | '┘' | '✓' => '+',
            '│' | '┊' => '|',
            '╏' => '!',
            '▃' | '▄' => ':',
            '▅' | '▆' | '▇' => '=',
            '▀' => '"',
            '─' | '—' | '–' | '╴' | '╌' => '-',
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
    fn narrow_glyphs_replace_what_is_ambiguous_and_keep_other_letters() {
        let drawn = |glyphs| {
            let mut buf = Buffer::with_lines(["╭ 講義.pdf … × ▸ ✓ ±"]);
            Look { theme: Theme::without_colours(), glyphs }.finish(&mut buf);
            buf.content.iter().map(ratatui::buffer::Cell::symbol).collect::<String>()
        };
        assert!(drawn(Glyphs::Unicode).starts_with("╭ 講 義 .pdf"));
        assert_eq!(drawn(Glyphs::Narrow), "+ 講 義 .pdf ~ x ▸ ✓ ?");
        assert_eq!(drawn(Glyphs::Ascii), "+ ? ? .pdf ~ x > + ?");
    }

    #[test]
    fn lanes_and_stages_differ_at_every_depth_and_are_the_same_in_every_theme() {
        for depth in [Depth::Sixteen, Depth::Many, Depth::True] {
            let theme = Theme::dark(depth);
            let lanes = (0..4).map(|lane| theme.lane(lane));
            let all: Vec<Style> = lanes.chain(STAGES.map(|stage| theme.stage(stage))).collect();
            for (at, one) in all.iter().enumerate() {
                assert!(!all[at + 1..].contains(one), "{depth:?}: {one:?}");
            }
            assert_eq!(Theme::of(Palette::built_in("light"), depth).lane(1), theme.lane(1));
        }
        assert_eq!(Theme::dark(Depth::True).lane(1).fg, Some(Color::Rgb(0x00, 0x72, 0xB2)));
        assert_eq!(Theme::dark(Depth::Many).lane(1).fg, Some(Color::Indexed(32)));
        assert_eq!(Theme::dark(Depth::Sixteen).lane(1).fg, Some(Color::LightBlue));
        assert_eq!(Theme::without_colours().lane(1), Style::new());
    }
}
