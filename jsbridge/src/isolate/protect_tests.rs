//! Ways of leaving something behind, and ordinary code that leaves nothing.

use super::Isolate;
use super::enter::StackTop;
use super::handle::CStrSource;
use super::pool::Discard;
use super::population::Population;
use crate::error::Error;
use crate::host::console::Console;
use crate::limits::Limits;
use crate::value::Value;
use std::sync::Arc;

const STACK: usize = 256 << 10;

/// An isolate as the pool makes it.
fn isolate() -> Isolate {
    let population = Arc::new(Population::new(1));
    let limits = Limits { stack: 128 << 10, ..Limits::DEFAULT };
    let mut isolate = Isolate::new(limits, population.house()).unwrap();
    isolate.furnish(|scope| Ok(crate::host::furnish(scope, &Console::new(|_, _| {}))?)).unwrap();
    isolate.seal().unwrap();
    isolate
}

fn eval(isolate: &mut Isolate, source: &str) -> Result<Value, Error> {
    isolate.enter(StackTop::here(STACK), |scope| {
        let result = scope.eval(c"test.js", &CStrSource::new(&format!("(() => {{ {source} }})()")))?;
        scope.settle(result)?.to_value()
    })
}

/// Uses much of what there is, so that it is made.
pub(super) const WARM: &str = "[3, 1, 2].map(n => n).filter(n => n).sort((a, b) => a - b).join('-').split('-').forEach(s => s.trim());
    new Map([[1, 2]]).get(1); new Set([1]).has(1); JSON.stringify(JSON.parse('[1]')); Math.max(1, Math.random());
    Object.keys(Object.assign({}, {a: 1})).includes('a'); 'abc'.replace(/b/, 'c').match(/c/g); /x/.test('x'); new Date(0).toISOString();
    [].concat([1]).slice().push(2); (function () {}).call(); (() => {}).bind(null)(); ({}).hasOwnProperty('a'); ({}).toString();
    Object.defineProperty({}, 'x', {value: 1}); Object.freeze({}); Object.getOwnPropertyNames([]); Reflect.ownKeys({}); String(Symbol('a'));
    new Uint8Array(4).fill(1).subarray(1); Object.getPrototypeOf([]); Object.setPrototypeOf({}, null); Object.create({});
    Array.from('ab'); Promise.resolve(1).then(() => 2); (async () => { for await (const x of [1]) await x; })(); Number('1').toFixed(2);
    [...(function* () { yield 1; })()]; try { null.x } catch (e) { e.stack + e.message + e }; Object.entries({a: 1}); new Error('x').toString()";

/// Each changes something that the next work could see.
const LEFTOVERS: [&str; 92] = [
    // The global object.
    "globalThis.x = 1",
    "implicit = 1",
    "(0, eval)('var x = 1')",
    "(0, eval)('function x() {}')",
    "globalThis[Symbol('x')] = 1",
    "globalThis[Symbol.for('x')] = 1",
    "globalThis[0] = 1",
    "globalThis.undefined_but_there = undefined",
    "Object.defineProperty(globalThis, 'x', {get() { return 1; }})",
    "Object.defineProperty(globalThis, 'x', {value: 1, enumerable: false})",
    "Object.defineProperty(globalThis, 'Map', {enumerable: true})",
    "Map = Set",
    "[globalThis.Map, globalThis.Set] = [Set, Map]",
    "globalThis.Array = class extends Array {}",
    "delete globalThis.Map",
    "globalThis.JSON = null",
    "Object.setPrototypeOf(globalThis, {x: 1})",
    "Object.preventExtensions(globalThis)",
    "Object.freeze(globalThis)",
    "globalThis.console = {log() {}}",
    "console.log = () => {}",
    "console.leftover = 1",
    "parseInt = parseFloat",
    "eval = x => x",
    // Prototypes.
    "Object.prototype.x = 1",
    "({}).__proto__.x = 1",
    "JSON.parse('{\"a\": 1}').__proto__.polluted = true",
    "Object.prototype.toString = Object.prototype.valueOf",
    "Object.prototype.valueOf = null",
    "delete Object.prototype.hasOwnProperty",
    "Object.defineProperty(Object.prototype, 'x', {get() { return 1; }, configurable: true})",
    "Object.prototype.__defineGetter__('y', () => 1)",
    "Object.freeze(Object.prototype)",
    "Object.preventExtensions(Array.prototype)",
    "Object.seal(Promise.prototype)",
    "Array.prototype.map = function () { return 1; }",
    "[Array.prototype.map, Array.prototype.filter] = [Array.prototype.filter, Array.prototype.map]",
    "Array.prototype[Symbol.iterator] = Array.prototype.keys",
    "Array.prototype.push(1)",
    "Array.prototype[3] = 1",
    "Array.prototype.length = 7",
    "Array.prototype.constructor = Object",
    "Object.defineProperty(Array.prototype, 'at', {enumerable: true})",
    "Object.defineProperty(Array.prototype, 'at', {writable: false})",
    "Object.setPrototypeOf(Array.prototype, null)",
    "Object.setPrototypeOf(Promise.prototype, Array.prototype)",
    "Promise.prototype.then = function () {}",
    "Promise.prototype.catch = Promise.prototype.then",
    "Function.prototype.call = null",
    "Function.prototype.x = 1",
    "Function.prototype.toString = Function.prototype.bind",
    "Error.prototype.name = 'x'",
    "TypeError.prototype.message = 'x'",
    "RangeError.prototype.extra = 1",
    "Map.prototype.get = Map.prototype.has",
    "Set.prototype.add = () => {}",
    "RegExp.prototype.exec = () => null",
    "Object.defineProperty(RegExp.prototype, 'flags', {get: () => 'g'})",
    "RegExp.prototype[Symbol.replace] = null",
    "Reflect.defineProperty(Map.prototype, 'size', {get: Object.getOwnPropertyDescriptor(Set.prototype, 'size').get})",
    // Constructors and namespaces.
    "Object.keys = Object.values",
    "Object.assign = null",
    "Object.extra = 1",
    "Promise.all = Promise.race",
    "Promise.resolve = () => {}",
    "Date.now = () => 0",
    "Date.leftover = 1",
    "Math.random = () => 4",
    "Math.max = Math.min",
    "[Math.max, Math.min] = [Math.min, Math.max]",
    "Math.secret = 1",
    "delete Math.abs",
    "Object.setPrototypeOf(Math, Array.prototype)",
    "Object.freeze(Math)",
    "JSON.stringify = x => x",
    "JSON.parse = JSON.stringify",
    "Reflect.ownKeys = () => []",
    "Atomics.add = null",
    "Error.stackTraceLimit = 3",
    "Error.stackTraceLimit = Infinity",
    "Error.prepareStackTrace = () => 'x'",
    "Object.defineProperty(Promise, 'try', {value: 1})",
    // Functions, where those can be changed at all: this is the run in which they are made.
    "Array.prototype.findLast.secret = 1",
    "Object.defineProperty(Array.prototype.findLast, 'name', {value: 'x'})",
    "Object.defineProperty(Array.prototype.findLast, 'length', {value: 9})",
    "Object.defineProperty(Math.atanh, 'name', {value: 'secret'})",
    "delete Math.cbrt.name",
    "Object.setPrototypeOf(Math.cosh, Array.prototype)",
    "Object.freeze(Math.expm1)",
    "String.prototype.anchor.secret = 1",
    "Date.UTC.prototype = 1",
    // What comes back by itself.
    "globalThis.r = 1; delete globalThis.r; let r = new FinalizationRegistry(() => {}); r.register({}, 1); let c = {r}; c.c = c;",
];

/// These cannot change anything: the engine refuses, or what is changed is gone with the work.
const REFUSED: [&str; 34] = [
    "Array.prototype.map.secret = 1",
    "try { Object.defineProperty(Array.prototype.map, 'length', {value: 9}) } catch {}",
    "try { Object.defineProperty(Array.prototype.map, 'name', {value: 'x'}) } catch {}",
    "delete Array.prototype.map.name",
    "try { Object.setPrototypeOf(Array.prototype.map, null) } catch {}",
    "Uint8Array.prototype.fill = null",
    "Object.getPrototypeOf(Uint8Array.prototype).subarray = null",
    "Object.getPrototypeOf(Uint8Array).from = null",
    "String.prototype.trim = null",
    "Number.prototype.toFixed = () => 'x'",
    "Object.getPrototypeOf(function* () {}).x = 1",
    "Object.getPrototypeOf(function* () {}).prototype.next = null",
    "Object.getPrototypeOf(async function () {}).x = 1",
    "Object.getPrototypeOf(async function* () {}).prototype.x = 1",
    "Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({done: true})",
    "Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())).x = 1",
    "Object.getPrototypeOf(new Map().entries()).next = null",
    "Object.getPrototypeOf(''[Symbol.iterator]()).next = null",
    "Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype)).x = 1",
    "Object.getPrototypeOf('x'.matchAll(/x/g)).next = null",
    "DataView.prototype.getInt8 = null",
    "ArrayBuffer.prototype.slice = null",
    "WeakMap.prototype.get = null",
    "Symbol.prototype.x = 1",
    "Symbol.iterator = 1",
    "BigInt.prototype.toString = null",
    "Array.isArray = () => true",
    "Array.prototype.concat.constructor.prototype = 1",
    "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get.x = 1",
    "new WeakMap().set(Array.prototype, 1); new WeakRef(Array.prototype)",
    "Symbol.for('a registered symbol has nothing that could be changed')",
    "console.log.x = 1",
    "(() => { 'use strict'; try { Array.prototype.map.x = 1 } catch (e) { if (!(e instanceof TypeError)) throw e } })()",
    "Math.PI = 3",
];

/// What programs do every day.
const ORDINARY: [&str; 25] = [
    "1",
    WARM,
    "class E extends Error { constructor(m) { super(m); this.name = 'E'; } } try { throw new E('x') } catch (e) { if (e.name !== 'E') throw 1 }",
    "const e = new TypeError('x'); e.name = 'Mine'; e.message = 'y'; if (String(e) !== 'Mine: y') throw 1",
    "function C() {} C.prototype = Object.create(Error.prototype); C.prototype.constructor = C; C.prototype.name = 'C'; if (new C().constructor !== C) throw 1",
    "function C() {} C.prototype = Object.create(Array.prototype); C.prototype.constructor = C; C.prototype.push = function () {}; new C().push(1)",
    "const o = {}; o.toString = () => 'mine'; o.hasOwnProperty = () => 1; o.constructor = 1; if (`${o}` !== 'mine') throw 1",
    "const a = []; a.map = 1; a.push = () => {}; a.concat = null; if (a.map !== 1) throw 1",
    "const p = Promise.resolve(); p.then = undefined; p.catch = 1; if (p.catch !== 1) throw 1",
    "const f = () => {}; f.call = 1; f.toString = () => 'f'; f.bind = 2; if (`${f}` !== 'f') throw 1",
    "const m = new Map(); m.get = () => 'x'; const s = new Set(); s.add = 1; const r = /x/; r.exec = () => null; r.test('x')",
    "const o = Object.create(Math); o.max = 1; if (o.max !== 1) throw 1",
    "class A { static name = 'x'; static #p = 1; #q = 2; get q() { return this.#q } } if (A.name !== 'x') throw 1; new A().q",
    "class A extends Promise {} A.all = 1; A.resolve(1)",
    "if (!Array.prototype.at || !Object.hasOwn || !String.prototype.replaceAll || !Promise.withResolvers) throw 1",
    "for (const k in {}) throw 1; for (const k in []) throw 1",
    "const d = Object.getOwnPropertyDescriptor(Array.prototype, 'map'); if (!d.writable || !d.configurable || d.enumerable) throw 1",
    "const g = (function* () { try { yield 1; yield 2 } finally { } })(); g.next(); g.return()",
    "return (async () => { await null; const [a, b] = await Promise.all([1, Promise.resolve(2)]); return a + b })()",
    "return new Promise(resolve => Promise.resolve().then(() => queueMicrotask(resolve)))",
    "const ws = new WeakSet(), o = {}; ws.add(o); const w = new WeakMap([[o, {o}]]); new WeakRef(o).deref()",
    "const t = s => s; t`a${1}b`; t`a${1}b`; new Proxy({}, {get: () => 1}).x; Reflect.construct(Date, [])",
    "const saved = Math.random; Math.random = () => 0.5; Math.random(); Math.random = saved",
    "const c = {}; c.c = c; const d = {f: () => d}; [c, d].length",
    "let s = ''; for (let i = 0; i < 1000; i++) s += i; const o = {}; for (let i = 0; i < 300; i++) o['k' + i] = [i]; JSON.stringify(o)",
];

#[test]
fn what_could_be_seen_by_the_next_is_noticed() {
    for source in LEFTOVERS {
        let mut cold = isolate();
        let _ = eval(&mut cold, source);
        assert!(cold.settle_up().is_err(), "{source}");
        // With the functions there that it uses, some leave no trace in memory.
        let mut warm = isolate();
        eval(&mut warm, WARM).unwrap();
        assert!(warm.settle_up().is_ok());
        eval(&mut warm, WARM).unwrap();
        assert!(warm.settle_up().is_ok());
        let _ = eval(&mut warm, source);
        assert!(warm.settle_up().is_err(), "{source}, warm");
    }
}

#[test]
fn ordinary_code_runs_as_usual_and_leaves_nothing() {
    let mut shared = isolate();
    for source in ORDINARY {
        let mut alone = isolate();
        for round in 0..3 {
            for isolate in [&mut alone, &mut shared] {
                if let Err(error) = eval(isolate, source) {
                    panic!("{source}: {error}");
                }
                assert_eq!(isolate.settle_up().err(), None, "{source}, round {round}");
            }
        }
    }
}

#[test]
fn what_is_frozen_cannot_be_changed() {
    let digest = "const seen = new Set(), out = []; const walk = (o, path) => {
            if (Object(o) !== o || seen.has(o)) return; seen.add(o);
            out.push(path, String(Object.isExtensible(o)));
            for (const key of Reflect.ownKeys(o)) {
                if (key === 'FinalizationRegistry') continue;
                const d = Object.getOwnPropertyDescriptor(o, key), v = d.value;
                out.push(String(key), Object(v) === v ? typeof v : String(v));
                for (const part of [v, d.get, d.set]) walk(part, path + '.' + String(key));
            }
            walk(Object.getPrototypeOf(o), path + '.__proto__');
        };
        walk(globalThis, ''); for (const o of [function* () {}, async () => {}, async function* () {}, [][Symbol.iterator](),
            ''[Symbol.iterator](), new Map().keys(), new Set().keys(), 'x'.matchAll(/x/g), Iterator.from([]).map(x => x)]) walk(o, 'o');
        out.join('\\n')";
    let digest = format!("return (() => {{ {digest}; return out.join('\\n') }})()");
    let mut isolate = isolate();
    // Everything is made by that, once.
    let first = eval(&mut isolate, &digest).unwrap();
    assert_eq!(isolate.settle_up().err(), None);
    let clean = eval(&mut isolate, &digest).unwrap();
    assert_eq!(isolate.settle_up().err(), None);
    assert!(first.as_str().unwrap().len() > 10_000);
    for source in REFUSED {
        eval(&mut isolate, source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(isolate.settle_up().err(), None, "{source}");
        assert!(eval(&mut isolate, &digest).unwrap() == clean, "{source}");
        assert_eq!(isolate.settle_up().err(), None, "{source}");
    }
}

#[test]
fn jobs_and_rejections_that_are_left_are_noticed() {
    let mut one = isolate();
    let _ = one.enter(StackTop::here(STACK), |scope| -> Result<(), Error> {
        scope.eval(c"x", &CStrSource::new("Promise.resolve().then(() => {}); 0"))?;
        Err(Error::cancelled())
    });
    assert_eq!(one.settle_up(), Err(Discard::Dirty));
    let mut other = isolate();
    let _ = eval(&mut other, "Promise.reject(1)");
    assert_eq!(other.settle_up(), Err(Discard::Dirty));
}
#[test]
fn garbage_is_collected_when_it_is_much() {
    let mut isolate = isolate();
    eval(&mut isolate, WARM).unwrap();
    assert_eq!(isolate.settle_up(), Ok(false));
    let cycles = "for (let i = 0; i < 3000; i++) { const a = {i}; a.a = a; }";
    eval(&mut isolate, cycles).unwrap();
    assert_eq!(isolate.settle_up(), Ok(true));
    isolate.collect();
    assert_eq!(isolate.settle_up(), Ok(false));
}

#[test]
fn scripts_compile_nothing_where_they_may_not() {
    let population = Arc::new(Population::new(1));
    let limits = Limits { stack: 128 << 10, eval: false, ..Limits::DEFAULT };
    let mut isolate = Isolate::new(limits, population.house()).unwrap();
    isolate.seal().unwrap();
    for source in [
        "eval('1')",
        "(0, eval)('1')",
        "globalThis.eval.call(null, '1')",
        "Reflect.apply(eval, null, ['1'])",
        "new Function('return 1')",
        "Function('a', 'return a')",
        "(() => {}).constructor('return 1')",
        "(async () => {}).constructor('return 1')",
        "(function* () {}).constructor('return 1')",
        "(async function* () {}).constructor('return 1')",
        "Reflect.construct(Function, ['1'], Array)",
        "new (class extends Function { constructor() { super('return 1') } })()",
        "[1].map(() => eval('2'))",
    ] {
        let error = eval(&mut isolate, &format!("return {source}")).err();
        let error = error.or_else(|| eval(&mut isolate, source).err()).unwrap_or_else(|| panic!("{source}"));
        assert_eq!(error.to_string(), "TypeError: compiling is not allowed here", "{source}");
    }
    // It is the text that counts, not the function.
    assert_eq!(eval(&mut isolate, "return eval(7)").unwrap().as_f64(), Some(7.0));
    assert_eq!(isolate.settle_up(), Ok(false));
}

/// All that scripts find on the global object.
#[test]
fn nothing_of_the_system_is_in_reach() {
    let mut isolate = isolate();
    let names =
        eval(&mut isolate, "return Reflect.ownKeys(globalThis).map(String).sort().join(' ')").unwrap();
    let known = "AggregateError Array ArrayBuffer AsyncDisposableStack AsyncIterator Atomics BigInt BigInt64Array BigUint64Array \
        Boolean DOMException DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array \
        Function Infinity Int16Array Int32Array Int8Array InternalError Iterator JSON Map Math NaN Number Object Promise \
        Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol Symbol(Symbol.toStringTag) \
        SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet atob \
        btoa console decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN parseFloat \
        parseInt performance queueMicrotask undefined unescape AbortController AbortSignal CustomEvent Deferred Event EventTarget \
        TextDecoder TextEncoder clearInterval clearTimeout setInterval setTimeout structuredClone";
    let known: Vec<_> = known.split_whitespace().collect();
    for name in names.as_str().unwrap().split(' ') {
        assert!(known.contains(&name), "{name} is new: look at what it can do");
    }
    for (source, expected) in [
        // Nobody loads modules.
        ("return import('x').then(() => 'loaded', e => e.constructor.name)", "TypeError"),
        // The fiber waits, and not its thread.
        ("return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)", "timed-out"),
        (
            "return typeof os + typeof std + typeof process + typeof require + typeof scriptArgs + typeof print",
            &"undefined".repeat(6),
        ),
        (
            "return [typeof performance.now(), typeof Date.now(), Object.keys(performance).length].join()",
            "number,number,2",
        ),
    ] {
        assert_eq!(eval(&mut isolate, source).unwrap().as_str(), Some(expected), "{source}");
    }
}
