//! The inbox, on one thread. What several threads do with it is in `tests/loom`.

use super::inbox::{Inbox, Opened};

#[test]
fn the_most_urgent_comes_first_and_equals_as_they_came() {
    let inbox = Inbox::new();
    let mut opened = Opened::default();
    for (level, letter) in [(4, "a"), (2, "b"), (4, "c"), (0, "d"), (2, "e")] {
        assert!(!inbox.post(level, letter));
    }
    assert_eq!(inbox.take(&mut opened), Some((0, "d")));
    assert_eq!(inbox.take(&mut opened), Some((2, "b")));
    // One that comes while others of its level are open goes behind them.
    assert!(!inbox.post(2, "f"));
    assert!(!inbox.post(1, "g"));
    assert_eq!(inbox.most_urgent(&opened), Some(1));
    let rest: Vec<_> = std::iter::from_fn(|| inbox.take(&mut opened)).map(|(_, letter)| letter).collect();
    assert_eq!(rest, ["g", "e", "f", "a", "c"]);
    assert_eq!(inbox.most_urgent(&opened), None);
}

#[test]
fn who_posts_to_a_sleeper_is_told_once() {
    let inbox = Inbox::new();
    assert!(inbox.fall_asleep());
    assert!(inbox.post(3, 1));
    assert!(!inbox.post(3, 2));
    inbox.wake_up();
    assert!(!inbox.fall_asleep());
}

#[test]
fn letters_that_nobody_reads_are_dropped() {
    let letter = std::sync::Arc::new(());
    let inbox = Inbox::new();
    let mut opened = Opened::default();
    for level in [0, 0, 1, 4] {
        assert!(!inbox.post(level, letter.clone()));
    }
    assert!(inbox.take(&mut opened).is_some());
    drop((inbox, opened));
    assert_eq!(std::sync::Arc::strong_count(&letter), 1);
}
