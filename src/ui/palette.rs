//! Themes: the style of each role, read from TOML. The built-in ones are in assets/themes.

use std::str::FromStr as _;

use ratatui::style::{Color, Modifier, Style};
use toml_edit::{Document, Value};

use crate::messages::{escape, nearest};

/// Number of colours that a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Depth {
    Sixteen,
    /// 256: the sixteen, a cube and greys.
    Many,
    /// 24 bits.
    True,
}

/// Built-in themes by name.
pub(in crate::ui) const THEMES: &[(&str, &str)] = &[
    ("dark", include_str!("../../assets/themes/dark.toml")),
    ("light", include_str!("../../assets/themes/light.toml")),
    ("high-contrast", include_str!("../../assets/themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../assets/themes/colour-blind.toml")),
    ("no-colour", include_str!("../../assets/themes/no-colour.toml")),
];

/// Declares the roles, which are the keys of a theme.
macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident $key:literal),+ $(,)?) => {
        /// Style of each role.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::ui) struct Palette {
            $($(#[$doc])* pub(in crate::ui) $role: Style,)+
        }

        impl Palette {
            /// Names of the roles.
            const KEYS: &[&str] = &[$($key),+];

            /// Palette without colours and modifiers.
            const PLAIN: Self = Self { $($role: Style::new(),)+ };

            fn role(&mut self, key: &str) -> Option<&mut Style> {
                match key {
                    $($key => Some(&mut self.$role),)+
                    _ => None,
                }
            }

            #[cfg(test)]
            pub(in crate::ui) fn all(self) -> Vec<(&'static str, Style)> {
                vec![$(($key, self.$role)),+]
            }

            /// Returns the palette with colours that a terminal of this depth shows.
            #[must_use]
            pub(in crate::ui) fn adapted(self, depth: Depth) -> Self {
                Self { $($role: adapted(self.$role, depth),)+ }
            }
        }
    };
}

roles! {
    /// Focused frames, chosen tabs, keys.
    accent "accent",
    good "good",
    bad "bad",
    warn "warn",
    folder "folder",
    /// Bar of progress.
    progress "progress",
    /// Bar and chart of the rate.
    rate "rate",
    /// What matters less: units, times, frames in the background.
    faint "faint",
}

impl Palette {
    /// Returns a built-in theme.
    pub(in crate::ui) fn named(name: &str) -> Option<Self> {
        let (_, text) = THEMES.iter().find(|(of, _)| *of == name)?;
        Self::read(text).ok()
    }

    /// Returns a built-in theme that a test has read, or no style at all.
    pub(in crate::ui) fn built_in(name: &str) -> Self {
        Self::named(name).unwrap_or(Self::PLAIN)
    }

    /// Reads a theme. A role that it does not set is as in the theme named by `base`, by default `dark`.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub(in crate::ui) fn read(text: &str) -> Result<Self, (String, String)> {
        let document = Document::parse(text).map_err(|error| {
            (error.message().trim().to_owned(), "a theme is TOML: role = \"colour\"".to_owned())
        })?;
        let base = match document.get("base").map(|item| item.as_str().unwrap_or_default()) {
            None => Self::PLAIN,
            Some(name) => Self::named(name).ok_or_else(|| {
                (
                    format!("unknown theme '{}'", escape(name)),
                    known(name, THEMES.iter().map(|(name, _)| *name)),
                )
            })?,
        };
        let mut palette = base;
        for (key, item) in document.iter().filter(|(key, _)| *key != "base") {
            let Some(role) = palette.role(key) else {
                return Err((
                    format!("unknown role '{}'", escape(key)),
                    known(key, Self::KEYS.iter().copied()),
                ));
            };
            let text = item.as_value().and_then(Value::as_str).unwrap_or_default();
            *role = style(text)
                .ok_or_else(|| (format!("invalid style '{}' of `{key}`", escape(text)), STYLES.to_owned()))?;
        }
        Ok(palette)
    }
}

/// The rule for styles.
const STYLES: &str = "a style is a colour (cyan, light-red, 0 to 255, #rrggbb, default), and bold, dim, italic, \
                      underlined or reversed";

/// Lists the known words, the nearest one first.
pub(in crate::ui) fn known<'a>(word: &str, words: impl Iterator<Item = &'a str> + Clone) -> String {
    let near =
        nearest(word, words.clone()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    format!("{near}known: {}", words.collect::<Vec<_>>().join(", "))
}

fn style(text: &str) -> Option<Style> {
    let mut style = Style::new();
    for word in text.split_whitespace() {
        style = match word {
            "bold" => style.add_modifier(Modifier::BOLD),
            "dim" => style.add_modifier(Modifier::DIM),
            "italic" => style.add_modifier(Modifier::ITALIC),
            "underlined" => style.add_modifier(Modifier::UNDERLINED),
            "reversed" => style.add_modifier(Modifier::REVERSED),
            "default" => style.fg(Color::Reset),
            colour => style.fg(Color::from_str(colour).ok()?),
        };
    }
    (!text.trim().is_empty()).then_some(style)
}

fn adapted(style: Style, depth: Depth) -> Style {
    let Some(colour) = style.fg else { return style };
    let fitting = match (depth, colour) {
        (Depth::Many, Color::Rgb(r, g, b)) => Color::Indexed(in_cube([r, g, b])),
        (Depth::Sixteen, Color::Indexed(n @ 16..)) => in_sixteen(rgb_of(n)),
        (Depth::Sixteen, Color::Rgb(r, g, b)) => in_sixteen([r, g, b]),
        (_, colour) => colour,
    };
    style.fg(fitting)
}

const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Returns the nearest colour of the cube of 256 colours.
fn in_cube(rgb: [u8; 3]) -> u8 {
    let step = |value: u8| (0..6_u8).min_by_key(|i| STEPS[usize::from(*i)].abs_diff(value)).unwrap_or(0);
    16 + 36 * step(rgb[0]) + 6 * step(rgb[1]) + step(rgb[2])
}

/// Returns the usual RGB values of one of the 240 colours above the sixteen.
pub(in crate::ui) fn rgb_of(index: u8) -> [u8; 3] {
    if index >= 232 {
        return [8 + 10 * (index - 232); 3];
    }
    let n = usize::from(index.saturating_sub(16));
    [STEPS[n / 36], STEPS[n / 6 % 6], STEPS[n % 6]]
}

/// Returns the nearest of the terminal's own colours. A grey becomes the colour of text: no grey of the sixteen is
/// readable in every palette.
fn in_sixteen(rgb: [u8; 3]) -> Color {
    let (low, high) = (rgb.iter().min().copied().unwrap_or(0), rgb.iter().max().copied().unwrap_or(0));
    if high - low < 48 {
        return Color::Reset;
    }
    let middle = low + (high - low) / 2;
    match rgb.map(|value| value > middle) {
        [true, false, false] => Color::LightRed,
        [false, true, false] => Color::Green,
        [false, false, true] => Color::LightBlue,
        [true, true, false] => Color::Yellow,
        [true, false, true] => Color::Magenta,
        [false, true, true] => Color::Cyan,
        _ => Color::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::super::theme::BASIC;
    use super::*;

    /// Palette of a terminal: name, text, background, the sixteen colours.
    struct Terminal {
        name: &'static str,
        text: u32,
        back: u32,
        colours: [u32; 16],
        depth: Depth,
    }

    #[expect(clippy::unreadable_literal, reason = "colours in hexadecimal")]
    #[rustfmt::skip]
    const TERMINALS: [Terminal; 6] = [
        Terminal { name: "Solarized dark", text: 0x839496, back: 0x002b36, depth: Depth::Many, colours: SOLARIZED },
        Terminal { name: "Solarized light", text: 0x657b83, back: 0xfdf6e3, depth: Depth::Many, colours: SOLARIZED },
        Terminal { name: "Gruvbox", text: 0xebdbb2, back: 0x282828, depth: Depth::Many, colours: [
            0x282828, 0xcc241d, 0x98971a, 0xd79921, 0x458588, 0xb16286, 0x689d6a, 0xa89984,
            0x928374, 0xfb4934, 0xb8bb26, 0xfabd2f, 0x83a598, 0xd3869b, 0x8ec07c, 0xebdbb2] },
        Terminal { name: "GNOME", text: 0xffffff, back: 0x1e1e1e, depth: Depth::True, colours: [
            0x171421, 0xc01c28, 0x26a269, 0xa2734c, 0x12488b, 0xa347ba, 0x2aa1b3, 0xd0cfcc,
            0x5e5c64, 0xf66151, 0x33d17a, 0xe9ad0c, 0x2a7bde, 0xc061cb, 0x33c7de, 0xffffff] },
        Terminal { name: "xterm", text: 0x000000, back: 0xffffff, depth: Depth::Many, colours: [
            0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
            0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff] },
        Terminal { name: "Linux console", text: 0xaaaaaa, back: 0x000000, depth: Depth::Sixteen, colours: [
            0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
            0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff] },
    ];

    #[expect(clippy::unreadable_literal, reason = "colours in hexadecimal")]
    #[rustfmt::skip]
    const SOLARIZED: [u32; 16] = [
        0x073642, 0xdc322f, 0x859900, 0xb58900, 0x268bd2, 0xd33682, 0x2aa198, 0xeee8d5,
        0x002b36, 0xcb4b16, 0x586e75, 0x657b83, 0x839496, 0x6c71c4, 0x93a1a1, 0xfdf6e3];

    impl Terminal {
        fn shown(&self, colour: Color) -> u32 {
            let join = |rgb: [u8; 3]| u32::from_be_bytes([0, rgb[0], rgb[1], rgb[2]]);
            match colour {
                Color::Rgb(r, g, b) => join([r, g, b]),
                Color::Indexed(n @ 16..) => join(rgb_of(n)),
                Color::Indexed(n) => self.colours[usize::from(n)],
                Color::Reset => self.text,
                named => {
                    BASIC.iter().position(|colour| *colour == named).map_or(self.text, |at| self.colours[at])
                }
            }
        }
    }

    /// Returns the contrast ratio of WCAG 2.2, from 1 to 21.
    fn contrast(a: u32, b: u32) -> f64 {
        let luminance = |colour: u32| {
            let part = |shift: u32| {
                let value = f64::from((colour >> shift) & 255) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn faint_text_is_readable_in_six_palettes() {
        for (name, _) in THEMES {
            for terminal in &TERMINALS {
                let faint = Palette::named(name).unwrap().adapted(terminal.depth).faint;
                assert!(*name == "no-colour" || !faint.add_modifier.contains(Modifier::DIM), "{name}");
                let ratio = contrast(terminal.shown(faint.fg.unwrap_or(Color::Reset)), terminal.back);
                assert!(ratio >= 3.0, "{name} in {}: {ratio:.2}", terminal.name);
            }
        }
        // What it replaces: bright black is the background of Solarized.
        assert!(contrast(TERMINALS[0].shown(Color::DarkGray), TERMINALS[0].back) < 1.1);
    }

    #[test]
    fn every_role_of_a_dark_theme_is_readable_on_dark_and_of_the_light_one_on_light() {
        for (name, on) in [("dark", [0, 2, 3, 5]), ("high-contrast", [0, 2, 3, 5]), ("light", [1, 4, 4, 4])] {
            for terminal in on.map(|at| &TERMINALS[at]) {
                for (role, style) in Palette::named(name).unwrap().adapted(terminal.depth).all() {
                    let ratio = contrast(terminal.shown(style.fg.unwrap_or(Color::Reset)), terminal.back);
                    assert!(ratio >= 2.4, "{name}, {role} in {}: {ratio:.2}", terminal.name);
                }
            }
        }
    }

    #[test]
    fn every_built_in_theme_sets_every_role() {
        for (name, text) in THEMES {
            Palette::read(text).unwrap_or_else(|why| panic!("{name}: {why:?}"));
            for key in Palette::KEYS {
                assert!(text.contains(&format!("\n{key} = ")), "{name} does not set {key}");
            }
        }
    }

    #[test]
    fn a_theme_may_set_some_roles_of_another_and_errors_name_the_nearest() {
        let mine = Palette::read("base = \"light\"\nbad = \"#ff0000 bold\"").unwrap();
        assert_eq!(mine.good, Palette::built_in("light").good);
        assert_eq!(mine.bad, Style::new().fg(Color::Rgb(255, 0, 0)).add_modifier(Modifier::BOLD));
        for (text, what, help) in [
            ("acent = \"cyan\"", "unknown role 'acent'", "did you mean `accent`?"),
            ("bad = \"rot\"", "invalid style 'rot' of `bad`", "a style is a colour"),
            ("bad = 7", "invalid style '' of `bad`", "a style is a colour"),
            ("base = \"drak\"", "unknown theme 'drak'", "did you mean `dark`?"),
        ] {
            let (said, advice) = Palette::read(text).unwrap_err();
            assert!(said.contains(what) && advice.contains(help), "{text}: {said}; {advice}");
        }
    }

    #[test]
    fn colours_are_fitted_to_what_the_terminal_shows() {
        let fitted = |colour, depth| adapted(Style::new().fg(colour), depth).fg;
        assert_eq!(fitted(Color::Indexed(244), Depth::Sixteen), Some(Color::Reset));
        assert_eq!(fitted(Color::Rgb(230, 159, 0), Depth::Sixteen), Some(Color::Yellow));
        assert_eq!(fitted(Color::Rgb(0, 158, 115), Depth::Many), Some(Color::Indexed(35)));
        assert_eq!(fitted(Color::Rgb(1, 2, 3), Depth::True), Some(Color::Rgb(1, 2, 3)));
        assert_eq!(fitted(Color::Cyan, Depth::Sixteen), Some(Color::Cyan));
    }
}
