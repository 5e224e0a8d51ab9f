// Progress is told in its order, the newest at least, and before the end.
const seen = [];
const deferred = new Deferred(() => {
  for (let i = 1; i <= 100; i++) Deferred.current.progress({ step: i });
  return 'end';
});
deferred.onprogress = function (progress) { seen.push(progress.step); console.assert(this === deferred); };
console.log(await deferred.then((value) => { seen.push(value); return value; }));
console.log(seen.at(-2), seen.at(-1), seen.slice(0, -1).every((step, i) => i === 0 || seen[i - 1] < step));
// Nobody listens: nothing happens. What is not a function is no listener.
const deaf = new Deferred(() => { Deferred.current.progress(1); return 'deaf'; });
deaf.onprogress = 'no function';
console.log(deaf.onprogress, await deaf);
// Step by step: the next one when the last was seen.
const turn = new Int32Array(new SharedArrayBuffer(4));
const steps = new Deferred((turn) => {
  for (let i = 0; i < 5; i++) {
    Deferred.current.progress(i);
    while (Atomics.load(turn, 0) <= i) Deferred.current.yield();
  }
}, { args: [turn] });
const list = [];
steps.onprogress = (i) => { list.push(i); Atomics.store(turn, 0, i + 1); };
await steps;
console.log(list);
console.log(await new Deferred(() => Deferred.current.progress(() => 1)).catch((error) => `${error.name}: ${error.message}`));

//= end
//= 100 end true
//= null deaf
//= [ 0, 1, 2, 3, 4 ]
//= DataCloneError: progress is a function and cannot be cloned
