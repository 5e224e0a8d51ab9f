// The option `capture`: values for names that the function uses.
console.log(await new Deferred(() => k + 1, { capture: { k: 41 } }));
console.log(await new Deferred(() => a.concat(b), { capture: { a: [1], b: [2] } }));
const k = 'the variable';
console.log(await new Deferred(() => k, { capture: { k: 'the option' } }));
console.log(await new Deferred(() => helper(20), { capture: { helper: (n) => n * 2 } }));
console.log(await new Deferred((n) => k + n, { args: [1], capture: { k: 1, unused: 2 } }));
for (const capture of [1, null, 'k']) {
  try {
    new Deferred(() => k, { capture });
  } catch (error) {
    console.log(String(error));
  }
}
try {
  new Deferred(() => k, { capture: { k: Promise.resolve() } });
} catch (error) {
  console.log(String(error));
}

//= 42
//= [ 1, 2 ]
//= the option
//= 40
//= 2
//= TypeError: Deferred: the option 'capture' must be an object, like { k }, not number
//= TypeError: Deferred: the option 'capture' must be an object, like { k }, not null
//= TypeError: Deferred: the option 'capture' must be an object, like { k }, not string
//= TypeError: Deferred: Function not serializable: 'k' (11-capture-option.js:16:13) is a Promise, which settles here only; await it first, and use its value
