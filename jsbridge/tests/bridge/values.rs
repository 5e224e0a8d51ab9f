//! Results.

use super::{eval, everywhere};
use heddle_jsbridge::Value;
use heddle_scheduler::Priority;

fn json(text: &str) -> Value {
    Value::Json(text.to_owned())
}

#[test]
fn every_kind_of_value_crosses() {
    let cases = [
        ("undefined", Value::Undefined),
        ("", Value::Undefined),
        ("null", Value::Null),
        ("1 < 2", true.into()),
        ("6 * 7", 42.0.into()),
        ("-(2 ** 31)", (-2147483648.0).into()),
        ("2 ** 31", 2147483648.0.into()),
        ("0.1 + 0.2", (0.1 + 0.2).into()),
        ("1 / 0", f64::INFINITY.into()),
        ("'text'", "text".into()),
        ("'a'.concat('b')", "ab".into()),
        ("10n ** 30n", Value::BigInt("1000000000000000000000000000000".to_owned())),
        ("-1n", Value::BigInt("-1".to_owned())),
        ("[1, 'two', [3], {four: null}]", json(r#"[1,"two",[3],{"four":null}]"#)),
        ("({})", json("{}")),
        ("({get a() { return 1; }})", json(r#"{"a":1}"#)),
        ("new Date(0)", json(r#""1970-01-01T00:00:00.000Z""#)),
    ];
    for (source, value) in cases {
        assert_eq!(eval(source), Ok(value), "{source}");
    }
    assert!(eval("NaN").unwrap().as_f64().unwrap().is_nan());
    assert!(eval("-0").unwrap().as_f64().unwrap().is_sign_negative());
}

#[test]
fn text_is_unicode_in_both_directions() {
    assert_eq!(eval("'Größe 線 🧶'"), Ok("Größe 線 🧶".into()));
    assert_eq!(eval("'🧶'.length"), Ok(2.0.into()));
    assert_eq!(eval("'a\\0b'"), Ok("a\0b".into()));
    assert_eq!(eval("'a\0b'.length"), Ok(3.0.into()), "also in the source");
    assert_eq!(eval("({é: '\u{2028}'})['é']"), Ok("\u{2028}".into()));
    let long = "線".repeat(100_000);
    assert_eq!(eval(&format!("'{long}'")), Ok(long.as_str().into()));
}

#[test]
fn half_surrogate_pairs_become_replacement_characters() {
    assert_eq!(eval(r"'a\ud83eb\uddf6'"), Ok("a\u{fffd}b\u{fffd}".into()));
    assert_eq!(eval(r"'\ud83e\uddf6'"), Ok("🧶".into()));
    assert_eq!(eval(r"['\ud83e']"), Ok(json(r#"["\ud83e"]"#)));
}

#[test]
fn functions_and_symbols_stay_where_they_are() {
    for source in ["() => 1", "Math.max", "(class A {})", "Symbol('s')", "Symbol.iterator"] {
        let error = eval(source).unwrap_err();
        assert_eq!(error.name(), Some("DataCloneError"), "{source}: {error}");
        assert!(error.message().unwrap().starts_with("result is a "), "{source}: {error}");
    }
}

#[test]
fn numbers_read_as_the_engine_writes_them() {
    let numbers = "[0, -0, 1, -1.5, 0.1 + 0.2, 1e21, 123456789012345680000, 1e-6, 1e-7, 5e-324,
        Number.MAX_VALUE, 2 ** 53, 1 / 3, 1e100, -1e-100, NaN, Infinity, -Infinity]";
    let count = eval(&format!("{numbers}.length")).unwrap().as_f64().unwrap() as usize;
    for index in 0..count {
        let number = eval(&format!("{numbers}[{index}]")).unwrap().to_string();
        let text = eval(&format!("String({numbers}[{index}])")).unwrap();
        assert_eq!(Some(number.as_str()), text.as_str());
    }
}

#[test]
fn a_promise_is_waited_for_and_its_continuations_run() {
    assert_eq!(eval("Promise.resolve(6).then(n => n * 7)"), Ok(42.0.into()));
    assert_eq!(
        eval("(async () => { let n = 0; while (n < 1000) n += await 1; return n; })()"),
        Ok(1000.0.into())
    );
    assert_eq!(
        eval(
            "var seen = []; Promise.resolve().then(() => seen.push(2)); seen.push(1); (async () => { await 0; return seen; })()"
        ),
        Ok(json("[1,2]"))
    );
    let error = eval("new Promise(() => {})").unwrap_err();
    assert!(error.is_pending(), "{error}");
}

#[test]
fn each_script_has_a_world_of_its_own() {
    everywhere(
        |options| options,
        |_, bridge| {
            let spoil = "Array.prototype.map = null; globalThis.left = 1; Object.prototype.x = 2; 0";
            assert!(bridge.eval(Priority::Normal, spoil).join().is_ok());
            let look = "[typeof left, typeof [].map, typeof ({}).x, typeof require, typeof std, typeof os]";
            assert_eq!(
                bridge.eval(Priority::Normal, look).join(),
                Ok(json(r#"["undefined","function","undefined","undefined","undefined","undefined"]"#))
            );
        },
    );
}

#[test]
fn a_thousand_scripts_each_return_their_own() {
    everywhere(
        |options| options,
        |_, bridge| {
            let handles: Vec<_> = (0..1000)
                .map(|n| {
                    let priority = Priority::ALL[n % 5];
                    bridge
                        .eval(priority, format!("let sum = 0; for (let i = 0; i <= {n}; i++) sum += i; sum"))
                })
                .collect();
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join(), Ok(((n * (n + 1) / 2) as f64).into()));
            }
            let stats = bridge.stats().total();
            assert_eq!((stats.made, stats.returned, stats.failed), (1000, 1000, 0));
        },
    );
}

#[test]
fn what_a_script_leaves_behind_is_given_back() {
    // The engine, and the count of its bytes, check this when the isolate is dropped.
    let leavings = [
        "var a = {}; a.self = a; globalThis.keep = () => a; 0",
        "function* g() { try { yield 1; yield 2; } finally { keep = 1; } } var it = g(); it.next(); 0",
        "var never = (async () => { await new Promise(() => {}); })(); 0",
        "var m = new Map(), w = new WeakMap(); m.set(m, m); w.set(m, w); new WeakRef(m); 0",
        "new FinalizationRegistry(() => {}).register({}, 1); 0",
        "var b = new Uint8Array(1 << 20); var r = /(a|b)*c/; r.exec('abac'); 'x'.repeat(1 << 20)",
        "var p = Promise.reject(1); p.catch(() => {}); Promise.reject(2).then(null, () => 0); 0",
        "var p = new Proxy({}, {get() { return p; }}); with (p) { 0 }",
    ];
    for source in leavings {
        assert!(eval(source).is_ok(), "{source}");
    }
}
