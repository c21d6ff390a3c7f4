//! Fingerprints as words that two people can compare aloud.

use data_encoding::HEXLOWER_PERMISSIVE;

/// Words of a fingerprint. Each carries 8 bits: twelve are 96 of 256 bits, out of reach of an attacker who makes keys until
/// the words agree.
pub(crate) const WORDS: usize = 12;

/// Columns of a word in [`word_rows`], with a space behind the longest, which has 11 letters.
const COLUMN: usize = 12;

/// Returns the first bytes of a fingerprint in hexadecimal as words of the PGP word list, in lower case. Words of two and of
/// three syllables alternate, so that a word that was left out or swapped is heard. Nothing if it is not hexadecimal.
#[must_use]
pub(crate) fn words(fingerprint: &str) -> Vec<String> {
    let Ok(bytes) = HEXLOWER_PERMISSIVE.decode(fingerprint.as_bytes()) else { return Vec::new() };
    let first = &bytes[..bytes.len().min(WORDS)];
    pgp_words::to_words(first).into_iter().map(str::to_lowercase).collect()
}

/// Returns the words of a fingerprint in rows of at most `columns` columns, one below the other.
#[must_use]
pub(crate) fn word_rows(fingerprint: &str, columns: usize) -> Vec<String> {
    // Four or three in a row, or two in a narrow terminal: rows of one length are easier to compare.
    let in_row = [6, 4, 3].into_iter().find(|n| n * COLUMN <= columns + 1).unwrap_or(2);
    let row = |words: &[String]| {
        let padded: Vec<String> = words.iter().map(|word| format!("{word:<COLUMN$}")).collect();
        padded.concat().trim_end().to_owned()
    };
    words(fingerprint).chunks(in_row).map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_published_list() {
        // The example of the list's authors.
        let known = words("e58294f2e9a227486e8b061b31cc528fd7fa3f19");
        assert_eq!(
            known.join(" "),
            "topmost istanbul pluto vagabond treadmill pacific brackish dictator goldfish medusa afflict bravado"
        );
    }

    #[test]
    fn every_byte_has_its_own_word_at_each_place_and_none_is_longer_than_its_column() {
        let mut all = HashSet::new();
        for byte in 0..=u8::MAX {
            let both = words(&format!("{byte:02x}{byte:02x}"));
            assert_eq!(both.len(), 2, "{byte}");
            for word in both {
                assert!(word.len() < COLUMN && word.is_ascii(), "{word}");
                assert!(all.insert(word), "{byte}");
            }
        }
    }

    #[test]
    fn words_stand_in_rows_that_fit() {
        let print = "9f2c".repeat(16);
        for (columns, rows) in [(71, 2), (70, 3), (47, 3), (46, 4), (35, 4), (24, 6)] {
            let shown = word_rows(&print, columns);
            assert_eq!(shown.len(), rows, "{columns}");
            assert!(shown.iter().all(|row| row.len() <= columns), "{shown:?}");
        }
        assert_eq!(words("no digits"), Vec::<String>::new());
        assert_eq!(words("9f2c").len(), 2);
    }
}
