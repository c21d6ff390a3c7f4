//! How the terminal UI and the text of other commands look: flags that are also the keys of `[ui]` in the configuration
//! file. And `config`.

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
    /// ASCII unless the locale is UTF-8, narrow if the terminal draws ambiguous signs wide, else Unicode
    Auto,
    /// Unicode
    Unicode,
    /// Unicode without signs that East Asian terminals draw two cells wide
    Narrow,
    /// ASCII
    Ascii,
}

/// Units of sizes and rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitSet {
    /// KiB, MiB, GiB: powers of 1024
    Binary,
    /// kB, MB, GB: powers of 1000
    Decimal,
}

/// How the screen and the text of all commands look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Options for the screen")]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
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
    /// Units of sizes in text and on the screen [default: binary] [env: UPSEAL_UNITS]
    ///
    /// Events of --json are in bytes.
    #[arg(long, value_name = "UNITS", global = true, hide_short_help = true)]
    pub units: Option<UnitSet>,
    /// Print whole sentences, one a line, without bars or symbols [default: false] [env: UPSEAL_PLAIN]
    ///
    /// For screen readers and logs. Units are written out, and the progress of long uploads is a line at each further
    /// 10 %, at most every 3 seconds and at least every minute.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        global = true,
        hide_short_help = true
    )]
    pub plain: Option<bool>,
}

impl ScreenLayer {
    /// Keys of the table `[ui]`.
    pub(crate) const KEYS: &[&str] = &["color", "theme", "glyphs", "keys", "mouse", "units", "plain"];
    /// Keys that have a variable as well.
    pub(crate) const VARIABLES: &[(&str, &str)] = &[("units", "UPSEAL_UNITS"), ("plain", "UPSEAL_PLAIN")];

    /// Fills what this layer leaves open from a weaker one.
    #[must_use]
    pub(crate) fn or(self, weaker: Self) -> Self {
        Self {
            color: self.color.or(weaker.color),
            theme: self.theme.or(weaker.theme),
            glyphs: self.glyphs.or(weaker.glyphs),
            keys: self.keys.or(weaker.keys),
            no_mouse: self.no_mouse || weaker.no_mouse,
            units: self.units.or(weaker.units),
            plain: self.plain.or(weaker.plain),
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
            "mouse" => self.no_mouse = !truth(text)?,
            "units" => self.units = Some(super::layer::choice(text)?),
            "plain" => self.plain = Some(truth(text)?),
            _ => return Err(format!("known keys: {}", Self::KEYS.join(", "))),
        }
        Ok(())
    }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "possible values: true, false".to_owned())
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
