// Iterators of the engine's, each made of the one before: too many are an error, and no end of the process; and they are ended
// by a time-out.
const nested = {
  take: () => { let it = [1].values(); for (let i = 0; i < 80000; i++) it = it.take(9); return it.next().value; },
  filter: () => { let it = [].values(); for (let i = 0; i < 80000; i++) it = it.filter(Boolean); return [...it].length; },
  concat: () => { let it = [1].values(); for (let i = 0; i < 80000; i++) it = Iterator.concat(it); return it.next().value; },
  wrap: () => {
    let it = { __proto__: null, next: () => ({ value: 1, done: false }) };
    for (let i = 0; i < 80000; i++) { it = Iterator.from(it); Object.setPrototypeOf(it, { next: it.next }); }
    return it.next().value;
  },
  wrapReturn: () => {
    let it = { __proto__: null, next: () => ({ done: true }), return: () => ({}) };
    for (let i = 0; i < 80000; i++) { it = Iterator.from(it); Object.setPrototypeOf(it, { next: it.next, return: it.return }); }
    return it.return();
  },
};
for (const [name, fn] of Object.entries(nested)) {
  try { console.log(name, await new Deferred(fn)); } catch (error) { console.log(name, error.name, error.message); }
}
const long = { length: 2 ** 32 - 1 };
const endless = {
  concat: (long) => Iterator.concat([].values.call(long)).drop(2 ** 53 - 1).next(),
  take: (long) => [].values.call(long).take(Infinity).drop(Infinity).next(),
  sum: (long) => { long.__proto__ = new Proxy({}, { get: () => 1 }); return Math.sumPrecise(Iterator.concat([].values.call(long))); },
  spread: (long) => [...[].keys.call(long).take(Infinity).drop(2 ** 31)],
};
for (const [name, fn] of Object.entries(endless)) {
  try { console.log(name, await new Deferred(fn, { args: [long], timeout: 30, priority: 'critical' })); } catch (error) { console.log(name, error.name); }
}
await new Deferred(() => {
  const log = [];
  const source = () => ({ __proto__: Iterator.prototype, n: 0, next() { log.push('next'); return { value: this.n++, done: this.n > 4 }; }, return(...all) { log.push(`return ${all.length}`); return {}; } });
  const plain = () => ({ __proto__: null, next(...all) { log.push(`next ${all}`); return { value: 1, done: false }; }, return() { log.push('return'); return { value: 'r', done: 'yes' }; } });
  const calls = [() => [...source().take(2)], () => [...source().map((x) => x * 2).filter((x) => x > 2).drop(1)], () => source().flatMap((x) => [x, x]).take(3).toArray(),
    () => { const it = source().take(3); it.next(); return [it.return(7), it.next(), it.return()]; }, () => Iterator.from(plain()).next(5), () => Iterator.from(plain()).return(5), () => { for (const x of Iterator.from(plain())) return x; },
    () => Iterator.concat([1], [2, 3]).toArray(), () => Iterator.from({ __proto__: null, next() { throw new EvalError('e'); } }).next(), () => { for (const x of source().map(() => { throw new EvalError('m'); })) ; },
    () => [].values().take(1).next.call({}), () => Iterator.from(plain()).next.call([].values())];
  for (const call of calls) {
    let result;
    try { result = call(); } catch (error) { result = error.name; }
    console.log(JSON.stringify(result), log.splice(0).join());
  }
  for (const it of [[].values().take(1), Iterator.from(plain()), Iterator.concat()]) {
    const proto = Object.getPrototypeOf(it);
    for (const name of ['next', 'return']) console.log(proto[name].name, proto[name].length, String(proto[name]).includes('[native code]'), 'prototype' in proto[name], Object.isFrozen(proto[name]));
  }
});

//= take RangeError Maximum call stack size exceeded
//= filter RangeError Maximum call stack size exceeded
//= concat RangeError Maximum call stack size exceeded
//= wrap RangeError Maximum call stack size exceeded
//= wrapReturn RangeError Maximum call stack size exceeded
//= concat TimeoutError
//= take TimeoutError
//= sum TimeoutError
//= spread TimeoutError
//= [0,1] next,next,return 0
//= [6] next,next,next,next,next
//= [0,0,1] next,next,return 0
//= [{"done":true},{"done":true},{"done":true}] next,return 0
//= {"value":1,"done":false} next 5
//= {"value":"r","done":"yes"} return
//= 1 next ,return
//= [1,2,3]
//= "EvalError"
//= "EvalError" next,return 0
//= "TypeError"
//= "TypeError"
//= next 0 true false false
//= return 0 true false false
//= next 0 true false false
//= return 0 true false false
//= next 0 true false false
//= return 0 true false false
