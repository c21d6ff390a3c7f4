//! Checks the table, and writes it to `docs/certificates.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::make::AUTHORITY;
use super::{Case, Given, NOW, cases};
use crate::trust::{Anchor, Certificate, TrustError, validity};

const DAY: i64 = 24 * 3600;

impl Case {
    /// Returns the actual verdict and sentences.
    fn run(&self) -> (String, Vec<String>) {
        let outcome = match &self.given {
            Given::Ca => Anchor::from_pem(&self.made.file).map(|anchor| {
                let ca = anchor.certificate().parsed().unwrap();
                vec![super::super::distinguished(ca.subject())]
            }),
            Given::Server { ca } => self.check(&ca.file, self.now),
            Given::Ours => {
                let certificate = Certificate::from_pem(&self.made.file).unwrap();
                let (_, end) = validity(&certificate.parsed().unwrap());
                self.check(AUTHORITY.certificate_pem().as_bytes(), end - 10 * DAY)
            }
        };
        match outcome {
            Ok(words) => ("accepted".into(), words),
            Err(error) => {
                let debug = format!("{error:?}");
                let end = debug.find(|c: char| !c.is_alphanumeric()).unwrap_or(debug.len());
                (debug[..end].into(), vec![error.to_string()])
            }
        }
    }

    fn check(&self, ca: &[u8], now: i64) -> Result<Vec<String>, TrustError> {
        let (_, proof) = Anchor::from_pem(ca).unwrap().check(&self.made.file, now)?;
        let who = format!(
            "{}, signed by {}: RSA {} bits, {} days left",
            proof.subject, proof.issuer, proof.bits, proof.days_left
        );
        Ok([vec![who], proof.warnings.into_iter().map(String::from).collect()].concat())
    }
}

#[test]
fn every_case_gets_its_verdict_and_its_words() {
    let mut wrong = String::new();
    for case in cases() {
        let (verdict, words) = case.run();
        if verdict != case.verdict || words != case.words {
            let expected = (case.verdict, &case.words);
            write!(wrong, "\n{}\n  is        {:?}\n  should be {expected:?}", case.name, (verdict, words))
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn there_are_forty_cases_and_more_of_different_names() {
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    let by_openssl = cases.iter().filter(|case| case.made.how.starts_with("openssl:")).count();
    assert!(by_openssl >= 40, "{by_openssl}");
}

#[test]
fn no_sentence_controls_the_terminal() {
    for case in cases() {
        for sentence in case.run().1 {
            assert!(
                sentence.chars().all(|c| !c.is_control() && !crate::messages::misleads(c)),
                "{}: {sentence:?}",
                case.name
            );
        }
    }
}

/// Compares the document with the table; with `UPDATE_DOCS=1`, writes it.
#[test]
fn the_page_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/certificates.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|set| set == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(written, now)| written != now);
    assert!(written == page, "run UPDATE_DOCS=1 cargo test --lib trust; first difference: {differs:#?}");
}

fn page() -> String {
    let cases = cases();
    let mut page = format!(
        "# Certificates and their verdicts\n\
         \n\
         {} cases, generated from `src/trust/cases`, whose tests check every verdict and sentence.\n\
         `UPDATE_DOCS=1 cargo test --lib trust` writes this page. Unless \"How it is made\" says otherwise, the\n\
         client's CA is `trust/ca.crt` and the time is 2026-01-01 00:00 UTC. Files are in `tests/fixtures`. Of an\n\
         accepted certificate the user sees the description, then the warnings.\n\
         \n\
         | Case | How it is made | Verdict | What the user sees |\n\
         | --- | --- | --- | --- |\n",
        cases.len()
    );
    for case in cases {
        let mut how = case.made.how;
        match case.given {
            Given::Server { ca } if ca.how != "openssl: trust/ca.crt" => {
                let ca = ca.how.trim_start_matches("openssl: ");
                write!(how, "; the CA is {ca}").unwrap();
            }
            Given::Server { .. } => {}
            Given::Ours => how.push_str("; ten days before its end"),
            Given::Ca => how.push_str("; given as `--ca`"),
        }
        if case.now != NOW {
            let now = jiff::Timestamp::from_second(case.now).unwrap();
            write!(how, "; at {}", now.strftime("%Y-%m-%d %H:%M:%S")).unwrap();
        }
        let words: Vec<_> = case.words.iter().map(|word| format!("`{}`", word.replace('|', "\\|"))).collect();
        let verdict = case.verdict;
        writeln!(page, "| {} | {how} | {verdict} | {} |", case.name, words.join("<br>")).unwrap();
    }
    page
}
