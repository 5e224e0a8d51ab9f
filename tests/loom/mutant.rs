//! Which of the mutants this process is: `mutate.sh` puts a question of this file into each place that it weakens, and adds the
//! file to its copy of the models. They are not part of the tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than there are.
const MOST: usize = 4096;

static REACHED: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// Is this the mutant with that number? `MUTANT` says which it is, and the file that `MUTANT_REACH` names learns who is asked.
pub(crate) fn is(number: usize) -> bool {
    static CHOSEN: OnceLock<usize> = OnceLock::new();
    static REACH: OnceLock<Option<String>> = OnceLock::new();
    let variable = |name| std::env::var(name).ok();
    if let Some(path) = REACH.get_or_init(|| variable("MUTANT_REACH"))
        && !REACHED[number].swap(true, Ordering::Relaxed)
    {
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the script's folder");
        writeln!(file, "{number}").expect("there is room");
    }
    number == *CHOSEN.get_or_init(|| variable("MUTANT").and_then(|number| number.parse().ok()).unwrap_or(0))
}

/// The weaker ordering in that mutant, else the right one.
pub(crate) fn or(number: usize, weaker: Ordering, right: Ordering) -> Ordering {
    if is(number) { weaker } else { right }
}
