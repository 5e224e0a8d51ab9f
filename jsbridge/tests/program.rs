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
    for (source, result) in [
        ("6 * 7", "42\n"),
        ("'text'", "text\n"),
        ("[1, {a: 2}]", "[1,{\"a\":2}]\n"),
        ("'-' + 1", "-1\n"),
        ("", "undefined\n"),
    ] {
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
fn what_a_constructor_refuses_is_shown_where_the_script_called_it() {
    let file = File::new("refused.mjs", "const p = Promise.resolve(1);\n  new Deferred(() => p);\n");
    let shown = text(&heddle(&["run", file.path()]).stderr);
    let path = file.path();
    let expected = format!("{path}:2:7\n  new Deferred(() => p);\n      ^\nUncaught TypeError: Deferred: ");
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains("'p'"), "{shown}");
}

/// What a run of code on the command line writes, and its exit code.
fn run(code: &str) -> (Option<i32>, String, String) {
    let output = heddle(&["run", "-e", code]);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn exit_codes_are_those_of_node_and_the_scripts_own() {
    let cases = [
        ("1", 0),
        ("throw 1", 1),
        ("Promise.reject(1)", 1),
        ("let a = ;", 1),
        ("await new Promise(() => {})", 13),
        ("heddle.exit()", 0),
        ("heddle.exit(7)", 7),
        ("try { heddle.exit(3) } catch { console.log('no') } finally { console.log('no') }", 3),
        ("(async () => { await 1; heddle.exit(4); })(); ", 4),
        ("Promise.resolve().then(() => heddle.exit(5)).catch(() => {})", 5),
        ("setTimeout(() => heddle.exit(6), 1)", 6),
        ("() => 1", 0),
        ("heddle.exit(256)", 1),
        ("heddle.exit('x')", 1),
    ];
    for (code, exit) in cases {
        let (found, stdout, _) = run(code);
        assert_eq!((found, stdout.as_str()), (Some(exit), ""), "{code}");
    }
}

#[test]
fn what_was_thrown_is_shown_with_its_cause_and_members() {
    let (_, _, shown) = run(
        "const why = new TypeError('why');\nthrow new AggregateError([new Error('one')], 'many', { cause: why });",
    );
    let parts = [
        "[eval]:2:",
        "\nthrow new",
        " ^\n",
        "Uncaught AggregateError: many\n    at",
        "[cause]: TypeError: why",
        "[errors]: [",
        "Error: one",
    ];
    for part in parts {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_eq!(run("throw { a: 1 }").2, "Uncaught { a: 1 }\n");
    assert!(
        run("Promise.reject(new Error('r'))")
            .2
            .contains("Uncaught (in a promise that nobody handled) Error: r")
    );
}

#[test]
fn long_lines_are_cut_around_the_mark() {
    let code = format!("{};null.x;{}", " ".repeat(5_000), " ".repeat(5_000));
    let (_, _, shown) = run(&code);
    assert!(shown.lines().all(|line| line.len() <= 130) && shown.contains("null.x"), "{shown}");
}

#[test]
fn modules_import_each_other_from_files() {
    let directory = std::env::temp_dir().join(format!("heddle-modules-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("sub")).unwrap();
    let write = |name: &str, source: &str| std::fs::write(directory.join(name), source).unwrap();
    write(
        "main.mjs",
        "import { a, state } from './a.mjs'; import b, { late } from './sub/b.js'; import data from './data.json' with { type: 'json' };
         import { a as same } from './sub/../a.mjs';
         console.log(a, late, b(), data.x, same === a, state.count, import.meta.main, import.meta.filename.endsWith('main.mjs'));
         console.log((await import('./sub/b.js')).late, import.meta.url.startsWith('file:///'), heddle.args);
         for (const name of ['lodash', 'node:fs', './sub', './a', './data.json', './none.mjs', './x.txt', './throws.mjs', './bad.mjs'])
             await import(name).catch((error) => console.log(`${error.name}: ${error.message}`));",
    );
    write(
        "a.mjs",
        "import { cycle } from './c.mjs'; export const a = 1, state = { count: 0 }; state.count++; cycle();",
    );
    write("c.mjs", "import { state } from './a.mjs'; export const cycle = () => { state.count++; };");
    write(
        "sub/b.js",
        "export default () => import.meta.dirname.endsWith('sub'); export const late = await Promise.resolve(5);",
    );
    write("sub/index.mjs", "");
    write("data.json", "{ \"x\": [1, 2] }");
    write("x.txt", "");
    write("throws.mjs", "throw new RangeError('thrown inside');");
    write("bad.mjs", "let x = ;");
    let main = directory.join("main.mjs");
    let output = heddle(&["run", main.to_str().unwrap(), "one", "--", "--two"]);
    std::fs::remove_dir_all(&directory).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..2], ["1 5 true [ 1, 2 ] true 2 true true", "5 true [ 'one', '--two' ]"], "{stderr}");
    let reasons = [
        "names a package",
        "there are no 'node:' modules",
        "did you mean './sub/index.mjs'?",
        "did you mean './a.mjs'?",
        "with { type: 'json' }",
        "none.mjs: No such file",
        ".mjs, .js or .json",
        "RangeError: thrown inside",
        "SyntaxError: ",
    ];
    for (line, reason) in lines[2..].iter().zip(reasons) {
        assert!(line.contains(reason), "{reason} is not in {line}");
        assert!(
            line.contains("main.mjs") || !line.contains("cannot import"),
            "the importer is named in {line}"
        );
    }
    assert_eq!(lines.len(), 2 + reasons.len());
}

#[test]
fn an_error_in_an_imported_module_shows_its_source() {
    let broken = File::new("broken.mjs", "export const fine = 1;\n  null.x;\n");
    let name = std::path::Path::new(broken.path()).file_name().unwrap().to_str().unwrap().to_owned();
    let main = File::new("main.mjs", &format!("import './{name}';"));
    let shown = text(&heddle(&["run", main.path()]).stderr);
    assert!(shown.contains(&format!("{name}:2:3\n  null.x;\n  ^\nUncaught TypeError")), "{shown}");
}

#[test]
fn a_script_may_come_from_standard_input_and_have_a_line_for_the_shell() {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_heddle"))
        .args(["run", "-", "word"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"console.log(heddle.args[0], await 1)").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "word 1\n");
    let file = File::new("shell.js", "#!/usr/bin/env heddle run\nconsole.log(heddle.version)");
    assert_eq!(text(&heddle(&["run", file.path()]).stdout), concat!(env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn an_interrupt_ends_the_program() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Stdio;
    unsafe extern "C" {
        fn signal(number: i32, action: usize) -> usize;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
    command.args(["run", "-e", "console.log('begun'); while (true) {}"]).stdout(Stdio::piped());
    // Where the tests run in the background, a shell has them ignore the signal, and so would whoever they start.
    // SAFETY: the call, with numbers that every system has (2 is SIGINT, 0 what it does by itself), may be made after a fork.
    unsafe {
        command.pre_exec(|| {
            signal(2, 0);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    // The shell's own: the program of that name is not on every machine.
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let status = child.wait().unwrap();
    // A shell shows 128 and the signal's number: 130.
    assert_eq!(status.signal(), Some(2));
}

#[test]
fn help_fits_a_screen_and_the_version_is_the_packages() {
    let help = text(&heddle(&["run", "--help"]).stdout);
    assert!(help.lines().count() <= 24 && help.lines().all(|line| line.len() <= 120), "{help}");
    assert_eq!(text(&heddle(&["--version"]).stdout), concat!("heddle ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(
        text(&heddle(&["run", "-e", "console.log(heddle.args)", "--", "--help"]).stdout),
        "[ '--help' ]\n"
    );
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
    let output = heddle(&["eval", "await new Deferred(() => 6 * 7)", "--stats"]);
    assert_eq!(text(&output.stdout), "42\n");
    let stats = text(&output.stderr);
    assert!(
        stats.contains("isolates in use: 0") && stats.contains("normal               1         1"),
        "{stats}"
    );
}

#[test]
fn stats_are_printed_whichever_way_the_program_ends() {
    for (code, expected) in [
        ("throw new Error('x')", 1),
        ("Promise.reject(new Error('x')); await new Promise(done => setTimeout(done, 1e6))", 1),
        (
            "setTimeout(() => { throw new Error('x') }, 1); await new Promise(done => setTimeout(done, 1e6))",
            1,
        ),
        ("heddle.exit(3)", 3),
        ("setTimeout(() => heddle.exit(3), 1); setInterval(() => {}, 1)", 3),
        ("await new Promise(() => {})", 13),
    ] {
        let output = heddle(&["run", "-e", code, "--stats"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{code}: {said}");
        assert_eq!(said.matches("deferreds         made").count(), 1, "{code}: {said}");
        assert_eq!(said.matches("Uncaught").count(), usize::from(expected == 1), "{code}: {said}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let code = "console.log({ a: 1 }, [new String('s')]); console.warn('w', null)";
    let coloured = "{ a: \x1b[33m1\x1b[39m } [ \x1b[32m[String: 's']\x1b[39m ]";
    let on_terminal = |variable: (&str, &str)| {
        // `script`, of util-linux, gives it a terminal.
        let command = format!("exec {} run -e \"{code}\"", env!("CARGO_BIN_EXE_heddle"));
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            // By a shell, which may be the user's own, and complains there of a language that is not installed.
            .envs([("SHELL", "/bin/sh"), ("LC_ALL", "C")])
            .env(variable.0, variable.1)
            .stdin(std::process::Stdio::null())
            .output();
        // Or not: where there are no terminals to be had.
        let output = output.ok().filter(|output| output.status.success())?;
        Some(text(&output.stdout).replace('\r', ""))
    };
    let plain = "{ a: 1 } [ [String: 's'] ]\nw null\n";
    assert_eq!(run(code).1 + &run(code).2, plain);
    let Some(shown) = on_terminal(("NO_COLOR", "")) else {
        println!("SKIPPED: there is no `script` to make a terminal, or none to be had");
        return;
    };
    assert_eq!(shown, format!("{coloured}\nw \x1b[1mnull\x1b[22m\n"));
    assert_eq!(on_terminal(("NO_COLOR", "1")).unwrap(), plain);
    assert_eq!(on_terminal(("TERM", "dumb")).unwrap(), plain);
}

#[test]
fn a_command_line_that_makes_no_sense_is_explained() {
    let wrong: [&[&str]; 11] = [
        &["run", "x.js", "--workers", "0"],
        &["run", "--loud", "x.js"],
        &["run", "-e"],
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
