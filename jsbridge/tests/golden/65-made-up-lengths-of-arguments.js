// Functions that take a list by its length: one that is made up is refused, or ended by a time-out; others do what they did.
const long = { length: 2 ** 32 };
for (const make of [() => Math.max.apply(null, long), () => Reflect.apply(Math.max, null, { length: 2 ** 53 }), () => Reflect.construct(Array, { length: 65536 }), () => Math.max.apply(null, { length: Infinity })]) {
  try { console.log(make()); } catch (error) { console.log(error.name, error.message); }
}
for (const fn of [() => String.raw({ raw: { length: 2 ** 53 - 1 } }), () => JSON.stringify({}, new Array(2 ** 32 - 1)), () => JSON.stringify({}, new Proxy(new Array(2 ** 32 - 1), {}))]) {
  try { console.log(await new Deferred(fn, { timeout: 50, priority: 'critical' })); } catch (error) { console.log(error.name); }
}
await new Deferred(() => {
  const log = [];
  const like = { get length() { log.push('length'); return '3.7'; }, get 0() { log.push(0); return 5; }, get 2() { log.push(2); return 7; } };
  const list = function (...all) { return [this, ...all]; };
  console.log(list.apply(1, like).length, Reflect.apply(list, 2, like), Reflect.construct(Array, like), log.join());
  console.log(list.apply(0), list.apply(0, null), list.apply(0, [1, , 3]), list.apply(0, new Uint8Array(2)), (function () { return list.apply(0, arguments); })(1, 2));
  console.log(list.apply(0, Object.create([1, 2])), (function () { arguments.length = 1; return list.apply(0, arguments); })(1, 2), list.apply(0, { length: -1 }), list.apply(0, { length: NaN }), list.apply(0, new Proxy([8, 9], {})));
  class A { constructor(...all) { this.all = all; } } class B extends A {}
  console.log(Reflect.construct(A, { length: 2, 0: 'a' }, B) instanceof B, Reflect.construct(A, { length: 2, 0: 'a' }).all);
  const wrong = [() => list.apply(0, 1), () => Reflect.apply(list, 0), () => Reflect.apply(list, 0, null), () => Reflect.apply(1, 0, like), () => Reflect.construct(A, like, 1), () => Reflect.construct(() => 1, {}), () => Function.prototype.apply.call({}, 0, like),
    () => list.apply(0, { get length() { throw new EvalError('e'); } }), () => String.raw(), () => String.raw({}), () => String.raw({ raw: null }), () => String.raw({ raw: { length: 1, 0: Symbol() } }), () => JSON.stringify({}, Proxy.revocable([], {}).proxy && (() => { const { proxy, revoke } = Proxy.revocable([], {}); revoke(); return proxy; })())];
  console.log(wrong.map((make) => { try { return make(); } catch (error) { return error.name; } }).join());
  const n = 1;
  console.log(String.raw`a\n${n}b${2}\u{41}`, String.raw({ raw: 'xyz' }, 0, 1, 2, 3), String.raw({ raw: { length: 2, 0: 'p', 1: 'q' } }, '-') + String.raw({ raw: [] }, 1) + String.raw({ raw: ['only'] }, 'no'));
  const value = { b: 1, a: { c: 2, b: [{ a: 3, d: 4 }] }, 5: 'five', x: undefined };
  console.log(JSON.stringify(value, ['a', 'b']), JSON.stringify(value, [5, 'b', 'b', new String('a'), new Number(5), {}, null, , true]), JSON.stringify(value, []), JSON.stringify(value, (key, item) => key === 'a' ? 0 : item), JSON.stringify([value], ['x', 'c'], 1), JSON.stringify(value, { 0: 'a', length: 1 }), JSON.stringify(value, new Proxy(['b'], {})));
  console.log(JSON.stringify({ n1: 1, n9: 2 }, Array.from({ length: 4096 }, (_, i) => `n${i}`)));
  try { JSON.stringify({}, Array.from({ length: 5000 }, (_, i) => i)); } catch (error) { console.log(error.name, error.message); }
  for (const fn of [Function.prototype.apply, Reflect.apply, Reflect.construct, String.raw, JSON.stringify]) console.log(fn.name, fn.length, String(fn).includes('[native code]'), 'prototype' in fn);
});

//= RangeError too many arguments in function call (only 65535 allowed)
//= RangeError too many arguments in function call (only 65535 allowed)
//= RangeError too many arguments in function call (only 65535 allowed)
//= RangeError too many arguments in function call (only 65535 allowed)
//= TimeoutError
//= TimeoutError
//= TimeoutError
//= 4 [ [Number: 2], 5, undefined, 7 ] [ 5, undefined, 7 ] length,0,2,length,0,2,length,0,2
//= [ [Number: 0] ] [ [Number: 0] ] [ [Number: 0], 1, undefined, 3 ] [ [Number: 0], 0, 0 ] [ [Number: 0], 1, 2 ]
//= [ [Number: 0], 1, 2 ] [ [Number: 0], 1 ] [ [Number: 0] ] [ [Number: 0] ] [ [Number: 0], 8, 9 ]
//= true [ 'a', undefined ]
//= TypeError,TypeError,TypeError,TypeError,TypeError,TypeError,TypeError,EvalError,TypeError,TypeError,TypeError,TypeError,TypeError
//= a\n1b2\u{41} x0y1z p-qonly
//= {"a":{"b":[{"a":3}]},"b":1} {"5":"five","b":1,"a":{"b":[{"a":3}]}} {} {"5":"five","b":1,"a":0} [
//=  {}
//= ] {"5":"five","b":1,"a":{"c":2,"b":[{"a":3,"d":4}]}} {"b":1}
//= {"n1":1,"n9":2}
//= RangeError JSON.stringify: more than 4096 names to look for
//= apply 2 true false
//= apply 3 true false
//= construct 2 true false
//= raw 1 true false
//= stringify 3 true false
