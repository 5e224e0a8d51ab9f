//! Variables that are sent along.

use super::{Journey, enter, eval, eval_module, result_of};
use crate::function::{CodeCache, global_names};
use crate::isolate::handle::CStrSource;

fn warnings_of(source: &str) -> Vec<String> {
    Journey::new().send(source).unwrap().take_warnings()
}

#[test]
fn variables_of_each_kind_are_sent_by_value() {
    let cases = [
        ("(() => { let k = 1; return () => k })()", "1"),
        ("(() => { const k = 'a'; return () => k })()", "a"),
        ("(() => { var k = 2n; return () => k })()", "2"),
        ("(k => () => k)(true)", "true"),
        ("(({ k: [j] }) => () => j)({ k: [5] })", "5"),
        ("(() => { try { throw 4 } catch (k) { return () => k } })()", "4"),
        ("[1, 2, 3].map(k => () => k)[1]", "2"),
        ("(() => { const fs = []; for (let k = 0; k < 3; k++) fs.push(() => k); return fs[2] })()", "2"),
        ("(() => { const a = 1; return () => { const b = 2; return (() => a + b)() } })()", "3"),
        ("(() => { let k = 1; const f = () => k; k = 7; return f })()", "7"),
        ("const k = 3; () => k", "3"),
        ("let k = 3; class B {} function g() { return k } var h = 4; () => g() + h + B.name", "7B"),
        ("globalThis.k = 12; () => k", "12"),
        ("(() => { const Math = { max: 'mine' }; return () => Math.max })()", "mine"),
        ("const parseInt = 'mine'; () => parseInt", "mine"),
        ("function isNaN() { return 'mine' } () => isNaN(1)", "mine"),
        ("(() => { let k; return () => String(k) })()", "undefined"),
        ("(() => { const k = 1; return () => typeof k })()", "number"),
        ("() => typeof nobodyKnowsThis", "undefined"),
        ("(() => { const \\u{6b} = 8; return () => \\u006b })()", "8"),
        ("(() => { const \u{e9}t\u{e9} = 8; return () => \u{e9}t\u{e9} })()", "8"),
        (
            "(() => { const k = 1; return function () { return k + this.j } })().bind === 1 || \
          (() => { const k = 1; return ({ m() { return k } }).m })()",
            "1",
        ),
        ("(() => { const k = 1; return ({ [k + 1]() { return k } })[2] })()", "1"),
        (
            "(() => { const k = 1; return Object.getOwnPropertyDescriptor({ get x() { return k } }, 'x').get })()",
            "1",
        ),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn objects_that_several_share_are_shared_there() {
    let source = "(() => { const o = { n: 1 }, p = o; const bump = () => { o.n++; return o }; \
        return () => bump() === p && p.n })()";
    assert_eq!(result_of(source), "2");
}

#[test]
fn values_keep_what_a_structured_clone_keeps() {
    let cases = [
        ("(() => { const k = new Map([[1, new Date(5)]]); return () => k.get(1).getTime() })()", "5"),
        ("(() => { const k = /a+/g; return () => k.exec('baa')[0] })()", "aa"),
        ("(() => { const k = new TypeError('t'); return () => k instanceof TypeError && k.message })()", "t"),
        ("(() => { const k = [1, , 3]; return () => 1 in k })()", "false"),
        ("(() => { const k = -0; return () => Object.is(k, -0) })()", "true"),
        (
            "(() => { const b = new ArrayBuffer(8), x = new Uint8Array(b), y = new Uint8Array(b); x[1] = 7; \
              const set = () => { x[0] = 5 }; return () => { set(); return y[0] + y[1] } })()",
            "12",
        ),
        ("(() => { const o = {}; o.self = o; const p = [o]; return () => p[0].self === o })()", "true"),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn functions_take_along_the_functions_that_they_use() {
    let cases = [
        ("(() => { const two = () => 2, four = () => two() * 2; return () => four() + two() })()", "6"),
        ("(() => { const f = n => n < 2 ? 1 : n * f(n - 1); return () => f(5) })()", "120"),
        ("(() => { const f = (n = 4) => n < 2 ? 1 : n * f(n - 1); return f })()", "24"),
        (
            "(() => { const even = n => n === 0 || odd(n - 1), odd = n => n !== 0 && even(n - 1); \
              return () => [even(10), odd(7), even(3)].join() })()",
            "true,true,false",
        ),
        ("(() => { function f(n) { return n ? n + f(n - 1) : 0 } return () => f(3) })()", "6"),
        ("(() => { const k = 2; async function g() { return k } return async () => await g() + 1 })()", "3"),
        ("(() => { function* g() { yield* [1, 2] } return () => [...g()].length })()", "2"),
        ("(() => { const same = () => 1; const a = same, b = same; return () => a === b })()", "true"),
        (
            "(() => { const o = { get g() { return 1 } }; const { m } = { m(a) { return a } }; return () => m(3) })()",
            "3",
        ),
        ("(() => { const f = () => f.n; f.n = 5; return () => f() })()", "5"),
        ("(() => { const f = () => 1; f.g = () => f; return () => f.g() === f })()", "true"),
        ("function a() { return b() + 1 } function b() { return 41 } a", "42"),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn objects_with_functions_in_them_are_sent() {
    let cases = [
        ("(() => { const t = { twice: n => 2 * n }; return () => t.twice(4) })()", "8"),
        ("(() => { const t = { n: 3, get() { return this.n } }; return () => t.get() })()", "3"),
        (
            "(() => { const t = [n => n + 1, n => n * 2]; return () => t.reduce((n, f) => f(n), 5) + t.length })()",
            "14",
        ),
        ("(() => { const t = { a: { b: [{ f: () => t.k }] }, k: 7 }; return () => t.a.b[0].f() })()", "7"),
        ("(() => { const t = { f: () => t }; return () => t.f() === t })()", "true"),
        (
            "(() => { const o = { n: 1 }, t = { f: () => o, o, g: 1 }; \
              return () => t.f() === t.o && o === t.o && Object.keys(t).join() })()",
            "f,o,g",
        ),
        (
            "(() => { const t = { m: Math.max, s: Array.prototype.slice }; return () => t.m(1, 2) + t.s.call('ab').length })()",
            "4",
        ),
        ("(() => { const t = [, () => 1]; return () => `${0 in t}${t.length}` })()", "false2"),
        ("(() => { const t = { A: class { m() { return 6 } } }; return () => new t.A().m() })()", "6"),
        ("(() => { const t = { d: new Date(3), f: () => 1 }; return () => t.d.getTime() + t.f() })()", "4"),
        (
            "(() => { const t = { a: 1, f() { return 2 } }; const u = { t }; return () => u.t === t && u.t.f() })()",
            "2",
        ),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn what_is_the_engines_own_is_taken_there() {
    let cases = [
        ("(() => { const { max, min } = Math; return () => max(1, 5) - min(2, 3) })()", "3"),
        (
            "(() => { const has = Object.prototype.hasOwnProperty; return () => has.call({ a: 1 }, 'a') })()",
            "true",
        ),
        ("(() => { const M = Math, J = JSON; return () => J.stringify(M.abs(-1)) })()", "1"),
        ("(() => { const M = Map; return () => new M([[1, 2]]).get(1) })()", "2"),
        ("(() => { const proto = Array.prototype; return () => proto === Array.prototype })()", "true"),
        ("(() => { const B = Array; return () => new (class extends B {})(3).length })()", "3"),
        ("(() => { const g = globalThis; return () => g === globalThis })()", "true"),
        (
            "(() => { const B = Error; class E extends B {} return () => new E('x') instanceof Error })()",
            "true",
        ),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn classes_that_the_host_has_written_are_taken_there() {
    let mut journey = Journey::new();
    let class = "(class Host { m() { return 'there' } })";
    enter(&mut journey.home, |scope| {
        scope.global().set(c"Host", scope.eval(c"heddle:host", &CStrSource::new(class))?)
    })
    .unwrap();
    // There it is made when it is first asked for.
    let lazy = format!("Object.defineProperty(globalThis, 'Host', {{ get() {{ return {class} }} }})");
    let globals = enter(&mut journey.away, |scope| {
        scope.eval(c"heddle:host", &CStrSource::new(&lazy))?;
        global_names(scope)
    });
    journey.cache = CodeCache::new(globals.unwrap());
    assert_eq!(journey.go("(() => { const H = Host; return () => new H().m() })()", "f => f()"), "there");
    assert_eq!(journey.go("() => new Host().m()", "f => f()"), "there");
    assert_eq!(journey.stats().texts, 2);
}

#[test]
fn what_a_script_has_put_in_their_place_is_not() {
    let cases = [
        ("Math.max = () => 'mine'; (() => { const m = Math.max; return () => m() })()", "mine"),
        ("Math.cos = Math.max; (() => { const m = Math.cos; return () => m(1, 2) })()", "2"),
        (
            "globalThis.JSON = { parse: () => 'mine' }; (() => { const J = JSON; return () => J.parse() })()",
            "mine",
        ),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
    let mut journey = Journey::new();
    let shipment = journey.send("(() => { const { max } = Math; return () => max(1) })()").unwrap();
    enter(&mut journey.away, |scope| eval(scope, "delete Math.max").map(drop)).unwrap();
    let error = journey.call(shipment, "f => f()").unwrap_err().to_string();
    let why = "it uses `Math.max`, which somebody has removed where it is to run";
    assert_eq!(error, format!("TypeError: Deferred: Function not serializable: {why}"));
}

#[test]
fn variables_of_modules_are_sent() {
    let source = "import * as all from 'module.js'; import { k as other } from 'module.js'; \
        export let k = 2; export function twice(n) { return n * k } const own = 5; class A { m() { return own } } \
        globalThis.sent = [() => all.twice(all.k) + other, () => new A().m() + own, () => twice(4), () => typeof this];";
    let mut journey = Journey::new();
    let cache = &journey.cache;
    let shipments = enter(&mut journey.home, |scope| {
        eval_module(scope, c"module.js", source)?;
        let sent = eval(scope, "sent")?;
        let refused = cache.ship(&sent.at(3)?, None).err().map(|thrown| thrown.into_error().to_string());
        assert!(refused.is_some_and(|why| why.contains("it uses the `this`")));
        (0..3).map(|index| cache.ship(&sent.at(index)?, None)).collect::<Result<Vec<_>, _>>()
    });
    let results = shipments.unwrap().into_iter().map(|shipment| journey.call(shipment, "f => f()").unwrap());
    assert_eq!(results.collect::<Vec<_>>(), ["6", "10", "8"]);
}

#[test]
fn classes_are_sent_with_what_their_parts_use() {
    let cases = [
        ("(() => { const k = 3; class A { m() { return k } } return () => new A().m() })()", "3"),
        ("(() => { const k = 3; class A { f = k } return () => new A().f })()", "3"),
        (
            "(() => { const k = 3; class A { #m() { return k } m() { return this.#m() } } return () => new A().m() })()",
            "3",
        ),
        ("(() => { const k = 3; class A { static get s() { return k } } return () => A.s })()", "3"),
        (
            "(() => { class A { a() { return 1 } } class B extends A { b() { return super.a() + 1 } } \
              return () => new B().b() })()",
            "2",
        ),
        (
            "(() => { class A { b() { return new B() } } class B extends A { n() { return 7 } } \
              return () => new A().b().n() })()",
            "7",
        ),
        (
            "(() => { class A { clone() { return new A() } } return () => new A().clone() instanceof A })()",
            "true",
        ),
        ("class P { constructor(x) { this.x = x } } () => new P(4).x", "4"),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn capture_goes_before_variables_and_globals() {
    let cases = [
        ("(() => { const k = 1; return [() => k, { k: 2 }] })()", "2"),
        ("[() => k + j, { k: 2, j: 3, unused: Promise.resolve() }]", "5"),
        ("[() => Math, { Math: 9 }]", "9"),
        ("[() => typeof k, { k: 1 }]", "number"),
        ("[() => f(2), { f: n => n * 2 }]", "4"),
        ("(() => { const helper = () => secret; return [() => helper(), { secret: 6 }] })()", "6"),
        ("[() => k, { get k() { return 7 } }]", "7"),
        ("[function () { return eval('k') }, { k: 8 }]", "8"),
    ];
    for (source, result) in cases {
        assert_eq!(result_of(source), result, "{source}");
    }
}

#[test]
fn values_are_those_of_the_moment() {
    let mut journey = Journey::new();
    let make = "globalThis.n = 0; globalThis.f = (() => { let k = 0; return { get: () => k, set: v => k = v } })(); f.get";
    assert_eq!(journey.go(make, "f => f()"), "0");
    assert_eq!(journey.go("f.set(5); f.get", "f => f()"), "5");
    assert_eq!(journey.go("n = 6; () => n", "f => f()"), "6");
}

#[test]
fn writing_to_a_captured_variable_is_warned_of_once() {
    let mut journey = Journey::new();
    let source = "globalThis.f ??= (() => { let k = 1, j = 2; return () => { k += j; return k } })(); f";
    let shipment = journey.send(source).unwrap();
    let warning = "Deferred: a function (main.js:2:52) writes to 'k', of which it has a copy: nobody else sees what is \
        written";
    assert_eq!(shipment.take_warnings(), [warning]);
    assert_eq!(journey.call(shipment, "f => f()").unwrap(), "3");
    assert!(journey.send(source).unwrap().take_warnings().is_empty());
    assert!(warnings_of("(() => { let k = 1; return () => k })()").is_empty());
    let helper = warnings_of("(() => { let n = 0; const next = () => n++; return () => next() })()");
    assert!(helper[0].starts_with("Deferred: next (main.js:2:34) writes to 'n'"), "{helper:?}");
}
