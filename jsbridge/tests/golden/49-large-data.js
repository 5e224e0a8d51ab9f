// Much data, in few pieces and in many.
const long = 'x'.repeat(1 << 20);
console.log((await new Deferred((text) => text + text, { args: [long] })).length);
const list = Array.from({ length: 50000 }, (_, i) => i);
console.log((await new Deferred((list) => list.map((n) => n * 2), { args: [list] })).reduce((a, b) => a + b));
const objects = Array.from({ length: 2000 }, (_, id) => ({ id, name: `n${id}`, inner: { odd: id % 2 === 1 } }));
const odd = await new Deferred((objects) => objects.filter((each) => each.inner.odd), { args: [objects] });
console.log(odd.length, odd[999]);
const doubles = new Float64Array(200000).map((_, i) => i / 2);
console.log((await new Deferred((doubles) => { doubles.reverse(); return doubles; }, { args: [doubles] }))[0]);
const map = await new Deferred(() => new Map(Array.from({ length: 5000 }, (_, i) => [`key${i}`, i])));
console.log(map.size, map.get('key4999'));
const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`p${i}`, i]));
console.log(Object.keys(await new Deferred((wide) => wide, { args: [wide] })).length);
console.log(await new Deferred(() => (2n ** 20000n).toString().length));

//= 2097152
//= 2499950000
//= 1000 { id: 1999, name: 'n1999', inner: { odd: true } }
//= 99999.5
//= 5000 4999
//= 3000
//= 6021
