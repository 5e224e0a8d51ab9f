//! A tour in forty lines: priorities, results, panics, borrowing scopes, cancellation, names.
//!
//!     cargo run --example fibers

use heddle_scheduler::{Priority, Scheduler, current, go, sleep};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheduler = Scheduler::builder().workers(2).name("tour").build()?;

    // A fiber returns a value; children inherit its priority.
    let answer = scheduler.go_with_priority(Priority::High, || {
        let child = go(|| current().map(|fiber| fiber.priority()));
        assert_eq!(child.join().unwrap(), Some(Priority::High));
        42
    });
    println!("the answer is {}", answer.join()?);

    // A panic ends its fiber only.
    std::panic::set_hook(Box::new(|_| ())); // no message on standard error
    let error = scheduler.go(|| -> u32 { panic!("warp thread broke") }).join().unwrap_err();
    println!("a panic comes back as an error: {error}");

    // A scope lends what is on the stack.
    let mut words = vec!["weft", "heddle", "shuttle"];
    scheduler.scope(|s| {
        for word in &mut words {
            s.go(move || *word = &word[..4]);
        }
    });
    println!("borrowed and changed: {words:?}");

    // A waiting fiber can be told to end; its destructors run.
    let sleeper = scheduler.fiber().name("sleeper").go(|| sleep(Duration::from_secs(3600)));
    sleeper.set_priority(Priority::Background);
    sleeper.cancel();
    println!("{}", sleeper.join().unwrap_err());

    scheduler.wait_all()?;
    println!("{}", scheduler.stats());
    Ok(())
}
