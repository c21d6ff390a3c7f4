//! Refusals: every output has the reason, and what would be refused again is not sent again.

use rustix::process::Signal;

use super::common::fixtures;
use super::{Home, ca_argument, events, words};

#[test]
fn every_output_has_the_reason_of_a_certain_refusal_and_it_is_not_retried() {
    let cases = [
        ("--max-file 3", "the file is larger than it accepts (3 B at most)", "raise --max-file"),
        ("--accept cp1", "it does not accept this protocol variant", "use --protocol cp1"),
        ("--existing refuse", "it has another file of this name", "rename the file"),
    ];
    for (option, reason, advice) in cases {
        let home = Home::new();
        let certs = fixtures("identity-v1");
        let line = format!("serve --json --bind 127.0.0.1:0 --certs {{certs}} {option}");
        std::fs::create_dir(home.path("recv_files")).unwrap();
        std::fs::write(home.path("recv_files/a.txt"), "another").unwrap();
        std::fs::write(home.path("a.txt"), "hello").unwrap();
        let mut server = home.start(words(&line, &[("certs", certs.to_str().unwrap())]));
        let address = server.address();
        let ca = ca_argument();
        let send = |more: &str| {
            let line = format!("send -p cp2 --retries 3 --to {{to}} --ca {{ca}} {more} a.txt");
            home.start(words(&line, &[("to", &address), ("ca", &ca)])).finish()
        };
        let why = format!("the server refused: {reason}");

        let outcome = send("");
        assert_eq!(outcome.code, Some(6), "{outcome:?}");
        assert!(
            outcome.err.contains(&format!("a.txt: {why}")) && outcome.err.contains(advice),
            "{outcome:?}"
        );
        assert!(!outcome.err.contains("retrying"), "{outcome:?}");

        let outcome = send("--json");
        assert_eq!(outcome.code, Some(6), "{outcome:?}");
        let events = events(&outcome);
        let failed: Vec<_> = events.iter().filter(|event| event["state"]["failed"].is_object()).collect();
        assert_eq!(failed.len(), 1, "{events:?}");
        let fault = &failed[0]["state"]["failed"];
        assert_eq!((fault["kind"].as_str(), fault["what"].as_str()), (Some("refused"), Some(&*why)));
        assert!(events.iter().all(|event| event["event"] != "retrying"), "{events:?}");

        for form in ["", "--json", "--csv"] {
            let outcome = home.start(words(&format!("history --failed {form}"), &[])).finish();
            assert!(outcome.out.contains(&why), "{form}: {outcome:?}");
        }
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    }
}
