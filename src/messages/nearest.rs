//! The nearest of some known words, for a word that is not known.

/// Similarity from which on a word is taken for a mistyped one: 1.0 is equality.
const SIMILAR: f64 = 0.75;

/// Returns the known word that is most similar to `word`; `None` if none is similar.
#[must_use]
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["send", "serve", "verify", "history", "certs"];
        for (slip, meant) in [
            ("sned", Some("send")),
            ("SEND", Some("send")),
            ("serv", Some("serve")),
            ("histroy", Some("history")),
            ("cert", Some("certs")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, known), meant, "{slip}");
        }
    }
}
