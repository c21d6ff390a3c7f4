//! Keys that steer uploads of the real program: the first minute, pauses, the limit, a pasted link.

use super::*;

#[test]
fn the_first_minute_is_start_u_stored() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("▸ notes.txt");
    terminal.press("u");
    terminal.until_text("stored ✓");
    assert_eq!(received(home.path()), [("notes.txt".to_owned(), digest)].into());
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
}

#[test]
fn a_paused_queue_sends_nothing_until_it_goes_on() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.until_text("▸ notes.txt");
    terminal.press("S");
    terminal.until_text("Queue paused. S lets it go on.");
    terminal.press("u");
    terminal.until("the file waits", |screen| {
        screen.contents().lines().any(|line| line.contains("notes.txt") && line.contains("queued"))
    });
    // Quitting asks, because the file would not be sent.
    terminal.press("q");
    terminal.until_text("Quit?");
    terminal.press("\x1b");
    terminal.until("the answer", |screen| !screen.contents().contains("Quit?"));
    assert!(received(home.path()).is_empty());
    terminal.press("S");
    terminal.until_text("Queue 1 of 1 delivered");
    assert_eq!(received(home.path()), [("notes.txt".to_owned(), digest)].into());
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn an_upload_is_paused_while_it_is_sent_and_resumed() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = file(folder.path(), "large.bin", 2 << 20);
    // At this limit it takes half a minute.
    let mut terminal = run(&binary(), &["--limit", "64KiB/s"], folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.until_text("▸ large.bin");
    terminal.press("u");
    let row = |screen: &vt100::Screen, state: &str| {
        screen.contents().lines().any(|line| line.contains("large.bin") && line.contains(state))
    };
    terminal.until("sending", |screen| row(screen, "sending"));
    terminal.press("\t ");
    terminal.until("paused", |screen| row(screen, "paused"));
    assert!(received(home.path()).is_empty());
    terminal.press(" ");
    terminal.until("sending again", |screen| row(screen, "sending"));
    for _ in 0..24 {
        terminal.press("]");
    }
    terminal.until_text("Queue 1 of 1 delivered");
    assert_eq!(received(home.path()), [("large.bin".to_owned(), digest)].into());
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_limit_is_shown_and_lifted_by_a_key() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // At the limit this would take longer than the test waits.
    let digest = file(folder.path(), "large.bin", 16 << 20);
    let mut terminal = run(&binary(), &["--limit", "64KiB/s"], folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.until_text("▸ large.bin");
    terminal.press("u");
    terminal.until_text("limit 64 KiB/s");
    terminal.press("]");
    terminal.until("a higher limit", |screen| {
        let contents = screen.contents();
        contents.contains("limit ") && !contents.contains("limit 64 KiB/s")
    });
    for _ in 0..24 {
        terminal.press("]");
    }
    terminal.until_text("Queue 1 of 1 delivered");
    assert!(!terminal.until_text("large.bin").contains("limit "));
    assert_eq!(received(home.path()), [("large.bin".to_owned(), digest)].into());
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_pasted_link_opens_the_connect_dialog_and_a_paste_presses_no_key() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = file(folder.path(), "notes.txt", 812);
    let mut certs = Command::new(binary());
    certs.args(["certs", "init", "--bits", "2048"]).current_dir(home.path()).stdout(Stdio::null());
    assert!(certs.envs(pty::environment(home.path())).status().unwrap().success());
    let server = Served::start(home.path(), "certs", "stored");
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("▸ notes.txt");
    terminal.until_text("127.0.0.1:");
    let paste = |text: &str| format!("\x1b[200~{text}\x1b[201~");
    // `u` would send, and `q` would quit.
    terminal.press(&paste("uq\r"));
    let link = format!("upseal://{}#sha256-{}", server.address, server.fingerprint);
    terminal.press(&paste(&link));
    let shown = terminal.until_text("Connect to a server");
    // The field shows the end of the link, where its key is.
    let end = &server.fingerprint[44..];
    assert!(shown.contains(end) && shown.contains("Empty"), "{shown}");
    assert!(received(home.path()).is_empty());
    terminal.press("\r");
    terminal.until_text(&format!("{} not yet proven", server.address));
    // The link names the key, so nothing is asked.
    terminal.press("u");
    terminal.until_text("delivered ✓");
    assert_eq!(sha256(&home.path().join("stored/notes.txt")), digest);
    terminal.press("q");
    assert!(terminal.end().success());
}
