//! Who runs first, while scripts are in the middle of a loop.

use super::{eventually, everywhere};
use heddle_jsbridge::Bridge;
use heddle_scheduler::{Priority, Scheduler};
use std::time::Duration;

const LOOP: &str = "while (true) {}";

fn all_run(bridge: &Bridge<'_>, count: usize) {
    eventually(|| bridge.stats().isolates >= count);
}

#[test]
fn a_critical_fiber_gets_through_while_scripts_loop_on_all_workers() {
    everywhere(
        |options| options.time(Duration::MAX),
        |scheduler, bridge| {
            let loops: Vec<_> =
                (0..2 * scheduler.workers()).map(|_| bridge.eval(Priority::Background, LOOP)).collect();
            all_run(bridge, scheduler.workers());
            for n in 0..100 {
                let urgent = scheduler.go_with_priority(Priority::Critical, move || n);
                assert_eq!(urgent.join().unwrap(), n);
                let script = bridge.eval(Priority::Critical, format!("{n} + 1"));
                assert_eq!(script.join(), Ok(f64::from(n + 1).into()));
            }
            for handle in &loops {
                assert!(!handle.is_finished());
                handle.cancel();
            }
            for handle in loops {
                assert!(handle.join().unwrap_err().is_cancelled());
            }
        },
    );
}

#[test]
fn each_priority_overtakes_those_below_it_in_the_middle_of_a_loop() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build().unwrap();
    let mut loops = Vec::new();
    for priority in Priority::ALL.into_iter().rev() {
        loops.push(bridge.eval(priority, LOOP));
        all_run(&bridge, loops.len());
    }
    for handle in loops.iter().rev() {
        handle.cancel();
    }
    for handle in loops {
        assert!(handle.join().unwrap_err().is_cancelled());
    }
}

#[test]
fn scripts_of_one_priority_take_turns() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build().unwrap();
    let endless: Vec<_> = (0..3).map(|_| bridge.eval(Priority::Normal, LOOP)).collect();
    all_run(&bridge, 3);
    // It is in the middle of a computation that takes several turns.
    let counting = "let n = 0; while (n < 2e6) n++; n";
    assert_eq!(bridge.eval(Priority::Normal, counting).join(), Ok(2e6.into()));
    endless.iter().for_each(|handle| handle.cancel());
    for handle in endless {
        assert!(handle.join().unwrap_err().is_cancelled());
    }
}

#[test]
fn many_scripts_suspended_in_the_middle_compute_right() {
    everywhere(
        |options| options.max_isolates(64),
        |_, bridge| {
            let source = |n: usize| {
                format!(
                    "function fib(n) {{ return n < 2 ? n : fib(n - 1) + fib(n - 2); }}
                     let log = []; for (let i = 0; i < 20; i++) log.push(fib({} + i % 3));
                     log.sort((a, b) => a - b).map(n => String(n)).join('-')",
                    n % 10
                )
            };
            let alone: Vec<_> =
                (0..10).map(|n| bridge.eval(Priority::Normal, source(n)).join().unwrap()).collect();
            let handles: Vec<_> = (0..200).map(|n| bridge.eval(Priority::ALL[n % 5], source(n))).collect();
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join().as_ref(), Ok(&alone[n % 10]));
            }
        },
    );
}

#[test]
fn a_looping_script_can_be_made_less_urgent() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build().unwrap();
    let endless = bridge.eval(Priority::Critical, LOOP);
    all_run(&bridge, 1);
    endless.set_priority(Priority::Background);
    assert_eq!(bridge.eval(Priority::Low, "1").join(), Ok(1.0.into()));
    endless.cancel();
    assert!(endless.join().unwrap_err().is_cancelled());
}

#[test]
fn a_fiber_can_wait_for_a_script() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let script = bridge.eval(Priority::Low, "6 * 7");
    let waiter = scheduler.go(move || script.join());
    assert_eq!(waiter.join().unwrap(), Ok(42.0.into()));
}
