//! Memory that runs out, and memory that a million fibers take.

use super::child;
use heddle_scheduler::{Error, Scheduler, StackGuard};
use heddle_tests::{Event, eventually, occupy};

#[test]
fn without_memory_for_a_stack_the_join_returns_the_error_and_the_process_goes_on() {
    if child::is_child() {
        let scheduler = Scheduler::builder().workers(2).spares(0).stack_size(1 << 20).build().unwrap();
        let held = occupy(&scheduler);
        let event = Event::new();
        let handles: Vec<_> = (0..1000)
            .map(|_| {
                let event = event.clone();
                scheduler.go(move || event.wait().unwrap())
            })
            .collect();
        // All threads run, and what the heap needs is nearly all there.
        child::limit(libc::RLIMIT_AS, mapped_bytes() + (256 << 20));
        held.release();
        // 256 MiB have room for some of a thousand, and not for all.
        eventually(|| event.waiting() + handles.iter().filter(|handle| handle.is_finished()).count() == 1000);
        event.fire();
        let errors: Vec<_> = handles.into_iter().filter_map(|handle| handle.join().err()).collect();
        assert!((1..1000).contains(&errors.len()), "{} of 1000 failed", errors.len());
        for error in errors {
            let cause = error.not_started_because().unwrap();
            assert!(cause.is_no_memory() && cause.to_string().contains("ulimit -v"), "{cause}");
        }
        scheduler.wait_all().unwrap();
        assert_eq!(scheduler.go(|| 1).join().unwrap(), 1);
        return;
    }
    child::run(&[]).assert_passed();
}

#[test]
fn without_mappings_for_guards_the_join_returns_the_error() {
    if child::is_child() {
        let most: usize = read_number("/proc/sys/vm/max_map_count");
        if most > 100_000 {
            // Somebody has raised the limit; reaching it would take more memory than a test should.
            return;
        }
        let builder = Scheduler::builder().workers(1).stack_size(16 * 1024);
        let scheduler = builder.stack_guard(StackGuard::Mapped).build().unwrap();
        let event = Event::new();
        let handles: Vec<_> = (0..most / 2)
            .map(|_| {
                let event = event.clone();
                scheduler.go(move || event.wait().is_ok())
            })
            .collect();
        eventually(|| {
            event.waiting() + handles.iter().filter(|handle| handle.is_finished()).count() == most / 2
        });
        event.fire();
        let errors: Vec<_> = handles.into_iter().filter_map(|handle| handle.join().err()).collect();
        assert!(!errors.is_empty() && errors.len() < most / 4, "{} of {most}", errors.len());
        let cause: &Error = errors[0].not_started_because().unwrap();
        assert!(cause.is_no_memory() && cause.to_string().contains("vm.max_map_count"), "{cause}");
        return;
    }
    child::run(&[]).assert_passed();
}

#[test]
fn without_threads_build_returns_the_error_and_leaves_nothing_behind() {
    if child::is_child() {
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        scheduler.go(|| ()).join().unwrap();
        if !child::become_nobody() {
            return;
        }
        let before = child::threads();
        child::limit(libc::RLIMIT_NPROC, before as u64 + 3);
        let error = Scheduler::builder().workers(1000).build().unwrap_err();
        assert!(error.is_thread() && error.to_string().contains("use fewer workers"), "{error}");
        eventually(|| child::threads() == before);
        assert_eq!(scheduler.go(|| 1).join().unwrap(), 1);
        // A start that fails leaves the scheduler stopped, and it says so.
        scheduler.stop().unwrap();
        child::limit(libc::RLIMIT_NPROC, 0);
        assert!(scheduler.start().unwrap_err().is_thread());
        assert!(!scheduler.is_running());
        assert!(scheduler.go(|| 1).join().unwrap_err().is_stopped());
        return;
    }
    child::run(&[]).assert_passed();
}

#[test]
fn parked_fibers_cost_a_page_each_and_no_mappings() {
    // In release a million; a debug build takes its time to make each.
    let fibers: usize = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    if child::is_child() {
        let scheduler = Scheduler::builder().workers(2).build().unwrap();
        let stacks = scheduler.stats().stacks;
        if stacks.guard != StackGuard::Lightweight {
            // Without such guards each stack costs a mapping, and a million do not fit.
            return;
        }
        let room = child::soft_limit_of(libc::RLIMIT_AS);
        if room < 2 * (fibers * stacks.size) as u64 {
            println!("SKIPPED: {room} bytes of addresses (ulimit -v) are too few for {fibers} stacks");
            return;
        }
        // In large pages the heap would come by megabytes.
        // SAFETY: takes integers.
        unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
        let event = Event::new();
        let park = |count: usize| {
            for _ in 0..count {
                let event = event.clone();
                drop(scheduler.go(move || {
                    std::hint::black_box(format!("{}", 1));
                    let _ = event.wait();
                }));
            }
        };
        park(1000);
        eventually(|| event.waiting() == 1000);
        let (resident, tables, mappings) = (status("VmRSS:"), status("VmPTE:"), count_mappings());
        park(fibers - 1000);
        eventually(|| event.waiting() == fibers);
        eventually(|| scheduler.stats().levels[2].suspended == fibers as u64);
        let each = |now: usize, before: usize| (now - before) / (fibers - 1000);
        let (bytes, table) = (each(status("VmRSS:"), resident), each(status("VmPTE:"), tables));
        println!("{bytes} bytes resident and {table} of page tables for each of {fibers} fibers");
        // A page of the stack, the objects, and what this test itself keeps for each (a Resumer and a
        // place in a vector that doubles).
        assert!(bytes <= 2 * 4096, "{bytes} bytes a fiber");
        let more = count_mappings() - mappings;
        // The heap grows in mappings of its own, and slabs may not lie side by side.
        assert!(more <= 64, "{more} more mappings for {fibers} fibers");
        event.fire();
        scheduler.stop().unwrap();
        let stats = scheduler.stats();
        assert_eq!((stats.live(), stats.stacks.in_use, stats.stacks.warm), (0, 0, 0), "{stats}");
        return;
    }
    let ended = child::run(&[]);
    ended.assert_passed();
    println!("{}", ended.text);
}

fn read_number(path: &str) -> usize {
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// A line of /proc/self/status, in bytes.
fn status(line: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn count_mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn mapped_bytes() -> u64 {
    status("VmSize:") as u64
}
