// A SharedArrayBuffer is the same memory everywhere; Atomics count without losses.
const shared = new SharedArrayBuffer(16);
const counter = new Int32Array(shared);
const add = (counter, n) => { for (let i = 0; i < n; i++) Atomics.add(counter, 0, 1); };
await Promise.all([1, 2, 3, 4].map(() => new Deferred(add, { args: [counter, 1000] })));
console.log(Atomics.load(counter, 0));
await new Deferred((memory) => { new Uint8Array(memory)[8] = 77; }, { args: [shared] });
console.log(new Uint8Array(shared)[8]);
const back = await new Deferred((memory) => memory, { args: [shared] });
new Uint8Array(back)[9] = 78;
console.log(new Uint8Array(shared)[9], back instanceof SharedArrayBuffer);
await new Deferred(() => { counter[3] = 5; });
console.log('captured, it is shared too:', counter[3]);
const own = await new Deferred(() => { const made = new Int32Array(new SharedArrayBuffer(4)); made[0] = 9; return made; });
console.log('made there:', own[0]);

//= 4000
//= 77
//= 78 true
//= captured, it is shared too: 5
//= made there: 9
