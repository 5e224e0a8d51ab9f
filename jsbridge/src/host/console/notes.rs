//! What a console remembers between calls: counters, timers, and how deep its groups are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// So many labels of each kind. A program that makes labels for ever has a leak; the host has not.
const LABELS_MAX: usize = 1_000;
/// Bytes of a label.
const LABEL_MAX: usize = 1_024;
/// Columns of a group, and so many groups in each other are indented; more are counted.
const GROUP_WIDTH: usize = 2;
const GROUPS_SHOWN: usize = 50;

#[derive(Default)]
pub(super) struct Notes {
    counts: HashMap<String, u64>,
    timers: HashMap<String, Instant>,
    groups: usize,
}

/// A line to be written, if any; or what is wrong.
type Note = Result<Option<String>, String>;

impl Notes {
    pub(super) fn count(&mut self, label: String) -> Note {
        check(&self.counts, &label)?;
        let count = self.counts.entry(label.clone()).or_default();
        *count += 1;
        Ok(Some(format!("{label}: {count}")))
    }

    pub(super) fn reset(&mut self, label: &str) -> Note {
        match self.counts.remove(label) {
            Some(_) => Ok(None),
            None => Err(format!("Count for '{label}' does not exist")),
        }
    }

    pub(super) fn begin(&mut self, label: String) -> Note {
        if self.timers.contains_key(&label) {
            return Err(format!("Label '{label}' already exists for console.time()"));
        }
        check(&self.timers, &label)?;
        self.timers.insert(label, Instant::now());
        Ok(None)
    }

    /// The time since a label's beginning. With `end` it is forgotten.
    pub(super) fn elapsed(&mut self, label: &str, end: bool) -> Note {
        let Some(begun) = self.timers.get(label).copied() else {
            let function = if end { "timeEnd" } else { "timeLog" };
            return Err(format!("No such label '{label}' for console.{function}()"));
        };
        if end {
            self.timers.remove(label);
        }
        Ok(Some(format!("{label}: {}", time_text(begun.elapsed()))))
    }

    pub(super) fn open_group(&mut self) {
        self.groups = self.groups.saturating_add(1);
    }

    pub(super) fn close_group(&mut self) {
        self.groups = self.groups.saturating_sub(1);
    }

    /// Columns before each line.
    pub(super) fn indentation(&self) -> usize {
        self.groups.min(GROUPS_SHOWN) * GROUP_WIDTH
    }
}

fn check<T>(labels: &HashMap<String, T>, label: &str) -> Result<(), String> {
    if label.len() > LABEL_MAX {
        return Err(format!("a console's label has at most {LABEL_MAX} bytes"));
    }
    if labels.len() >= LABELS_MAX && !labels.contains_key(label) {
        return Err(format!("a console remembers {LABELS_MAX} labels at most; '{label}' is not remembered"));
    }
    Ok(())
}

/// As Node has it: `3.142ms`, `1.500s`, `1:02.500 (m:ss.mmm)`, `1:00:05 (h:mm:ss)`.
fn time_text(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        3_600.. => format!("{}:{:02}:{:02} (h:mm:ss)", seconds / 3_600, seconds / 60 % 60, seconds % 60),
        60.. => format!("{}:{:02}.{:03} (m:ss.mmm)", seconds / 60, seconds % 60, time.subsec_millis()),
        1.. => format!("{:.3}s", time.as_secs_f64()),
        0 => {
            let text = format!("{:.3}", time.as_secs_f64() * 1_000.0);
            let text = text.trim_end_matches('0').trim_end_matches('.');
            format!("{text}ms")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_unit_that_fits() {
        let cases =
            [(3_142, "3.142ms"), (0, "0ms"), (1_500_000, "1.500s"), (62_500_000, "1:02.500 (m:ss.mmm)")];
        for (micros, text) in cases {
            assert_eq!(time_text(Duration::from_micros(micros)), text);
        }
        assert_eq!(time_text(Duration::from_secs(3_605)), "1:00:05 (h:mm:ss)");
    }

    #[test]
    fn labels_and_groups_are_bounded() {
        let mut notes = Notes::default();
        for label in 0..LABELS_MAX {
            notes.count(label.to_string()).unwrap();
        }
        assert!(notes.count("one more".to_owned()).is_err());
        assert_eq!(notes.count("7".to_owned()).unwrap().unwrap(), "7: 2");
        assert!(notes.count("x".repeat(LABEL_MAX + 1)).is_err());
        for _ in 0..1_000_000 {
            notes.open_group();
        }
        assert_eq!(notes.indentation(), 100);
        notes.close_group();
    }
}
