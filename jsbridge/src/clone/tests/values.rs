//! Every kind of value.

use super::*;

#[test]
fn primitives_cross_exactly() {
    test(
        r#"
        for (const x of [undefined, null, true, false, 0, -0, 1, -1, 63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31), 2 ** 31,
                2 ** 53, 0.1, NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE, '', 'a', 'a\0b', 'é', '\xff',
                '\u0100', '線', '🧶', '\ud83e', '\uddf6\ud83e', 'x'.repeat(100000), 'ß'.repeat(100000), '線'.repeat(100000),
                0n, 1n, -1n, 2n ** 63n, -(2n ** 63n), 2n ** 63n - 1n, -(2n ** 63n) - 1n, 2n ** 64n, 16n ** 16n, -(16n ** 16n),
                10n ** 1000n, -(10n ** 1000n), -(2n ** 4096n), 2n ** 4096n - 1n])
            { is(clone(x), x); is(clone([x])[0], x); is(clone({x}).x, x); is(clone(new Map([[x, x]])).get(x), x); }
        // Ropes and slices.
        let rope = ''; for (let i = 0; i < 10000; i++) rope += i + 'é';
        is(clone(rope), rope); is(clone(rope.slice(7, 5000)), rope.slice(7, 5000));
        "#,
    );
}

#[test]
fn objects_of_the_standard_cross() {
    test(
        r#"
        const a = [new Date(0), new Date(NaN), new Date(1e15 + 0.0), /a/, /(?<x>[\/])\n/dgimsuy, /[\p{L}--[a-z]]/v, /é線/,
            new Map(), new Map([[1, 'one'], ['two', {two: 2}], [NaN, NaN]]), new Set([1, 'a', NaN, -0]), new Set(),
            new Number(-0), new String('é線'), new String(''), new Boolean(false), new Boolean(true), Object(5n), Object(-(2n ** 100n)),
            {}, [], {a: 1, b: {c: [1, 2, [3]]}}, [[[]]], {1: 'one', 0: 'zero', b: 1, a: 2, '-1': 3, '': 4, 'é線\ud83e': 5, 4294967295: 6, 4294967294: 7},
            JSON.parse('{"__proto__": 1, "constructor": 2}')];
        for (const x of a) { check(same(x, clone(x)), x); check(same([x, x], clone([x, x])), x); }
        check(same(a, clone(a)), 'all');
        const p = clone(JSON.parse('{"__proto__": {"x": 1}}'));
        is(Object.getPrototypeOf(p), Object.prototype); is(Object.getOwnPropertyDescriptor(p, '__proto__').value.x, 1);
        const r = /a/g; r.lastIndex = 5; is(clone(r).lastIndex, 0); check(clone(r) instanceof RegExp, 'it is a RegExp');
        is(clone(/a/.constructor('')).source, '(?:)');
        is(clone(new Date(5)).getTime(), 5);
        is(JSON.stringify(Object.keys(clone({b: 1, 2: 1, a: 1, 1: 1}))), '["1","2","b","a"]');
        "#,
    );
}

#[test]
fn class_instances_become_plain_and_symbols_and_hidden_properties_stay_behind() {
    test(
        r#"
        class A { #secret = 1; x = 2; get y() { return 3; } method() {} }
        const c = clone(new A());
        is(Object.getPrototypeOf(c), Object.prototype); is(JSON.stringify(c), '{"x":2}');
        is(Object.getPrototypeOf(clone(Object.create(null))), Object.prototype);
        class L extends Array {} const l = clone(L.of(1, 2)); is(Object.getPrototypeOf(l), Array.prototype); is(l.length, 2);
        const o = {[Symbol('s')]: 1, a: 2}; Object.defineProperty(o, 'hidden', {value: 3});
        is(Reflect.ownKeys(clone(o)).join(), 'a');
        const f = clone(Object.freeze({a: 1})); f.a = 2; f.b = 3; is(f.a + f.b, 5);
        const d = new Date(1); d.extra = 1; is(clone(d).extra, undefined);
        (function () { is(JSON.stringify(clone(arguments)), '{"0":1,"1":"b"}'); })(1, 'b');
        (function (x) { 'use strict'; is(JSON.stringify(clone(arguments)), '{"0":1}'); })(1);
        "#,
    );
}

#[test]
fn holes_and_other_properties_of_arrays_are_kept_and_cost_what_is_there() {
    test(
        r#"
        const a = [1, , 3]; a.extra = {x: 1}; a[-1] = 'no index'; a.length = 10;
        const c = clone(a); check(same(a, c), 'keys'); is(c.length, 10); check(!(1 in c), 'hole'); is(c.extra.x, 1); is(c[-1], 'no index');
        const s = []; s[4294967294] = 'end'; s[5] = s;
        const t = clone(s); is(t.length, 4294967295); is(t[4294967294], 'end'); is(t[5], t); is(Object.keys(t).length, 2);
        const e = []; e.length = 4294967295; is(clone(e).length, 4294967295); is(clone(new Array(3)).length, 3); is(clone([,]).length, 1);
        check(!(0 in clone([,])), 'still a hole'); is(clone([undefined]).length, 1); check(0 in clone([undefined]), 'no hole');
        const g = [1, 2, 3]; Object.defineProperty(g, 1, {get() { return 'got'; }, enumerable: true}); is(clone(g).join(), '1,got,3');
        "#,
    );
}

#[test]
fn identity_and_cycles_are_kept() {
    test(
        r#"
        const o = {}; o.self = o;
        const c = clone(o); is(c.self, c);
        const a = []; a.push(a, [a]); const d = clone(a); is(d[0], d); is(d[1][0], d);
        const x = {n: 1}, y = clone({p: x, q: [x, {x}]}); is(y.p, y.q[0]); is(y.p, y.q[1].x);
        const m = new Map(); m.set(m, m); const n = clone(m); is([...n.keys()][0], n); is(n.get(n), n);
        const s = new Set(); s.add(s); const t = clone(s); check(t.has(t), 'the set itself');
        const e = new Error('e'); e.cause = e; e.list = [e]; const f = clone(e); is(f.cause, f); is(f.list[0], f);
        // What the engine's own writer gets wrong.
        const p = {}, q = {}, r = clone({r: /a/, a: p, b: q, c: p}); is(r.c, r.a); check(r.b !== r.a, 'two objects');
        const b = new ArrayBuffer(8), v = clone([new Uint8Array(b, 1, 3), new DataView(b), b, new Float64Array(b)]);
        is(v[0].buffer, v[2]); is(v[1].buffer, v[2]); is(v[3].buffer, v[2]); v[0][0] = 7; is(v[1].getUint8(1), 7);
        const l = 'long text '.repeat(10), k = clone([l, l, {l}]); is(k[0], l); is(k[1], l); is(k[2].l, l);
        const boxed = new String('b'); const w = clone([boxed, boxed]); is(w[0], w[1]);
        // Shapes and back references in every order.
        const z = []; for (let i = 0; i < 50; i++) z.push({i, before: z[i - 1], all: z, ['k' + i % 3]: {i}});
        const u = clone(z); for (let i = 0; i < 50; i++) { is(u[i].i, i); is(u[i].before, u[i - 1]); is(u[i].all, u); is(u[i]['k' + i % 3].i, i); }
        "#,
    );
}

#[test]
fn errors_keep_what_they_are_and_what_they_carry() {
    test(
        r#"
        for (const K of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, InternalError]) {
            const e = new K('why', {cause: {deep: [1]}}); e.code = 'E1'; e.n = {x: 1};
            const c = clone(e);
            check(c instanceof K && Object.getPrototypeOf(c) === K.prototype, K.name); is(c.name, K.name); is(c.message, 'why');
            is(c.stack, e.stack); is(c.cause.deep[0], 1); is(c.code, 'E1'); is(c.n.x, 1);
            is(Object.keys(c).join(), 'code,n'); is(Object.prototype.toString.call(c), '[object Error]'); check(Error.isError(c), 'isError');
        }
        const none = clone(new Error()); check(!Object.hasOwn(none, 'message'), 'no message'); check(!('cause' in none), 'no cause');
        check('cause' in clone(new Error('', {cause: undefined})), 'a cause that is undefined');
        const a = clone(new AggregateError([new TypeError('t'), 2], 'many')); check(a instanceof AggregateError, 'aggregate');
        check(a.errors[0] instanceof TypeError, 'its errors'); is(a.errors[1], 2); is(Object.keys(a).length, 0);
        const s = clone(new SuppressedError(1, new RangeError('r'), 'm')); check(s instanceof SuppressedError, 'suppressed'); is(s.error, 1); is(s.suppressed.message, 'r');
        class Mine extends TypeError { constructor(m) { super(m); this.name = 'Mine'; } }
        const m = clone(new Mine('m')); check(m instanceof TypeError, 'nearest'); is(m.name, 'Mine'); is(String(m), 'Mine: m');
        class Proto extends RangeError { get name() { return 'P'; } } is(clone(new Proto).name, 'P'); check(clone(new Proto) instanceof RangeError, 'nearest');
        const renamed = new Error('x'); renamed.name = 'TypeError'; check(clone(renamed) instanceof TypeError, 'as HTML has it');
        const odd = new Error('x'); Object.defineProperty(odd, 'message', {get() { return 'no'; }}); check(!Object.hasOwn(clone(odd), 'message'), 'a getter is no message');
        const num = new Error('x'); num.message = 5; is(clone(num).message, '5');
        const st = new Error('x'); st.stack = 'mine'; is(clone(st).stack, 'mine'); delete st.stack; Object.defineProperty(st, 'stack', {value: 1}); clone(st);
        const dom = new DOMException('m', 'AbortError'), d = clone(dom);
        check(d instanceof DOMException, 'dom'); is(d.name, 'AbortError'); is(d.message, 'm'); is(d.code, 20); is(d.stack, dom.stack);
        Object.setPrototypeOf(num, null); clone(num); Object.setPrototypeOf(num, new Proxy({}, {})); is(clone(num).message, '5');
        check(same(clone([new Error('a')])[0].message, 'a'), 'in an array');
        "#,
    );
}

#[test]
fn buffers_and_views_cross() {
    test(
        r#"
        for (const n of [0, 1, 100, 4095, 4096, 4097, 100000]) {
            const b = new ArrayBuffer(n), u = new Uint8Array(b); for (let i = 0; i < n; i++) u[i] = i * 7;
            const c = clone(b); is(c.byteLength, n); check(!c.resizable, 'fixed'); const v = new Uint8Array(c); check(v.every((x, i) => x === (i * 7 & 255)), n);
            is(b.byteLength, n); if (n) { v[0]++; check(u[0] !== v[0], 'a copy'); }
            const r = new ArrayBuffer(n, {maxByteLength: n + 50000}); new Uint8Array(r).set(u);
            const s = clone(r); check(s.resizable, 'resizable'); is(s.maxByteLength, n + 50000); is(s.byteLength, n);
            s.resize(n + 50000); is(new Uint8Array(s)[n + 10], 0); if (n > 1) is(new Uint8Array(s)[1], 7); s.resize(0); s.resize(3); is(s.byteLength, 3);
            is(clone(s).byteLength, 3); is(s.transfer(5).byteLength, 5);
        }
        const b = new ArrayBuffer(64), kinds = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float16Array, Float32Array, Float64Array];
        crypto = new Uint8Array(b); for (let i = 0; i < 64; i++) crypto[i] = i * 3 + 1;
        for (const K of kinds) {
            for (const v of [new K(b), new K(b, 8), new K(b, 16, 2), new K(b, 64), new K(3), new K(0)]) {
                const c = clone(v); is(Object.getPrototypeOf(c), K.prototype); is(c.length, v.length); is(c.byteOffset, v.byteOffset); is(c.buffer.byteLength, v.buffer.byteLength);
                check(v.every((x, i) => Object.is(x, c[i])), K.name);
            }
            const r = new ArrayBuffer(32, {maxByteLength: 64}), [x, y, z] = clone([new K(r), new K(r, 8), new K(r, 8, 1)]);
            is(x.buffer, y.buffer); x.buffer.resize(64); is(x.byteLength, 64); is(y.byteLength, 56); is(z.length, 1);
        }
        const d = clone(new DataView(b, 3, 5)); is(d.byteOffset, 3); is(d.byteLength, 5); is(d.getUint8(0), 10);
        const r = new ArrayBuffer(8, {maxByteLength: 16}), e = clone(new DataView(r, 2)); e.buffer.resize(16); is(e.byteLength, 14);
        class Mine extends Uint8Array {} is(Object.getPrototypeOf(clone(new Mine(2))), Uint8Array.prototype);
        const extra = new Uint8Array(2); extra.x = 1; is(clone(extra).x, undefined);
        "#,
    );
}

#[test]
fn deep_structures_need_no_stack() {
    test(
        r#"
        let o = {}, a = [], m = new Map(), e = new Error('end'), s = new Set(), g = {};
        for (let i = 0; i < 100000; i++) { o = {o}; a = [a]; m = new Map([[1, m]]); s = new Set([s]); const h = g; g = {get g() { return h; }}; }
        for (let i = 0; i < 2000; i++) e = new Error('e', {cause: e});
        for (const [x, step] of [[o, x => x.o], [a, x => x[0]], [m, x => x.get(1)], [s, x => [...x][0]], [g, x => x.g]]) {
            let n = 0, y = clone(x); while (y = step(y)) n++; is(n, 100000);
        }
        let n = 0, y = clone(e); while (y = y.cause) n++; is(n, 2000);
        let deep = () => 1; for (let i = 0; i < 100000; i++) deep = {deep};
        check(refused(deep).length < 400, 'a long path is shortened');
        "#,
    );
}
