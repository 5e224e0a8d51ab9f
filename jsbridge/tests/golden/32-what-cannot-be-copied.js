// DataCloneError names the path to what cannot cross, on the way there and on the way back.
const tell = async (make) => {
  try {
    console.log('came back', await make());
  } catch (error) {
    console.log(error instanceof DOMException, error.name, error.code, '-', error.message);
  }
};
await tell(() => new Deferred(() => 1, { args: [{ a: [0, { b: () => 1 }] }] }));
await tell(() => new Deferred(() => 1, { args: [1, Symbol('s')] }));
await tell(() => new Deferred(() => ({ items: [1, 2, 3, { cb() {} }] })));
await tell(() => new Deferred(() => Symbol.iterator));
await tell(() => new Deferred(() => new Map([['key', { 'odd key': Promise.resolve() }]])));
await tell(() => new Deferred(() => new WeakMap()));
await tell(() => new Deferred(() => new Proxy({}, {})));
await tell(() => new Deferred(() => (function () { return arguments; })(1)));
await tell(() => new Deferred(() => globalThis));
await tell(() => new Deferred(() => { const b = new ArrayBuffer(8); b.transfer(); return b; }));
await tell(() => new Deferred(() => ({ get g() { throw new DOMException('of the getter', 'DataCloneError'); } })));

//= true DataCloneError 25 - args[0].a[1].b is a function and cannot be cloned
//= true DataCloneError 25 - args[1] is a symbol and cannot be cloned
//= true DataCloneError 25 - result.items[3].cb is a function and cannot be cloned
//= true DataCloneError 25 - result is a symbol and cannot be cloned
//= true DataCloneError 25 - result.get("key")["odd key"] is a Promise and cannot be cloned
//= true DataCloneError 25 - result is a WeakMap and cannot be cloned
//= true DataCloneError 25 - result is a Proxy and cannot be cloned
//= came back { '0': 1 }
//= true DataCloneError 25 - result.performance.now is a function and cannot be cloned
//= true DataCloneError 25 - result is a detached ArrayBuffer and cannot be cloned
//= true DataCloneError 25 - of the getter
