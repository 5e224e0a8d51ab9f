// setTimeout: in the order of their times; those of one time in the order of their making.
const done = Promise.withResolvers();
setTimeout((a, b) => console.log('with', a, b), 2, 'two', 'arguments');
setTimeout(() => console.log('first'), 0);
setTimeout(() => console.log('second'), 0);
setTimeout(() => { console.log('fourth'); done.resolve(); }, 20);
setTimeout(() => console.log('third'), 8);
const cleared = setTimeout(() => console.log('never'), 3);
clearTimeout(cleared);
queueMicrotask(() => console.log('a job goes before timers'));
await done.promise;
for (const odd of [undefined, null, NaN, -5, Infinity, 'x', '1', 2 ** 31, true]) await new Promise((resolve) => setTimeout(resolve, odd));
console.log('odd times are soon');
for (const odd of [undefined, null, NaN, -1, 0, 1e300, 'x', {}, cleared]) clearTimeout(odd);
for (const wrong of [undefined, 'code()', 5, {}]) {
  try {
    setTimeout(wrong, 1);
  } catch (error) {
    console.log(String(error));
  }
}
await new Promise((resolve) => {
  const self = setTimeout(() => { clearTimeout(self); console.log('clears itself'); resolve(); }, 1);
});
await new Promise((resolve) => {
  const other = setTimeout(() => console.log('never'), 5);
  setTimeout(() => { clearTimeout(other); resolve(); }, 1);
});
setTimeout(() => setTimeout(() => console.log('nested, after the script has ended'), 1), 1);

//= a job goes before timers
//= first
//= second
//= with two arguments
//= third
//= fourth
//= odd times are soon
//= TypeError: setTimeout: the first argument must be a function
//= TypeError: setTimeout: the first argument must be a function
//= TypeError: setTimeout: the first argument must be a function
//= TypeError: setTimeout: the first argument must be a function
//= clears itself
//= nested, after the script has ended
