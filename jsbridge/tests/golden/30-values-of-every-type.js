// Values go there and come back as what they were.
const back = (value) => new Deferred((value) => value, { args: [value] });
console.log(await back([undefined, null, true, false, 0, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 10n ** 30n, -1n, '', 'text']));
console.log(Object.is(await back(-0), -0));
console.log(await back([Object(1), Object('s'), Object(true), Object(5n)]));
console.log(await back(new Date(1e12)), await back(/a(?<n>b)/giu), await back(new Map([['k', { v: 1 }]])), await back(new Set([1, 'a'])));
const invalid = await back(new Date(NaN));
console.log(invalid instanceof Date, invalid.getTime());
console.log(await back({ a: 1, 'b c': 2, 3: 'three', __proto__: null, ['__proto__']: 'own' }));
const holes = await back([1, , 3]);
console.log(holes, 1 in holes, holes.length);
const sparse = []; sparse.length = 1e6; sparse[5] = 1;
const sparseBack = await back(sparse);
console.log(sparseBack.length, Object.keys(sparseBack));
const list = Object.assign([1, 2], { extra: 'own' });
console.log((await back(list)).extra);
console.log(await back({ get computed() { return 'by a getter'; } }));
const regexp = /x/g; regexp.lastIndex = 5;
console.log((await back(regexp)).lastIndex, (await back(regexp)).flags);
const o = { o: 1 }, q = { q: 1 };
const afterPattern = await back({ r: /a/, a: o, b: q, c: o });
console.log(afterPattern.a === afterPattern.c, afterPattern.b);
console.log(Object.isFrozen(await back(Object.freeze({ a: 1 }))));

//= [
//=   undefined,
//=   null,
//=   true,
//=   false,
//=   0,
//=   1.5,
//=   NaN,
//=   Infinity,
//=   -Infinity,
//=   9007199254740992,
//=   1000000000000000000000000000000n,
//=   -1n,
//=   '',
//=   'text'
//= ]
//= true
//= [ [Number: 1], [String: 's'], [Boolean: true], [BigInt: 5n] ]
//= 2001-09-09T01:46:40.000Z /a(?<n>b)/giu Map(1) { 'k' => { v: 1 } } Set(2) { 1, 'a' }
//= true NaN
//= { '3': 'three', a: 1, 'b c': 2, ['__proto__']: 'own' }
//= [ 1, <1 empty item>, 3 ] false 3
//= 1000000 [ '5' ]
//= own
//= { computed: 'by a getter' }
//= 0 g
//= true { q: 1 }
//= false
