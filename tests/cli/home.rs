//! Home folders that cannot be read or are not folders.

use super::Home;

/// Starts the program with only HOME set, so that all files are found from the home folder.
fn environment(home: &str) -> [(&str, &str); 7] {
    let none = "";
    [
        ("HOME", home),
        ("XDG_CONFIG_HOME", none),
        ("XDG_DATA_HOME", none),
        ("XDG_STATE_HOME", none),
        ("UPSEAL_CONFIG", none),
        ("UPSEAL_KNOWN", none),
        ("UPSEAL_HISTORY", none),
    ]
}

#[test]
fn a_home_that_is_not_a_folder_has_no_presets_and_does_not_stop_uploads() {
    let home = Home::new();
    let (_reserved, closed) = super::unused_address();
    let closed = closed.to_string();
    let outcome = home.start_with(["peers"], &environment("/dev/null")).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.err.starts_with("no presets in /dev/null/.config/upseal/config.toml"), "{outcome:?}");
    // The upload gets as far as the network.
    let line = ["send", "-p", "plain", "--retries", "0", "--to", &closed, "a.txt"];
    let outcome = home.start_with(line, &environment("/dev/null")).finish();
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.err.contains("receipts are not kept"), "{outcome:?}");
}

#[test]
fn an_unreadable_file_is_named_with_the_variable_that_moves_it() {
    let home = Home::new();
    // A folder cannot be read as a file, not even by root.
    for name in
        [".config/upseal/config.toml", ".local/share/upseal/known_servers", ".local/share/upseal/history.db"]
    {
        std::fs::create_dir_all(home.path(name)).unwrap();
    }
    let folder = home.path("");
    let environment = environment(folder.to_str().unwrap());
    for (line, file, variable) in [
        ("peers", "config.toml", "UPSEAL_CONFIG"),
        ("send a.txt", "config.toml", "UPSEAL_CONFIG"),
        ("known", "known_servers", "UPSEAL_KNOWN"),
        ("history", "history.db", "UPSEAL_HISTORY"),
        ("serve --accept plain --bind 127.0.0.1:0", "config.toml", "UPSEAL_CONFIG"),
    ] {
        let outcome = home.start_with(line.split(' '), &environment).finish();
        assert_eq!(outcome.code, Some(5), "{line}: {outcome:?}");
        assert!(outcome.err.contains(file) && outcome.err.contains(variable), "{line}: {outcome:?}");
    }
}
