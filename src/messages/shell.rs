//! Words for a shell.

/// Quotes a word so that a POSIX shell takes it unchanged; a word that needs no quotes stays as it is.
#[must_use]
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_or_change_it() {
        for (word, quoted) in [
            ("certs/cacsertificate.crt", "certs/cacsertificate.crt"),
            ("127.0.0.1:4321", "127.0.0.1:4321"),
            ("[::1]:4321", "'[::1]:4321'"),
            ("my certs/ca.crt", "'my certs/ca.crt'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("~/ca", "'~/ca'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }
}
