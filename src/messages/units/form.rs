//! The form of amounts: binary or decimal units, as symbols or as words.
//!
//! It is one value for the whole process, set once at start. Amounts are formatted in more than fifty places of ten rooms,
//! and no place has a reason to differ from the others, so a parameter would only be passed on everywhere.

use std::cell::Cell;
use std::sync::OnceLock;

/// The form of amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// Whether sizes are in kB and MB (powers of 1000) instead of KiB and MiB (powers of 1024).
    pub decimal: bool,
    /// Whether units are written as words, for a screen reader: `7.91 mebibytes per second`.
    pub spoken: bool,
}

static FORM: OnceLock<Form> = OnceLock::new();

thread_local! {
    /// Form of this thread while [`with`] runs.
    static HERE: Cell<Option<Form>> = const { Cell::new(None) };
}

/// Sets the form of this process. Only the first call has an effect.
pub(crate) fn use_form(form: Form) {
    let _ = FORM.set(form);
}

/// Calls `format` with this form instead of the process's, on this thread only. Files use it, whose readers did not choose
/// the form.
pub(crate) fn with<T>(form: Form, format: impl FnOnce() -> T) -> T {
    let before = HERE.replace(Some(form));
    let result = format();
    HERE.set(before);
    result
}

/// Returns the present form.
pub(super) fn form() -> Form {
    HERE.get().or_else(|| FORM.get().copied()).unwrap_or_default()
}

/// Units, and what they are called.
const WORDS: [(&str, &str); 18] = [
    ("B", "byte"),
    ("KiB", "kibibyte"),
    ("MiB", "mebibyte"),
    ("GiB", "gibibyte"),
    ("TiB", "tebibyte"),
    ("PiB", "pebibyte"),
    ("EiB", "exbibyte"),
    ("kB", "kilobyte"),
    ("MB", "megabyte"),
    ("GB", "gigabyte"),
    ("TB", "terabyte"),
    ("PB", "petabyte"),
    ("EB", "exabyte"),
    ("Mbit", "megabit"),
    ("ms", "millisecond"),
    ("s", "second"),
    ("min", "minute"),
    ("h", "hour"),
];

/// Returns an amount that was formatted with symbols in the present form.
pub(super) fn finish(amount: String) -> String {
    if form().spoken { spoken(&amount) } else { amount }
}

/// Replaces the symbols of an amount by words: `< 1 ms` becomes `less than 1 millisecond`.
fn spoken(amount: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in amount.split(' ') {
        let is_one = words.last().is_some_and(|number| number == "1");
        let unit = |symbol: &str| {
            let (_, unit) = WORDS.iter().find(|(of, _)| *of == symbol)?;
            Some(if is_one { (*unit).to_owned() } else { format!("{unit}s") })
        };
        words.push(match word {
            "—" => "unknown".to_owned(),
            "<" => "less than".to_owned(),
            "%" => "percent".to_owned(),
            _ => {
                let times = word.strip_prefix('×').map(|factor| format!("{factor} times"));
                let rate = || word.strip_suffix("/s").and_then(unit).map(|unit| format!("{unit} per second"));
                times.or_else(|| unit(word)).or_else(rate).unwrap_or_else(|| word.to_owned())
            }
        });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_become_words() {
        for (symbols, words) in [
            ("7.91 MiB", "7.91 mebibytes"),
            ("1 B", "1 byte"),
            ("0 B", "0 bytes"),
            ("412 MB/s", "412 megabytes per second"),
            ("< 0.1 ms", "less than 0.1 milliseconds"),
            ("5 min 1 s", "5 minutes 1 second"),
            ("2 h 10 min", "2 hours 10 minutes"),
            ("43 %", "43 percent"),
            ("×2.06", "2.06 times"),
            ("—", "unknown"),
            ("3 days", "3 days"),
        ] {
            assert_eq!(spoken(symbols), words);
        }
    }

    #[test]
    fn a_form_is_used_for_one_call_on_one_thread() {
        let decimal = Form { decimal: true, spoken: false };
        with(decimal, || {
            assert_eq!(form(), decimal);
            with(Form::default(), || assert_eq!(form(), Form::default()));
            assert_eq!(form(), decimal);
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(form(), Form::default()));
            });
        });
        assert_eq!(form(), Form::default());
    }
}
