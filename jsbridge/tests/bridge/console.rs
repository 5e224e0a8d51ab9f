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
        (ConsoleLevel::Debug, r#"[1,{"a":"é"}] Symbol(s) 5 true 0"#),
    ];
    let expected: Vec<_> = expected.iter().map(|(level, line)| (*level, (*line).to_owned())).collect();
    assert_eq!(lines_of(source), expected);
}

#[test]
fn what_json_cannot_write_is_shown_all_the_same() {
    let lines = lines_of("let o = {}; o.o = o; console.log(o, [1n]); console.log(new TypeError('m')); 0");
    assert_eq!(lines[0].1, "[object Object] 1");
    assert!(lines[1].1.starts_with("TypeError: m\n    at <eval> (<eval>:1:"), "{}", lines[1].1);
}

#[test]
fn what_an_argument_throws_reaches_the_script() {
    let lines = lines_of(
        "try { console.log({toString() { throw 7; }, toJSON() { throw 8; }}) } catch (e) { console.log(e) } 0",
    );
    assert_eq!(lines, [(ConsoleLevel::Log, "7".to_owned())]);
}

#[test]
fn the_console_works_at_the_end_of_the_stack() {
    let lines = lines_of(
        "function f() { try { f(); } catch { console.log({deep: [1.5, 'x']}); throw 1; } } try { f() } catch {} 0",
    );
    assert!(lines.iter().any(|(_, line)| line == r#"{"deep":[1.5,"x"]}"#));
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
