//! The globals that the host makes: events, signals, texts.

use heddle_jsbridge::{Bridge, Value};
use heddle_scheduler::{Priority, Scheduler};
use std::sync::{Arc, Mutex};

/// Runs a script; the lines that it logs, and its result.
fn run(source: &str) -> (Vec<String>, Value) {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let bridge = Bridge::builder(&scheduler)
        .console(move |_, line| sink.lock().unwrap().extend(line.split('\n').map(str::to_owned)))
        .build()
        .unwrap();
    let result = bridge.eval(Priority::Normal, source).join().unwrap();
    (std::mem::take(&mut *lines.lock().unwrap()), result)
}

/// The expected lines are Node's own: `node events.js > events.out`.
#[test]
fn events_signals_and_texts_do_what_they_do_in_node() {
    let (lines, _) = run(include_str!("../golden/events.js"));
    let expected: Vec<&str> = include_str!("../golden/events.out").split_terminator('\n').collect();
    for (line, expected) in lines.iter().zip(&expected) {
        assert_eq!(line, expected);
    }
    assert_eq!(lines.len(), expected.len());
}

#[test]
fn globals_look_as_built_ins_do() {
    let (_, result) = run(
        "const names = ['Event', 'CustomEvent', 'EventTarget', 'AbortSignal', 'AbortController', 'TextEncoder', 'TextDecoder', 'console'];
         const listed = names.filter(name => Object.keys(globalThis).includes(name));
         const missing = names.filter(name => !(name in globalThis));
         const named = names.filter(name => name !== 'console' && globalThis[name].name !== name);
         const odd = names.filter(name => { const d = Object.getOwnPropertyDescriptor(globalThis, name); return !d.writable || !d.configurable || d.enumerable; });
         String([listed, missing, named, odd])",
    );
    assert_eq!(result, Value::from(",,,"));
}

#[test]
fn they_work_where_the_built_in_objects_were_changed_before() {
    let (lines, result) = run(
        "const evil = () => { throw new Error('evil'); };
         for (const proto of [Array.prototype, Map.prototype, WeakMap.prototype, Set.prototype, Promise.prototype, String.prototype])
             for (const name of Object.getOwnPropertyNames(proto)) if (name !== 'constructor' && name !== 'length' && !(proto === String.prototype)) try { proto[name] = evil; } catch {}
         Object.defineProperty(Object.prototype, 'get', { __proto__: null, get: evil, configurable: true });
         Object.defineProperty(Array.prototype, 0, { __proto__: null, set: evil, configurable: true });
         Function.prototype.call = Function.prototype.apply = Symbol.hasInstance = evil;
         let done = 0;
         const c = new AbortController();
         AbortSignal.any([]).aborted;
         c.signal.addEventListener('abort', () => done++); c.signal.onabort = () => done++;
         c.abort();
         new TextDecoder().decode(new TextEncoder().encode('text')) + done",
    );
    assert_eq!((lines.len(), result), (0, Value::from("text2")));
}

#[test]
fn what_a_listener_throws_is_reported_and_stops_nobody() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let source = "const t = new EventTarget(); let n = 0;
        t.addEventListener('x', () => { throw new TypeError('mine'); }); t.addEventListener('x', () => n++);
        t.dispatchEvent(new Event('x')); if (n !== 1) throw 'not called'; 0";
    let error = bridge.eval(Priority::Normal, source).join().unwrap_err();
    assert!(error.is_unhandled_rejection() && error.message() == Some("mine"), "{error}");
}

#[test]
fn signals_that_nobody_holds_are_collected_and_those_listened_to_are_not() {
    let (_, result) = run(
        "const c = new AbortController(); let aborted = 0;
         for (let i = 0; i < 20000; i++) { const any = AbortSignal.any([c.signal]); if (i % 1000 === 0) any.onabort = () => aborted++; }
         c.abort(); aborted",
    );
    assert_eq!(result, Value::Number(20.0));
}
