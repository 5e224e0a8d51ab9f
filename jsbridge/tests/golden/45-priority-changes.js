// The priority can be changed at any time, from outside and from inside.
const gate = new Int32Array(new SharedArrayBuffer(4));
const waits = (gate) => { while (Atomics.load(gate, 0) === 0) Deferred.current.yield(); return Deferred.current.priority; };
const deferred = new Deferred(waits, { args: [gate], priority: 'low' });
console.log(deferred.priority);
deferred.priority = 'high';
console.log(deferred.priority);
deferred.priority = 'background';
deferred.priority = 'critical';
Atomics.store(gate, 0, 1);
console.log(await deferred, deferred.priority);
try {
  deferred.priority = 'urgent';
} catch (error) {
  console.log(String(error));
}
console.log(await new Deferred(() => { const before = Deferred.current.priority; Deferred.current.priority = 'low'; return [before, Deferred.current.priority]; }));
const own = new Deferred(() => { Deferred.current.priority = 'high'; });
await own;
console.log(await new Deferred(() => { try { Deferred.current.priority = 5; } catch (error) { return String(error); } }));
const over = new Deferred(() => 1, { priority: 'low' });
await over;
over.priority = 'high';
console.log(over.priority, over.state);

//= low
//= high
//= critical critical
//= TypeError: Deferred.priority: 'urgent' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= [ 'normal', 'low' ]
//= TypeError: Deferred.current.priority: '5' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= high settled
