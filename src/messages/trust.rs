//! Sentences about who a server is: its proof, what is known of its key, and a key that changed.

use super::{Escaped, Message, escape, units, word_rows};
use crate::event::{KeyChange, Proof, ServerAddress, Standing, Target};

/// Returns the day of an RFC 3339 date: `2026-11-01`.
#[must_use]
pub(crate) fn day(since: Option<&str>) -> &str {
    since.map_or("an unknown date", |since| since.get(..10).unwrap_or(since))
}

/// Formats a fingerprint in hex as `--pin` takes it: `sha256:9f2c…`.
#[must_use]
pub(crate) fn fingerprint(hex: &str) -> String {
    format!("sha256:{}", escape(hex))
}

/// Describes a certificate in full: `CN=server, signed by CN=CA: RSA 2048 bits, 364 days left, sha256 9f2c…`.
#[must_use]
pub(crate) fn introduction(proof: &Proof) -> String {
    let by = if proof.certified { "signed by" } else { "unchecked, it names the CA" };
    format!(
        "{}, {by} {}: RSA {} bits, {}, sha256 {}",
        proof.subject,
        proof.issuer,
        proof.bits,
        left(proof.days_left),
        escape(&proof.fingerprint)
    )
}

/// Describes a certificate in short: `CN=server, 2048-bit, 364 days left`.
#[must_use]
pub(crate) fn identity(proof: &Proof) -> String {
    format!("{}, {}-bit, {}", proof.subject, proof.bits, left(proof.days_left))
}

/// Says how long a certificate is valid: `364 days left`. A pinned one may have expired.
#[must_use]
pub(crate) fn left(days: i64) -> String {
    if days < 0 { format!("expired {} days ago", days.unsigned_abs()) } else { format!("{days} days left") }
}

/// Says that a server proved its identity. `who` is an [`introduction`] or an [`identity`].
#[must_use]
pub(crate) fn proven(address: &ServerAddress, who: &str, standing: &Standing) -> String {
    let known = match standing {
        Standing::Known { since } => format!(", known since {}", day(since.as_deref())),
        Standing::Pinned { .. } => ", as pinned".to_owned(),
        Standing::Own | Standing::First { .. } => String::new(),
    };
    format!("{address} proved to be {who}{known}")
}

/// Says what is new about a server's key: it was never seen before, or a pin replaced the known key. `None` if neither
/// is the case.
#[must_use]
pub(crate) fn news(address: &ServerAddress, proof: &Proof, standing: &Standing) -> Option<Message> {
    match standing {
        Standing::First { remembered, other_ca, asked } => {
            let under = if *other_ca { " under this CA, known under another" } else { "" };
            let how = match (asked, remembered) {
                (true, true) => "accepted and remembered",
                (true, false) => "accepted, not remembered",
                (false, true) => "accepted unseen and remembered",
                (false, false) => "accepted unseen, not remembered",
            };
            let help = "Compare the fingerprint with the one that the operator gives you.";
            Some(Message {
                what: format!("{address}: first seen{under}; key {how}: {}", fingerprint(&proof.fingerprint)),
                help: if *asked { String::new() } else { help.to_owned() },
            })
        }
        Standing::Pinned { replaced: Some(old) } => Some(Message {
            what: format!("{address}: the pin replaces the known key {}", fingerprint(old)),
            help: String::new(),
        }),
        Standing::Own | Standing::Known { .. } | Standing::Pinned { replaced: None } => None,
    }
}

/// A server that was never met, in the pieces that front ends arrange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newcomer<'a> {
    /// The server's address.
    pub address: &'a ServerAddress,
    /// The identity that it proved.
    pub proof: &'a Proof,
    /// Whether the address is known under another CA.
    pub other_ca: bool,
}

impl Newcomer<'_> {
    /// Says what is new: `lab:4321 was never met. Nothing was sent yet.`
    #[must_use]
    pub(crate) fn headline(&self) -> String {
        let under = if self.other_ca { " under this CA, but under another" } else { "" };
        format!("{} was never met{under}. Nothing was sent yet.", self.address)
    }

    /// Returns the facts about its certificate, with their labels.
    #[must_use]
    pub(crate) fn facts(&self) -> [(&'static str, String); 3] {
        let proof = self.proof;
        let by = if proof.certified { "signed by" } else { "names CA" };
        [
            ("subject", proof.subject.to_string()),
            (by, proof.issuer.to_string()),
            ("key", format!("RSA {} bits, {}", proof.bits, left(proof.days_left))),
        ]
    }

    /// Returns the lines for a terminal of this width.
    #[must_use]
    pub(crate) fn lines(&self, columns: usize) -> Vec<String> {
        const LABEL: usize = 12;
        let fact = |label: &str, value: &str| format!("  {label:<10}{value}");
        let words = word_rows(&self.proof.fingerprint, columns.saturating_sub(LABEL));
        let words = words.iter().enumerate().map(|(at, row)| fact(if at == 0 { "words" } else { "" }, row));
        let facts = self.facts();
        [self.headline()]
            .into_iter()
            .chain(facts.iter().map(|(label, value)| fact(label, value)))
            .chain(self.proof.warnings.iter().map(|warning| fact("note", warning.as_str())))
            .chain(words)
            .chain([fact("sha256", escape(&self.proof.fingerprint).as_str()), COMPARE.to_owned()])
            .collect()
    }
}

/// The advice about a server that was never met.
pub(crate) const COMPARE: &str =
    "Compare the words with those that the server shows, for example on the phone (96 of 256 bits).";

/// Returns the question about a server that was never met.
pub(crate) const SEND_THERE: &str = "Send to this server? Enter: yes, n: no ";

/// Says that nothing was sent to a server whose key was not accepted.
#[must_use]
pub(crate) fn unaccepted(address: &ServerAddress, waiting: usize) -> Message {
    let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
    let verb = if waiting == 1 { "waits" } else { "wait" };
    Message {
        what: format!(
            "the key of {address} was not accepted; nothing was sent, {} {verb}",
            units::count(waiting, "file")
        ),
        help: String::new(),
    }
}

/// Says that the receipts of a server known by its pin alone cannot be checked.
#[must_use]
pub(crate) fn receipts_unchecked(target: &Target) -> String {
    let who = match target {
        Target::Server { address, .. } => address.to_string(),
        Target::Embedded => "the server".to_owned(),
    };
    format!(
        "{who} signs receipts with a key of its own, which a pin does not name: \"delivered\" is not proved; --ca and the \
         file of its CA give proof"
    )
}

/// A changed key, in the pieces that front ends arrange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The server's address.
    pub address: ServerAddress,
    /// The day since when the old key is known.
    pub since: String,
    /// Fingerprint of the known key.
    pub known: String,
    /// Fingerprint of the key that the server has now.
    pub offered: String,
    /// Subject of the certificate with the new key.
    pub subject: Escaped,
}

impl Changed {
    /// Escapes the texts of a key change.
    #[must_use]
    pub(crate) fn of(change: &KeyChange) -> Self {
        Self {
            address: change.address.clone(),
            since: day(change.since.as_deref()).to_owned(),
            known: fingerprint(&change.known),
            offered: fingerprint(&change.offered),
            subject: change.subject.clone(),
        }
    }

    /// Says what happened: `lab:4321 has another key than before`.
    #[must_use]
    pub(crate) fn headline(&self) -> String {
        format!("{} has another key than before", self.address)
    }

    /// Says what happened, with both fingerprints.
    #[must_use]
    pub(crate) fn sentence(&self) -> String {
        format!(
            "{}: the known key, since {}, is {}; the new key is {}, for {}; nothing was sent",
            self.headline(),
            self.since,
            self.known,
            self.offered,
            self.subject
        )
    }

    /// Returns the command that accepts the new key.
    #[must_use]
    pub(crate) fn accept(&self) -> String {
        format!("upseal known accept {}", self.address)
    }

    /// Says what to do about it, in one sentence.
    #[must_use]
    pub(crate) fn advice(&self) -> String {
        format!(
            "ask the server's operator whether the key was replaced; if it was: {}; if not, another machine answers at \
             this address",
            self.accept()
        )
    }

    /// Returns the lines of an alarm that cannot be overlooked.
    #[must_use]
    pub(crate) fn alarm(&self) -> Vec<String> {
        vec![
            format!("{} HAS ANOTHER KEY THAN BEFORE. NOTHING WAS SENT.", self.address),
            format!("known since {}:", self.since),
            format!("    {}", self.known),
            format!("now, signed by the same CA for {}:", self.subject),
            format!("    {}", self.offered),
            ASK.to_owned(),
            format!("Only if it was:  {}", self.accept()),
            "If it was not, another machine answers at this address.".to_owned(),
        ]
    }
}

/// The advice about a changed key.
pub(crate) const ASK: &str = "Ask the server's operator, over another channel, whether the key was replaced.";

/// Says that a file waited for a server whose key changed.
#[must_use]
pub(crate) fn not_sent(name: &Escaped) -> String {
    format!("{name}: not sent, because the server's key changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            subject: "CN=lab".into(),
            issuer: "CN=CA".into(),
            bits: 2048,
            certified: true,
            days_left: 364,
            fingerprint: "9f2c".to_owned(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_proof_is_introduced_in_full_and_in_short() {
        let proof = proof();
        assert_eq!(
            introduction(&proof),
            "CN=lab, signed by CN=CA: RSA 2048 bits, 364 days left, sha256 9f2c"
        );
        assert_eq!(identity(&proof), "CN=lab, 2048-bit, 364 days left");
    }

    #[test]
    fn each_standing_has_its_sentences() {
        let lab = "lab:4321".parse().unwrap();
        let since = Some("2026-11-01T10:00:00Z".to_owned());
        let first = |remembered, other_ca, asked| Standing::First { remembered, other_ca, asked };
        for (standing, proved, new) in [
            (Standing::Own, "lab:4321 proved to be CN=lab", None),
            (Standing::Known { since }, "lab:4321 proved to be CN=lab, known since 2026-11-01", None),
            (
                Standing::Known { since: None },
                "lab:4321 proved to be CN=lab, known since an unknown date",
                None,
            ),
            (Standing::Pinned { replaced: None }, "lab:4321 proved to be CN=lab, as pinned", None),
            (
                Standing::Pinned { replaced: Some("41d0".to_owned()) },
                "lab:4321 proved to be CN=lab, as pinned",
                Some("lab:4321: the pin replaces the known key sha256:41d0"),
            ),
            (
                first(true, false, false),
                "lab:4321 proved to be CN=lab",
                Some("lab:4321: first seen; key accepted unseen and remembered: sha256:9f2c"),
            ),
            (
                first(false, true, false),
                "lab:4321 proved to be CN=lab",
                Some(
                    "lab:4321: first seen under this CA, known under another; key accepted unseen, not remembered: \
                     sha256:9f2c",
                ),
            ),
            (
                first(true, false, true),
                "lab:4321 proved to be CN=lab",
                Some("lab:4321: first seen; key accepted and remembered: sha256:9f2c"),
            ),
        ] {
            assert_eq!(proven(&lab, "CN=lab", &standing), proved);
            let news = news(&lab, &proof(), &standing);
            assert_eq!(news.map(|message| message.what).as_deref(), new);
        }
    }

    #[test]
    fn a_newcomer_is_introduced_by_its_certificate_its_words_and_its_digits() {
        let proof = Proof { fingerprint: "9f2c".repeat(16), warnings: vec!["weak".into()], ..proof() };
        let address = "lab:4321".parse().unwrap();
        let newcomer = Newcomer { address: &address, proof: &proof, other_ca: false };
        assert_eq!(
            newcomer.lines(80),
            [
                "lab:4321 was never met. Nothing was sent yet.",
                "  subject   CN=lab",
                "  signed by CN=CA",
                "  key       RSA 2048 bits, 364 days left",
                "  note      weak",
                "  words     quota       chicago     quota       chicago",
                "            quota       chicago     quota       chicago",
                "            quota       chicago     quota       chicago",
                &format!("  sha256    {}", "9f2c".repeat(16)),
                COMPARE,
            ]
        );
    }

    #[test]
    fn a_changed_key_names_both_keys_and_the_command() {
        let changed = Changed::of(&KeyChange {
            address: "lab:4321".parse().unwrap(),
            ca: String::new(),
            known: "9f2c".to_owned(),
            since: Some("2026-11-01T10:00:00Z".to_owned()),
            offered: "41d0".to_owned(),
            subject: "CN=\u{202e}lab".into(),
        });
        assert_eq!(
            changed.sentence(),
            "lab:4321 has another key than before: the known key, since 2026-11-01, is sha256:9f2c; the new key is sha256:41d0, for \
             CN=\\u{202e}lab; nothing was sent"
        );
        assert_eq!(
            changed.advice(),
            "ask the server's operator whether the key was replaced; if it was: upseal known accept lab:4321; if not, \
             another machine answers at this address"
        );
        assert_eq!(
            changed.alarm(),
            [
                "lab:4321 HAS ANOTHER KEY THAN BEFORE. NOTHING WAS SENT.",
                "known since 2026-11-01:",
                "    sha256:9f2c",
                "now, signed by the same CA for CN=\\u{202e}lab:",
                "    sha256:41d0",
                "Ask the server's operator, over another channel, whether the key was replaced.",
                "Only if it was:  upseal known accept lab:4321",
                "If it was not, another machine answers at this address.",
            ]
        );
        assert_eq!(not_sent(&escape("a.txt")), "a.txt: not sent, because the server's key changed");
    }
}
