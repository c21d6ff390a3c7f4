//! Styles. This is the only file with colours: the sixteen of the terminal, which the user has chosen.
//!
//! Colour repeats what a symbol or a word already says, so the screen reads the same without it (`NO_COLOR`). Lanes
//! differ by blue against yellow, never by red against green.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::meter::Stage;

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

/// Styles by meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    colour: bool,
}

impl Theme {
    pub(super) const fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn paint(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
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
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
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

    /// Returns the style of a lane's bar and curve.
    pub(super) fn lane(self, lane: usize) -> Style {
        self.paint([Color::Yellow, Color::Cyan, Color::Green, Color::LightBlue][lane % 4])
    }

    /// Returns the style of a stage in a lane's bar, by what works there: the disk, the ciphers, the wire. The
    /// stage's name stands beside it.
    pub(super) fn stage(self, stage: Stage) -> Style {
        self.paint(match stage {
            Stage::Read | Stage::Store => Color::LightBlue,
            Stage::Seal | Stage::Open => Color::Magenta,
            Stage::Wire => Color::Cyan,
            Stage::Wait => Color::DarkGray,
        })
    }

    /// Returns the style of a key in the footer.
    pub(super) fn key(self) -> Style {
        self.paint(Color::Cyan).add_modifier(Modifier::BOLD)
    }
}

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
