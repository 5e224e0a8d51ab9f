// The option `name`: in reports, and inside.
console.log(await new Deferred(() => Deferred.current.name, { name: 'worker bee' }));
console.log(await new Deferred(() => Deferred.current.name));
console.log(await new Deferred(() => Deferred.current.name, { name: 'bee 🐝 ünï' }));
console.log(JSON.stringify(await new Deferred(() => Deferred.current.name, { name: '' })));
console.log((await new Deferred(() => Deferred.current.name, { name: 'x'.repeat(10000) })).length);
const error = await new Deferred(() => { throw new Error('oops'); }, { name: 'thrower' }).catch((error) => error);
console.log(error.stack.includes("--- Deferred 'thrower', made:"));

//= worker bee
//= undefined
//= bee 🐝 ünï
//= ""
//= 10000
//= true
