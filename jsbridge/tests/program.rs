//! The program `heddle`.

use std::process::{Command, Output};

fn heddle(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heddle")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A file that is removed in the end.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, source: &str) -> File {
        let path = std::env::temp_dir().join(format!("heddle-{}-{name}", std::process::id()));
        std::fs::write(&path, source).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn eval_prints_the_result() {
    for (source, result) in
        [("6 * 7", "42\n"), ("'text'", "text\n"), ("[1, {a: 2}]", "[1,{\"a\":2}]\n"), ("", "undefined\n")]
    {
        let output = heddle(&["eval", source, "--priority", "high"]);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), result), "{source}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn run_prints_what_the_script_logs_and_its_result_if_it_has_one() {
    let file = File::new("fine.js", "console.log('logged');\nconsole.error('aside');\nlet x = 1;");
    let output = heddle(&["run", file.path()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("logged\n".to_owned(), "aside\n".to_owned()));
}

#[test]
fn an_error_shows_its_place_in_the_source() {
    let file = File::new("wrong.js", "function f() {\n\tthrow new TypeError('é');\n}\nf();\n");
    let output = heddle(&["run", file.path()]);
    assert_eq!(output.status.code(), Some(1));
    let path = file.path();
    let expected = format!(
        "{path}:2:12\n\tthrow new TypeError('é');\n\t          ^\nUncaught TypeError: é\n    at f ({path}:2:12)\n    at <eval> ({path}:4:1)\n"
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn limits_end_a_script_and_say_so() {
    let output = heddle(&["eval", "while (true) {}", "--time", "30"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--time"));
    let output = heddle(&["eval", "let a = []; while (true) a.push(a.length)", "--memory", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--memory"));
    let output = heddle(&["eval", "let n = 0; (function f() { n++; f(); })()"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Maximum call stack size exceeded"));
}

#[test]
fn stats_are_printed_aside() {
    let output = heddle(&["eval", "1", "--stats"]);
    assert_eq!(text(&output.stdout), "1\n");
    let stats = text(&output.stderr);
    assert!(stats.contains("isolates in use: 0") && stats.contains("normal               1         1"), "{stats}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_explained() {
    let wrong: [&[&str]; 8] = [
        &[],
        &["dance"],
        &["eval"],
        &["eval", "1", "2"],
        &["eval", "1", "--loud"],
        &["eval", "1", "--priority"],
        &["eval", "1", "--priority", "royal"],
        &["run", "x.js", "--time", "soon"],
    ];
    for arguments in wrong {
        let output = heddle(arguments);
        assert_eq!(output.status.code(), Some(9), "{arguments:?}");
        assert!(text(&output.stderr).contains("usage:"), "{arguments:?}");
    }
    let output = heddle(&["run", "/no/such/file.js"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/file.js"));
    assert_eq!(heddle(&["--help"]).status.code(), Some(0));
}
