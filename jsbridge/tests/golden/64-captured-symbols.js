// Symbols that every isolate has are captured by their names; others would be new ones there, and no message has any.
const it = Symbol.iterator, all = Object.getOwnPropertyNames(Symbol).filter((name) => typeof Symbol[name] === 'symbol');
console.log(all.length > 12, await new Deferred(() => [...({ *[it]() { yield 1; yield 2; } })]));
const known = Object.fromEntries(all.map((name) => [name, Symbol[name]]));
console.log(await new Deferred(() => Object.entries(known).every(([name, symbol]) => Symbol[name] === symbol)));
const keys = ['', 'x', 'a.b', 'for y]', 'Symbol.iterator', '線\u{1f4a9}'].map((key) => Symbol.for(key));
console.log(await new Deferred(() => keys.map((key) => Symbol.keyFor(key))), await new Deferred(() => keys[4] === Symbol.iterator));
class Range { constructor(n) { this.n = n; } *[it]() { for (let i = 0; i < this.n; i++) yield i; } }
const tools = { tag: Symbol.toStringTag, make: () => new Range(3), nested: [{ it }] };
console.log(await new Deferred(() => [...tools.make()].concat(tools.nested[0].it === it, tools.tag === Symbol.toStringTag)));
console.log(await new Deferred(() => own === Symbol.species, { capture: { own: Symbol.species } }));
const saved = Symbol;
globalThis.Symbol = null;
console.log(await new Deferred(() => it === Symbol.iterator));
globalThis.Symbol = saved;

const own = Symbol('own'), same = Symbol('x'), bare = Symbol(), half = Symbol.for('\ud83d'), nul = Symbol.for('a\0b');
const refused = {
  own: () => new Deferred(() => own), same: () => new Deferred(() => same), bare: () => new Deferred(() => bare), half: () => new Deferred(() => half), nul: () => new Deferred(() => nul),
  argument: () => new Deferred((symbol) => symbol, { args: [it] }), nested: () => new Deferred((o) => o, { args: [{ a: [Symbol.for('x')] }] }),
  result: () => new Deferred(() => ({ s: Symbol.iterator })), clone: async () => structuredClone([it]), progress: () => new Deferred(() => Deferred.current.progress(Symbol.iterator)),
};
for (const [name, make] of Object.entries(refused)) {
  try { console.log(name, await make()); } catch (error) { console.log(name, error.name, error.message.replace(/\(.*?\)/, '(place)')); }
}
console.log(saved.keyFor(own), saved.keyFor(same));

//= true [ 1, 2 ]
//= true
//= [ '', 'x', 'a.b', 'for y]', 'Symbol.iterator', '線💩' ] false
//= [ 0, 1, 2, true, true ]
//= true
//= true
//= own TypeError Deferred: Function not serializable: of the captured variable 'own' (place), own is a symbol and cannot be cloned
//= same TypeError Deferred: Function not serializable: of the captured variable 'same' (place), same is a symbol and cannot be cloned
//= bare TypeError Deferred: Function not serializable: of the captured variable 'bare' (place), bare is a symbol and cannot be cloned
//= half TypeError Deferred: Function not serializable: of the captured variable 'half' (place), half is a symbol and cannot be cloned
//= nul TypeError Deferred: Function not serializable: of the captured variable 'nul' (place), nul is a symbol and cannot be cloned
//= argument DataCloneError args[0] is a symbol and cannot be cloned
//= nested DataCloneError args[0].a[0] is a symbol and cannot be cloned
//= result DataCloneError result.s is a symbol and cannot be cloned
//= clone DataCloneError value[0] is a symbol and cannot be cloned
//= progress DataCloneError progress is a symbol and cannot be cloned
//= undefined undefined
