// Deferreds make Deferreds; errors and results pass through.
console.log(await new Deferred(async () => {
  const parts = [1, 2, 3].map((n) => new Deferred((n) => n * n, { args: [n] }));
  return (await Promise.all(parts)).reduce((a, b) => a + b);
}));
const deep = (n) => n === 0 ? 'bottom' : new Deferred(deep, { args: [n - 1] });
console.log(await new Deferred(deep, { args: [8] }));
const fails = (n) => { if (n === 0) throw new RangeError('from the bottom'); return new Deferred(fails, { args: [n - 1] }); };
const error = await new Deferred(fails, { args: [3] }).catch((error) => error);
console.log(error instanceof RangeError, error.message, error.stack.split('--- Deferred').length - 1);
console.log(await new Deferred(() => new Deferred(() => { while (true); }, { timeout: 3 }).catch((e) => e.name)));
console.log(await new Deferred(async () => (await Deferred.map([1, 2, 3], (n) => n + 1)).join()));
const sum = async (from, to) => {
  if (to - from <= 8) { let s = 0; for (let i = from; i < to; i++) s += i; return s; }
  const middle = (from + to) >> 1;
  const [a, b] = await Promise.all([new Deferred(sum, { args: [from, middle] }), new Deferred(sum, { args: [middle, to] })]);
  return a + b;
};
console.log(await new Deferred(sum, { args: [0, 100] }));
const progress = [];
const outer = new Deferred(() => { const inner = new Deferred(() => { Deferred.current.progress('inner'); }); inner.onprogress = (p) => Deferred.current.progress(`outer saw ${p}`); return inner; });
outer.onprogress = (p) => progress.push(p);
await outer;
console.log(progress);

//= 14
//= bottom
//= true from the bottom 4
//= TimeoutError
//= 2,3,4
//= 4950
//= [ 'outer saw inner' ]
