// JSON there and back.
const text = JSON.stringify({ list: Array.from({ length: 100 }, (_, i) => ({ id: i, name: `item ${i}`, tags: ['a', 'b'] })) });
console.log(await new Deferred((text) => JSON.parse(text).list.filter((item) => item.id % 10 === 0).map((item) => item.name), { args: [text] }));
console.log(await new Deferred(() => JSON.stringify({ a: [1, { b: null }], c: undefined, d: new Date(0), e: () => 1 })));
console.log(await new Deferred(() => JSON.stringify({ a: [1, 2] }, null, 2)));
console.log(await new Deferred(() => JSON.parse('{"__proto__": 1, "a": 1.5e3, "ü": "\\u00fc"}')));
console.log(await new Deferred(() => { try { const a = {}; a.a = a; JSON.stringify(a); } catch (error) { return error.name; } }));
console.log(await new Deferred(() => { try { JSON.stringify(1n); } catch (error) { return error.name; } }));

//= [
//=   'item 0',  'item 10',
//=   'item 20', 'item 30',
//=   'item 40', 'item 50',
//=   'item 60', 'item 70',
//=   'item 80', 'item 90'
//= ]
//= {"a":[1,{"b":null}],"d":"1970-01-01T00:00:00.000Z"}
//= {
//=   "a": [
//=     1,
//=     2
//=   ]
//= }
//= { ['__proto__']: 1, a: 1500, 'ü': 'ü' }
//= TypeError
//= TypeError
