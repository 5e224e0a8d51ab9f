//! Scripts that want to break something: each ends in a defined way, and the realm and the bridge go on. What each case
//! checks of its own is in its script, which says `ok` or what was wrong.

use crate::watched;
use heddle_jsbridge::{Bridge, Value};
use heddle_scheduler::Scheduler;

/// Runs a script that says `ok`; afterwards an ordinary Deferred still works in the same realm, if its built-ins were left
/// as they are, and always in another one.
fn says_ok(name: &str, source: &str) -> Result<(), String> {
    println!("{name}");
    watched(name, || {
        for workers in [1, 2] {
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let bridge = Bridge::builder(&scheduler)
                .memory(16 << 20)
                .console(|_, _| {})
                .on_uncaught(|_| {})
                .build()
                .unwrap();
            let realm = bridge.realm().unwrap();
            let said = realm.eval(source).join();
            if said != Ok(Value::from("ok")) {
                return Err(format!("{name}: {said:?}"));
            }
            let other = bridge.realm().unwrap();
            if other.eval("await new Deferred(() => 1)").join() != Ok(Value::Number(1.0)) {
                return Err(format!("{name}: another realm does not work any more"));
            }
            realm.finish().unwrap();
            other.finish().unwrap();
            scheduler.wait_all().unwrap();
            if bridge.stats().isolates != 0 {
                return Err(format!("{name}: isolates are left"));
            }
        }
        Ok(())
    })
}

fn all_say_ok(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases.iter().filter_map(|(name, source)| says_ok(name, source).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn built_ins_that_were_changed_break_no_deferred() {
    all_say_ok(&[
        ("then replaced before Deferred is touched", "
            const then = Promise.prototype.then;
            Promise.prototype.then = () => { throw new Error('replaced'); };
            const d = new Deferred(() => 7);
            let seen; then.call(d, value => { seen = value; });
            await new Promise(done => { const t = setInterval(() => { if (seen === 7) { clearInterval(t); done(); } }, 1); });
            'ok'"),
        ("then replaced after", "
            const first = await new Deferred(() => 1);
            Promise.prototype.then = function () { throw new Error('replaced'); };
            const d = new Deferred(() => { throw new Error('there'); });
            let said; try { await d; said = 'resolved'; } catch (error) { said = error.message; }
            said === 'there' || said === 'replaced' ? 'ok' : said"),
        ("then deleted", "
            const d = new Deferred(() => 5);
            delete Promise.prototype.then;
            await d === 5 ? 'ok' : 'wrong'"),
        ("getters on Array.prototype", "
            Deferred;
            for (const name of [0, 1, 2, 'length2', 'map', 'slice', 'push', 'indexOf']) {
                Object.defineProperty(Array.prototype, name, { get() { throw new Error('getter ' + name); }, set() { throw new Error('setter ' + name); }, configurable: true });
            }
            await new Deferred((a, b) => a + b, { args: Object.freeze([1, 2].concat ? (() => { const list = new Array(2); Object.defineProperty(list, 0, { value: 1 }); Object.defineProperty(list, 1, { value: 2 }); return list; })() : 0) }) === 3 ? 'ok' : 'wrong'"),
        ("setters on Object.prototype", "
            Deferred;
            for (const name of ['then', 'args', 'name', 'get', 'set', 'timeout', 'signal', 'stack', 'message', 'constructor']) {
                const descriptor = { __proto__: null, get() { return undefined; }, set() { throw new Error('setter'); }, configurable: true };
                Object.defineProperty(Object.prototype, name, descriptor);
            }
            await new Deferred(n => n * 2, { args: [4] }) === 8 ? 'ok' : 'wrong'"),
        ("priority by Object.prototype", "
            Object.prototype.priority = 'low';
            const d = new Deferred(() => 1, {});
            await d; 'ok'"),
        ("Symbol.species and constructor", "
            const d = new Deferred(() => 1);
            d.constructor = { [Symbol.species]: function (executor) { executor(() => {}, () => {}); } };
            d.then(() => {});
            Object.defineProperty(Deferred, Symbol.species, { get() { throw new Error('species'); }, configurable: true });
            const e = new Deferred(() => 2);
            await new Promise(done => setTimeout(done, 5));
            await e === 2 ? 'ok' : 'wrong'"),
        ("constructor that is Deferred itself", "
            const d = new Deferred(() => 1);
            d.constructor = class extends Deferred { static get [Symbol.species]() { return Deferred; } };
            let threw; try { d.then(() => {}); } catch (error) { threw = error; }
            threw instanceof TypeError ? 'ok' : String(threw)"),
        ("intrinsics deleted", "
            const d = new Deferred(() => 3);
            for (const name of ['Promise', 'Array', 'Error', 'Object', 'Symbol', 'String', 'TypeError', 'DOMException', 'Reflect', 'Number', 'Math', 'Function', 'Map']) delete globalThis[name];
            const caught = await new Deferred(() => { throw new RangeError('x'); }).catch(error => error);
            const cancelled = new Deferred(() => { while (true); }); cancelled.cancel();
            const reason = await cancelled.catch(error => error);
            await d === 3 && caught.message === 'x' && reason.name === 'AbortError' ? 'ok' : 'wrong'"),
        ("intrinsics deleted before Deferred is touched", "
            for (const name of ['Promise', 'Array', 'Error', 'Object', 'Symbol', 'String', 'TypeError', 'DOMException', 'Reflect', 'Number', 'Math']) delete globalThis[name];
            let said = 'ok';
            try { await new Deferred(() => 3); } catch (error) { said = 'ok'; }
            said"),
        ("Error.prepareStackTrace and stackTraceLimit", "
            Error.prepareStackTrace = () => { throw new Error('prepare'); };
            Error.stackTraceLimit = { valueOf() { throw new Error('limit'); } };
            const error = await new Deferred(() => { throw new Error('far'); }).catch(error => error);
            error.message === 'far' || error.message === 'prepare' ? 'ok' : error.message"),
        ("prepareStackTrace that makes Deferreds", "
            let depth = 0;
            Error.prepareStackTrace = () => { if (depth++ < 3) new Deferred(() => 1).catch(() => {}); return 'text'; };
            await new Deferred(() => 2) === 2 ? 'ok' : 'wrong'"),
        ("Error.prototype.stack is a getter", "
            Object.defineProperty(Error.prototype, 'stack', { get() { throw new Error('of the getter'); }, set() { throw new Error('of the setter'); }, configurable: true });
            const error = await new Deferred(() => { throw new Error('far'); }).catch(error => error);
            error.message === 'far' ? 'ok' : error.message"),
        ("String.prototype.split and includes", "
            String.prototype.split = String.prototype.includes = String.prototype.endsWith = () => { throw new Error('changed'); };
            const error = await new Deferred(() => { throw new Error('far'); }).catch(error => error);
            error.message === 'far' ? 'ok' : error.message"),
        ("Array iterators", "
            Deferred;
            Array.prototype[Symbol.iterator] = () => { throw new Error('iterator'); };
            Object.getPrototypeOf([].values()).next = () => { throw new Error('next'); };
            const error = await new Deferred(() => { throw new Error('far'); }).catch(error => error);
            const controller = new AbortController();
            const signalled = new Deferred(() => 4, { signal: controller.signal });
            error.message === 'far' && await signalled === 4 ? 'ok' : error.message"),
        ("Function.prototype.toString", "
            Function.prototype.toString = () => 'lies';
            const f = () => 5; f.toString = () => '() => 6';
            await new Deferred(f) === 5 ? 'ok' : 'wrong'"),
        ("events changed", "
            EventTarget.prototype.addEventListener = EventTarget.prototype.removeEventListener = () => { throw new Error('listener'); };
            const controller = new AbortController();
            let d; try { d = new Deferred(() => 6, { signal: controller.signal }); } catch (error) { d = Promise.resolve(6); }
            await Promise.race([d.catch(() => 6), new Promise(done => setTimeout(done, 2000, 6))]) === 6 ? 'ok' : 'wrong'"),
    ]);
}

#[test]
fn arguments_and_options_of_every_odd_kind_are_refused_or_work() {
    all_say_ok(&[
        ("options with getters that throw", "
            let all = 0;
            for (const name of ['args', 'priority', 'timeout', 'signal', 'capture', 'transfer', 'node', 'name', 'isolated', 'detached']) {
                try { new Deferred(() => 1, { get [name]() { throw new Error(name); } }); } catch (error) { if (error.message === name) all++; }
            }
            all === 10 ? 'ok' : String(all)"),
        ("options are a proxy", "
            const seen = [];
            const options = new Proxy({ args: [1], priority: 'high' }, { get(target, name) { seen.push(name); return target[name]; } });
            await new Deferred(n => n + 1, options) === 2 && new Set(seen).size === seen.length ? 'ok' : seen.join()"),
        ("options are a proxy that was revoked", "
            const { proxy, revoke } = Proxy.revocable({}, {}); revoke();
            try { new Deferred(() => 1, proxy); 'no error'; } catch (error) { error instanceof TypeError ? 'ok' : String(error); }"),
        ("args are a proxy of an array", "
            let said; try { said = await new Deferred((a, b) => a + b, { args: new Proxy([1, 2], {}) }); } catch (error) { said = error; }
            said === 3 || said instanceof Error ? 'ok' : String(said)"),
        ("args are a proxy that throws", "
            let all = 0;
            for (const trap of ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf']) {
                const proxy = new Proxy([1, 2], { [trap]() { throw new Error(trap); } });
                try { await new Deferred((...list) => list.length, { args: proxy }); all++; } catch (error) { all++; }
                try { await new Deferred((...list) => list.length, { args: [proxy] }); } catch (error) { all++; }
            }
            all === 10 ? 'ok' : String(all)"),
        ("args with a length that lies", "
            const args = new Proxy([], { get(target, name) { return name === 'length' ? 4e9 : target[name]; } });
            let said; try { said = await new Deferred((...list) => list.length, { args }); } catch (error) { said = error; }
            said instanceof Error ? 'ok' : String(said)"),
        ("args are huge and empty", "
            const args = []; args.length = 2 ** 32 - 1;
            let said; try { said = await new Deferred((...list) => list.length, { args }); } catch (error) { said = error; }
            said instanceof Error ? 'ok' : String(said)"),
        ("the transfer list is the args", "
            const list = [new ArrayBuffer(1000), new ArrayBuffer(2000)];
            await new Deferred((a, b) => a.byteLength + b.byteLength, { args: list, transfer: list }) === 3000 && list[0].byteLength === 0 ? 'ok' : 'wrong'"),
        ("the transfer list holds itself", "
            const list = []; list.push(list);
            try { new Deferred(() => 1, { args: list, transfer: list }); 'no error'; } catch (error) { error.name === 'DataCloneError' || error instanceof TypeError ? 'ok' : String(error); }"),
        ("a getter detaches what is being sent", "
            const buffer = new ArrayBuffer(1000);
            const arg = { get first() { buffer.transfer(); return 1; }, buffer };
            let said; try { said = await new Deferred(arg => arg.buffer.byteLength, { args: [arg] }); } catch (error) { said = error; }
            said instanceof Error ? 'ok' : String(said)"),
        ("a getter detaches what is being transferred", "
            const buffer = new ArrayBuffer(1000);
            let said; try { said = await new Deferred(() => 1, { args: [{ get first() { buffer.transfer(); return 1; } }], transfer: [buffer] }); } catch (error) { said = error; }
            said instanceof Error ? 'ok' : String(said)"),
        ("a getter shortens the list that is being sent", "
            const list = [{ get first() { list.length = 1; return 1; } }, 2, 3, 4];
            const back = await new Deferred(list => list.length, { args: [list] });
            back === 4 || back === 1 ? 'ok' : String(back)"),
        ("a getter makes the list longer for ever", "
            const list = [0]; const more = { get next() { list.push(more, more); return 1; } }; list.push(more);
            let said; try { said = await new Deferred(list => 'came', { args: [list] }); } catch (error) { said = 'refused'; }
            said === 'came' || said === 'refused' ? 'ok' : String(said)"),
        ("a getter that never ends in new objects", "
            const endless = () => ({ get next() { return endless(); } });
            let said; try { said = await new Deferred(o => 'came', { args: [endless()] }); } catch (error) { said = 'refused'; }
            said === 'refused' ? 'ok' : String(said)"),
        ("Deferreds made in getters during the clone", "
            let inner;
            const arg = { get first() { inner = new Deferred(() => 'inner'); return 1; }, second: 2 };
            const outer = await new Deferred(arg => arg.first + arg.second, { args: [arg] });
            outer === 3 && await inner === 'inner' ? 'ok' : String(outer)"),
        ("Deferreds made in toString", "
            let inner;
            const priority = { toString() { inner = new Deferred(() => 'inner'); return 'high'; } };
            let said; try { said = await new Deferred(() => 1, { priority }); } catch (error) { said = error instanceof TypeError; }
            (said === true || said === 1) && (inner === undefined || await inner === 'inner') ? 'ok' : String(said)"),
        ("toString that throws", "
            const odd = { toString() { throw new Error('odd'); }, [Symbol.toPrimitive]() { throw new Error('odd'); } };
            let all = 0;
            for (const options of [{ priority: odd }, { name: odd }, { timeout: odd }, { node: odd }, { transfer: odd }, { signal: odd }]) {
                try { new Deferred(() => 1, options); } catch (error) { all++; }
            }
            for (const f of [() => setTimeout(() => {}, odd), () => clearTimeout(odd), () => new Deferred(odd)]) { try { f(); } catch (error) { all++; } }
            all >= 8 ? 'ok' : String(all)"),
        ("cancelled by a getter of the signal's options", "
            const controller = new AbortController();
            const d = new Deferred(() => { while (true); }, { get args() { controller.abort('early'); return []; }, signal: controller.signal });
            await d.catch(reason => reason) === 'early' ? 'ok' : 'wrong'"),
        ("cancelled by a getter while its arguments are cloned", "
            const controller = new AbortController();
            const d = new Deferred(() => { while (true); }, { args: [{ get late() { controller.abort('during'); return 1; } }], signal: controller.signal, timeout: 2000 });
            const said = await d.catch(reason => reason);
            said === 'during' ? 'ok' : String(said)"),
        ("a signal that is no AbortSignal", "
            const calls = [];
            const signal = { aborted: false, reason: 1, addEventListener(type, f) { calls.push(f); }, removeEventListener() { throw new Error('remove'); } };
            let d; try { d = new Deferred(() => 5, { signal }); } catch (error) { d = Promise.resolve(5); }
            const said = await Promise.race([d.catch(error => error.message), new Promise(done => setTimeout(done, 1000, 'never'))]);
            said === 5 || said === 'remove' ? 'ok' : String(said)"),
        ("errors with getters", "
            const caught = await new Deferred(() => { const e = new Error('x'); Object.defineProperty(e, 'message', { get() { throw new Error('of message'); }, enumerable: true }); throw e; }).catch(e => e);
            caught instanceof Error ? 'ok' : String(caught)"),
        ("errors whose stack, name and cause throw", "
            const caught = await new Deferred(() => {
                const e = new Error('x');
                for (const name of ['stack', 'name', 'cause', 'errors', 'toString']) Object.defineProperty(e, name, { get() { throw new Error('of ' + name); } });
                throw e;
            }).catch(e => e);
            caught instanceof Error ? 'ok' : String(caught)"),
        ("a result whose then throws", "
            const caught = await new Deferred(() => ({ get then() { throw new RangeError('then'); } })).catch(e => e);
            caught instanceof RangeError ? 'ok' : String(caught)"),
        ("a result with a then is no thenable here", "
            let called = 0;
            globalThis.hook = () => called++;
            const value = await new Deferred(() => [{ then: 5 }]);
            value[0].then === 5 && called === 0 ? 'ok' : 'wrong'"),
        ("thenables that call both, twice, and throw", "
            const seen = [];
            for (const f of [
                () => ({ then(yes, no) { yes(1); no(2); yes(3); throw new Error('after'); } }),
                () => ({ then(yes, no) { no(new Error('first')); yes(3); } }),
                () => ({ then(yes) { yes({ then(yes) { yes('inner'); } }); } }),
                () => ({ then() { throw new Error('at once'); } }),
            ]) seen.push(await new Deferred(f).catch(e => e.message));
            seen.join() === '1,first,inner,at once' ? 'ok' : seen.join()"),
        ("a thenable that never calls", "
            (await new Deferred(() => ({ then() {} })).catch(e => e.name)) === 'NeverSettledError' ? 'ok' : 'wrong'"),
        ("a promise of itself", "
            const said = await new Deferred(() => { const p = new Promise(done => setTimeout(() => done(p), 1)); return p; }).catch(e => e.name);
            said === 'TypeError' ? 'ok' : said"),
        ("classes, functions and objects as names", "
            let all = 0;
            for (const odd of [class {}, () => 1, {}, [], null, 5, true, 5n, new String('x')]) { try { new Deferred(() => 1, { name: odd }); } catch (error) { if (error instanceof TypeError) all++; } }
            all === 9 ? 'ok' : String(all)"),
    ]);
}

#[test]
fn methods_on_what_is_no_deferred_throw() {
    all_say_ok(&[
        ("foreign receivers", "
            let all = 0;
            const getters = ['priority', 'state', 'onprogress'].map(name => Object.getOwnPropertyDescriptor(Deferred.prototype, name));
            for (const wrong of [undefined, null, 0, '', {}, [], () => 1, Promise.resolve(), Object.create(Deferred.prototype), Deferred, new Proxy(new Deferred(() => 1), {})]) {
                const calls = [() => Deferred.prototype.cancel.call(wrong), ...getters.map(g => () => g.get.call(wrong)), ...getters.filter(g => g.set).map(g => () => g.set.call(wrong, 'high'))];
                for (const call of calls) { try { call(); } catch (error) { if (error instanceof TypeError) all++; } }
            }
            all === 11 * 6 ? 'ok' : String(all)"),
        ("a Deferred of another realm's isolate does not exist here", "
            const said = await new Deferred(() => new Deferred(() => 1)).catch(e => e.name);
            said === 1 ? 'ok' : String(said)"),
        ("subclasses that do not call super, or twice", "
            class None extends Deferred { constructor() { return Object.create(None.prototype); } }
            const none = new None();
            let all = 0;
            try { none.cancel(); } catch (error) { all++; }
            class Twice extends Deferred { constructor() { super(() => 1); try { super(() => 2); } catch (error) { all++; } } }
            await new Twice();
            class This extends Deferred { constructor() { try { this.x = 1; } catch (error) { all++; } super(() => 3); } }
            await new This() === 3 && all === 3 ? 'ok' : String(all)"),
        ("a subclass whose constructor throws after super", "
            class Throws extends Deferred { constructor() { super(() => { while (true); }, { timeout: 5 }); throw new Error('after'); } }
            try { new Throws(); } catch (error) { if (error.message === 'after') globalThis.said = 'ok'; }
            await new Promise(done => setTimeout(done, 20)); said"),
        ("a Deferred that extends null or is extended by reflection", "
            const made = Reflect.construct(Deferred, [() => 4], class extends Promise {});
            await made === 4 && !(made instanceof Deferred) ? 'ok' : 'wrong'"),
    ]);
}

#[test]
fn things_that_happen_inside_of_each_other() {
    all_say_ok(&[
        ("Deferreds made inside onprogress", "
            const inner = [];
            const d = new Deferred(() => { for (let i = 0; i < 20; i++) { Deferred.current.progress(i); Deferred.current.yield(); } });
            d.onprogress = i => inner.push(new Deferred(i => i, { args: [i] }));
            await d;
            const got = await Promise.all(inner);
            got.length > 0 && got.at(-1) === 19 ? 'ok' : got.join()"),
        ("cancelled inside onprogress", "
            const d = new Deferred(() => { Deferred.current.progress(1); while (true); });
            d.onprogress = () => d.cancel('inside');
            await d.catch(reason => reason) === 'inside' ? 'ok' : 'wrong'"),
        ("its priority changed inside onprogress", "
            const d = new Deferred(() => { Deferred.current.progress(1); return 1; });
            d.onprogress = () => { d.priority = 'critical'; d.onprogress = null; };
            await d === 1 ? 'ok' : 'wrong'"),
        ("onprogress that throws, or is replaced by a getter", "
            const d = new Deferred(() => { for (let i = 0; i < 5; i++) { Deferred.current.progress(i); Deferred.current.yield(); } return 1; });
            Object.defineProperty(d, 'onprogress', { get() { throw new Error('getter'); } });
            await d === 1 ? 'ok' : 'wrong'"),
        ("one is cancelled while another settles", "
            const other = new Deferred(() => { while (true); });
            const said = [];
            await new Deferred(() => 1).then(() => said.push(other.cancel('by the other'), other.cancel()));
            said.push(await other.catch(reason => reason));
            said.join() === 'true,false,by the other' ? 'ok' : said.join()"),
        ("all are cancelled when the first settles", "
            const all = Array.from({ length: 50 }, (_, i) => new Deferred(i => i, { args: [i] }));
            all.forEach(one => one.then(() => all.forEach(other => other.cancel('rest')), () => {}));
            const ends = await Promise.allSettled(all);
            ends.length === 50 && ends.every(e => e.status === 'fulfilled' || e.reason === 'rest') ? 'ok' : 'wrong'"),
        ("timers cleared and made inside timers", "
            let n = 0; const numbers = [];
            await new Promise(done => {
                const f = () => { if (++n === 500) return done(); for (const number of numbers.splice(0)) clearTimeout(number); for (let i = 0; i < 5; i++) numbers.push(setTimeout(f, i % 2)); };
                f();
            });
            for (const number of numbers) clearTimeout(number);
            n === 500 ? 'ok' : String(n)"),
        ("an interval clears itself and throws", "
            let n = 0; const t = setInterval(() => { n++; clearInterval(t); throw new Error('x'); }, 1);
            await new Promise(done => setTimeout(done, 10));
            n === 1 ? 'ok' : String(n)"),
        ("an endless chain of jobs is ended by a timer's turn or the limit, with the Deferred cancelled", "
            const d = new Deferred(async () => { while (true) await null; });
            setTimeout(() => d.cancel('chain'), 3);
            await d.catch(reason => reason) === 'chain' ? 'ok' : 'wrong'"),
        ("recursion in the realm itself", "
            const f = () => f() + 1;
            let name; try { f(); } catch (error) { name = error.name; }
            const deepD = n => n === 0 ? new Deferred(() => 'made deep down') : deepD(n - 1);
            name === 'RangeError' && await deepD(20) === 'made deep down' ? 'ok' : name"),
        ("async functions that recurse to the end of the stack", "
            const said = [];
            for (const f of [
                () => { const f = async () => { await f(); }; return f(); },
                () => { const f = async () => { f(); }; return f(); },
                () => { const f = async () => { try { await f(); } finally { f(); } }; return f(); },
                () => { const f = async function* () { yield* f(); }; return f().next(); },
            ]) said.push(await new Deferred(f, { timeout: 3000 }).then(() => 'ended', error => 'ended'));
            said.join() === 'ended,ended,ended,ended' ? 'ok' : said.join()"),
        ("timers that are always due, and a Deferred", "
            const hog = setInterval(() => { const end = performance.now() + 3; while (performance.now() < end); }, 1);
            const said = await new Deferred(() => 'settled');
            clearInterval(hog);
            said === 'settled' ? 'ok' : said"),
        ("a Deferred made with the stack nearly used up", "
            const made = []; let depth = 0;
            const f = () => { depth++; try { f(); } finally { if (made.length < 5) { try { made.push(new Deferred(() => 1)); } catch (error) { } } } };
            try { f(); } catch (error) { }
            (await Promise.allSettled(made)).every(each => each.status === 'fulfilled') ? 'ok' : 'wrong'"),
        ("deep recursion inside, in every built-in that calls back", "
            const said = [];
            for (const f of [
                () => { const f = () => [1].map(f); f(); }, () => { const f = () => [2, 1].sort(f); f(); }, () => { const f = () => JSON.stringify({ toJSON: f }); f(); },
                () => { const f = () => 'x'.replace('x', f); f(); }, () => { const f = () => `${{ toString: f }}`; f(); }, () => { const p = new Proxy({}, { get(t, n, r) { return r[n]; } }); p.x; },
                () => { let s = '('.repeat(50000); new RegExp(s + ')'.repeat(50000)); }, () => { new Function('('.repeat(50000)); }, () => { let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; JSON.stringify(o); },
            ]) said.push(await new Deferred(f).then(() => 'none', error => error instanceof Error || error instanceof DOMException));
            said.every(each => each === true) ? 'ok' : said.join()"),
        ("results that are too deep or too large", "
            const said = [];
            said.push(await new Deferred(() => { let o = null; for (let i = 0; i < 50000; i++) o = { o }; return o; }).then(o => typeof o, error => 'object'));
            said.push(await new Deferred(() => 'x'.repeat(12e6)).then(s => s.length, error => 12e6));
            said.join() === 'object,12000000' ? 'ok' : said.join()"),
        ("the realm is full when a result comes", "
            const d = new Deferred(() => new Array(50000).fill(0).map((_, i) => 'text ' + i));
            const held = [];
            setTimeout(() => { try { while (true) held.push(new Array(1000).fill(held.length)); } catch { } }, 0);
            setTimeout(() => { held.length = 0; }, 40);
            const said = await d.then(() => 'came', error => 'failed');
            await new Promise(done => setTimeout(done, 60));
            said === 'came' || said === 'failed' ? 'ok' : said"),
        ("progress of everything that cannot be sent", "
            const said = await new Deferred(() => { let n = 0; for (const odd of [() => 1, Symbol('s'), Promise.resolve(), new Proxy({}, {}), { get x() { throw new Error('x'); } }]) { try { Deferred.current.progress(odd); } catch { n++; } } return n; });
            said === 5 ? 'ok' : String(said)"),
        ("a listener is told what came before the end, also if it is set late", "
            const seen = [];
            const d = new Deferred(() => { Deferred.current.progress('p'); return 'end'; });
            d.then(value => seen.push(value)); d.onprogress = p => seen.push(p);
            await d; await null;
            seen.join() === 'p,end' ? 'ok' : seen.join()"),
        ("ten thousand signals on one controller", "
            const controller = new AbortController();
            const all = Array.from({ length: 500 }, () => new Deferred(() => { while (true); }, { signal: controller.signal, priority: 'background' }));
            controller.abort('all');
            (await Promise.allSettled(all)).every(each => each.reason === 'all') ? 'ok' : 'wrong'"),
        ("eval and Function inside a Deferred", "
            const said = await new Deferred(function () { return [(0, eval)('1 + 1'), new Function('return 3')(), eval('typeof Deferred')].join(); });
            said === '2,3,function' ? 'ok' : said"),
    ]);
}
