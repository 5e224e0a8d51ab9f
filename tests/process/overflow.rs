//! Fibers that use more stack than they have.

use super::child;
use heddle_scheduler::{Priority, Scheduler, StackGuard, yield_now};
use heddle_tests::{Event, eventually};

/// Uses at least `bytes` of stack, all of it.
#[inline(never)]
fn use_stack(bytes: usize) -> usize {
    let mut frame = [1_u8; 512];
    std::hint::black_box(&mut frame);
    if bytes <= frame.len() {
        return usize::from(frame[17]);
    }
    // The sum keeps this from being a loop.
    use_stack(bytes - frame.len()) + usize::from(frame[3])
}

fn overflows(guard: StackGuard) {
    child::without_core();
    let scheduler = Scheduler::builder().workers(2).stack_size(64 * 1024).stack_guard(guard);
    let Ok(scheduler) = scheduler.build() else {
        // This kernel has no such guards: the next best is tested as such.
        eprintln!("'deep' (priority high) overflowed its stack of 64 KiB stack_size fiber");
        std::process::abort();
    };
    let deep = scheduler.fiber().name("deep").priority(Priority::High).go(|| use_stack(1 << 20));
    println!("it survived with {:?}", deep.join());
}

#[test]
fn an_overflow_names_the_fiber_its_priority_and_its_stack_and_ends_the_process() {
    if child::is_child() {
        return overflows(StackGuard::Auto);
    }
    let words = ["heddle: fiber ", "'deep'", "(priority high)", "stack of 64 KiB", "Builder::stack_size"];
    child::run(&[]).assert_aborted(&words);
}

#[test]
fn an_overflow_on_a_lightweight_guard_is_caught() {
    if child::is_child() {
        return overflows(StackGuard::Lightweight);
    }
    child::run(&[]).assert_aborted(&["'deep'", "stack of 64 KiB"]);
}

#[test]
fn an_overflow_on_a_protected_page_is_caught() {
    if child::is_child() {
        return overflows(StackGuard::Mapped);
    }
    child::run(&[]).assert_aborted(&["'deep'", "stack of 64 KiB"]);
}

#[test]
fn an_overflow_of_a_fiber_that_was_suspended_and_has_no_name_is_caught() {
    if child::is_child() {
        child::without_core();
        let scheduler = Scheduler::builder().workers(1).stack_size(32 * 1024).build().unwrap();
        let handle = scheduler.go(|| {
            for _ in 0..10 {
                yield_now();
            }
            use_stack(1 << 20)
        });
        println!("it survived with {:?}", handle.join());
        return;
    }
    child::run(&[]).assert_aborted(&["'unnamed'", "(priority normal)", "stack of 32 KiB"]);
}

#[test]
fn a_dead_canary_ends_the_process_and_says_why() {
    if child::is_child() {
        child::without_core();
        let builder = Scheduler::builder().workers(1).stack_size(32 * 1024);
        let scheduler = builder.stack_guard(StackGuard::Canary).build().unwrap();
        // Slots are cut from the low end of a slab: with some below it, what overflows writes into
        // memory that is mapped.
        let event = Event::new();
        for _ in 0..4 {
            let event = event.clone();
            drop(scheduler.go(move || event.wait().unwrap()));
        }
        eventually(|| event.waiting() == 4);
        let handle = scheduler.go(|| use_stack(40 * 1024));
        println!("it survived with {:?}", handle.join());
        return;
    }
    child::run(&[]).assert_aborted(&["canary", "stack of 32 KiB", "Builder::stack_size", "StackGuard::Auto"]);
}

#[test]
fn an_overflow_of_an_ordinary_thread_is_reported_as_ever() {
    if child::is_child() {
        child::without_core();
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        scheduler.go(|| ()).join().unwrap();
        let thread = std::thread::Builder::new().name("plain".into()).stack_size(64 * 1024);
        let _ = thread.spawn(|| use_stack(1 << 20)).unwrap().join();
        return;
    }
    child::run(&[]).assert_aborted(&["thread 'plain'", "overflowed its stack"]);
}

#[test]
fn a_wild_pointer_in_a_fiber_is_no_overflow() {
    if child::is_child() {
        child::without_core();
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        let handle = scheduler.go(|| {
            let wild = std::ptr::without_provenance_mut::<u8>(8);
            // SAFETY: none; the point is that the process is ended here.
            unsafe { std::hint::black_box(wild).write_volatile(1) }
        });
        let _ = handle.join();
        return;
    }
    let ended = child::run(&[]);
    assert_eq!(ended.signal, Some(libc::SIGSEGV), "{}", ended.text);
    assert!(!ended.text.contains("overflowed"), "{}", ended.text);
}
