//! The queue of the real program: folders, marks, the filter, cancelling, retries, resizing, and the summary at the end.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_folder_is_sent_opens_into_its_files_and_is_summed_up_after_the_end() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inner = folder.path().join("plates/inner");
    fs::create_dir_all(&inner).unwrap();
    let digests: Vec<String> =
        (0..30).map(|n| file(&inner, &format!("plate {n:02}.png"), 1000 + n)).collect();
    symlink("nowhere", folder.path().join("plates/link")).unwrap();
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.mark_folder("plates/");
    terminal.press("u");
    terminal.until_text("Queue 30 of 30 delivered");
    let shown = terminal.until("the folder's row", |screen| screen.contents().contains("+ plates/"));
    let row = shown.lines().find(|line| line.contains("+ plates/")).unwrap();
    assert!(row.contains("stored ✓") && row.contains("30 files"), "{row}");
    terminal.press("\t\r");
    terminal.until_text("inner/plate 00.png");
    terminal.press("z");
    terminal.press("G");
    let shown = terminal.until_text("link");
    assert!(shown.contains("it is a symbolic link"), "{shown}");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
    terminal.until_text("30 of 30 files arrived: ");
    terminal.until_text("1 item of folders skipped");
    let stored = home.path().join(".local/share/upseal/received/plates/inner");
    for (n, digest) in digests.iter().enumerate() {
        assert_eq!(sha256(&stored.join(format!("plate {n:02}.png"))), *digest);
    }
}

#[test]
fn marks_of_two_folders_are_sent_together_and_equal_names_are_reported() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(folder.path().join("b")).unwrap();
    file(folder.path(), "notes.txt", 812);
    file(&folder.path().join("b"), "notes.txt", 900);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.mark(&["notes.txt"]);
    terminal.point_at("b/");
    terminal.press("l");
    terminal.until_text("900 B");
    terminal.point_at("notes.txt");
    terminal.press(" ");
    terminal.until_text("2 marked");
    terminal.press("u");
    terminal.until_text("have the same name");
    terminal.until_text("Queue 2 of 2 delivered");
    assert_eq!(received(home.path()).len(), 2, "the second one is kept as a copy");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.until_text("2 of 2 files arrived: ");
}

#[test]
fn a_filter_narrows_what_u_sends() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "alpha.txt", 812);
    let digest = file(folder.path(), "beta.txt", 813);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.until_text("beta.txt");
    terminal.press("/bet\r");
    terminal.until("only one file", |screen| !screen.contents().contains("alpha.txt"));
    terminal.point_at("beta.txt");
    terminal.press("u");
    terminal.until_text("Queue 1 of 1 delivered");
    assert_eq!(received(home.path()), [("beta.txt".to_owned(), digest)].into());
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn what_is_cancelled_is_in_the_summary_with_what_was_not_begun() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "large.bin", 3 << 20);
    file(folder.path(), "second.bin", 2 << 20);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.mark(&["large.bin", "second.bin"]);
    // CP1 takes a while.
    terminal.press("Pu");
    terminal.until_text("sending");
    terminal.press("\tx");
    terminal.until("the first one cancelled", |screen| {
        screen.contents().lines().any(|line| line.contains("large.bin") && line.contains("cancelled"))
    });
    // Quitting cancels the rest; the question may not come if that has arrived meanwhile.
    terminal.press("q\r");
    assert!(terminal.end().success());
    terminal.assert_restored();
    let shown = terminal.until_text(" of 2 files arrived: ");
    assert!(shown.contains("cancelled (large.bin"), "{shown}");
}

#[test]
fn an_upload_survives_a_server_that_is_killed_and_restarted_and_a_resize() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = file(folder.path(), "large.bin", 2 << 20);
    let mut certs = Command::new(binary());
    certs.args(["certs", "init", "--bits", "2048"]).current_dir(home.path()).stdout(Stdio::null());
    assert!(certs.envs(pty::environment(home.path())).status().unwrap().success());
    let server = Served::start(home.path(), "certs", "stored");
    let address = server.address.clone();
    let ca = home.path().join("certs/cacsertificate.crt");
    let args = ["--to", &address, "--ca", ca.to_str().unwrap(), "-p", "cp1"];
    let mut terminal = run(&binary(), &args, folder.path(), home.path());
    terminal.until_text("[CP1]");
    terminal.point_at("large.bin");
    terminal.press("u");
    terminal.accept_first_meeting();
    terminal.until_text("sending");
    terminal.resize(100, 30);
    drop(server);
    terminal.until("the loss", |screen| {
        let contents = screen.contents();
        contents.contains("retrying in") || contents.contains("is back") || contents.contains("failed ✗")
    });
    terminal.resize(72, 20);
    let _server = Served::at(&address, home.path(), "certs", "stored");
    terminal.press("\t");
    // The upload is retried by itself; the key retries one that has given up meanwhile.
    let deadline = Instant::now() + 2 * pty::PATIENCE;
    while !terminal.screen.0.lock().unwrap().screen().contents().contains("stored ✓") {
        assert!(Instant::now() < deadline, "{}", terminal.screen.0.lock().unwrap().screen().contents());
        terminal.press("t");
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(sha256(&home.path().join("stored/large.bin")), digest);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.until_text("1 of 1 file arrived: ");
}
