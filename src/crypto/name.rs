//! Names in certificates, as text that is safe to display.

use std::fmt::Write as _;

use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::messages::misleads;

/// Maximum number of characters that are displayed.
const SHOWN: usize = 256;

/// Short names of attributes: the table of RFC 4514, and those in the assignment's certificates.
const KEYWORDS: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Formats a distinguished name as in RFC 4514, most specific part first. Characters that could control a terminal
/// become hexadecimal pairs. The result is cut after 256 characters.
pub(crate) fn distinguished(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter().collect();
    for (i, part) in parts.into_iter().rev().enumerate() {
        for (j, attribute) in part.iter().enumerate() {
            match (i, j) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                _ => text.push('+'),
            }
            push_attribute(&mut text, attribute);
        }
    }
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns the only common name of a name, unescaped: for comparisons, not for display. Returns `None` if there is
/// none, if there are several, or if it is not text.
pub(crate) fn common_name_of(name: &X509Name<'_>) -> Option<String> {
    let mut names = name.iter_common_name();
    match (names.next(), names.next()) {
        (Some(only), None) => value(only),
        _ => None,
    }
}

/// Returns whether two names have the same text, in any string types (RFC 5280, 7.1). Names that differ in case or
/// spaces are different.
pub(crate) fn same_name(one: &X509Name<'_>, other: &X509Name<'_>) -> bool {
    one.as_raw() == other.as_raw() || attributes(one).is_some_and(|texts| attributes(other) == Some(texts))
}

/// Returns the attributes of each part of a name; `None` if one is not text.
pub(crate) fn attributes<'a>(name: &'a X509Name<'_>) -> Option<Vec<Vec<(String, &'a str)>>> {
    let text = |attribute: &'a AttributeTypeAndValue<'_>| {
        Some((attribute.attr_type().to_id_string(), attribute.as_str().ok()?))
    };
    name.iter().map(|part| part.iter().map(text).collect()).collect()
}

fn push_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let keyword = KEYWORDS.iter().find(|(id, _)| *id == oid).map(|(_, keyword)| *keyword);
    text.push_str(keyword.unwrap_or(&oid));
    text.push('=');
    if let Some(value) = value(attribute).filter(|_| keyword.is_some()) {
        push_value(text, &value);
    } else {
        // As in RFC 4514, 2.4, but only the content, without tag and length.
        text.push('#');
        attribute.attr_value().data.iter().for_each(|byte| push_hex(text, *byte));
    }
}

fn value(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let data = attribute.attr_value().data;
    if attribute.attr_value().tag() == Tag::BmpString {
        let units = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units).collect::<Result<_, _>>().ok();
    }
    attribute.as_str().map(str::to_owned).ok()
}

/// Appends a value, escaped as in RFC 4514, 2.4, so that its end is visible.
fn push_value(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (i, c) in value.chars().enumerate() {
        if matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (i == 0 && matches!(c, ' ' | '#'))
            || (i == last && c == ' ')
        {
            text.push('\\');
            text.push(c);
        } else {
            push_safe(text, c);
        }
    }
}

fn push_safe(text: &mut String, c: char) {
    if misleads(c) {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            text.push('\\');
            push_hex(text, byte);
        }
    } else {
        text.push(c);
    }
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{byte:02X}");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn text_that_acts_on_a_terminal_is_shown_as_hexadecimal() {
        let escape = |value: &str| {
            let mut text = String::new();
            value.chars().for_each(|c| push_safe(&mut text, c));
            text
        };
        assert_eq!(escape("a\u{1b}[2Jb"), "a\\1B[2Jb");
        assert_eq!(escape("\u{7}\r\n\u{7f}\u{9b}"), "\\07\\0D\\0A\\7F\\C2\\9B");
        assert_eq!(escape("\u{202e}fdp.exe\u{2066}"), "\\E2\\80\\AEfdp.exe\\E2\\81\\A6");
        assert_eq!(escape("Zürich, 日本"), "Zürich, 日本");
    }

    #[test]
    fn a_value_shows_where_it_ends() {
        let mut text = String::new();
        push_value(&mut text, " a,b+c\\d\"e ");
        assert_eq!(text, "\\ a\\,b\\+c\\\\d\\\"e\\ ");
        let mut text = String::new();
        push_value(&mut text, "#1");
        assert_eq!(text, "\\#1");
    }

    #[test]
    fn a_common_name_is_the_only_one_and_as_it_is() {
        use x509_cert::der::Encode as _;
        use x509_parser::prelude::FromDer as _;
        for (name, only) in [
            ("CN=Group 7,O=x", Some("Group 7")),
            (r"O=x,CN=a\,b\1b\ ", Some("a,b\u{1b} ")),
            ("O=Group 7", None),
            ("CN=Group 7,O=x,CN=other", None),
            ("CN=Group 7+CN=other", None),
            ("CN=Group 7,CN=Group 7", None),
        ] {
            let der = name.parse::<x509_cert::name::Name>().unwrap().to_der().unwrap();
            let (_, name) = X509Name::from_der(&der).unwrap();
            assert_eq!(common_name_of(&name).as_deref(), only);
        }
    }
}
