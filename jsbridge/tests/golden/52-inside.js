// What a function can ask of the Deferred that it runs in.
console.log(Deferred.current);
console.log(await new Deferred(() => [typeof Deferred.current, Object.prototype.toString.call(Deferred.current), Object.isFrozen(Deferred.current)]));
console.log(await new Deferred(() => [Deferred.current.name, Deferred.current.priority], { name: 'me', priority: 'high' }));
console.log(await new Deferred(() => [Deferred.current.yield(), Deferred.current.checkpoint(), Deferred.current.progress(1)]));
console.log(await new Deferred(() => Deferred.current === Deferred.current));
console.log(await new Deferred(async () => { await null; return Deferred.current.name; }, { name: 'after await' }));
console.log(await new Deferred(() => new Promise((done) => setTimeout(() => done(Deferred.current.name), 1)), { name: 'in a timer' }));
console.log(await new Deferred(() => new Deferred(() => Deferred.current.name, { name: 'inner' }), { name: 'outer' }));
console.log(await new Deferred(() => { 'use strict'; try { Deferred.current.name = 'x'; } catch (error) { return error.name; } }));

//= null
//= [ 'object', '[object Deferred.current]', true ]
//= [ 'me', 'high' ]
//= [ undefined, undefined, undefined ]
//= true
//= after await
//= in a timer
//= inner
//= TypeError
