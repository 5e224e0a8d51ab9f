// Deferreds in Promise's combinators, and Deferred's own, which are Promise's.
const square = (n) => new Deferred((n) => n * n, { args: [n] });
const fails = (message) => new Deferred((message) => { throw new Error(message); }, { args: [message] });
console.log(await Promise.all([square(1), square(2), 3]));
console.log(await Promise.all([square(1), fails('all')]).catch((e) => e.message));
console.log((await Promise.allSettled([square(3), fails('settled')])).map((each) => [each.status, each.value ?? each.reason.message]));
console.log(await Promise.any([fails('no'), square(4)]));
console.log(await Promise.race([square(5), new Promise(() => {})]));
console.log(await Deferred.all([square(6), 7]), await Deferred.any([fails('x'), square(7)]), await Deferred.race([square(8)]));
console.log((await Deferred.allSettled([square(9)]))[0]);
const resolved = Deferred.resolve(1);
console.log(resolved instanceof Promise, resolved instanceof Deferred, await resolved, await Deferred.reject(2).catch((x) => x));
const { promise, resolve } = Deferred.withResolvers();
resolve(3);
console.log(await promise, await Deferred.try((a) => a + 1, 3));
console.log(await square(2).then((n) => square(n)).then(square), await square(1).finally(() => console.log('finally')));
console.log(square(1).then() instanceof Deferred, Deferred[Symbol.species] === Promise);
console.log(await (async () => { for await (const each of [square(1), square(2)]) console.log('each', each); return 'done'; })());
console.log(Object.prototype.toString.call(square(1)), Deferred.name, Deferred.length);

//= [ 1, 4, 3 ]
//= all
//= [ [ 'fulfilled', 9 ], [ 'rejected', 'settled' ] ]
//= 16
//= 25
//= [ 36, 7 ] 49 64
//= { status: 'fulfilled', value: 81 }
//= true false 1 2
//= 3 4
//= finally
//= 256 1
//= false true
//= each 1
//= each 4
//= done
//= [object Deferred] Deferred 2
