// What cannot be sent is refused where it is made; the message says what, where and what to do.
const tell = (make) => {
  try {
    make();
    console.log('accepted');
  } catch (error) {
    console.log(`${error.constructor.name}: ${error.message}`);
  }
};
const promise = Promise.resolve();
const bound = Math.max.bind(null, 1);
const weak = new WeakMap(), symbolic = Symbol('own'), proxy = new Proxy({}, {});
tell(() => new Deferred(Math.max));
tell(() => new Deferred(bound));
tell(() => new Deferred(new Proxy(() => 1, {})));
tell(() => new Deferred(() => promise));
tell(() => new Deferred(() => nowhere + nowhereElse));
tell(() => new Deferred(() => this));
tell(() => (function () { new Deferred(() => arguments[0]); })());
tell(() => (function () { new Deferred(() => new.target); })());
tell(() => new Deferred({ method() { return super.toString(); } }.method));
tell(() => new Deferred(class { #p = 1; static look = (o) => o.#p; }.look));
tell(() => new Deferred(() => eval('1')));
tell(() => new Deferred(() => bound));
tell(() => new Deferred(() => weak));
tell(() => new Deferred(() => symbolic));
tell(() => new Deferred(() => proxy));
tell(() => new Deferred(() => 1, { args: [() => 1] }));
tell(() => new Deferred(() => 1, { args: [{ list: [0, { f() {} }] }] }));
tell(() => new Deferred(() => 1, { args: [promise] }));
tell(() => new Deferred(() => 1, { args: [Symbol('s')] }));
tell(() => new Deferred(() => 1, { args: [new WeakSet()] }));

//= TypeError: Deferred: Function not serializable: 'max' is a native function; wrap it in one that calls it: `(...args) => max(...args)`
//= TypeError: Deferred: Function not serializable: it is a bound function; pass the function itself, and what it was bound to in `args`
//= TypeError: Deferred: Function not serializable: it is a Proxy; pass the function inside of it
//= TypeError: Deferred: Function not serializable: 'promise' (24-refusals.js:16:22) is a Promise, which settles here only; await it first, and use its value
//= TypeError: Deferred: Function not serializable: 'nowhere' (24-refusals.js:17:22) and 'nowhereElse' (24-refusals.js:17:32) are neither variables that can be sent along nor globals there; pass them in `args`, or name them in `capture: { nowhere, nowhereElse }`
//= TypeError: Deferred: Function not serializable: it uses the `this` of the function around it (24-refusals.js:18:22); pass what it needs of that in `args`
//= TypeError: Deferred: Function not serializable: it uses the `arguments` of the function around it (24-refusals.js:19:37); pass what it needs of that in `args`
//= TypeError: Deferred: Function not serializable: it uses the `new.target` of the function around it (24-refusals.js:20:37); pass what it needs of that in `args`
//= TypeError: Deferred: Function not serializable: it uses `super` (24-refusals.js:21:45), which belongs to the object that it is a method of; pass a class
//= TypeError: Deferred: Function not serializable: it uses the private name '#p' (24-refusals.js:22:64) of a class that it is only a part of; pass the class
//= TypeError: Deferred: Function not serializable: it is an arrow function that calls `eval`, which may use the `this` around it; make it a `function`
//= TypeError: Deferred: Function not serializable: 'bound' (24-refusals.js:24:22) is a bound function; use it inside by its own name, or wrap it in a function
//= TypeError: Deferred: Function not serializable: of the captured variable 'weak' (24-refusals.js:25:22), weak is a WeakMap and cannot be cloned
//= TypeError: Deferred: Function not serializable: of the captured variable 'symbolic' (24-refusals.js:26:22), symbolic is a symbol and cannot be cloned
//= TypeError: Deferred: Function not serializable: of the captured variable 'proxy' (24-refusals.js:27:22), proxy is a Proxy and cannot be cloned
//= DOMException: args[0] is a function and cannot be cloned
//= DOMException: args[0].list[1].f is a function and cannot be cloned
//= DOMException: args[0] is a Promise and cannot be cloned
//= DOMException: args[0] is a symbol and cannot be cloned
//= DOMException: args[0] is a WeakSet and cannot be cloned
