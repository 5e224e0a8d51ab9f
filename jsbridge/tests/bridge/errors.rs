//! What is thrown, and what is known of it.

use super::{eval, everywhere};
use heddle_jsbridge::{Bridge, Script};
use heddle_scheduler::{Priority, Scheduler};

#[test]
fn an_exception_has_its_name_message_stack_and_place() {
    let source =
        "function inner() {\n  throw new TypeError('too big');\n}\nfunction outer() { inner(); }\nouter();";
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    let script = Script::new(source).name("a script.js");
    let error = bridge.eval(Priority::Normal, script).join().unwrap_err();
    assert!(error.is_exception());
    assert!(!error.is_timeout() && !error.is_out_of_memory() && !error.is_cancelled());
    assert_eq!(error.name(), Some("TypeError"));
    assert_eq!(error.message(), Some("too big"));
    assert_eq!(error.to_string(), "TypeError: too big");
    let stack: Vec<&str> = error.js_stack().unwrap().lines().map(str::trim).collect();
    assert!(stack[0].starts_with("at inner (a script.js:2:"), "{stack:?}");
    assert!(stack[1].starts_with("at outer (a script.js:4:"), "{stack:?}");
    let place = error.location().unwrap();
    assert_eq!((place.script.as_str(), place.line), ("a script.js", 2));
}

#[test]
fn a_syntax_error_says_where() {
    let error = eval("let fine = 1;\nlet x = ;").unwrap_err();
    assert_eq!(error.name(), Some("SyntaxError"));
    let place = error.location().unwrap();
    assert_eq!((place.script.as_str(), place.line, place.column), ("<eval>", 2, 9));
    for source in ["(", "'", "`${", "/a", "{", "var 1", "a b", "return", "await 1 2", "\u{0}"] {
        let error = eval(source).unwrap_err();
        assert_eq!(error.name(), Some("SyntaxError"), "{source}: {error}");
    }
}

#[test]
fn anything_can_be_thrown() {
    let cases = [
        ("throw 42", "42"),
        ("throw 'text'", "text"),
        ("throw null", "null"),
        ("throw undefined", "undefined"),
        ("throw {a: 1}", r#"{"a":1}"#),
        ("throw Symbol('s')", "Symbol(s)"),
        ("throw {toJSON() { throw 1; }, toString() { throw 2; }}", "(a value that has no text)"),
    ];
    for (source, message) in cases {
        let error = eval(source).unwrap_err();
        assert!(error.is_exception(), "{source}: {error}");
        assert_eq!((error.name(), error.message()), (None, Some(message)), "{source}");
    }
}

#[test]
fn errors_that_fight_back_are_still_reported() {
    let cases = [
        "let e = new Error('m'); Object.defineProperty(e, 'message', {get() { throw e; }}); throw e",
        "let e = new Error('m'); Object.defineProperty(e, 'stack', {get() { throw e; }}); throw e",
        "let e = new Error('m'); e.name = Symbol(); throw e",
        "let e = new Error('m'); e.stack = 12n; throw e",
        "throw Object.setPrototypeOf(new Error('m'), null)",
        "throw new Proxy(new Error('m'), {get() { throw 1; }})",
        "Error.prepareStackTrace = () => { throw 1; }; throw new Error('m')",
    ];
    for source in cases {
        let error = eval(source).unwrap_err();
        assert!(error.is_exception() && !error.to_string().is_empty(), "{source}");
    }
}

#[test]
fn results_that_cannot_be_written_are_errors() {
    let error = eval("let o = {}; o.o = o; o").unwrap_err();
    assert!(error.is_conversion(), "{error}");
    assert_eq!(eval("({get a() { throw new Error('got'); }})").unwrap_err().message(), Some("got"));
}

#[test]
fn a_rejected_promise_is_an_error_whether_returned_or_forgotten() {
    let error = eval("(async () => { await 1; throw new RangeError('late'); })()").unwrap_err();
    assert_eq!(error.to_string(), "RangeError: late");
    assert!(!error.is_unhandled_rejection());
    let error = eval("Promise.reject(new Error('forgotten')); 1").unwrap_err();
    assert!(error.is_unhandled_rejection() && error.is_exception());
    assert_eq!(error.message(), Some("forgotten"));
    // Those that are handled late are no errors.
    assert!(eval("var p = Promise.reject(1); Promise.resolve().then(() => p.catch(() => {})); 1").is_ok());
    assert!(eval("(async () => { try { await Promise.reject(1); } catch { return 2; } })()").is_ok());
}

#[test]
fn one_script_s_error_is_not_another_s() {
    everywhere(
        |options| options,
        |_, bridge| {
            let handles: Vec<_> = (0..200)
                .map(|n| {
                    let source =
                        if n % 2 == 0 { format!("throw new Error('{n}')") } else { format!("'{n}'") };
                    bridge.eval(Priority::Normal, source)
                })
                .collect();
            for (n, handle) in handles.into_iter().enumerate() {
                let text = n.to_string();
                match handle.join() {
                    Ok(value) => assert_eq!((value.as_str(), n % 2), (Some(text.as_str()), 1)),
                    Err(error) => assert_eq!((error.message(), n % 2), (Some(text.as_str()), 0)),
                }
            }
            assert_eq!((bridge.stats().total().returned, bridge.stats().total().failed), (100, 100));
        },
    );
}

#[test]
fn options_that_cannot_work_are_refused_with_a_reason() {
    let scheduler = Scheduler::builder().workers(1).stack_size(128 * 1024).build().unwrap();
    let refusals = [
        (Bridge::builder(&scheduler).memory(1000), "memory(1000)"),
        (Bridge::builder(&scheduler).time(std::time::Duration::ZERO), "time(0)"),
        (Bridge::builder(&scheduler).max_isolates(0), "max_isolates(0)"),
        (Bridge::builder(&scheduler).max_isolates(usize::MAX), "at most 65536"),
        (Bridge::builder(&scheduler).stack(1000), "stack(1000)"),
        (Bridge::builder(&scheduler).stack(128 * 1024), "stack_size"),
    ];
    for (options, reason) in refusals {
        let error = options.build().unwrap_err();
        assert!(error.is_config() && error.to_string().contains(reason), "{error}");
    }
    let small = Scheduler::builder().workers(1).stack_size(32 * 1024).build().unwrap();
    assert!(Bridge::builder(&small).build().unwrap_err().is_config());
}
