//! Making Deferreds, and what comes of them.

use crate::{run, run_with, text};
use heddle_jsbridge::{Bridge, Value};
use heddle_scheduler::Scheduler;
use std::sync::{Arc, Mutex};

#[test]
fn a_function_runs_elsewhere_and_its_promise_has_the_result() {
    assert_eq!(run("await new Deferred(() => 6 * 7)"), Ok(Value::Number(42.0)));
    assert_eq!(run("await new Deferred((a, b) => a + b, { args: [2, 3] })"), Ok(Value::Number(5.0)));
    assert_eq!(run("await Deferred.run((a, b) => a + b, 'he', 'ddle')"), Ok(Value::from("heddle")));
    assert_eq!(
        run("await new Deferred(async n => { await null; return n + 1 }, { args: [1] })"),
        Ok(Value::Number(2.0))
    );
    assert_eq!(run("await new Deferred(() => undefined)"), Ok(Value::Undefined));
}

#[test]
fn it_is_a_promise() {
    assert_eq!(
        text(
            "const d = new Deferred(() => 1);
             const all = [d instanceof Promise, d instanceof Deferred, Object.prototype.toString.call(d),
                 d.then(x => x) instanceof Deferred, d.then(x => x) instanceof Promise, Deferred.resolve(1) instanceof Deferred,
                 (await Promise.all([d, Deferred.run(() => 2)])).join(), (await Deferred.all([d, 3])).join(),
                 await Deferred.race([d]), await Deferred.any([d]), (await Deferred.allSettled([d]))[0].status,
                 await Deferred.resolve(7), await Deferred.reject(8).catch(x => x), typeof Deferred.withResolvers().resolve,
                 await Deferred.try(() => 9), await d.finally(() => {})];
             all.join(' ')"
        ),
        "true true [object Deferred] false true false 1,2 1,3 1 1 fulfilled 7 8 function 9 1"
    );
}

#[test]
fn what_was_thrown_comes_back() {
    assert_eq!(
        text(
            "const seen = [];
             for (const f of [() => { throw new RangeError('far') }, async () => { throw new TypeError('odd') }, () => null.x]) {
                 try { await new Deferred(f) } catch (e) { seen.push(e instanceof Error, e.constructor.name, e.message) }
             }
             seen.join()"
        ),
        "true,RangeError,far,true,TypeError,odd,true,TypeError,cannot read property 'x' of null"
    );
    assert_eq!(text("await new Deferred(() => { throw 'text' }).catch(x => 'caught ' + x)"), "caught text");
}

#[test]
fn an_error_tells_both_where_it_was_thrown_and_where_its_deferred_was_made() {
    let stack = text(
        "function thrower() { throw new Error('deep') }
         let stack;
         try { await new Deferred('()=>1' && (() => { throw new Error('deep') }), { name: 'counter' }) } catch (e) { stack = e.stack }
         stack",
    );
    assert!(stack.contains("--- Deferred 'counter', made:"), "{stack}");
    assert!(stack.contains("<eval>:3"), "{stack}");
}

#[test]
fn wrong_use_is_refused_where_it_happens() {
    for (made, message) in [
        ("new Deferred()", "TypeError: Deferred: the first argument must be a function, not undefined"),
        ("new Deferred(1)", "TypeError: Deferred: the first argument must be a function, not number"),
        ("new Deferred(null)", "TypeError: Deferred: the first argument must be a function, not null"),
        (
            "new Deferred(() => 1, 5)",
            "TypeError: Deferred: the options must be an object, like { args: [1, 2], priority: 'high' }",
        ),
        (
            "new Deferred(() => 1, { args: 5 })",
            "TypeError: Deferred: the option 'args' must be an array, not number",
        ),
        (
            "new Deferred(() => 1, { timeout: -1 })",
            "TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not -1",
        ),
        (
            "new Deferred(() => 1, { timeout: '1' })",
            "TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not string",
        ),
        (
            "new Deferred(() => 1, { priority: 'urgent' })",
            "TypeError: Deferred: 'urgent' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'",
        ),
        (
            "new Deferred(() => 1, { signal: {} })",
            "TypeError: Deferred: the option 'signal' must be an AbortSignal, not object",
        ),
        (
            "new Deferred(() => 1, { name: 1 })",
            "TypeError: Deferred: the option 'name' must be a string, not number",
        ),
        (
            "new Deferred(() => 1, { node: 1.5 })",
            "TypeError: Deferred: the option 'node' must be the number of a NUMA node, not 1.5",
        ),
        ("Deferred(() => 1)", "TypeError: class constructors must be invoked with 'new'"),
    ] {
        assert_eq!(
            text(&format!("let m; try {{ {made} }} catch (e) {{ m = String(e) }} m")),
            message,
            "{made}"
        );
    }
}

#[test]
fn deferreds_make_deferreds() {
    assert_eq!(
        run("await new Deferred(async () => {
                 const parts = [1, 2, 3].map(n => new Deferred(n => n * n, { args: [n] }));
                 return (await Promise.all(parts)).reduce((a, b) => a + b);
             })"),
        Ok(Value::Number(14.0))
    );
}

#[test]
fn timers_call_in_the_order_of_their_times() {
    assert_eq!(
        text(
            // Each is due `ms` after a moment between two looks at the clock: who was due before another, wherever in
            // between these were, is called before it.
            "const seen = [];
             const later = ms => new Promise(done => {
                 const due = { least: performance.now() + ms };
                 setTimeout(() => { seen.push(due); done() }, ms);
                 due.most = performance.now() + ms;
             });
             const cleared = setTimeout(() => seen.push({ never: true }), 1);
             clearTimeout(cleared); clearTimeout(cleared); clearTimeout(undefined); clearTimeout(12345);
             let ticks = 0;
             const ticking = new Promise(done => { const t = setInterval((a, b) => { if (++ticks === 3) { clearInterval(t); done(a + b) } }, 1, 20, 3) });
             const all = await Promise.all([later(12), later(4), later(0), ticking]);
             const wrong = seen.filter((one, i) => one.never || seen.slice(i).some(next => next.most < one.least));
             [seen.length, wrong.length, ticks, all[3]].join()"
        ),
        "3,0,3,23"
    );
}

#[test]
fn inside_it_can_ask_for_itself() {
    assert_eq!(
        text(
            "const inside = await new Deferred(() => [Deferred.current.priority, Deferred.current.name, Deferred.current.yield(),
                 Deferred.current.checkpoint(), (Deferred.current.priority = 'low', Deferred.current.priority)].join(),
                 { priority: 'high', name: 'self' });
             inside + ' ' + Deferred.current"
        ),
        "high,self,,,low null"
    );
}

#[test]
fn progress_is_told_in_order_and_before_the_end() {
    assert_eq!(
        text(
            "const seen = [];
             const d = new Deferred(() => { for (let i = 1; i <= 1000; i++) Deferred.current.progress(i); return 'end' });
             d.onprogress = function (p) { seen.push(p); if (this !== d) throw 1 };
             const end = await d;
             const sorted = seen.every((p, i) => i === 0 || p > seen[i - 1]);
             [sorted, seen.length > 0, seen.at(-1), end].join()"
        ),
        "true,true,1000,end"
    );
}

#[test]
fn cancelling_stops_a_loop_and_what_was_queued_never_starts() {
    assert_eq!(
        text(
            "const seen = [];
             const d = new Deferred(() => { while (true) {} });
             setTimeout(() => seen.push(d.cancel()), 2);
             try { await d } catch (e) { seen.push(e instanceof DOMException, e.name, e.message) }
             seen.push(d.cancel(), d.state);
             const own = new Deferred(() => { while (true) {} });
             own.cancel('because');
             seen.push(await own.catch(x => x));
             seen.join()"
        ),
        "true,true,AbortError,the Deferred was cancelled,false,settled,because"
    );
}

#[test]
fn a_timeout_ends_what_runs_and_what_waits() {
    assert_eq!(
        text(
            "const name = d => d.then(() => 'no', e => e.name);
             const loop = new Deferred(() => { while (true) {} }, { timeout: 5 });
             const waits = new Deferred(() => new Promise(() => setTimeout(() => {}, 1e6)), { timeout: 5 });
             const none = new Deferred(() => 1, { timeout: Infinity });
             [await name(loop), await name(waits), await none].join()"
        ),
        "TimeoutError,TimeoutError,1"
    );
}

#[test]
fn what_can_never_be_settled_says_so() {
    assert_eq!(
        text("await new Deferred(() => new Promise(() => {})).catch(e => e.name)"),
        "NeverSettledError"
    );
}

#[test]
fn many_in_flight_all_come_back_to_their_own() {
    assert_eq!(
        run("let sum = 0;
             const all = []; for (let i = 0; i < 1000; i++) all.push(new Deferred(i => i * 2, { args: [i] }).then(x => { sum += x }));
             await Promise.all(all); sum"),
        Ok(Value::Number(999_000.0))
    );
}

#[test]
fn a_class_is_called_with_new() {
    assert_eq!(
        text(
            "class Point { constructor(x, y) { this.x = x; this.y = y } }
             const made = await new Deferred(Point, { args: [1, 2] });
             JSON.stringify(made) + made.constructor.name"
        ),
        "{\"x\":1,\"y\":2}Object"
    );
    assert_eq!(
        text("await new Deferred(function* () { yield 1 }).catch(e => e.name + ': ' + e.message)"),
        "DataCloneError: result is a Generator and cannot be cloned"
    );
}

#[test]
fn where_the_host_says_so_nobody_compiles_texts() {
    let source = "const refused = [];
        const attempt = f => { try { f(); refused.push(false) } catch (e) { refused.push(e.name) } };
        attempt(() => eval('1')); attempt(() => new Function('return 1'));
        refused.push(await new Deferred(() => (0, eval)('1')).catch(e => e.name));
        refused.push(await new Deferred(() => { class A { static x = 5 } return A.x }));
        refused.join()";
    let answer = run_with(source, |builder| builder.allow_eval(false));
    assert_eq!(answer, Ok(Value::from("TypeError,TypeError,TypeError,5")));
}

#[test]
fn one_that_waits_may_clean_up_when_it_is_cancelled() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    for (body, expected) in [
        (
            "await new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)))",
            "cleaned AbortError true",
        ),
        ("await new Promise(() => setTimeout(() => {}, 1e6))", "heard"),
        (
            "await new Promise((_, no) => signal.addEventListener('abort', () => { while (true) {} }))",
            "heard",
        ),
    ] {
        lines.lock().unwrap().clear();
        let source = format!(
            "const d = new Deferred(async () => {{
                 const signal = Deferred.current.signal;
                 setTimeout(() => {{}}, 1e6);
                 signal.onabort = () => console.log('heard');
                 setTimeout(() => Deferred.current.progress('waits'), 0);
                 try {{ {body} }} catch (e) {{ console.log('cleaned', e.name, signal === Deferred.current.signal) }}
                 while (true) {{}}
             }});
             d.onprogress = () => setTimeout(() => d.cancel(), 1);
             await d.catch(e => e.name)"
        );
        let answer = run_with(&source, |builder| {
            let lines = lines.clone();
            builder.console(move |_, line| lines.lock().unwrap().push(line.to_owned()))
        });
        assert_eq!(answer, Ok(Value::from("AbortError")));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.iter().filter(|line| **line == expected).count(), 3, "{body}: {lines:?}");
    }
}

#[test]
fn structured_clone_copies_and_transfers() {
    assert_eq!(
        text(
            "const a = { d: new Date(5), m: new Map([[1, { x: [2n] }]]) }; a.self = a;
             const b = structuredClone(a);
             const buffer = new ArrayBuffer(5000);
             const moved = structuredClone({ buffer }, { transfer: [buffer] });
             const refused = [];
             for (const bad of [() => {}, Symbol('s'), { a: [Promise.resolve()] }]) {
                 try { structuredClone(bad) } catch (e) { refused.push(e.name) }
             }
             try { structuredClone() } catch (e) { refused.push(e.name) }
             [b !== a, b.self === b, b.d.getTime(), b.m.get(1).x[0], moved.buffer.byteLength, buffer.detached, refused].join()"
        ),
        "true,true,5,2,5000,true,DataCloneError,DataCloneError,DataCloneError,TypeError"
    );
}

#[test]
fn an_isolate_in_which_the_hosts_classes_were_made_serves_again() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let call = |source: &str| bridge.defer(source).spawn::<String>().unwrap().join().unwrap();
    for _ in 0..20 {
        assert_eq!(call("() => Deferred.current.priority"), "normal");
        assert_eq!(
            call("() => { new AbortController().abort(); return typeof new TextEncoder() }"),
            "object"
        );
        assert_eq!(call("async () => String(await new Deferred(() => 5))"), "5");
    }
    scheduler.wait_all().unwrap();
    let pool = bridge.stats().pool;
    assert_eq!(pool.discarded_dirty, 0, "{pool:?}");
    assert!(pool.reused > 50, "{pool:?}");
    // What a script leaves in them is noticed, or cannot be left.
    for (leaves, looks) in [
        ("() => { Deferred.x = 1; return '' }", "() => String(Deferred.x)"),
        (
            "() => { Deferred.prototype.cancel = 1; return '' }",
            "() => String(typeof Deferred.prototype.cancel === 'function' ? undefined : 1)",
        ),
        ("() => { Deferred.run.x = 1; return '' }", "() => String(Deferred.run.x)"),
        ("() => { Deferred.current.x = 1; return '' }", "() => String(Deferred.current.x)"),
        ("() => { AbortSignal.prototype.x = 1; return '' }", "() => String(AbortSignal.prototype.x)"),
        (
            "() => { EventTarget.prototype.addEventListener.x = 1; return '' }",
            "() => String(EventTarget.prototype.addEventListener.x)",
        ),
        ("() => { globalThis.Deferred = class { static x = 1 }; return '' }", "() => String(Deferred.x)"),
        ("() => { Object.setPrototypeOf(Deferred, { x: 1 }); return '' }", "() => String(Deferred.x)"),
        (
            "() => { delete globalThis.Deferred; return '' }",
            "() => String(typeof Deferred === 'function' ? undefined : 1)",
        ),
    ] {
        let _ = bridge.defer(leaves).spawn::<String>().unwrap().join();
        assert_eq!(call(looks), "undefined", "{leaves}");
    }
}

#[test]
fn each_is_a_promise_of_its_own_and_keeps_what_it_was_given() {
    assert_eq!(
        text(
            "const a = new Deferred(() => 1, { name: 'a', priority: 'high' });
             const b = new Deferred(() => 2);
             const listener = () => {};
             b.onprogress = listener;
             const seen = [a instanceof Deferred, a instanceof Promise, a.then(x => x) instanceof Deferred, a.priority];
             seen.push(a.name, a.onprogress, b.name, b.onprogress === listener, b.priority);
             seen.push(await a, await b, a.priority, b.priority, Promise.resolve(a) === a);
             b.onprogress = 5;
             seen.push(b.onprogress);
             for (const key of ['name', 'onprogress', 'priority', 'state'])
                 try { seen.push(Deferred.prototype[key]) } catch (e) { seen.push(e.constructor.name) }
             try { Deferred.prototype.onprogress = listener } catch (e) { seen.push(e.constructor.name) }
             seen.join()"
        ),
        "true,true,false,high,a,,,true,normal,1,2,high,normal,true,,TypeError,TypeError,TypeError,TypeError,TypeError"
    );
}

#[test]
fn one_that_is_made_while_another_is_made_mixes_nothing_up() {
    assert_eq!(
        text(
            "let inner;
             const target = new Proxy(function () {}, {
                 get: (f, key) => (key === 'prototype' && (inner = new Deferred(() => 'inner')), Deferred.prototype),
             });
             const outer = Reflect.construct(Deferred, [() => 'outer'], target);
             (await outer) + ' ' + (await inner)"
        ),
        "outer inner"
    );
}

#[test]
fn what_would_be_a_silent_wrong_answer_is_refused() {
    for (script, why) in [
        (
            "let total = 0; const add = n => { total += n };
             new Deferred(() => { add(1); return total })",
            "is written to, and used by more than one of the functions that are sent",
        ),
        ("const c = 1; new Deferred(() => { c = 2; return c })", "it assigns to the constant 'c'"),
    ] {
        let message = text(&format!(
            "let said = 'nothing'; try {{ (() => {{ {script} }})() }} catch (e) {{ said = e.message }} said"
        ));
        assert!(message.contains(why), "in a function: {message}");
        let (before, made) = script.rsplit_once("new Deferred").unwrap();
        let message = text(&format!(
            "{before} let said = 'nothing'; try {{ new Deferred{made} }} catch (e) {{ said = e.message }} said"
        ));
        assert!(message.contains(why), "at the top: {message}");
    }
    // One function alone may write to its copy, and is warned of.
    assert_eq!(
        run("let own = 1; await new Deferred(() => { own += 5; return own })"),
        Ok(Value::Number(6.0))
    );
}
