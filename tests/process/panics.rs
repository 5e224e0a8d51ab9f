//! Panics whose report needs room.

use super::child;
use heddle_scheduler::{Priority, Scheduler, yield_now};

#[test]
fn a_panic_with_a_backtrace_fits_on_a_default_stack() {
    if child::is_child() {
        let scheduler = Scheduler::builder().workers(2).build().unwrap();
        for _ in 0..3 {
            let error = scheduler
                .go(|| {
                    yield_now();
                    nested(20)
                })
                .join()
                .unwrap_err();
            assert!(error.is_panic());
        }
        assert_eq!(scheduler.go(|| 1).join().unwrap(), 1);
        return;
    }
    for variable in ["1", "full"] {
        let ended = child::run(&[("RUST_BACKTRACE", variable)]);
        ended.assert_passed();
        assert!(ended.text.contains("stack backtrace:") && ended.text.contains("nested"), "{}", ended.text);
    }
}

#[inline(never)]
fn nested(depth: u32) -> u32 {
    let deeper = std::hint::black_box(depth);
    if deeper == 0 { panic!("with a backtrace") } else { nested(deeper - 1) + 1 }
}

#[test]
fn many_panics_at_once_on_many_workers_are_contained() {
    if child::is_child() {
        let scheduler = Scheduler::builder().workers(8).build().unwrap();
        let handles: Vec<_> = (0..200)
            .map(|n| {
                scheduler.go_with_priority(Priority::ALL[n % 5], move || {
                    yield_now();
                    panic!("number {n}")
                })
            })
            .collect();
        for handle in handles {
            let result: Result<(), _> = handle.join();
            assert!(result.unwrap_err().is_panic());
        }
        return;
    }
    child::run(&[("RUST_BACKTRACE", "1")]).assert_passed();
}

#[test]
fn a_destructor_that_panics_during_a_panic_ends_the_process_as_in_a_thread() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the second");
        }
    }
    if child::is_child() {
        child::without_core();
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        let handle = scheduler.go(|| {
            let _bomb = Bomb;
            panic!("the first");
        });
        let result: Result<(), _> = handle.join();
        println!("it survived with {result:?}");
        return;
    }
    child::run(&[]).assert_aborted(&["the first", "the second"]);
}

#[test]
fn a_process_may_end_while_fibers_run() {
    if child::is_child() {
        let scheduler = Scheduler::builder().workers(4).build().unwrap();
        for _ in 0..100 {
            drop(scheduler.go(|| {
                loop {
                    yield_now();
                }
            }));
        }
        std::mem::forget(scheduler);
        println!("1 passed, so to say");
        std::process::exit(0);
    }
    child::run(&[]).assert_passed();
}
