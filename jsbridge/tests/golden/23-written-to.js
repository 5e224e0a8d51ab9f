// A function that writes to a captured variable changes its copy only, and there is a warning.
let count = 0;
console.log(await new Deferred(() => ++count), count);
const state = { n: 1 };
console.log(await new Deferred(() => { state.n = 2; return state.n; }), state.n);
const tell = async (make) => { try { console.log('ran:', await make()); } catch (error) { console.log(String(error)); } };
await tell(() => { let total = 0; const add = (n) => { total += n; }; return new Deferred(() => { add(1); return total; }); });
await tell(() => { const constant = 1; return new Deferred(() => { constant = 2; return constant; }); });

//= [warn] Deferred: a function (23-written-to.js:3:23) writes to 'count', of which it has a copy: nobody else sees what is written
//= 1 0
//= 2 1
//= TypeError: Deferred: Function not serializable: in 'add', which it uses: 'total' (23-written-to.js:7:56) is written to, and used by more than one of the functions that are sent, which would have copies of their own; put it in an object: `{ total }`
//= TypeError: Deferred: Function not serializable: it assigns to the constant 'constant' (23-written-to.js:8:59)
