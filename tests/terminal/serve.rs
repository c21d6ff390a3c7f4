//! The real program as a server: `serve --ui`, and sharing from the UI, with a second process that sends.

use std::net::TcpStream;

use super::*;

/// Makes an identity in `certs` of a home.
fn certify(home: &Path) {
    let mut certs = Command::new(binary());
    certs.args(["certs", "init", "--bits", "2048"]).current_dir(home).stdout(Stdio::null());
    assert!(certs.envs(pty::environment(home)).status().unwrap().success());
}

/// Returns the address that the screen of the server shows.
fn address(terminal: &Terminal) -> String {
    let shown = terminal.until_text("listens on");
    let line = shown.lines().find(|line| line.contains("listens on")).unwrap();
    line.split_whitespace().nth(3).unwrap().to_owned()
}

#[test]
fn serve_ui_shows_what_another_program_sends_and_asks_before_it_leaves_a_client() {
    let (home, sender) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(home.path());
    let notes = file(sender.path(), "n.txt", 5_000);
    let own = file(home.path(), "own.txt", 700);
    let args = ["serve", "--ui", "--bind", "127.0.0.1:0", "--store", "inbox", "--prefix", "recv_"];
    let mut terminal = run(&binary(), &args, home.path(), home.path());
    let address = address(&terminal);
    let ca = home.path().join("certs/cacsertificate.crt");
    let mut upload = Command::new(binary());
    upload.args(["send", "--yes", "--to", &address, "--ca", ca.to_str().unwrap(), "n.txt"]);
    upload.current_dir(sender.path()).envs(pty::environment(sender.path())).stdin(Stdio::null());
    let sent = upload.output().unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    terminal.until("the received file", |screen| {
        screen.contents().lines().any(|line| line.contains("recv_n.txt") && line.contains("stored ✓"))
    });
    assert_eq!(sha256(&home.path().join("inbox/recv_n.txt")), notes);
    // The other screens are there: an upload goes to this server, by its own flags.
    terminal.press("1");
    terminal.point_at("own.txt");
    terminal.press("u");
    terminal.until_text("Queue 1 of 1 delivered");
    assert_eq!(sha256(&home.path().join("inbox/recv_own.txt")), own);
    // Sharing is up to the flags.
    terminal.press("4");
    terminal.until_text("accepts ");
    terminal.press("S");
    terminal.until_text("Only this computer reaches this server.");
    let client = TcpStream::connect(&address).unwrap();
    terminal.until("the client", |screen| {
        screen.contents().lines().any(|line| line.contains("127.0.0.1") && line.contains("connected"))
    });
    terminal.press("q");
    terminal.until_text("The server ends with this program");
    terminal.press("\x1b");
    terminal.until("the answer", |screen| !screen.contents().contains("Quit?"));
    terminal.press("q");
    terminal.until_text("Quit?");
    terminal.press("\r");
    assert!(terminal.end().success());
    terminal.assert_restored();
    drop(client);
    assert!(TcpStream::connect(&address).is_err(), "the server has ended");
}

#[test]
fn serve_ui_with_share_shows_its_link_and_ends_only_after_a_question() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sender = tempfile::tempdir().unwrap();
    let notes = file(sender.path(), "notes.txt", 5_000);
    let args = ["serve", "--share", "--ui", "--bind", "0.0.0.0:0"];
    let mut terminal = run(&binary(), &args, folder.path(), home.path());
    terminal.until_text("upseal shared");
    terminal.press("S");
    let link = link(&terminal.until_text("stop sharing"));
    let mut upload = Command::new(binary());
    upload.args(["send", "--retries", "0", &link, "notes.txt"]).envs(pty::environment(sender.path()));
    let sent = upload.current_dir(sender.path()).stdin(Stdio::null()).output().unwrap();
    assert!(sent.status.success(), "{link}: {}", String::from_utf8_lossy(&sent.stderr));
    assert_eq!(sha256(&folder.path().join("recv_files/notes.txt")), notes);
    terminal.press("S");
    terminal.until_text("The server ends with this program");
    terminal.press("\r");
    assert!(terminal.end().success());
}

#[test]
fn serve_ui_without_a_terminal_is_an_error_and_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    certify(home.path());
    let serve = |more: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["serve", "--ui", "--bind", "127.0.0.1:0"]).args(more).current_dir(home.path());
        command.envs(pty::environment(home.path())).stdin(Stdio::null()).output().unwrap()
    };
    for (more, said) in [
        (&[][..], "--ui: standard output is not a terminal\nhelp: upseal serve without --ui"),
        (&["--plain"], "which --plain leaves out"),
        (&["--json"], "'--json'"),
        (&["--once"], "'--once'"),
    ] {
        let output = serve(more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(said) && output.stdout.is_empty(), "{more:?}: {error}");
        assert_eq!(output.status.code(), Some(2), "{more:?}");
    }
    assert!(!home.path().join("recv_files").exists());
}

#[test]
fn serve_ui_that_cannot_start_has_the_exit_code_of_serve() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = run(&binary(), &["serve", "--ui"], home.path(), home.path());
    terminal.until_text("--accept plain");
    assert_eq!(terminal.end().exit_code(), 5, "there is no identity");
    terminal.assert_restored();
}

/// Returns the link that a dialog shows over two rows, which begin in the same column.
fn link(shown: &str) -> String {
    let rows: Vec<Vec<char>> = shown.lines().map(|row| row.chars().collect()).collect();
    let start: Vec<char> = "upseal send upseal://".chars().collect();
    let place = |row: &Vec<char>| row.windows(start.len()).position(|part| part == start);
    let (row, column) = (0..).zip(&rows).find_map(|(y, row)| Some((y, place(row)?))).unwrap();
    let inside = |row: usize| -> String {
        let part = rows[row][column..].iter().take_while(|glyph| **glyph != '│').collect::<String>();
        part.trim_end().to_owned()
    };
    let command = inside(row) + &inside(row + 1);
    command.split_whitespace().nth(2).unwrap().to_owned()
}

#[test]
fn sharing_is_turned_on_and_off_and_another_program_sends_by_the_link() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (outside, sender) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let notes = file(outside.path(), "notes.txt", 5_000);
    let upload = |link: &str| {
        let mut command = Command::new(binary());
        command.args(["send", "--retries", "0", link, "notes.txt"]).envs(pty::environment(sender.path()));
        command.current_dir(outside.path()).stdin(Stdio::null()).output().unwrap()
    };
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.press("4");
    terminal.until_text("accepts ");
    terminal.press("S");
    terminal.until_text("Share with other computers?");
    terminal.press("\r");
    let shown = terminal.until_text("stop sharing");
    assert!(shown.lines().next().unwrap().contains("upseal shared"), "{shown}");
    let link = link(&shown);

    let sent = upload(&link);
    assert!(sent.status.success(), "{link}: {}", String::from_utf8_lossy(&sent.stderr));
    // Both servers have the folder open, which the store marks in it.
    assert_eq!(received(home.path()).get("notes.txt"), Some(&notes));

    terminal.press("S");
    terminal.until_text("No longer shared");
    assert!(!terminal.until_text("accepts ").lines().next().unwrap().contains("shared"));
    let refused = upload(&link);
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    // The program itself still receives.
    file(folder.path(), "own.txt", 10);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
}
