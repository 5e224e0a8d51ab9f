// The option `isolated`: an isolate that nothing has run in before, and nothing will.
const leave = () => { const before = typeof globalThis.mark; globalThis.mark = 1; return before; };
for (let i = 0; i < 3; i++) console.log(await new Deferred(leave, { isolated: true }));
const look = () => typeof globalThis.mark;
console.log(await new Deferred(look, { isolated: true }), await new Deferred(look));
// One that has left something is discarded also without the option.
for (let i = 0; i < 3; i++) console.log(await new Deferred(leave));

//= undefined
//= undefined
//= undefined
//= undefined undefined
//= undefined
//= undefined
//= undefined
