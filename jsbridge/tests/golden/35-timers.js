// setTimeout: in the order of their times; those of one time in the order of their making.
const cleared = setTimeout(() => console.log('never'), 3);
clearTimeout(cleared);
// Each counts from its own making: so once more if a busy machine has taken its time between them.
for (let lines, from = -Infinity, to = 0; to - from >= 1; ) {
  const done = Promise.withResolvers();
  lines = [];
  from = performance.now();
  setTimeout((...all) => lines.push(['with', ...all]), 2, 'two', 'arguments');
  setTimeout(() => lines.push(['first']), 0);
  setTimeout(() => lines.push(['second']), 0);
  setTimeout(() => { lines.push(['fourth']); done.resolve(); }, 20);
  setTimeout(() => lines.push(['third']), 8);
  queueMicrotask(() => lines.push(['a job goes before timers']));
  to = performance.now();
  await done.promise;
  if (to - from < 1) for (const line of lines) console.log(...line);
}
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
  setTimeout(() => { clearTimeout(other); resolve(); }, 1);
  const other = setTimeout(() => console.log('never'), 5);
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
