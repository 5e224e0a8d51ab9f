//! What one Deferred leaves behind is not seen by the next, whatever way it has found to leave something; and two realms
//! of a bridge never see each other's.

use crate::{text, watched};
use heddle_jsbridge::{Bridge, Value};
use heddle_scheduler::Scheduler;

/// Ways to leave something, and how one would see that it is there: `true` where it is.
const WAYS: [(&str, &str); 48] = [
    ("globalThis.left = 1", "'left' in globalThis"),
    ("left = 1", "typeof left !== 'undefined'"),
    ("Object.defineProperty(globalThis, 'left', { value: 1, enumerable: false })", "'left' in globalThis"),
    ("globalThis[Symbol.for('left')] = 1", "globalThis[Symbol.for('left')] === 1"),
    ("globalThis[Symbol.toStringTag] = 'left'", "String(globalThis).includes('left')"),
    ("new Function('globalThis.left = 1')()", "'left' in globalThis"),
    ("(0, eval)('var left = 1')", "typeof left !== 'undefined'"),
    (
        "(0, eval)('let left = 1')",
        "(() => { try { return (0, eval)('typeof left') !== 'undefined'; } catch { return true; } })()",
    ),
    (
        "(0, eval)('const left = 1')",
        "(() => { try { return (0, eval)('typeof left') !== 'undefined'; } catch { return true; } })()",
    ),
    (
        "(0, eval)('class left {}')",
        "(() => { try { return (0, eval)('typeof left') !== 'undefined'; } catch { return true; } })()",
    ),
    ("(0, eval)('function left() {}')", "typeof left !== 'undefined'"),
    ("delete globalThis.Map", "typeof Map === 'undefined'"),
    ("globalThis.Map = Set", "Map === Set"),
    ("globalThis.undefinedThing = undefined", "'undefinedThing' in globalThis"),
    ("Object.prototype.left = 1", "({}).left === 1"),
    (
        "Object.defineProperty(Object.prototype, 'left', { get() { return 1; }, configurable: true })",
        "({}).left === 1",
    ),
    ("Array.prototype.left = 1", "[].left === 1"),
    ("Array.prototype.map = () => 'left'", "[1].map(x => x) === 'left'"),
    ("Array.prototype.push = function () { return 'left'; }", "[].push(1) === 'left'"),
    ("Array.prototype[0] = 'left'", "[,][0] === 'left'"),
    ("delete Array.prototype.filter", "![].filter"),
    ("Function.prototype.left = 1", "(() => 1).left === 1"),
    ("Function.prototype.call = () => 'left'", "(() => 1).call() === 'left'"),
    ("String.prototype.left = 1", "''.left === 1"),
    ("Number.prototype.toString = () => 'left'", "(1).toString() === 'left'"),
    ("Promise.prototype.then = function () { return 'left'; }", "Promise.resolve().then() === 'left'"),
    ("Promise.resolve = () => 'left'", "Promise.resolve() === 'left'"),
    ("Error.prototype.message = 'left'", "new Error().message === 'left'"),
    ("Error.stackTraceLimit = 1", "Error.stackTraceLimit === 1"),
    (
        "Error.prepareStackTrace = () => 'left'",
        "new Error().stack === 'left' || 'left' === (Error.prepareStackTrace || (() => 1))()",
    ),
    ("JSON.parse = () => 'left'", "JSON.parse('1') === 'left'"),
    ("Math.left = 1", "Math.left === 1"),
    ("Math.random = () => 4", "Math.random() === 4"),
    ("Math.PI2 = 6; Reflect.left = 1", "'PI2' in Math || 'left' in Reflect"),
    ("Date.now = () => 0", "Date.now() === 0"),
    (
        "Deferred.left = 1; Object.getPrototypeOf(Deferred).left = 1",
        "'left' in Deferred || Object.getPrototypeOf(Deferred).left === 1",
    ),
    (
        "Object.setPrototypeOf(Object.getPrototypeOf(Deferred), { left: 1 })",
        "Object.getPrototypeOf(Deferred).left === 1",
    ),
    ("console.log = () => 'left'", "console.log() === 'left'"),
    ("console.left = 1", "console.left === 1"),
    ("Object.setPrototypeOf(Array.prototype, { left: 1 })", "[].left === 1"),
    ("Object.setPrototypeOf(globalThis, { left: 1 })", "globalThis.left === 1"),
    ("Object.setPrototypeOf(Math, { left: 1 })", "Math.left === 1"),
    ("Object.getPrototypeOf([].values()).left = 1", "[].values().left === 1"),
    ("Object.getPrototypeOf(function* () {}).left = 1", "(function* () {}).left === 1"),
    ("Object.getPrototypeOf(async () => {}).left = 1", "(async () => {}).left === 1"),
    ("Object.getPrototypeOf(Int8Array).prototype.left = 1", "new Uint8Array().left === 1"),
    ("Object.freeze(Object.prototype); Object.freeze(Array.prototype)", "Object.isFrozen(Object.prototype)"),
    ("Object.preventExtensions(globalThis)", "!Object.isExtensible(globalThis)"),
];

/// And those that are seen by something that happens later, or in an object that was made when it was first touched.
const LATER: [(&str, &str); 14] = [
    ("setTimeout(() => { globalThis.left = 1; }, 0)", "'left' in globalThis"),
    ("setInterval(() => { globalThis.left = 1; }, 1)", "'left' in globalThis"),
    ("queueMicrotask(() => { globalThis.left = 1; })", "'left' in globalThis"),
    ("Promise.resolve().then(() => { globalThis.left = 1; })", "'left' in globalThis"),
    (
        "(async () => { for (;;) { await null; if (globalThis.left++ > 5) return; globalThis.left ??= 1; } })()",
        "'left' in globalThis",
    ),
    ("Deferred.left = 1", "Deferred.left === 1"),
    (
        "Deferred.prototype.cancel = () => 'left'",
        "(() => { try { return Deferred.prototype.cancel.call() === 'left'; } catch { return false; } })()",
    ),
    ("Deferred.map = () => 'left'", "Deferred.map() === 'left'"),
    ("AbortController.prototype.left = 1", "AbortController.prototype.left === 1"),
    ("AbortSignal.abort = () => 'left'", "AbortSignal.abort() === 'left'"),
    (
        "EventTarget.prototype.addEventListener = () => 'left'",
        "(() => { try { return new EventTarget().addEventListener() === 'left'; } catch { return false; } })()",
    ),
    ("TextEncoder.prototype.left = 1", "new TextEncoder().left === 1"),
    ("DOMException.prototype.left = 1", "new DOMException().left === 1"),
    ("console.count('left'); console.group()", "false"),
];

/// One leaves, then several look; in a realm of its own each, and in isolates that are used again where they are clean.
fn sees(leave: &str, look: &str) -> String {
    let source = format!(
        "const looks = () => {{ try {{ return {look}; }} catch (error) {{ return String(error); }} }};
         const before = await new Deferred(looks);
         try {{ await new Deferred(() => {{ {leave}; return 1; }}); }} catch {{ /* Some cannot be done. */ }}
         const after = [];
         for (let i = 0; i < 6; i++) after.push(await new Deferred(looks));
         [before, ...new Set(after), looks()].join()"
    );
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).console(|_, _| {}).on_uncaught(|_| {}).build().unwrap();
    let realm = bridge.realm().unwrap();
    let seen = realm.eval(source).join().map_or_else(|error| error.to_string(), |value| value.to_string());
    realm.finish().unwrap();
    seen
}

#[test]
fn the_next_one_sees_nothing_of_what_was_left() {
    let mut wrong = Vec::new();
    for (leave, look) in WAYS.iter().chain(&LATER) {
        let seen = watched(leave, || sees(leave, look));
        if seen != "false,false,false" {
            wrong.push(format!("{leave}: {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_that_ends_by_force_leaves_nothing_either() {
    for (end, options) in [
        ("while (true);", "{ timeout: 3 }"),
        ("throw new Error('ended')", "{}"),
        ("const all = []; while (true) all.push(new Array(10000).fill(1))", "{}"),
        ("const f = () => f() + 1; f()", "{}"),
        ("await new Promise(() => {})", "{}"),
    ] {
        assert_eq!(
            text(&format!(
                "await new Deferred(async () => {{ Object.prototype.left = 1; globalThis.left2 = 2; {end}; }}, {options}).catch(() => {{}});
                 const seen = [];
                 for (let i = 0; i < 6; i++) seen.push(await new Deferred(() => typeof ({{}}).left + typeof globalThis.left2));
                 [...new Set(seen)].join()"
            )),
            "undefinedundefined",
            "{end}"
        );
    }
}

#[test]
fn two_realms_of_a_bridge_see_nothing_of_each_other() {
    watched("two realms", || {
        let scheduler = Scheduler::builder().workers(2).build().unwrap();
        let bridge = Bridge::builder(&scheduler).console(|_, _| {}).build().unwrap();
        let [one, two] = [bridge.realm().unwrap(), bridge.realm().unwrap()];
        one.eval("globalThis.secret = 'of one'; Array.prototype.secret = 1; Deferred.secret = 1; void 0")
            .join()
            .unwrap();
        assert_eq!(
            two.eval("[typeof secret, typeof [].secret, typeof Deferred.secret].join()").join(),
            Ok(Value::from("undefined,undefined,undefined"))
        );
        for (leave, look) in WAYS {
            let _ = one
                .eval(format!("await new Deferred(() => {{ {leave}; return 1; }}).catch(() => {{}}); void 0"))
                .join();
            let seen = two.eval(format!("await new Deferred(() => {look})")).join();
            assert_eq!(seen, Ok(Value::Bool(false)), "{leave}");
        }
        // What one has compiled, two has compiled for itself or uses without seeing one's variables.
        let source = |secret: &str| {
            format!("const secret{secret} = '{secret}'; await new Deferred(() => secret{secret})")
        };
        assert_eq!(one.eval(source("a")).join(), Ok(Value::from("a")));
        assert_eq!(two.eval(source("a").replace("'a'", "'b'")).join(), Ok(Value::from("b")));
        one.finish().unwrap();
        two.finish().unwrap();
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0);
    });
}

#[test]
fn nothing_of_the_host_is_in_reach() {
    assert_eq!(
        text(
            "const tries = [
                 () => typeof require, () => typeof process, () => typeof std, () => typeof os, () => typeof scriptArgs, () => typeof gc,
                 () => typeof globalThis.constructor.constructor('return this')().require,
                 () => (function () { return typeof this?.require; })(),
                 () => Reflect.ownKeys(globalThis).filter(key => /native|heddle:|__/i.test(String(key))).length,
                 () => { try { return typeof console.log.caller; } catch { return 'undefined'; } },
                 () => { try { return typeof (() => {}).arguments; } catch { return 'undefined'; } },
                 () => new Error().stack.includes('/src/'),
                 () => typeof Deferred.natives,
                 () => Reflect.ownKeys(Deferred).concat(Reflect.ownKeys(Deferred.prototype)).some(key => /start|ticket|native/i.test(String(key))),
             ];
             const seen = [];
             for (const each of tries) seen.push(await new Deferred(each));
             [...new Set(seen)].join()"
        ),
        "undefined,0,false"
    );
}
