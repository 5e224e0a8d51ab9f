//! Memory runs out at every place where it can.

use super::Isolate;
use super::enter::StackTop;
use super::handle::CStrSource;
use super::memory::failing;
use super::population::{Population, Resident};
use crate::error::Error;
use crate::host::console::Console;
use crate::limits::Limits;
use rquickjs::qjs;
use std::sync::Arc;

const STACK: usize = 256 << 10;

fn make() -> Result<Isolate, Error> {
    furnished(Isolate::new)
}

fn furnished(new: fn(Limits, Resident) -> Result<Isolate, Error>) -> Result<Isolate, Error> {
    let population = Arc::new(Population::new(1));
    let limits = Limits { stack: 128 << 10, memory: 8 << 20, ..Limits::DEFAULT };
    let mut isolate = new(limits, population.house())?;
    isolate.furnish(|scope| Ok(crate::host::furnish(scope, &Console::new(|_, _| {}))?))?;
    isolate.seal()?;
    Ok(isolate)
}

fn eval(isolate: &mut Isolate, source: &str) -> Result<String, Error> {
    isolate.enter(StackTop::here(STACK), |scope| {
        let result = scope.eval(c"test.js", &CStrSource::new(source))?;
        Ok(format!("{:?}", scope.settle(result)?.to_value()?))
    })
}

const SCRIPTS: [&str; 22] = [
    "1 + 1",
    "'a'.repeat(5000).split('').join('-').length",
    "JSON.stringify(JSON.parse('{\"a\": [1, {\"b\": \"x\"}], \"c\": null}'))",
    "[5, 3, 1].sort().map(n => ({n})).filter(o => o.n > 1).length",
    "class A { #p = 1; static s = 2; get p() { return this.#p } } class B extends A {} new B().p",
    "try { null.x } catch (e) { e.message + e.stack.length }",
    "function* g() { for (let i = 0; i < 9; i++) yield i } [...g()].length",
    "(async () => { let n = 0; for (const x of [1, 2]) n += await x; return n })()",
    "Promise.all([1, Promise.resolve(2)]).then(a => a.length)",
    "new Map(Array.from({length: 50}, (_, i) => ['k' + i, [i]])).size",
    "const o = {}; for (let i = 0; i < 99; i++) o['k' + i] = i; Object.keys(o).length",
    "'abcabc'.replace(/b(c)/g, (m, c) => c + m).match(/a|c/g).length",
    "new Uint8Array(5000).map((_, i) => i).reduce((a, b) => a + b)",
    "(2n ** 2000n).toString().length",
    "`${[1, 2]}${{}}${Symbol('x').description}`",
    "new Proxy({}, {get: (t, k) => k, ownKeys: () => ['a'], getOwnPropertyDescriptor: () => ({value: 1, configurable: true, enumerable: true})}).x",
    "eval('let q = 1; function f() { return q } f()') + new Function('a', 'return a')(2)",
    "const w = new WeakMap(), k = {}; w.set(k, 1); new WeakRef(k).deref() === k && w.get(k)",
    "const a = []; a[5] = 1; a.length = 3; a.push(...[1, 2]); a.flat().concat([a]).length",
    "new Date(0).toISOString() + new Date(2020, 1, 1).getDate()",
    "console.log({a: [1]}, new Error('x')); structured = [1, [2]]; delete globalThis.structured",
    "label: for (const i of [1, 2]) { try { continue label } finally { const {a = 1, ...r} = {b: 2}; [a, r].toString() } }",
];

#[test]
fn an_isolate_is_made_whole_or_not_at_all() {
    // What is found out once in a process is found out with memory.
    drop(make().unwrap());
    let by_the_engine = || furnished(|limits, resident| Isolate::untuned(limits, resident)?.tuned());
    for (once, copied) in [(true, true), (false, true), (true, false), (false, false)] {
        let mut refused = 0;
        for count in 0.. {
            let (made, failed) =
                failing::after(count, once, || if copied { make() } else { by_the_engine() });
            if let Err(error) = &made {
                assert!(failed && (error.is_limit() || error.is_out_of_memory()), "{count}: {error}");
                refused += 1;
            }
            if !failed {
                break;
            }
        }
        // One that is copied takes a single block: all that it is furnished with has room in that.
        assert!(refused > if copied { 0 } else { 20 }, "{refused}");
    }
}

#[test]
fn every_allocation_of_a_script_may_fail() {
    for source in SCRIPTS {
        let expected = eval(&mut make().unwrap(), source).unwrap_or_else(|error| panic!("{source}: {error}"));
        for (once, count) in (0..400).flat_map(|count| [(true, count), (false, count)]) {
            let mut isolate = make().unwrap();
            let (outcome, failed) = failing::after(count, once, || eval(&mut isolate, source));
            match outcome {
                Ok(value) => assert!(failed || value == expected, "{source}, {count}: {value}"),
                // An error that could not be made whole may make another.
                Err(error) => assert!(
                    failed && (error.is_out_of_memory() || error.is_exception() || error.is_pending()),
                    "{source}, {count}: {error}"
                ),
            }
            // What ran out of memory does not serve again.
            assert!(isolate.settle_up().is_err() || !failed, "{source}, {count}");
            if !failed {
                break;
            }
        }
    }
}

/// Compiles a script with all the memory that it needs, and runs it with little more than there is.
fn run_with(isolate: &mut Isolate, source: &str, more: u64) -> Result<(), Error> {
    let runtime = isolate.runtime.as_ptr();
    let limit = |bytes: u64| {
        // SAFETY: the runtime is alive. This is the engine's own limit, which counts each block: ours sees pages of them.
        unsafe { qjs::JS_SetMemoryLimit(runtime, bytes as qjs::size_t) };
    };
    let outcome = isolate.enter(StackTop::here(STACK), |scope| {
        let flags = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY) as i32;
        let text = std::ffi::CString::new(source).unwrap();
        let (length, name) = (source.len() as qjs::size_t, c"test.js".as_ptr());
        // SAFETY: we are inside; the references are ours; all bytes of the report may be zero.
        let result = unsafe {
            let code = scope.check(qjs::JS_Eval(scope.as_ptr(), text.as_ptr(), length, name, flags))?;
            let mut report: qjs::JSMemoryUsage = std::mem::zeroed();
            qjs::JS_ComputeMemoryUsage(runtime, &mut report);
            limit(report.malloc_size as u64 + more);
            scope.check(qjs::JS_EvalFunction(scope.as_ptr(), code.into_raw()))?
        };
        scope.settle(result).map(drop)
    });
    limit(0);
    outcome
}

#[test]
fn every_small_block_of_a_script_may_be_refused() {
    for source in SCRIPTS {
        for more in (0..6000).step_by(97).chain((6000..60_000).step_by(1013)) {
            if let Err(error) = run_with(&mut make().unwrap(), source, more) {
                assert!(error.is_exception() || error.is_pending(), "{source}, {more}: {error}");
            }
        }
    }
}

#[test]
fn the_compiler_has_what_it_needs_or_is_not_asked() {
    // The densest texts that are known, with every amount of memory left.
    for pattern in
        ["a=>a;", "_=>1,", "()=>{()=>{}};", "/a/;", "{let q=1;()=>q}", "function f(){}", "x=>{eval()};"]
    {
        for (fill, length) in
            [(0, 400_000), (6 << 20, 20_000), (6 << 20, 60_000), (7 << 20, 4_000), (7 << 20, 25_000)]
        {
            let mut isolate = make().unwrap();
            let source = format!(
                "let full = new Uint8Array({fill}); let text = '{pattern}'.repeat({}); \
                 try {{ eval(text + '1'); 'compiled' }} catch (e) {{ full = 0; e.name + e.message }}",
                length / pattern.len()
            );
            match eval(&mut isolate, &source) {
                Ok(value) => assert!(
                    value.contains("compiled") || value.contains("out of memory"),
                    "{pattern}: {value}"
                ),
                Err(error) => assert!(error.is_out_of_memory(), "{pattern}: {error}"),
            }
        }
    }
}
