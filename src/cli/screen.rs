//! How the terminal UI looks: flags that are also the keys of `[ui]` in the configuration file. And `config`.

use clap::{Args, Subcommand, ValueEnum};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// Unless `NO_COLOR` is set or CLICOLOR is 0
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Glyphs of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GlyphSet {
    /// Unicode if the locale is UTF-8 and it is not the Linux console
    Auto,
    /// Unicode
    Unicode,
    /// ASCII
    Ascii,
}

/// How the screen looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Options for the screen")]
pub(crate) struct ScreenLayer {
    /// When to use colours [default: auto]
    ///
    /// With auto, `NO_COLOR` and `CLICOLOR=0` turn them off, and `CLICOLOR_FORCE=1` on.
    #[arg(long, value_name = "WHEN", hide_short_help = true)]
    pub color: Option<Colour>,
    /// Theme, by its name or file [default: dark]
    ///
    /// dark, light, high-contrast, colour-blind, no-colour, or a path that ends in .toml.
    #[arg(long, value_name = "NAME|FILE", hide_short_help = true)]
    pub theme: Option<String>,
    /// Glyphs [default: auto]
    #[arg(long, value_name = "SET", hide_short_help = true)]
    pub glyphs: Option<GlyphSet>,
    /// Keys: default, vim or termscp [default: default]
    ///
    /// The tables [keys.CONTEXT] of the configuration file change single keys.
    #[arg(long, value_name = "PRESET", hide_short_help = true)]
    pub keys: Option<String>,
    /// Leave the mouse to the terminal, which selects text
    #[arg(long, hide_short_help = true)]
    pub no_mouse: bool,
}

impl ScreenLayer {
    /// Keys of the table `[ui]`.
    pub(crate) const KEYS: &[&str] = &["color", "theme", "glyphs", "keys", "mouse"];

    /// Fills what this layer leaves open from a weaker one.
    #[must_use]
    pub(crate) fn or(self, weaker: Self) -> Self {
        Self {
            color: self.color.or(weaker.color),
            theme: self.theme.or(weaker.theme),
            glyphs: self.glyphs.or(weaker.glyphs),
            keys: self.keys.or(weaker.keys),
            no_mouse: self.no_mouse || weaker.no_mouse,
        }
    }

    /// Sets a key of the table `[ui]`.
    ///
    /// # Errors
    /// A description of the values that the key can have.
    pub(crate) fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "color" => self.color = Some(super::layer::choice(text)?),
            "glyphs" => self.glyphs = Some(super::layer::choice(text)?),
            "theme" => self.theme = Some(text.to_owned()),
            "keys" => self.keys = Some(text.to_owned()),
            "mouse" => {
                self.no_mouse = match text {
                    "true" => false,
                    "false" => true,
                    _ => return Err("possible values: true, false".to_owned()),
                }
            }
            _ => return Err(format!("known keys: {}", Self::KEYS.join(", "))),
        }
        Ok(())
    }
}

/// The subcommands of `upseal config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a configuration file with all keys as comments
    #[command(after_long_help = super::examples::CONFIG_INIT)]
    Init,
    /// Print the path of the configuration file
    #[command(after_long_help = super::examples::CONFIG_PATH)]
    Path,
}
