//! Style as a test: what STYLE asks for and no lint checks. It reads the sources as text, so it is
//! easily fooled, and is meant to be: what it cannot see at a glance a reader cannot either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many lines above an `unsafe` or an ordering its reason may begin.
const NEAR: usize = 6;
/// Longer files have more than one subject.
const LINES_MAX: usize = 700;
/// Larger ones are made by something.
const BYTES_MAX: u64 = 256 * 1024;

struct Source {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

impl Source {
    fn lines(&self) -> Vec<&str> {
        self.text.lines().collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace").to_owned()
}

/// All Rust sources below a folder of the workspace.
fn sources(folder: &str) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if name != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                found.push(Source { path: path.strip_prefix(&root).expect("below it").to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "there are sources in {folder}");
    found
}

/// Every crate of ours.
fn all_sources() -> Vec<Source> {
    ["scheduler", "numa", "jsbridge", "tests", "benches"].into_iter().flat_map(sources).collect()
}

/// The code of a line, without its comment and without what its string literals say.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let (mut in_string, mut escaped) = (false, false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if !in_string => code.push(c),
            _ => {}
        }
    }
    code
}

/// Is `word` in `code`, and not as a part of a longer word?
fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

/// Is `mark` in a comment on this line, on the few above, or in the comment that ends there?
fn is_explained(lines: &[&str], index: usize, mark: &str) -> bool {
    let mut first = index.saturating_sub(NEAR);
    // A comment counts as a whole, however long it is.
    while first > 0 && lines[first].trim_start().starts_with("//") {
        first -= 1;
    }
    lines[first..=index].iter().any(|line| line.find("//").is_some_and(|at| line[at..].contains(mark)))
}

/// Fails with all that were found, so that they can be mended in one go.
fn expect_none(found: &[String], what: &str) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

fn complain(source: &Source, index: usize) -> String {
    format!("{}:{}: {}", source.path.display(), index + 1, source.lines()[index].trim())
}

#[test]
fn every_unsafe_block_and_impl_says_why_it_is_sound() {
    let mut found = Vec::new();
    for source in all_sources() {
        let lines = source.lines();
        for (index, line) in lines.iter().enumerate() {
            let code = code_of(line);
            let block = code.contains("unsafe {") || code.trim_end().ends_with("unsafe");
            if (block || has_word(&code, "unsafe impl")) && !is_explained(&lines, index, "SAFETY:") {
                found.push(complain(&source, index));
            }
        }
    }
    expect_none(&found, "without a SAFETY comment near it");
}

#[test]
fn every_unsafe_function_and_trait_says_what_its_callers_promise() {
    let mut found = Vec::new();
    for source in sources("scheduler/src") {
        let lines = source.lines();
        for (index, line) in lines.iter().enumerate() {
            let code = code_of(line);
            let is_public = code.contains("pub");
            let declares = code.contains("unsafe fn ") || code.contains("unsafe trait ");
            if declares && is_public && !is_explained(&lines, index, "# Safety") {
                found.push(complain(&source, index));
            }
        }
    }
    expect_none(&found, "without a '# Safety' section");
}

#[test]
fn every_ordering_stronger_than_relaxed_says_what_it_pairs_with() {
    let strong = ["Acquire", "Release", "AcqRel", "SeqCst"];
    let mut found = Vec::new();
    for source in sources("scheduler/src") {
        let lines = source.lines();
        for (index, line) in lines.iter().enumerate() {
            let code = code_of(line);
            let is_strong = strong.iter().any(|ordering| code.contains(&format!("Ordering::{ordering}")));
            if is_strong && !is_explained(&lines, index, "ORDERING:") {
                found.push(complain(&source, index));
            }
        }
    }
    expect_none(&found, "without an ORDERING comment near it");
}

#[test]
fn no_file_is_too_long() {
    let long = |source: &Source| source.text.lines().count() > LINES_MAX;
    let found: Vec<_> = all_sources()
        .iter()
        .filter(|source| long(source))
        .map(|source| format!("{}: {} lines", source.path.display(), source.text.lines().count()))
        .collect();
    expect_none(&found, "longer than 700 lines");
}

/// A core dump was tracked once, as nobody looks for one.
#[test]
fn nothing_large_is_tracked() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        println!("SKIPPED: not in a repository of git's");
        return;
    };
    let names = String::from_utf8(listed.stdout).expect("our files have plain names");
    let size = |name: &str| fs::symlink_metadata(root().join(name)).map_or(0, |file| file.len());
    let large = names.split_terminator('\0').filter(|name| size(name) > BYTES_MAX);
    expect_none(&large.map(str::to_owned).collect::<Vec<_>>(), "larger than 256 KiB");
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // In two parts, so that this file does not find itself.
    let comments = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX:")];
    let macros = [concat!("to", "do!"), concat!("unimpl", "emented!")];
    let mut found = Vec::new();
    for source in all_sources() {
        for (index, line) in source.lines().iter().enumerate() {
            let late = comments.iter().any(|word| line.contains(word));
            let missing = macros.iter().any(|word| code_of(line).contains(word));
            if late || missing || has_word(&line.to_lowercase(), concat!("place", "holder")) {
                found.push(complain(&source, index));
            }
        }
    }
    expect_none(&found, "promises instead of code");
}

#[test]
fn no_test_is_switched_off() {
    let mut found = Vec::new();
    for source in all_sources() {
        for (index, line) in source.lines().iter().enumerate() {
            if code_of(line).contains(concat!("#[ig", "nore")) {
                found.push(complain(&source, index));
            }
        }
    }
    expect_none(&found, "tests that nobody runs");
}

#[test]
fn every_file_opens_with_what_it_is() {
    let found: Vec<_> = all_sources()
        .iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path.display().to_string())
        .collect();
    expect_none(&found, "without a comment at the top that says what the file is");
}

#[test]
fn text_that_is_code_is_told_from_text_that_is_not() {
    assert_eq!(code_of(r#"let a = "text { // no }"; // comment {"#), "let a = ; ");
    assert_eq!(code_of(r#"let a = "\"text {"; b"#), "let a = ; b");
    assert!(has_word("unsafe impl Send", "unsafe impl") && !has_word("unsafe_impl", "unsafe"));
    assert!(is_explained(&["// SAFETY: so", "", "f()"], 2, "SAFETY:"));
    assert!(!is_explained(&["let safety = \"SAFETY:\";", "f()"], 1, "SAFETY:"));
}
