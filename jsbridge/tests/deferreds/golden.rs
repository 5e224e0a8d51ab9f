//! Golden scripts: each of `tests/golden/NN-name.js` runs in a main realm, and what it writes to the console must be what
//! stands at its end, in lines that begin with `//= `. Warnings and errors, also those that nothing caught, begin with
//! `[warn] ` and `[error] `; what the script itself throws at its end is one line more. A line `// options: memory=..
//! max_isolates=..` at its beginning is for the bridge.
//!
//! `GOLDEN=name` runs those whose name has that in it. `BLESS=1` writes what came out into the files: read the
//! difference before it is committed.

use crate::watched;
use heddle_jsbridge::{Bridge, ConsoleLevel, Script};
use heddle_scheduler::Scheduler;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

const EXPECTED: &str = "//=";

/// A script and what it is expected to write.
struct Golden {
    path: PathBuf,
    source: String,
    expected: Vec<String>,
    /// Of the bridge; 0: its default.
    memory: usize,
    max_isolates: usize,
}

impl Golden {
    fn read(path: &Path) -> Golden {
        let text = std::fs::read_to_string(path).unwrap();
        let (expected, source): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with(EXPECTED));
        let expected = expected
            .iter()
            .map(|line| line.strip_prefix("//= ").or(line.strip_prefix(EXPECTED)).unwrap().to_owned())
            .collect();
        let option = |name: &str| {
            let options =
                source.iter().find_map(|line| line.strip_prefix("// options: ")).unwrap_or_default();
            let value = options.split(' ').find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
            value.map_or(0, |value| value.parse().unwrap())
        };
        Golden {
            path: path.to_owned(),
            expected,
            memory: option("memory"),
            max_isolates: option("max_isolates"),
            source: source.join("\n") + "\n",
        }
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// What it writes, with so many workers.
    fn run(&self, workers: usize) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let mut builder = Bridge::builder(&scheduler).console(move |level, text| {
            let prefix = match level {
                ConsoleLevel::Warn => "[warn] ",
                ConsoleLevel::Error => "[error] ",
                _ => "",
            };
            let mut lines = sink.lock().unwrap();
            lines.extend(text.lines().map(|line| format!("{prefix}{line}")));
            if text.is_empty() {
                lines.push(String::new());
            }
        });
        if self.memory > 0 {
            builder = builder.memory(self.memory);
        }
        if self.max_isolates > 0 {
            builder = builder.max_isolates(self.max_isolates);
        }
        let bridge = builder.build().unwrap();
        let realm = bridge.realm().unwrap();
        let outcome = realm.eval(Script::new(self.source.as_str()).name(&self.name())).join();
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0, "{}: isolates are left, with {workers} workers", self.name());
        let mut lines = lines.lock().unwrap().clone();
        lines.extend(outcome.err().map(|error| format!("threw {error}")));
        lines
    }

    fn bless(&self, lines: &[String]) {
        let mut text = self.source.trim_end().to_owned() + "\n\n";
        for line in lines {
            text.push_str(format!("{EXPECTED} {line}").trim_end());
            text.push('\n');
        }
        std::fs::write(&self.path, text).unwrap();
    }
}

fn all() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let wanted = std::env::var("GOLDEN").unwrap_or_default();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(|first: char| first.is_ascii_digit()) && name.contains(&wanted)
        })
        .collect();
    paths.sort();
    paths.iter().map(|path| Golden::read(path)).collect()
}

#[test]
fn golden_scripts_write_what_they_should() {
    let scripts = all();
    assert!(std::env::var_os("GOLDEN").is_some() || scripts.len() >= 50, "{} scripts", scripts.len());
    let mut wrong = Vec::new();
    for golden in &scripts {
        for workers in [1, 2, 4] {
            let lines = watched(&golden.name(), || golden.run(workers));
            // A stack's columns may have blanks at their end; the files have none.
            let trimmed: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
            if trimmed != golden.expected {
                wrong.push(format!(
                    "{} with {workers} workers wrote\n{}\nand not\n{}",
                    golden.name(),
                    trimmed.join("\n"),
                    golden.expected.join("\n")
                ));
                if std::env::var_os("BLESS").is_some() && workers == 1 {
                    golden.bless(&lines);
                }
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_program_runs_the_first_six_as_a_realm_does() {
    for golden in
        all().iter().filter(|golden| golden.name().starts_with("0") && golden.name().as_str() < "07")
    {
        let output = watched(&golden.name(), || {
            Command::new(env!("CARGO_BIN_EXE_heddle")).arg("run").arg(&golden.path).output().unwrap()
        });
        let written = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = written.lines().map(str::trim_end).collect();
        assert_eq!(lines, golden.expected, "{}: {}", golden.name(), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{}", golden.name());
    }
}
