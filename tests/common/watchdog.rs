//! Ends the process when a test hangs, and says what it knows: the state of the schedulers that the
//! test registered, and what each thread of the process is doing.

use heddle_scheduler::Scheduler;
use std::io::Write;
use std::sync::{Mutex, Once, Weak};
use std::time::{Duration, Instant};

/// No test body needs a tenth of it. A test that takes longer hangs, and is not given more.
const PATIENCE: Duration = Duration::from_secs(60);

struct Watched {
    key: u64,
    what: String,
    thread: std::thread::ThreadId,
    deadline: Instant,
    schedulers: Vec<Weak<Scheduler>>,
}

struct Table {
    next: u64,
    watched: Vec<Watched>,
    notes: Vec<String>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { next: 0, watched: Vec::new(), notes: Vec::new() });

/// While it lives, the watchdog waits for its end.
#[must_use]
pub struct Watch(u64);

/// Watches from now on. `what` is said if the watch lasts too long.
pub fn watch(what: impl Into<String>) -> Watch {
    watch_for(PATIENCE, what)
}

/// The same for work whose length was asked for, like a stress test's: it adds to the patience.
pub fn watch_longer(asked: Duration, what: impl Into<String>) -> Watch {
    watch_for(asked + PATIENCE, what)
}

fn watch_for(patience: Duration, what: impl Into<String>) -> Watch {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::Builder::new().name("watchdog".into()).spawn(keep_watch).expect("one more thread");
    });
    let mut table = TABLE.lock().expect("no panic while locked");
    table.next += 1;
    let key = table.next;
    table.watched.push(Watched {
        key,
        what: what.into(),
        thread: std::thread::current().id(),
        deadline: Instant::now() + patience,
        schedulers: Vec::new(),
    });
    Watch(key)
}

impl Watch {
    /// The state of this scheduler will be part of the report.
    pub fn add(&self, scheduler: Weak<Scheduler>) {
        let mut table = TABLE.lock().expect("no panic while locked");
        if let Some(watched) = table.watched.iter_mut().find(|watched| watched.key == self.0) {
            watched.schedulers.push(scheduler);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        TABLE.lock().expect("no panic while locked").watched.retain(|watched| watched.key != self.0);
    }
}

/// Something that should be in the report of a hang.
pub fn note(text: String) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?").to_owned();
    TABLE.lock().expect("no panic while locked").notes.push(format!("{name}: {text}"));
}

fn keep_watch() {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let table = TABLE.lock().expect("no panic while locked");
        let now = Instant::now();
        if let Some(hung) = table.watched.iter().find(|watched| now > watched.deadline) {
            report(&table, hung);
            std::process::abort();
        }
    }
}

/// Not by `eprintln!`, which a test harness may have captured.
fn report(table: &Table, hung: &Watched) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "\n==== a test hangs: {} (thread {:?})", hung.what, hung.thread);
    for note in &table.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for scheduler in hung.schedulers.iter().filter_map(Weak::upgrade) {
        let _ = writeln!(out, "{scheduler:?}\n{}", scheduler.stats());
        // Dropping it here would stop it, and wait for what hangs.
        std::mem::forget(scheduler);
    }
    for other in &table.watched {
        let _ = writeln!(out, "under way: {}", other.what);
    }
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return };
    for task in tasks.flatten() {
        let read = |file: &str| {
            std::fs::read_to_string(task.path().join(file)).unwrap_or_default().trim().to_owned()
        };
        let status = read("status");
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or("").to_owned();
        let _ = writeln!(out, "thread {:<16} {state} {}", read("comm"), read("wchan"));
    }
}
