// Functions that a function uses go with it, and what those use, and so on.
const rate = 3;
const scale = (n) => n * rate;
function twice(n) { return scale(scale(n)); }
const tools = { twice, thrice(n) { return scale(twice(n)); }, constants: { one: 1 } };
console.log(await new Deferred((n) => twice(n), { args: [1] }));
console.log(await new Deferred((n) => tools.thrice(n) + tools.constants.one, { args: [1] }));
const compose = (...all) => (x) => all.reduce((value, f) => f(value), x);
const pipeline = compose(scale, twice, (n) => n + 1);
console.log(await new Deferred(() => pipeline(1)));
const later = async (n) => { await null; return scale(n); };
console.log(await new Deferred(async () => await later(5)));
function* upTo(n) { for (let i = 0; i < n; i++) yield scale(i); }
console.log(await new Deferred(() => [...upTo(4)]));
const { max, min } = Math;
const own = Object.prototype.hasOwnProperty;
console.log(await new Deferred(() => [max(1, 2), min(1, 2), own.call({ a: 1 }, 'a')]));
const counter = () => { let n = 0; return () => ++n; };
console.log(await new Deferred(() => { const next = counter(); next(); return next(); }));

//= 9
//= 28
//= 28
//= 15
//= [ 0, 3, 6, 9 ]
//= [ 2, 1, true ]
//= 2
