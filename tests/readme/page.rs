//! Reads the command blocks of a Markdown page.

/// What the comment before a block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    Foreground { exit_code: i32 },
    Background,
    Not { reason: String },
}

/// A command and the output that the page shows for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub line: String,
    pub output: Vec<String>,
}

/// A `console` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub page: String,
    /// Line of the opening fence, counted from 1.
    pub line: usize,
    pub run: Run,
    pub commands: Vec<Shown>,
}

impl Block {
    /// Returns `PAGE:LINE`, for messages.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// Languages of blocks that hold no commands.
const NO_COMMANDS: [&str; 3] = ["toml", "text", "json"];

/// Reads all command blocks of a page.
///
/// # Panics
/// A block has no language, an unknown one, or no comment that says whether to run it.
pub(crate) fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut last_text = "";
    let mut lines = text.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                last_text = line;
            }
            continue;
        };
        let place = format!("{page}:{}", n + 1);
        let content: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        if language == "console" {
            let run = run(last_text)
                .unwrap_or_else(|| panic!("{place}: no `<!-- run -->` or `<!-- not run: … -->`"));
            let commands = commands(&content);
            assert!(!commands.is_empty(), "{place}: a console block without a `$ ` line");
            blocks.push(Block { page: page.to_owned(), line: n + 1, run, commands });
        } else {
            assert!(NO_COMMANDS.contains(&language), "{place}: unexpected language {language:?}");
            assert!(
                !content.iter().any(|line| line.starts_with("$ ")),
                "{place}: commands belong into console blocks"
            );
        }
        last_text = "";
    }
    blocks
}

fn run(comment: &str) -> Option<Run> {
    let text = comment.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    if let Some(reason) = text.strip_prefix("not run: ") {
        return Some(Run::Not { reason: reason.to_owned() });
    }
    match text {
        "run" => Some(Run::Foreground { exit_code: 0 }),
        "run: in the background" => Some(Run::Background),
        _ => {
            let exit_code = text.strip_prefix("run: exit code ")?.parse().ok()?;
            Some(Run::Foreground { exit_code })
        }
    }
}

fn commands(content: &[&str]) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let mut continues = false;
    for line in content {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (None, Some(last)) if continues => {
                last.line.push('\n');
                last.line.push_str(line);
                continues = line.ends_with('\\');
            }
            (Some(command), _) => {
                continues = command.ends_with('\\');
                commands.push(Shown { line: command.to_owned(), output: Vec::new() });
            }
            (None, Some(last)) => last.output.push((*line).to_owned()),
            (None, None) => panic!("output before the first command: {line:?}"),
        }
    }
    commands
}

#[test]
fn reads_commands_their_output_and_what_the_comment_says() {
    let text = "text\n\n<!-- run: exit code 4 -->\n```console\n$ a \\\n    b\none\n\n$ c\n```\n```toml\nx = 1\n```\n";
    let [block] = &blocks("page", text)[..] else { panic!("one block") };
    assert_eq!((block.place().as_str(), &block.run), ("page:4", &Run::Foreground { exit_code: 4 }));
    let shown = |line: &str, output: &[&str]| Shown {
        line: line.to_owned(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(block.commands, [shown("a \\\n    b", &["one", ""]), shown("c", &[])]);
}

#[test]
fn a_block_without_a_comment_or_language_is_an_error() {
    for text in [
        "```console\n$ a\n```\n",
        "<!-- run -->\nmore\n```console\n$ a\n```\n",
        "```\n$ a\n```\n",
        "```toml\n$ a\n```\n",
    ] {
        assert!(std::panic::catch_unwind(|| blocks("page", text)).is_err(), "{text:?}");
    }
}
