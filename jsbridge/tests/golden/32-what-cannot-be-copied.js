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
const { signal } = new AbortController();
await tell(() => new Deferred((signal) => signal.aborted, { args: [signal] }));
await tell(() => new Deferred(() => AbortSignal.timeout(1)));
await tell(async () => structuredClone([new AbortController()]));
await tell(async () => structuredClone({ e: new (class Own extends Event {})('x') }));
await tell(async () => structuredClone(new EventTarget()));
await tell(async () => structuredClone(new TextDecoder()));
await tell(async () => structuredClone(new (class { #own = 1; open = 2; })()));
try {
  new Deferred(() => signal.aborted);
} catch (error) {
  console.log(error.message);
}
console.log(await new Deferred(() => Deferred.current.signal.aborted, { signal }));

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
//= true DataCloneError 25 - args[0] is an AbortSignal and cannot be cloned; pass it as the option `signal`, which is `Deferred.current.signal` inside
//= true DataCloneError 25 - result is an AbortSignal and cannot be cloned; pass it as the option `signal`, which is `Deferred.current.signal` inside
//= true DataCloneError 25 - value[0] is an AbortController and cannot be cloned
//= true DataCloneError 25 - value.e is an Event and cannot be cloned
//= true DataCloneError 25 - value is an EventTarget and cannot be cloned
//= true DataCloneError 25 - value is a TextDecoder and cannot be cloned
//= came back { open: 2 }
//= Deferred: Function not serializable: of the captured variable 'signal' (32-what-cannot-be-copied.js:29:13), signal is an AbortSignal and cannot be cloned; pass it as the option `signal`, which is `Deferred.current.signal` inside
//= false
