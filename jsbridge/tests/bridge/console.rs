//! `console`.

use heddle_jsbridge::{Bridge, ConsoleLevel};
use heddle_scheduler::{Priority, Scheduler};
use std::sync::{Arc, Mutex};

fn lines_of(source: &str) -> Vec<(ConsoleLevel, String)> {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let bridge = Bridge::builder(&scheduler)
        .console(move |level, line| sink.lock().unwrap().push((level, line.to_owned())))
        .build()
        .unwrap();
    bridge.eval(Priority::Normal, source).join().unwrap();
    std::mem::take(&mut *lines.lock().unwrap())
}

#[test]
fn lines_arrive_in_order_with_their_level() {
    let source = "console.log(1); console.warn('two', 3); console.error(); console.info(null, undefined);
        console.debug([1, {a: 'é'}], Symbol('s'), 5n, true, -0); 0";
    let expected = [
        (ConsoleLevel::Log, "1"),
        (ConsoleLevel::Warn, "two 3"),
        (ConsoleLevel::Error, ""),
        (ConsoleLevel::Info, "null undefined"),
        (ConsoleLevel::Debug, "[ 1, { a: 'é' } ] Symbol(s) 5n true -0"),
    ];
    let expected: Vec<_> = expected.iter().map(|(level, line)| (*level, (*line).to_owned())).collect();
    assert_eq!(lines_of(source), expected);
}

/// The expected lines are Node's own: `node console.js > console.out`.
#[test]
fn values_are_shown_as_node_shows_them() {
    let lines = lines_of(include_str!("../golden/console.js"));
    let shown: Vec<&str> = lines.iter().flat_map(|(_, line)| line.split('\n')).collect();
    let expected: Vec<&str> = include_str!("../golden/console.out").split_terminator('\n').collect();
    let mut number = "";
    for (shown, expected) in shown.iter().zip(&expected) {
        if expected.starts_with('#') {
            number = expected;
        }
        assert_eq!(shown, expected, "after {number}");
    }
    assert_eq!(shown.len(), expected.len());
}

#[test]
fn what_a_format_asks_for_may_throw_and_the_script_gets_it() {
    let lines = lines_of(
        "try { console.log('%s', {toString() { throw 7; }}) } catch (e) { console.log(e) }
         try { console.log('%j', {toJSON() { throw 8; }}) } catch (e) { console.log(e) } 0",
    );
    assert_eq!(lines, [(ConsoleLevel::Log, "7".to_owned()), (ConsoleLevel::Log, "8".to_owned())]);
}

#[test]
fn an_error_is_shown_with_its_stack_cause_and_properties() {
    let lines = lines_of(
        "class Mine extends Error { name = 'MineError'; code = 5; }
         console.log(new Mine('m', { cause: new TypeError('why') })); 0",
    );
    let shown: Vec<&str> = lines[0].1.lines().map(str::trim_end).collect();
    assert_eq!(shown[0], "MineError: m");
    assert!(shown[2].starts_with("    at <eval> (<eval>:2:"), "{shown:?}");
    assert!(shown.contains(&"  code: 5,"), "{shown:?}");
    assert!(shown.contains(&"  [cause]: TypeError: why"), "{shown:?}");
}

#[test]
fn looking_at_a_value_runs_none_of_its_code() {
    let lines = lines_of(
        "let ran = [];
         const spy = (name) => function () { ran.push(name); throw name; };
         const traps = {};
         for (const name of Object.getOwnPropertyNames(Reflect)) traps[name] = spy(name);
         const odd = { get a() { return spy('getter')() }, toString: spy('toString'), toJSON: spy('toJSON'), valueOf: spy('valueOf') };
         odd[Symbol.toPrimitive] = spy('toPrimitive'); odd[Symbol.iterator] = spy('iterator');
         Map.prototype.forEach = Set.prototype.forEach = spy('forEach'); Map.prototype[Symbol.iterator] = spy('entries');
         Array.prototype.push = Array.prototype.join = spy('array'); Date.prototype.getTime = spy('getTime');
         Object.defineProperty(Array.prototype, 0, { set: spy('setter'), configurable: true });
         class Odd { static [Symbol.hasInstance]() { spy('hasInstance')(); } }
         console.log(odd, new Proxy({}, traps), new Map([[1, odd]]), new Set([1]), new Date(0), new Odd);
         console.table([odd, new Proxy({}, traps)]);
         console.dir(Object.setPrototypeOf({ a: 1 }, new Proxy({}, { ...traps, get: undefined })));
         delete Array.prototype[0];
         ran.length === 0 ? console.log('nothing ran') : console.log(ran[0], ran[1]); 0",
    );
    assert_eq!(lines.last().unwrap().1, "nothing ran", "{lines:?}");
    assert!(lines[0].1.contains("[Getter]") && lines[0].1.contains("1970-01-01"), "{}", lines[0].1);
}

#[test]
fn what_is_deep_or_long_is_bounded() {
    let source = "let deep = []; for (let i = 0; i < 100000; i++) deep = [deep];
        console.dir(deep, { depth: null });
        const long = 'x'.repeat(9999), wide = Array.from({ length: 99 }, () => Array.from({ length: 99 }, () => long));
        console.dir(wide, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity });
        const many = new Proxy(new Array(1e6).fill(1), {}); console.log(many); console.log(new Uint8Array(1e7));
        for (let i = 0; i < 1e5; i++) console.group(); console.log('in');
        for (let i = 0; i < 3000; i++) console.count('c' + i); 0";
    let lines = lines_of(source);
    assert!(lines[0].1.len() < 1 << 20 && lines[0].1.contains("[Array]"), "{}", lines[0].1.len());
    assert!(lines[1].1.len() < 16 << 20, "{}", lines[1].1.len());
    assert!(lines[2].1.ends_with("... 999900 more items\n]") && lines[3].1.contains("more items"));
    assert_eq!(lines[4].1, format!("{}in", " ".repeat(100)));
    assert!(lines.last().unwrap().1.contains("remembers 1000 labels"));
}

#[test]
fn notes_are_written_and_wrong_ones_are_warnings() {
    let lines = lines_of(
        "console.time('t'); console.timeLog('t', { a: 1 }); console.timeEnd('t'); console.timeEnd('t');
         console.assert(true, 'no'); console.assert(false); console.assert(0, 'a %s', 'b'); console.assert(null, { a: 1 });
         console.countReset('none'); console.trace('here %d', 1); 0",
    );
    let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    assert!(texts[0].starts_with("t: ") && texts[0].ends_with("s { a: 1 }"), "{texts:?}");
    assert!(texts[1].starts_with("t: ") && texts[1].ends_with('s'), "{texts:?}");
    assert_eq!(lines[2], (ConsoleLevel::Warn, "Warning: No such label 't' for console.timeEnd()".to_owned()));
    assert_eq!(texts[3..6], ["Assertion failed", "Assertion failed: a b", "Assertion failed: { a: 1 }"]);
    assert_eq!(texts[6], "Warning: Count for 'none' does not exist");
    assert!(texts[7].starts_with("Trace: here 1\n    at <eval> (<eval>:3:"), "{}", texts[7]);
    assert_eq!(lines[7].0, ConsoleLevel::Error);
}

#[test]
fn the_console_works_at_the_end_of_the_stack() {
    let lines = lines_of(
        "function f() { try { f(); } catch { console.log({deep: [1.5, 'x']}); throw 1; } } try { f() } catch {} 0",
    );
    assert!(lines.iter().any(|(_, line)| line == "{ deep: [ 1.5, 'x' ] }"));
}

#[test]
fn a_console_that_panics_is_an_error_for_the_script() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler)
        .console(|_, _| std::panic::resume_unwind(Box::new("no ink")))
        .build()
        .unwrap();
    let error = bridge.eval(Priority::Normal, "console.log(1)").join().unwrap_err();
    assert_eq!(error.to_string(), "InternalError: a function of the host panicked");
}
