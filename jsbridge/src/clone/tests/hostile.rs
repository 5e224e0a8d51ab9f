//! Scripts that do their worst.

use super::*;

#[test]
fn what_cannot_be_cloned_is_refused_with_its_path() {
    test(
        r#"
        const cases = [
            [() => 1, 'value is a function and cannot be cloned'],
            [class {}, 'value is a function and cannot be cloned'],
            [Symbol('s'), 'value is a symbol and cannot be cloned'],
            [Object(Symbol('s')), 'value is a Symbol and cannot be cloned'],
            [{items: [0, 1, 2, {onClick() {}}]}, 'value.items[3].onClick is a function and cannot be cloned'],
            [{'two words': {5: Symbol()}}, 'value["two words"][5] is a symbol and cannot be cloned'],
            [[[Promise.resolve()]], 'value[0][0] is a Promise and cannot be cloned'],
            [new WeakMap(), 'value is a WeakMap and cannot be cloned'],
            [new WeakSet(), 'value is a WeakSet and cannot be cloned'],
            [new WeakRef({}), 'value is a WeakRef and cannot be cloned'],
            [new Proxy({}, {}), 'value is a Proxy and cannot be cloned'],
            [new Proxy(() => 1, {}), 'value is a Proxy and cannot be cloned'],
            [new Map([['k', {f() {}}]]), 'value.get("k").f is a function and cannot be cloned'],
            [new Map([[{}, () => 1]]), 'value.<value 0> is a function and cannot be cloned'],
            [new Map([[1, 1], [Symbol(), 1]]), 'value.<key 1> is a symbol and cannot be cloned'],
            [new Set([1, () => 1]), 'value.<element 1> is a function and cannot be cloned'],
            [new Error('e', {cause: {f() {}}}), 'value.cause.f is a function and cannot be cloned'],
            [Object.assign(new Error('e'), {f() {}}), 'value.f is a function and cannot be cloned'],
            [{get g() { return {h: () => 1}; }}, 'value.g.h is a function and cannot be cloned'],
            [(function* () {})(), 'value is a Generator and cannot be cloned'],
            [[1].values(), 'value is an Array Iterator and cannot be cloned'],
            [new SharedArrayBuffer(1, {maxByteLength: 2}), 'value is a growable SharedArrayBuffer, which this engine cannot share, and cannot be cloned'],
            [JSON.rawJSON('1'), 'value is'],
            [new FinalizationRegistry(() => 0), 'value is'],
        ];
        for (const [value, message] of cases) { const m = refused(value); check(m.startsWith(message), m); }
        check(refused(Object.defineProperty([1, 2], 1, {get: () => () => 1})).startsWith('value[1] is a function'), 'array');
        const b = new ArrayBuffer(8), u = new Uint8Array(b), d = new DataView(b); b.transfer();
        is(refused(b), 'value is a detached ArrayBuffer and cannot be cloned');
        is(refused({u}), 'value.u is a view of an ArrayBuffer that is detached or too short and cannot be cloned'); refused(d);
        const r = new ArrayBuffer(8, {maxByteLength: 8}), out = [new Uint8Array(r, 4, 4), new Uint8Array(r, 4), new DataView(r, 4, 4)]; r.resize(2);
        for (const v of out) is(refused(v), 'value is a view of an ArrayBuffer that is detached or too short and cannot be cloned');
        "#,
    );
}

#[test]
fn getters_are_called_once_in_order_and_what_they_throw_arrives() {
    test(
        r#"
        const log = []; const o = {};
        for (const k of ['b', 'a', '1', '0']) Object.defineProperty(o, k, {get() { log.push(k); return k; }, enumerable: true});
        Object.defineProperty(o, 'hidden', {get() { log.push('hidden'); }});
        is(Object.values(clone(o)).join(''), '01ba'); is(log.join(''), '01ba');
        const thrown = {}; let caught;
        try { clone([1, {get x() { throw thrown; }}]); } catch (e) { caught = e; } is(caught, thrown);
        try { clone(Object.defineProperty(new Error, 'name', {get() { throw thrown; }})); } catch (e) { caught = e; } is(caught, thrown);
        const e = new Error; e.message = {toString() { throw 1; }}; try { clone(e); } catch (x) { caught = x; } is(caught, 1);
        is(clone({set x(v) {}}).x, undefined); check('x' in clone({set x(v) {}}), 'a setter alone is undefined');
        const self = {get me() { return this; }}, c = clone(self); is(c.me, c);
        "#,
    );
}

#[test]
fn what_getters_change_is_seen_as_the_standard_says() {
    test(
        r#"
        // Deleted while its object is half written; added; replaced.
        const a = {x: 1, y: {get g() { delete a.z; a.w = 5; a.v = 'new'; return 2; }}, z: 3, w: 4};
        is(JSON.stringify(clone(a)), '{"x":1,"y":{"g":2},"w":5}');
        const list = [1, {get g() { list.length = 3; list.push(7); return 0; }}, 2, 3, 4, 5];
        const c = clone(list); is(c.length, 6); is(c[3], 7); check(!(4 in c) && !(5 in c), 'gone'); is(c[2], 2);
        const grown = [{get g() { for (let i = 0; i < 1000; i++) grown.push(i); return 0; }}, 1]; is(clone(grown).length, 2);
        const m = new Map([[1, {get g() { m.clear(); m.set(9, 9); return 1; }}], [2, 'two']]); is(clone(m).get(2), 'two'); is(m.size, 1);
        const s = new Set([{get g() { s.clear(); return 1; }}, 'x']); is(clone(s).size, 2);
        // What is visited is let go, and its address is used again.
        const o = {list: []};
        for (let i = 0; i < 300; i++) o.list.push({inner: {i}, get g() { o.list[i] = null; const t = []; for (let j = 0; j < 20; j++) t.push({inner: {i: j}}); return t; }});
        const d = clone(o); for (let i = 0; i < 300; i++) { is(d.list[i].inner.i, i); is(d.list[i].g[19].inner.i, 19); check(d.list[i].g[3].inner !== d.list[i].inner, 'others'); }
        // The shape of a half written object is changed, and used by others.
        const q = {a: {get g() { q.b = 1; delete q.a; for (let i = 0; i < 50; i++) ({})['k' + i] = i; return 1; }}, c: 1}; is(JSON.stringify(clone([q, q, {a: 1, c: 2}])), '[{"a":{"g":1},"c":1},{"a":{"g":1},"c":1},{"a":1,"c":2}]');
        // An array becomes a proxy's, a frozen or an odd one in the middle.
        const p = [{get g() { Object.defineProperty(p, 2, {get() { return 'late'; }}); p[100000] = 1; Object.freeze(p); return 0; }}, 1, 2]; const pc = clone(p); is(pc[2], 'late'); is(pc.length, 3);
        // The object's own getter takes away all that is left, and makes garbage.
        const z = {}; for (let i = 0; i < 100; i++) Object.defineProperty(z, 'k' + i, {enumerable: true, configurable: true, get() { for (const k in z) delete z[k]; return [1, 2, 3]; }});
        is(Object.keys(clone(z)).join(), 'k0');
        "#,
    );
}

#[test]
fn replaced_prototypes_and_constructors_are_not_asked() {
    test(
        r#"
        const values = [new Map([[1, 2]]), new Set([1]), /a/gi, new Date(5), new Number(1), new String('s'), Object(5n), 2n ** 70n, -(2n ** 70n),
            new Error('e'), new DOMException('m', 'AbortError'), new Uint8Array([1, 2]), new DataView(new ArrayBuffer(2)), new ArrayBuffer(5000), {x: 1, y: [1, , 2]}, new ArrayBuffer(2, {maxByteLength: 4})];
        const bomb = () => { throw new Error('asked'); }, todo = [], define = Object.defineProperty;
        for (const K of [Map, Set, RegExp, Date, Number, String, Boolean, BigInt, Error, DOMException, ArrayBuffer, DataView, Object, Array, Object.getPrototypeOf(Uint8Array), Uint8Array])
            for (const k of Reflect.ownKeys(K.prototype)) if (!(K === Error && (k === 'name' || k === 'constructor')) && k !== '__proto__') todo.push([K.prototype, k]);
        for (const k of ['x', 'y', '0', '1', 'message', 'stack', 'cause', 'maxByteLength', 'then']) todo.push([Object.prototype, k]);
        for (const k of ['0', '1', '2']) todo.push([Array.prototype, k]);
        for (const k of ['Map', 'Set', 'RegExp', 'Date', 'BigInt', 'DOMException', 'ArrayBuffer', 'DataView', 'Error']) todo.push([globalThis, k]);
        const how = Object.assign(Object.create(null), {get: bomb, set: bomb, configurable: true});
        for (let i = 0; i < todo.length; i++) try { define(todo[i][0], todo[i][1], how); } catch {}
        for (let i = 0; i < values.length; i++) { const c = clone(values[i]); if (c === values[i] && typeof c === 'object') throw 'same'; }
        const c = clone(values); if (c.length !== values.length) throw 'length';
        let name; try { clone([() => 1]); } catch (e) { name = e; } if (typeof name !== 'object') throw name;
        "#,
    );
}

#[test]
fn texts_and_buffers_do_not_multiply() {
    let mut isolate = isolate_of(8 << 20);
    let result = enter(&mut isolate, |scope| {
        let value = eval(scope, "const l = 'x'.repeat(1 << 20); Array(10000).fill(l)")?;
        let message = write(scope, &[value], &[], &|_| "value".to_owned())?;
        assert!(message.size() < (1 << 20) + 100_000, "one text is written once: {}", message.size());
        drop(message);
        // Keys are written each time; there the bound on the whole holds.
        let keys =
            "const k = 'k'.repeat(1 << 20); Array.from({length: 100}, (_, i) => ({[k]: 1, ['n' + i]: i}))";
        let value = eval(scope, keys)?;
        let thrown = write(scope, &[value], &[], &|_| "value".to_owned()).unwrap_err();
        let text = thrown.text()?;
        assert!(text.contains("makes the message larger than 8192 KiB"), "{text}");
        Ok(())
    });
    result.unwrap();
}

#[test]
fn a_script_that_must_end_ends_in_the_middle_of_a_clone() {
    let population = Arc::new(Population::new(1));
    let limits =
        Limits { memory: 256 << 20, stack: STACK, time: Duration::from_millis(30), slice: SLICE, eval: true };
    let mut isolate = Isolate::new(limits, population.enter().unwrap()).unwrap();
    let result = enter(&mut isolate, |scope| {
        scope.global().set(c"clone", scope.new_function::<Clone>(c"clone", 0)?)?;
        eval(
            scope,
            "const a = Array(20000).fill(0).map((_, i) => ({i})); while (true) { try { clone(a); } catch {} }",
        )?;
        Ok(())
    });
    assert!(result.unwrap_err().is_timeout());
}
