// state: queued, running, settled.
const gate = new Int32Array(new SharedArrayBuffer(8));
const deferred = new Deferred((gate) => { Atomics.store(gate, 0, 1); while (Atomics.load(gate, 1) === 0) Deferred.current.yield(); }, { args: [gate] });
await new Promise((done) => { const timer = setInterval(() => { if (Atomics.load(gate, 0)) { clearInterval(timer); done(); } }, 1); });
console.log(deferred.state);
Atomics.store(gate, 1, 1);
await deferred;
console.log(deferred.state);
const cancelled = new Deferred(() => 1);
cancelled.catch(() => {});
cancelled.cancel();
console.log(cancelled.state);
console.log(await new Deferred(() => new Promise(() => {})).catch((error) => `${error.name}: ${error.message}`));

//= running
//= settled
//= settled
//= NeverSettledError: the script's result is a promise that was never settled, and nothing is left to run that could
