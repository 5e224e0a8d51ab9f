//! Scripts that want too much.

use super::{eventually, everywhere};
use heddle_jsbridge::{Bridge, Error};
use heddle_scheduler::{Priority, Scheduler, block_on};
use std::time::{Duration, Instant};

/// Loops that do not end by themselves, in every place where the engine can be.
const ENDLESS: [&str; 16] = [
    "while (true) {}",
    "for (;;) { try { while (true) {} } catch {} finally { continue; } }",
    "function f() { return g(); } function g() { return 1; } while (1) f();",
    "[1, 2].sort(() => { while (true) {} })",
    "'a'.replace(/a/, () => { while (true) {} })",
    "new Promise(() => { while (true) {} }); while (true) {}",
    "(async () => { while (true) await 1; })()",
    "(function again() { Promise.resolve().then(again); })()",
    "function* g() { while (true) yield 1; } for (let x of g());",
    "({get x() { while (true) {} }})",
    "let e = new Error(); Object.defineProperty(e, 'stack', {get() { while (true) {} }}); throw e",
    "new Proxy({}, {get() { while (true) {} }}).x",
    "/(a*)*b/.test('a'.repeat(100))",
    "Array.from({length: 1e9}, () => 1)",
    "[..._()]; function* _() { while (true) yield; }",
    "eval('while (true) {}')",
];

#[test]
fn a_script_that_loops_ends_when_its_time_is_up() {
    everywhere(
        |options| options.time(Duration::from_millis(20)),
        |_, bridge| {
            let handles: Vec<_> =
                ENDLESS.iter().map(|source| (source, bridge.eval(Priority::Normal, *source))).collect();
            for (source, handle) in handles {
                let error = handle.join().expect_err(source);
                assert!(error.is_timeout() || error.is_out_of_memory(), "{source}: {error}");
                assert!(!error.is_exception() && !error.is_cancelled());
            }
        },
    );
}

#[test]
fn a_script_that_loops_ends_when_it_is_cancelled() {
    everywhere(
        |options| options.time(Duration::MAX).memory(1 << 30),
        |scheduler, bridge| {
            for source in &ENDLESS[..13] {
                let handle = bridge.eval(Priority::Normal, *source);
                eventually(|| bridge.stats().isolates > 0);
                handle.cancel();
                let error = handle.join().expect_err(source);
                assert!(error.is_cancelled(), "{source}: {error}");
                scheduler.wait_all().unwrap();
            }
        },
    );
}

#[test]
fn a_script_that_was_cancelled_before_it_began_never_does() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let (give, get) = std::sync::mpsc::channel::<()>();
    let occupied = scheduler.go(move || get.recv());
    let handle = bridge.eval(Priority::Normal, "1");
    handle.cancel();
    assert!(handle.is_finished());
    assert!(handle.join().unwrap_err().is_cancelled());
    drop(give);
    assert!(occupied.join().unwrap().is_err());
    assert_eq!(bridge.stats().total().returned + bridge.stats().total().failed, 0);
}

#[test]
fn stopping_the_scheduler_ends_its_scripts() {
    let scheduler = Scheduler::builder().workers(2).build().unwrap();
    let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build().unwrap();
    let handles: Vec<_> = (0..20).map(|_| bridge.eval(Priority::Low, "while (true) {}")).collect();
    eventually(|| bridge.stats().isolates > 0);
    scheduler.stop().unwrap();
    for handle in handles {
        let error = handle.join().unwrap_err();
        assert!(error.is_cancelled() || error.is_fiber(), "{error}");
    }
    assert_eq!(bridge.stats().isolates, 0);
    let error = bridge.eval(Priority::Low, "1").join().unwrap_err();
    assert!(error.is_fiber() && error.to_string().contains("call start() to use it again"), "{error}");
}

#[test]
fn time_is_what_a_script_runs_and_not_what_it_waits() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).time(Duration::from_millis(150)).build().unwrap();
    let spin = "let until = Date.now() + 30; while (Date.now() < until) {} 'done'";
    let low = bridge.eval(Priority::Low, spin);
    // On a busy machine it may be over before anybody looks.
    eventually(|| bridge.stats().isolates > 0 || low.is_finished());
    // The low one has begun, and waits for longer than it may run.
    let urgent = scheduler.go_with_priority(Priority::High, || {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(400) {}
    });
    urgent.join().unwrap();
    assert_eq!(low.join().unwrap().as_str(), Some("done"));
}

#[test]
fn memory_has_a_limit_that_says_so() {
    everywhere(
        |options| options.memory(4 << 20),
        |_, bridge| {
            let greedy = [
                "let a = []; while (true) a.push(a.length);",
                "let s = 'x'; while (true) s = (s + s).split('').join('');",
                "let a = []; while (true) a.push({a});",
                "new Uint8Array(100 << 20)",
                "let m = new Map(); for (let i = 0; ; i++) m.set(i, [i]);",
                "[...'x'.repeat(4e6)]",
                "'x'.repeat(3e6) + 'é'.repeat(3e6)",
            ];
            for source in greedy {
                let error = bridge.eval(Priority::Normal, source).join().expect_err(source);
                assert!(error.is_out_of_memory() && !error.is_exception(), "{source}: {error}");
                assert!(error.to_string().contains("4096 KiB"), "{error}");
            }
            // A script that can do without goes on, and can throw what it likes.
            let frugal = "try { new Uint8Array(100 << 20) } catch (e) { e.message }";
            assert_eq!(bridge.eval(Priority::Normal, frugal).join().unwrap().as_str(), Some("out of memory"));
            let forged = bridge.eval(Priority::Normal, "throw new InternalError('out of memory')").join();
            assert!(forged.unwrap_err().is_exception());
            assert!(bridge.stats().memory_most <= 4 << 20);
        },
    );
}

#[test]
fn every_small_amount_of_memory_ends_in_an_error_or_a_result() {
    let scheduler = Scheduler::builder().workers(2).build().unwrap();
    let source = "let a = []; for (let i = 0; i < 300; i++) a.push({i, s: 'x' + i, f: () => i});
        class A { #p = 1; get p() { return this.#p; } } new A().p + JSON.parse(JSON.stringify(a)).length
        + [...'x'.repeat(99)].map(c => c.codePointAt(0)).sort((a, b) => a - b)[0]";
    for step in 0..150 {
        let bridge = Bridge::builder(&scheduler).memory((256 << 10) - step + 700 * step).build().unwrap();
        match bridge.eval(Priority::Normal, source).join() {
            Ok(value) => assert_eq!(value.as_f64(), Some(421.0)),
            Err(error) => assert!(error.is_out_of_memory(), "{error}"),
        }
    }
}

/// Recursion without end, through every kind of call that the engine makes.
const DEEP: [&str; 28] = [
    "function f() { return f() + 1; } f()",
    "const f = (...a) => f(...a, 1); f()",
    "let o = {get x() { return this.x; }}; o.x",
    "let o = {toString() { return '' + this; }}; '' + o",
    "let o = {valueOf() { return +this; }}; +o",
    "let o = {toJSON() { return JSON.stringify(this); }}; JSON.stringify(o)",
    "let p = new Proxy({}, {get(t, k, r) { return r[k]; }}); p.x",
    "let p = new Proxy(function () {}, {apply() { return p(); }}); p()",
    "class A { constructor() { new A(); } } new A()",
    "class A { constructor() { this.a = new this.constructor(); } } class B extends A {} new B()",
    "function f() { [1].map(f); } f()",
    "function f() { [2, 1].sort(f); return 0; } f()",
    "function f() { 'a'.replace(/a/, f); } f()",
    "function f() { f.call(); } f()",
    "function f() { f.apply(null, Array(100)); } f()",
    "function f() { Reflect.construct(f, []); } f()",
    "function f() { f.bind()(); } f()",
    "function f() { eval('f()'); } f()",
    "function f() { new Function('f()')(); } globalThis.f = f; f()",
    "function f() { for (let x of {[Symbol.iterator]: f}); } f()",
    "function f() { JSON.parse('[1]', f); } f()",
    "function* g() { yield* g(); } g().next()",
    "async function f() { await f(); } f()",
    "function f() { new Promise(f); f(); } f()",
    "function f() { try { f(); } finally { f(); } } f()",
    "function f() { `${{toString: f}}`; } f()",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)",
];

/// The same for the parsers.
fn deep_sources() -> Vec<String> {
    let n = 100_000;
    vec![
        "(".repeat(n),
        "[".repeat(n),
        "{".repeat(n),
        "a=>".repeat(n),
        "!".repeat(n) + "1",
        "1+(".repeat(n),
        "`${".repeat(n),
        "function f(){".repeat(n),
        "class A{a=".repeat(n),
        "if(1)".repeat(n),
        format!("JSON.parse('{}')", "[".repeat(n)),
        format!("new RegExp('{}')", "(".repeat(n)),
        format!("new RegExp('{}1{}').test('1')", "(?:".repeat(n), ")*".repeat(n)),
        format!("/{}/.test('a')", "(?=".repeat(n)),
    ]
}

#[test]
fn recursion_without_end_is_an_error_and_not_a_crash() {
    // The smallest stack there may be, an ordinary one, and a large one.
    for stack_size in [64 << 10, 128 << 10, 1 << 20] {
        let scheduler = Scheduler::builder().workers(2).stack_size(stack_size).build().unwrap();
        let bridge = Bridge::builder(&scheduler).time(Duration::from_millis(500)).build().unwrap();
        let sources = DEEP.iter().map(|source| (*source).to_owned()).chain(deep_sources());
        let handles: Vec<_> =
            sources.map(|source| (source.clone(), bridge.eval(Priority::Normal, source))).collect();
        for (source, handle) in handles {
            let result = handle.join();
            let source = &source[..source.len().min(60)];
            let error = match result {
                // Those that swallow the error in a promise.
                Ok(_) => continue,
                Err(error) => error,
            };
            assert!(
                error.is_exception() || error.is_timeout() || error.is_out_of_memory(),
                "{source}: {error}"
            );
        }
        let error = bridge.eval(Priority::Normal, DEEP[0]).join().unwrap_err();
        assert!(error.is_stack_overflow() && error.name() == Some("RangeError"), "{error}");
        let caught = "function f() { f(); } try { f(); } catch (e) { e instanceof RangeError }";
        assert_eq!(bridge.eval(Priority::Normal, caught).join().unwrap().as_bool(), Some(true));
    }
}

#[test]
fn a_larger_stack_lets_scripts_recurse_deeper() {
    let depth = |stack_size: usize, stack: Option<usize>| {
        let scheduler = Scheduler::builder().workers(1).stack_size(stack_size).build().unwrap();
        let mut options = Bridge::builder(&scheduler);
        if let Some(stack) = stack {
            options = options.stack(stack);
        }
        let bridge = options.build().unwrap();
        let source = "let n = 0; function f() { n++; f(); } try { f(); } catch {} n";
        bridge.eval(Priority::Normal, source).join().unwrap().as_f64().unwrap()
    };
    assert!(depth(64 << 10, None) >= 20.0);
    assert!(depth(1 << 20, None) >= 1000.0);
    let bounded = depth(1 << 20, Some(64 << 10));
    assert!(bounded < depth(256 << 10, None), "{bounded}");
}

#[test]
fn past_the_bound_on_isolates_scripts_wait() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).max_isolates(1).build().unwrap();
    let first = bridge.eval(Priority::Background, "while (true) {}");
    eventually(|| bridge.stats().isolates > 0);
    let waits = bridge.eval(Priority::Critical, "1");
    let never = bridge.eval(Priority::Critical, "2");
    never.cancel();
    assert!(never.join().unwrap_err().is_cancelled());
    assert!(!waits.is_finished());
    first.cancel();
    assert!(first.join().unwrap_err().is_cancelled());
    assert!(waits.join().is_ok());
}

#[test]
fn a_deferred_that_is_awaited_ends_in_time_while_it_waits_for_an_isolate() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).max_isolates(1).build().unwrap();
    let first = bridge.eval(Priority::Background, "while (true) {}");
    eventually(|| bridge.stats().isolates > 0);
    let late = bridge.defer("() => 1").timeout(Duration::from_millis(20)).spawn::<i32>().unwrap();
    assert!(block_on(late.into_future()).unwrap_err().is_timeout());
    assert!(!first.is_finished());
    first.cancel();
    assert!(first.join().unwrap_err().is_cancelled());
    let early = bridge.defer("() => 1").timeout(Duration::from_secs(3600)).spawn::<i32>().unwrap();
    assert_eq!(block_on(early.into_future()).unwrap(), 1);
}

#[test]
fn a_deferred_that_is_awaited_where_no_other_fiber_can_be_had_says_how_it_ended() {
    let scheduler = Scheduler::builder().workers(1).max_fibers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let endless = bridge.defer("() => { while (true); }").timeout(Duration::from_millis(200));
    let ended = block_on(endless.spawn::<()>().unwrap().into_future());
    assert!(ended.as_ref().is_err_and(Error::is_timeout), "{ended:?}");
}

#[test]
fn a_deferred_that_gets_no_fiber_says_why() {
    let scheduler = Scheduler::builder().workers(1).max_fibers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let (give, get) = std::sync::mpsc::channel::<()>();
    let occupied = scheduler.go(move || get.recv());
    let error = bridge.defer("() => 1").spawn::<i32>().unwrap().join().unwrap_err();
    assert!(error.is_fiber() && error.to_string().contains("Builder::max_fibers"), "{error}");
    drop(give);
    assert!(occupied.join().unwrap().is_err());
    assert_eq!(bridge.defer("() => 1").spawn::<i32>().unwrap().join().unwrap(), 1);
}
