//! Node, if it is there, with what `npm install` has put into a folder.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest version that counts.
const MAJOR: u32 = 20;

pub(crate) struct Node {
    folder: Option<PathBuf>,
    version: String,
}

impl Node {
    /// With the folder that the pools are in; without one, nothing of Node's is measured.
    pub(crate) fn find(folder: Option<PathBuf>) -> Result<Node, Box<dyn Error>> {
        let Some(folder) = folder else { return Ok(Node { folder: None, version: String::new() }) };
        for pool in ["piscina", "tinypool"] {
            if !folder.join("node_modules").join(pool).is_dir() {
                return Err(format!("{}: no {pool} is installed there", folder.display()).into());
            }
        }
        let output =
            Command::new("node").arg("--version").output().map_err(|error| format!("node: {error}"))?;
        let version = String::from_utf8(output.stdout)?.trim().to_owned();
        let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
        if major.is_none_or(|major: u32| major < MAJOR) {
            return Err(format!("node is {version}, and must be {MAJOR} or later").into());
        }
        Ok(Node { folder: Some(folder), version })
    }

    pub(crate) fn is_there(&self) -> bool {
        self.folder.is_some()
    }

    pub(crate) fn describe(&self) -> String {
        match self.folder {
            Some(_) => format!("Node {}", self.version),
            None => "Node and its pools are skipped (--node DIR)".to_owned(),
        }
    }

    /// One run, in a process of its own.
    pub(crate) fn run(
        &self,
        contender: &str,
        case: &str,
        count: usize,
        workers: usize,
    ) -> Result<Vec<f64>, Box<dyn Error>> {
        let Some(folder) = &self.folder else { return Err("there is no Node".into()) };
        let run = |workers: usize| {
            let numbers = [count, workers, crate::ours::warm_up(count)].map(|number| number.to_string());
            run_script(folder, contender, case, &numbers)
        };
        let mut figures = run(workers)?;
        if case == "parallel" {
            let alone = run(1)?;
            figures.push(alone[0] / figures[0]);
        }
        if case.starts_with("compute-") {
            // The answer is checked beside ours.
            let answer = figures.pop();
            if answer != Some(crate::ours::answer_of(case)?) {
                return Err(format!("Node's answer is {answer:?}").into());
            }
        }
        Ok(figures)
    }
}

fn run_script(
    folder: &Path,
    contender: &str,
    case: &str,
    numbers: &[String],
) -> Result<Vec<f64>, Box<dyn Error>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deferreds/node/peers.mjs");
    let output =
        Command::new("node").current_dir(folder).args([script, contender, case]).args(numbers).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    if figures.is_empty() { Err("Node has said nothing".into()) } else { Ok(figures) }
}
