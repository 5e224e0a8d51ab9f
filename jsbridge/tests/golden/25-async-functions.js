// Async functions: their jobs run there until they have a result.
console.log(await new Deferred(async () => { await null; await null; return 'after two'; }));
console.log(await new Deferred(async () => {
  const seen = [];
  await Promise.all([1, 2, 3].map(async (n) => { seen.push(`in ${n}`); await null; seen.push(`out ${n}`); }));
  return seen.join(', ');
}));
console.log(await new Deferred(() => Promise.resolve(Promise.resolve('flat'))));
console.log(await new Deferred(() => new Promise((done) => setTimeout(done, 1, 'later'))));
console.log(await new Deferred(() => ({ then(done) { done('thenable'); } })));
console.log(await new Deferred(async () => { throw new TypeError('async'); }).catch((e) => `${e}`));
console.log(await new Deferred(async () => { try { await Promise.reject(new Error('inside')); } catch (e) { return e.message; } finally { await null; } }));
console.log(await new Deferred(async () => {
  const results = [];
  for await (const each of (async function* () { yield 1; yield 2; })()) results.push(each);
  return results;
}));
console.log(await new Deferred(async () => { await using file = { async [Symbol.asyncDispose]() {} }; return 'disposed'; }).catch((e) => e.name));
const late = new Deferred(async () => { setTimeout(() => console.log('never: what is left over ends with it'), 1e6); return 'does not wait for timers'; });
console.log(await late);

//= after two
//= in 1, in 2, in 3, out 1, out 2, out 3
//= flat
//= later
//= thenable
//= TypeError: async
//= inside
//= [ 1, 2 ]
//= disposed
//= does not wait for timers
