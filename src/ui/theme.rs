//! Styles by meaning. The colours are those of a theme (`palette`), which the user can choose.
//!
//! Colour repeats what a symbol or a word already says, so the screen reads the same without it (`NO_COLOR`). Lanes
//! differ by blue against yellow, never by red against green.

use std::sync::LazyLock;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use super::palette::{Depth, Palette};
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
    palette: &'static Palette,
    colour: bool,
}

impl Theme {
    /// Returns the theme `dark`, or the one without colours.
    pub(super) fn new(colour: bool) -> Self {
        static DARK: LazyLock<Palette> = LazyLock::new(|| Palette::built_in("dark").adapted(Depth::Many));
        static NO_COLOUR: LazyLock<Palette> = LazyLock::new(|| Palette::built_in("no-colour"));
        Self { palette: if colour { &DARK } else { &NO_COLOUR }, colour }
    }

    /// Returns a theme of these styles, which are kept for as long as the program runs.
    pub(super) fn of(palette: Palette) -> Self {
        Self { palette: Box::leak(Box::new(palette)), colour: true }
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
        if self.colour { Style::new().fg(Color::Reset) } else { Style::new() }
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

    /// Returns the style of a lane's bar and curve.
    pub(super) fn lane(self, lane: usize) -> Style {
        let palette = self.palette;
        [palette.lane_1, palette.lane_2, palette.lane_3, palette.lane_4][lane % 4]
    }

    /// Returns the style of a stage in a lane's bar, by what works there: the disk, the ciphers, the wire. The
    /// stage's name stands beside it.
    pub(super) fn stage(self, stage: Stage) -> Style {
        match stage {
            Stage::Read | Stage::Store => self.palette.disk,
            Stage::Seal | Stage::Open => self.palette.cipher,
            Stage::Wire => self.palette.wire,
            Stage::Wait => self.palette.faint,
        }
    }

    /// Returns the style of a key in the footer.
    pub(super) fn key(self) -> Style {
        self.palette.accent.add_modifier(Modifier::BOLD)
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
