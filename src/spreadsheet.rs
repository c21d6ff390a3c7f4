//! Records of CSV (RFC 4180) that spreadsheet programs show as they are.

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};
use serde_json::Value;

/// First characters of a cell that a spreadsheet program would compute.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Returns a serialised value as the text of a cell. A text that looks like a formula gets an apostrophe in front;
/// null is empty.
#[must_use]
pub(crate) fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "".into(),
        Value::String(text) if text.starts_with(FORMULA) => format!("'{text}").into(),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

/// Returns one record with its line end (CR LF). Cells that contain a comma, a quotation mark or a line end are quoted.
#[must_use]
pub(crate) fn record<C: AsRef<[u8]>>(cells: impl IntoIterator<Item = C>) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    // Writing to a vector cannot fail, and cells of UTF-8 make a record of UTF-8.
    let _ = writer.write_record(cells);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        record([&*cell(&Value::from(text)), "end"])
    }

    #[test]
    fn odd_texts_are_quoted() {
        for (text, expected) in [
            ("plain name.txt", "plain name.txt"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("\"", "\"\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("größe", "größe"),
            (" spaces ", " spaces "),
            ("a;b#c'd", "a;b#c'd"),
            ("", ""),
        ] {
            assert_eq!(written(text), format!("{expected},end\r\n"));
        }
    }

    #[test]
    fn formulas_are_shown_and_not_computed() {
        for (text, expected) in [
            ("=1+2", "'=1+2"),
            ("-5", "'-5"),
            ("+a,b", "\"'+a,b\""),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠1", "'＠1"),
            ("a=1", "a=1"),
        ] {
            assert_eq!(written(text), format!("{expected},end\r\n"));
        }
    }

    #[test]
    fn numbers_are_numbers_and_null_is_empty() {
        let values = [Value::Null, Value::from(-5), Value::from(0.25), Value::Bool(true)];
        assert_eq!(record(values.each_ref().map(|value| cell(value).into_owned())), ",-5,0.25,true\r\n");
    }
}
