// Atomics.waitAsync: promises in the same queue as those who block, from any isolate.
const shared = new SharedArrayBuffer(64), ints = new Int32Array(shared), longs = new BigInt64Array(shared);
console.log(Atomics.waitAsync.name, Atomics.waitAsync.length, Object.keys(Atomics).length, String(Atomics.waitAsync).includes('[native code]'));
console.log(Atomics.waitAsync(ints, 0, 1), Atomics.waitAsync(ints, 0, 0, 0), Atomics.waitAsync(longs, 0, 0n, -1), Atomics.waitAsync(ints, 0, 0, -Infinity));
const soon = Atomics.waitAsync(ints, 0, 0, 5);
console.log(soon, Object.keys(soon), await soon.value, Atomics.notify(ints, 0));
for (const wrong of [[ints, 16, 0], [ints, -1, 0], [longs, 0, 0], [new Int32Array(1), 0, 0], [new Uint8Array(shared), 0, 0], [{}, 0, 0], [], [ints, 0, 0n], [ints, 0, 0, 1n], [ints, 0, Symbol()]]) {
  try { console.log(Atomics.waitAsync(...wrong)); } catch (error) { console.log(error.name); }
}

// The first who came is the first who is woken, and a count is a count.
const order = [];
const three = [1, 2, 3].map((n) => Atomics.waitAsync(ints, 1, 0).value.then((how) => order.push(`${n} ${how}`)));
const other = Atomics.waitAsync(ints, 2, 0, 20);
console.log(Atomics.notify(ints, 1, 2), Atomics.notify(ints, 1, 0), order.length);
await three[1];
console.log(order, Atomics.notify(ints, 1), Atomics.notify(ints, 1));
await Promise.all(three);
console.log(order, await other.value);

// A Deferred goes on until what it waits for comes, from another isolate.
const wake = (s, at) => { const a = new Int32Array(s); Atomics.store(a, at, 1); while (Atomics.notify(a, at, 1) === 0); return 'woke'; };
const sleep = async (s, at) => { const { async, value } = Atomics.waitAsync(new Int32Array(s), at, 0); return [async, await value]; };
const asleep = new Deferred(sleep, { args: [shared, 3] });
console.log(await new Deferred((s) => { const a = new Int32Array(s); while (Atomics.notify(a, 3, 1) === 0); return 'woke'; }, { args: [shared] }), await asleep);
const here = Atomics.waitAsync(ints, 4, 0).value;
console.log(await new Deferred(wake, { args: [shared, 4] }), await here);

// Who waits so can be ended, and what waits without being awaited holds up nothing.
const gone = new Deferred(sleep, { args: [shared, 5], timeout: 20 });
console.log((await gone.catch((error) => error)).name);
const cancelled = new Deferred(sleep, { args: [shared, 5] });
await new Promise((done) => setTimeout(done, 5));
cancelled.cancel();
console.log((await cancelled.catch((error) => error)).name);
const left = await new Deferred((s) => { Atomics.waitAsync(new Int32Array(s), 5, 0); return 'left'; }, { args: [shared] });
console.log(left);

// Many isolates: each notification is one who wakes.
const sleepers = Array.from({ length: 40 }, (_, i) => new Deferred(i % 2 === 0
  ? async (s) => { const a = new Int32Array(s); return await Atomics.waitAsync(a, 6, 0).value; }
  : (s) => Atomics.wait(new Int32Array(s), 6, 0), { args: [shared] }));
const wakers = Array.from({ length: 4 }, () => new Deferred((s) => { const a = new Int32Array(s); let n = 0; while (n < 10) n += Atomics.notify(a, 6, 1); return n; }, { args: [shared] }));
console.log((await Promise.all(wakers)).join(), new Set(await Promise.all(sleepers)));

//= waitAsync 4 0 true
//= { async: false, value: 'not-equal' } { async: false, value: 'timed-out' } { async: false, value: 'timed-out' } { async: false, value: 'timed-out' }
//= { async: true, value: Promise { 'timed-out' } } [ 'async', 'value' ] timed-out 0
//= RangeError
//= RangeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= 2 0 0
//= [ '1 ok', '2 ok' ] 1 0
//= [ '1 ok', '2 ok', '3 ok' ] timed-out
//= woke [ true, 'ok' ]
//= woke ok
//= TimeoutError
//= AbortError
//= left
//= 10,10,10,10 Set(1) { 'ok' }
