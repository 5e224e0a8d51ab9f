// What console.log shows. The lines of console.out are what Node 20.20 writes for this file; see tests/bridge/console.rs.
const bare = (error) => Object.defineProperty(error, 'stack', { value: '', configurable: true });
let n = 0;
const show = (...values) => { console.log(`#${++n}`); console.log(...values); };
class Foo { constructor() { this.x = 1; } }
class Bar extends Foo { #secret = 2; get computed() { return 3; } static s = 1; }
class Tagged { get [Symbol.toStringTag]() { return 'tag'; } }

// Primitives.
show(undefined, null, true, false, 1, -0, 0, NaN, Infinity, -Infinity, 1.5, 1e21, 1e-7, 123456789);
show('text', 'it\'s', '');
show([ 'text', 'it\'s', 'both \' and "', 'all \' " `', 'tab\t nl\n esc\x1b del\x7f', '\ud83d', '\u{1f600}', 'é' ]);
show(1n, [10n, -5n], Symbol('s'), [Symbol(), Symbol.iterator, Symbol.for('x y')]);
show([undefined, null, true, -0]);
// Objects.
show({}, { a: 1 }, { a: { b: { c: { d: 1 } } } });
show({ 'a-b': 1, 'a b': 2, 3: 3, $: 4, _x: 5, '': 6, "it's": 7, 'ü': 8, __proto__: null });
show({ ['__proto__']: 1, [Symbol('k')]: 2, [Symbol.toStringTag]: 'own' });
show({ get a() { throw 1; }, set a(v) {}, get b() { throw 2; }, set c(v) {} });
show(Object.create(null), Object.create({ inherited: 1 }), Object.create(Foo.prototype));
show(Object.assign(Object.create(null), { x: 1 }), [Object.create(null)]);
show({ f() {}, g: () => {}, h: function () {}, i: class {}, j: class K {} });
show({ a: 1, b: 'two', c: [3], d: { e: 5 }, f: null, g: undefined });
show({ long: 'a'.repeat(60), other: 1 }, { long: 'a'.repeat(70), other: 1 });
show({ text: 'line one\nline two\nline three, which makes it long enough to be broken up into lines' });
show({ a: { b: { c: {} } } }, { a: { b: { c: [] } } }, { a: { b: { c: [1] } } }, { a: { b: { c: new Foo } } });
show({ a: { b: { c: Object.create(null) } } }, { a: { b: { c: new Map } } }, { a: { b: { c: () => {} } } });
show({ a: { b: { c: new Map([[1, 2]]) } } }, { a: { b: { c: new Tagged } } }, { a: { b: { c: new Date(0) } } });
show([{ a: 1, b: 2 }, { a: 3, b: 4 }], [[[[1]]]], [[[]]], [[[{}]]]);
// Classes.
show(new Foo, new Bar, Foo, Bar, class {}, class extends Foo {}, class extends null {});
show(new Tagged, Tagged.prototype, Foo.prototype, Object.assign(new Foo, { y: new Foo }));
show(new (class extends Map { })([[1, 2]]), new (class MyMap extends Map { })([[1, 2]]), new (class MySet extends Set { }));
show(new (class MyArray extends Array { })(3), new (class MyArray extends Array { })(1, 2), new (class P extends Promise { })(() => {}));
show(Object.assign(Foo, { extra: 1 }));
show(Object.setPrototypeOf({ x: 1 }, null), Object.setPrototypeOf([1], null), Object.setPrototypeOf(() => 1, null));
// Arrays.
show([], [1], [1, 2, 3], ['a', 'b'], [1, 'a', null]);
show([1, , 3], [, ,], [, 1], [1, , , , 5, ,], new Array(5), new Array(1));
show(Array.from({ length: 6 }, (_, i) => i), Array.from({ length: 7 }, (_, i) => i));
show(Array.from({ length: 30 }, (_, i) => i * i));
show(Array.from({ length: 101 }, (_, i) => i));
show(Array.from({ length: 150 }, (_, i) => `item ${i}`));
show(Array.from({ length: 27 }, (_, i) => 'x'.repeat(i % 7)));
show(Array.from({ length: 10 }, (_, i) => i / 3));
show(Array.from({ length: 8 }, (_, i) => 10n ** BigInt(i)));
show(['a'.repeat(30), 'b'.repeat(30), 'c'.repeat(30)], ['日本', '語', 'x', 'y', 'z', 'ab', 'abc']);
show(Object.assign([1, 2], { key: 'v', '-1': 1 }), Object.assign([1, , 3], { key: 'v' }));
show(Array.from({ length: 120 }, (_, i) => ({ i })).slice(0, 3), Array.from({ length: 7 }, (_, i) => ({ i })));
show(Array.from({ length: 120 }, (_, i) => i % 2 ? i : undefined));
{ const holes = []; holes[150] = 1; show(holes); holes[3] = 1; show(holes); }
{ const many = new Array(200).fill(0); delete many[5]; show(many); }
show([[1, 2, [3, 4, [5, [6]]]], { a: [{ b: { c: {} } }] }]);
show([[[[[]]]]], { a: [{ b: [{ c: 1 }] }] });
// Functions.
show(() => {}, function () {}, function f() {}, async () => {}, async function g() {}, function* h() {}, async function* i() {});
show(Math.max, Array, Object.assign(() => {}, { a: 1 }), (function bound() {}).bind(null), Map.prototype.get);
show({ f: Object.assign(function named() {}, { a: { b: {} } }) });
// Collections.
show(new Map, new Map([['a', 1], [{ k: 1 }, [2]]]), new Set, new Set([1, 'two', { three: 3 }]));
show(new Map([['nested', new Map([['deep', new Map([['deeper', new Map]])]])]]));
show(Object.assign(new Map([[1, 2]]), { extra: 1 }), Object.assign(new Set, { extra: 1 }));
show(new Set(Array.from({ length: 105 }, (_, i) => i)));
show(new Map(Array.from({ length: 12 }, (_, i) => [`key ${i}`, { value: i }])));
show(new WeakMap, new WeakSet);
// Dates, expressions, boxes, errors.
show(new Date(0), new Date(NaN), [new Date(1e12)], Object.assign(new Date(0), { a: 1 }));
show(/a\/b[/]/gi, [/x/], Object.assign(/y/m, { a: 1 }));
show(Object(1), Object(-0), Object('str'), Object(true), Object(1n), Object(Symbol('s')), [Object('x')]);
show(Object.assign(Object('ab'), { c: 1 }), Object.assign(Object(1), { c: 1 }));
show(bare(new Error('message')), bare(new TypeError('message')), bare(new Error), [bare(new RangeError('in array'))]);
show(bare(Object.assign(new Error('with'), { code: 'E_CODE', errno: 5 })));
show(bare(new Error('outer', { cause: bare(new Error('inner')) })), bare(new Error('c', { cause: { a: 1 } })));
show(bare(new AggregateError([bare(new Error('one')), bare(new TypeError('two'))], 'many')));
show({ e: bare(new Error('nested')) }, bare(new (class MyError extends Error { })('mine')));
// Buffers.
show(new Uint8Array(3), new Float64Array([1.5, -0, NaN]), new BigInt64Array([1n, -1n]), new Uint8ClampedArray(0));
show(new ArrayBuffer(4), new Uint8Array([1, 2, 255]).buffer, new ArrayBuffer(0), new ArrayBuffer(200));
show(new DataView(new ArrayBuffer(2), 1), new Uint16Array(200));
show(new SharedArrayBuffer(2), { a: { b: new Uint8Array(2) } });
// Promises, proxies, iterators.
show(Promise.resolve(1), Promise.resolve({ a: { b: 1 } }), new Promise(() => {}));
{ const p = Promise.reject(3); p.catch(() => {}); show(p, [p]); }
{
  const trap = { get() { throw 1; }, ownKeys() { throw 2; }, getPrototypeOf() { throw 3; }, has() { throw 4; } };
  show(new Proxy({ a: 1 }, trap), new Proxy([1, 2], trap), new Proxy(() => {}, trap), { p: new Proxy(new Foo, trap) });
  const revoked = Proxy.revocable({}, {}); revoked.revoke(); show(revoked.proxy);
}
show([1][Symbol.iterator](), (function* () {})(), 'x'[Symbol.iterator]());
show((function () { return arguments; })(1, 'a'), Math, JSON, globalThis === globalThis);
// Circles.
{ const o = { name: 'o' }; o.self = o; show(o); o.list = [o, { o }]; show(o); }
{ const a = {}, b = { a }; a.b = b; show(a, [a, b]); }
{ const m = new Map; m.set('m', m); const s = new Set; s.add(s); show(m, s); }
{ const a = [1]; a.push(a); show(a); show({ a }); }
{ const shared = { x: 1 }; show([shared, shared], { a: shared, b: shared }); }
// Formats.
show('%s is %d years and %i months, %f', 'Bob', 42.5, '7.9', '3.14abc');
show('%s', { a: 1, b: { c: 2 } }, '%s', [1, [2]], 'rest', { x: 1 });
show('%s %s %s %s %s', null, undefined, -0, 5n, Symbol('s'));
show('%s', { toString() { return 'mine'; } }); show('%s', new Foo); show('%s', () => 1); show('%s', new Date(0));
show('%s', bare(new Error('e'))); show('%s', class A { }); show('%s', new (class { toString() { return 'class'; } }));
show('%d %d %d %d', '0x10', 'x', 12n, {}); show('%i %i', 'x', 12n); show('%f', 'x'); show('%d', Symbol());
show('%j %j', { a: [1] }, 'text'); { const o = {}; o.o = o; show('%j', o); }
show('%o', [1, { a: 1 }]); show('%O', { a: { b: { c: { d: 1 } } } });
show('%c styled %c', 'color: red', ''); show('100%', 1); show('%%s %s', 1); show('%x %s', 1); show('%s %s', 1); show('%');
show('a', 'b', { c: 'd' }, 'e'); show({ a: 1 }, '%s', 1); show(1, 'a'); show();
// Depth and width.
console.dir({ a: { b: { c: { d: { e: 1 } } } } }, { depth: 0 });
console.dir({ a: { b: { c: { d: { e: 1 } } } } }, { depth: null });
console.dir([1, 2, 3, 4], { maxArrayLength: 2 }); console.dir('x'.repeat(20), { maxStringLength: 5 });
console.dir({ a: 1, b: 2 }, { breakLength: 5 }); console.dir(Object.defineProperty({}, 'h', { value: 1 }), { showHidden: true });
console.dir([new Number(1), new String('s'), Object(Symbol('w')), Object(1n), new Boolean(true), { a: [null, undefined, /x/, new Date(0)] }], { colors: true });
show('x'.repeat(10010).length, ['x'.repeat(10001)].length);
show({ abcdefghij: 'abcdefghij', klmnopqrst: 'klmnopqrst', uvwxyz: 'uvwxyz', more: 1234 });
show({ abcdefghij: 'abcdefghij', klmnopqrst: 'klmnopqrst', uvwxyz: 'uvwxyz', more: 12345678901 });
show({ a: { b: { c: 1 }, d: 2 }, e: 3 }, [[[1, 2], [3]], [4]]);
show({ level1: { level2: { x: 1, y: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' } }, other: ['aaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'] });
// Groups, counters, tables.
console.group('group'); console.log('in'); console.group(); console.log('deeper\nlines', { a: 1 }); console.groupEnd(); console.log('in'); console.groupEnd(); console.groupEnd(); console.log('out');
console.count(); console.count(); console.count('x'); console.countReset(); console.count();
console.table([{ a: 1, b: 'x' }, { a: 2, c: true }]); console.table([[1, 2], [3, 4]]); console.table(['p', 'q']);
console.table(new Map([['k', 1], ['l', { m: 2 }]])); console.table(new Set([1, 'two'])); console.table(5); console.table([{ a: 1, b: 2 }], ['b']);
console.table({ r1: { c: 1 }, r2: { c: { d: { e: 1 } } } }); console.table([1, { a: 2 }]); console.table([]);
console.log(Object.keys(console).length > 15, typeof console.log);
