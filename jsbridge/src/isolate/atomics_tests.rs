//! Waiting and waking, on fibers and on threads.

use super::*;
use crate::clone::{read, write};
use crate::error::Error;
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::CStrSource;
use crate::isolate::population::Population;
use crate::isolate::shared::SharedBlock;
use crate::limits::{Limits, SLICE};
use heddle_scheduler::{JoinHandle, Scheduler};

const STACK: usize = 160 << 10;

/// Runs a script with `a`, an `Int32Array` over the shared memory, and `b`, a `BigInt64Array`.
fn run(block: &SharedBlock, source: &str) -> Result<String, Error> {
    let population = Arc::new(Population::new(1));
    let time = Duration::from_secs(100);
    let limits = Limits { memory: 16 << 20, stack: STACK, time, slice: SLICE, eval: true };
    let mut isolate = Isolate::new(limits, population.enter()?)?;
    isolate.enter(StackTop::here(STACK + (48 << 10)), |scope| {
        let buffer = scope.new_shared_buffer(block, 64)?;
        scope.global().set(c"s", buffer)?;
        let eval = |source: &str| scope.eval(c"<test>", &CStrSource::new(source));
        scope.wait_async_by(|scope, wish| crate::realm::Local::of(scope).wait_async(scope, wish));
        eval("var a = new Int32Array(s), b = new BigInt64Array(s); 0")?;
        Ok(eval(source)?.text()?)
    })
}

fn memory() -> SharedBlock {
    let population = Arc::new(Population::new(1));
    let limits = Limits { memory: 16 << 20, stack: STACK, time: Duration::MAX, slice: SLICE, eval: true };
    let mut isolate = Isolate::new(limits, population.enter().unwrap()).unwrap();
    let block = isolate.enter(StackTop::here(STACK + (48 << 10)), |scope| {
        let buffer = scope.eval(c"<test>", &CStrSource::new("new SharedArrayBuffer(64)"))?;
        // Through a message, as it would be.
        let message = write(scope, &[buffer], &[], &|_| "value".to_owned())?;
        let buffer = read(scope, message)?.remove(0);
        Ok(scope.share(buffer.raw())?)
    });
    block.unwrap()
}

fn scheduler() -> Scheduler {
    Scheduler::builder().workers(1).stack_size(256 << 10).build().unwrap()
}

fn go(scheduler: &Scheduler, block: &SharedBlock, source: &'static str) -> JoinHandle<Result<String, Error>> {
    let block = block.clone();
    scheduler.go(move || run(&block, source))
}

#[test]
fn arguments_are_checked_as_the_language_says() {
    let block = memory();
    let cases = [
        ("Atomics.wait(a, 0, 1)", "not-equal"),
        ("Atomics.wait(a, 0, 0, 0)", "timed-out"),
        ("Atomics.wait(a, 0, 0, 1)", "timed-out"),
        ("Atomics.wait(a, 0, 0, -5)", "timed-out"),
        ("Atomics.wait(b, 7, 0n, 1)", "timed-out"),
        ("Atomics.wait(b, 7, 1n << 32n)", "not-equal"),
        ("Atomics.notify(a, 0)", "0"),
        ("Atomics.notify(new Int32Array(4), 0, 1)", "0"),
        ("Atomics.wait.name + Atomics.notify.name", "waitnotify"),
    ];
    for (source, result) in cases {
        assert_eq!(run(&block, source).as_deref(), Ok(result), "{source}");
    }
    let errors = [
        ("Atomics.wait(a, 16, 0)", "RangeError"),
        ("Atomics.wait(a, -1, 0)", "RangeError"),
        ("Atomics.wait(b, 0, 0)", "TypeError"),
        ("Atomics.wait(new Int32Array(1), 0, 0)", "TypeError"),
        ("Atomics.wait(new Uint32Array(s), 0, 0)", "TypeError"),
        ("Atomics.wait({}, 0, 0)", "TypeError"),
        ("Atomics.wait()", "TypeError"),
        ("Atomics.notify(a, 99)", "RangeError"),
        ("Atomics.notify(new Float64Array(s), 0)", "TypeError"),
        ("Atomics.wait(a, {valueOf() { throw new EvalError('e'); }}, 0)", "EvalError"),
    ];
    for (source, name) in errors {
        assert_eq!(run(&block, source).unwrap_err().name(), Some(name), "{source}");
    }
}

#[test]
fn who_waits_suspends_and_others_on_its_thread_wake_it() {
    let (scheduler, block) = (scheduler(), memory());
    // One thread: were it blocked, nobody could notify.
    let waiting = go(&scheduler, &block, "Atomics.wait(a, 0, 0)");
    let wide = go(&scheduler, &block, "Atomics.wait(b, 3, 0n)");
    let waking = go(
        &scheduler,
        &block,
        "let n = 0; while (n < 1) n += Atomics.notify(a, 0); while (!Atomics.notify(b, 3)); n",
    );
    assert_eq!(waking.join().unwrap().as_deref(), Ok("1"));
    assert_eq!(waiting.join().unwrap().as_deref(), Ok("ok"));
    assert_eq!(wide.join().unwrap().as_deref(), Ok("ok"));
}

#[test]
fn a_thread_that_is_no_fiber_waits_and_is_woken_too() {
    let (scheduler, block) = (scheduler(), memory());
    let other = block.clone();
    let thread = std::thread::spawn(move || run(&other, "Atomics.wait(a, 1, 0)"));
    let waking = go(&scheduler, &block, "while (!Atomics.notify(a, 1)); 'woken'");
    assert_eq!(waking.join().unwrap().as_deref(), Ok("woken"));
    assert_eq!(thread.join().unwrap().as_deref(), Ok("ok"));
}

#[test]
fn notify_wakes_as_many_as_it_says_the_first_first() {
    let (scheduler, block) = (scheduler(), memory());
    let waiting: Vec<_> =
        (0..5).map(|_| go(&scheduler, &block, "Atomics.wait(a, 2, 0) + Atomics.add(a, 3, 1)")).collect();
    let waking = go(
        &scheduler,
        &block,
        "let n = 0; while (n < 2) n += Atomics.notify(a, 2, 1); while (n < 5) n += Atomics.notify(a, 2); n",
    );
    assert_eq!(waking.join().unwrap().as_deref(), Ok("5"));
    let mut ends: Vec<_> = waiting.into_iter().map(|fiber| fiber.join().unwrap().unwrap()).collect();
    ends.sort();
    assert_eq!(ends, ["ok0", "ok1", "ok2", "ok3", "ok4"]);
}

#[test]
fn a_lock_made_of_atomics_lets_in_one_at_a_time() {
    let scheduler = Scheduler::builder().workers(2).stack_size(256 << 10).build().unwrap();
    let block = memory();
    // The mutex of three states; the number it guards is not atomic.
    let source = "
        function lock() {
            let c = Atomics.compareExchange(a, 4, 0, 1);
            if (c === 0) return;
            do { if (c === 2 || Atomics.compareExchange(a, 4, 1, 2) !== 0) Atomics.wait(a, 4, 2); }
            while ((c = Atomics.compareExchange(a, 4, 0, 2)) !== 0);
        }
        function unlock() { if (Atomics.sub(a, 4, 1) !== 1) { Atomics.store(a, 4, 0); Atomics.notify(a, 4, 1); } }
        for (let i = 0; i < 500; i++) { lock(); const n = a[5]; for (let j = 0; j < 20; j++); a[5] = n + 1; unlock(); }
        'done'";
    let fibers: Vec<_> = (0..6).map(|_| go(&scheduler, &block, source)).collect();
    for fiber in fibers {
        assert_eq!(fiber.join().unwrap().as_deref(), Ok("done"));
    }
    assert_eq!(run(&block, "a[5]").as_deref(), Ok("3000"));
}

#[test]
fn who_is_cancelled_while_it_waits_ends_and_is_not_in_the_list() {
    let (scheduler, block) = (scheduler(), memory());
    for source in [
        "try { Atomics.wait(a, 6, 0) } catch { a[7] = 1 } finally { a[7] = 2 } a[7] = 3",
        "try { Atomics.wait(a, 6, 0, 1e9) } catch { a[7] = 1 } finally { a[7] = 2 } a[7] = 3",
    ] {
        let fiber = go(&scheduler, &block, source);
        // In memory of this test's own.
        while waiting(&block.addresses()) == 0 {
            std::thread::yield_now();
        }
        fiber.cancel();
        let result = fiber.join();
        assert!(result.is_err() || result.unwrap().unwrap_err().is_cancelled());
        assert_eq!(run(&block, "a[7] + ' ' + Atomics.notify(a, 6)").as_deref(), Ok("0 0"));
    }
}

#[test]
fn who_waits_without_blocking_leaves_the_list_when_its_isolate_ends() {
    let block = memory();
    for _ in 0..3 {
        let waits =
            "for (let i = 0; i < 9; i++) Atomics.waitAsync(a, i, 0); Atomics.waitAsync(a, 9, 0, 1e6).async";
        assert_eq!(run(&block, waits).as_deref(), Ok("true"));
        let count = "let count = 0; for (let i = 0; i < 16; i++) count += Atomics.notify(a, i); count";
        assert_eq!(run(&block, count).as_deref(), Ok("0"));
        assert_eq!(run(&block, &format!("{waits}; {count}")).as_deref(), Ok("10"));
    }
}
