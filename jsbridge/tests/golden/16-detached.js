// Nested Deferreds end with their parent, unless they are detached.
const buffer = new SharedArrayBuffer(8);
const seen = new Int32Array(buffer);
const reached = (index) => new Promise((done) => {
  const timer = setInterval(() => { if (seen[index] > 0) { clearInterval(timer); done(); } }, 1);
});
await new Deferred((seen) => {
  new Deferred((seen) => { Atomics.store(seen, 0, 1); }, { args: [seen], detached: true });
}, { args: [seen] });
await reached(0);
console.log('the detached one went on');
await new Deferred((seen) => {
  const child = new Deferred((seen) => { Atomics.store(seen, 1, 1); while (true); }, { args: [seen] });
  child.catch(() => {});
  while (Atomics.load(seen, 1) === 0 && child.state !== 'settled') Deferred.current.yield();
}, { args: [seen], timeout: 60000 });
console.log('the other was stopped with its parent');

//= the detached one went on
//= the other was stopped with its parent
