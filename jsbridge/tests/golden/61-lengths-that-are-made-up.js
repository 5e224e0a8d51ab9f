// Methods of arrays, called on what is longer than anything can be, are ended by a time-out; on other array-likes they do what
// they do on arrays.
const endless = {
  reverse: () => [].reverse.call({ length: 2 ** 53 - 1 }),
  copyWithin: () => [].copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0),
  shift: () => [].shift.call({ length: 2 ** 53 - 1 }),
  unshift: () => [].unshift.call({ length: 2 ** 53 - 2 }, 1),
  splice: () => [].splice.call({ length: 2 ** 53 - 1 }, 1, 1),
  concat: () => [].concat({ length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true }),
  sort: () => [].sort.call({ length: 2 ** 53 - 1 }),
  flat: () => [].flat.call({ length: 2 ** 53 - 1 }),
  flatMap: () => [1].flatMap(() => new Array(2 ** 32 - 1)),
  flatNested: () => [[new Array(2 ** 32 - 1)]].flat(2),
  flatMany: () => { const long = new Array(2 ** 18); return new Array(1e5).fill(long).flat(); },
  concatMany: () => { const long = new Array(2 ** 18); return [].concat(...new Array(1e4).fill(long)); },
  flatOne: () => [new Array(2 ** 32 - 1)].flat(),
  join: () => new Array(2 ** 32 - 1).join(''),
  slice: () => new Array(2 ** 32 - 1).slice(),
  sortLong: () => new Array(2 ** 32 - 1).sort(),
  fill: () => [].fill.call(Object.create(new Uint8Array(1), { length: { value: 2 ** 53 - 1 } }), 0),
  sortTexts: () => { const texts = Array.from('abcdefgh', (c) => 'x'.repeat(1e6) + c); return Array.from({ length: 1e5 }, (_, i) => texts[i % 8]).sort().length; },
  toSortedTexts: () => { const texts = Array.from('abcdefgh', (c) => 'x'.repeat(1e6) + c); return Array.from({ length: 1e5 }, (_, i) => ({ toString: () => texts[i % 8] })).toSorted().length; },
  proxy: () => [].reverse.call(new Proxy({ length: 2 ** 53 - 1 }, {})),
};
for (const [name, fn] of Object.entries(endless)) {
  try {
    console.log(name, await new Deferred(fn, { timeout: 30, priority: 'critical' }));
  } catch (error) {
    console.log(name, error.name);
  }
}
await new Deferred(() => {
  const items = [3, undefined, 'b', , [4, [5]], 10, , 'a', 1];
  const calls = [
    ['reverse'], ['copyWithin', 1, 4], ['copyWithin', 4, 1, -2], ['copyWithin', -3], ['shift'], ['unshift'], ['unshift', 'x', 'y'],
    ['splice'], ['splice', 2], ['splice', 1, 3], ['splice', 1, 1, 'p', 'q', 'r'], ['splice', -2, 0, 's'], ['splice', 3, -1], ['splice', 2, 99, 'z'],
    ['toSorted'], ['toSorted', (a, b) => String(b) < String(a) ? -1 : 1], ['sort'], ['sort', (a, b) => String(b) < String(a) ? -1 : 1], ['sort', () => NaN], ['join'], ['join', ''], ['join', null],
    ['slice'], ['slice', 2], ['slice', -4, -1], ['slice', 5, 2], ['slice', NaN, Infinity], ['fill', 0], ['fill', 0, 2, 5], ['fill', 0, -2],
    ['flatMap', (x, i) => [x, [i]]], ['flatMap', (x) => x],
  ];
  const shown = (value) => value === null || typeof value !== 'object' ? String(value)
    : `${Array.isArray(value) ? 'array' : 'like'} ${value.length} {${Object.keys(value).filter((key) => key !== 'length').map((key) => `${key}: ${shown(value[key])}`).join(', ')}}`;
  let same = 0;
  for (const [name, ...args] of calls) {
    const array = [...items]; delete array[3]; delete array[6];
    const like = Object.assign({}, array, { length: array.length });
    const byEngine = array[name](...args), bySteps = Array.prototype[name].apply(like, args);
    const result = byEngine === array ? bySteps === like : shown(byEngine) === shown(bySteps);
    // The same elements in the same places.
    const left = shown(array).replace('array', 'like') === shown(like);
    if (result && left) same++; else console.log(name, args, shown(byEngine), shown(bySteps), shown(array), shown(like));
  }
  console.log(same === calls.length);
  const mixed = ['b', { toString: () => 'a' }, 10, 9n, [3, 1], undefined, null, 'x'.repeat(300)], plain = mixed.filter((item) => typeof item !== 'object' || item === null);
  console.log(mixed.toSorted().map(String).map((text) => text.slice(0, 5)).join(), [...mixed].sort().map(String).map((text) => text.slice(0, 5)).join(), plain.toSorted().length);
  class Own extends Array {}
  const sparse = new Own(100000);
  sparse[99999] = 'end';
  console.log(sparse.slice(99990) instanceof Own, sparse.slice(99990).length, sparse.concat([1]).length, sparse.flat().length);
  console.log([[1, [2]], 3].flat().length, [[1, [2, [3]]]].flat(Infinity).join(), [1, 2].flatMap((x) => [x, x * 2]).join());
  console.log([1].concat(2, [3], { length: 1, 0: 'no' }).length, [].concat({ length: 2, 1: 'b', [Symbol.isConcatSpreadable]: true }));
  const { reverse, concat } = Array.prototype;
  console.log(reverse.name, reverse.length, concat.length, String(reverse).includes('[native code]'), 'prototype' in reverse);
  for (const wrong of [null, undefined]) {
    try {
      reverse.call(wrong);
    } catch (error) {
      console.log(error.name);
    }
  }
  console.log(Array.prototype.slice.call('text', 1).join('-'), (function () { return Array.prototype.slice.call(arguments, 1); })(1, 2, 3));
  try {
    Array.prototype.shift.call(Object.freeze({ length: 1, 0: 1 }));
  } catch (error) {
    console.log(error.name);
  }
});

//= reverse TimeoutError
//= copyWithin TimeoutError
//= shift TimeoutError
//= unshift TimeoutError
//= splice TimeoutError
//= concat TimeoutError
//= sort TimeoutError
//= flat TimeoutError
//= flatMap TimeoutError
//= flatNested TimeoutError
//= flatMany TimeoutError
//= concatMany TimeoutError
//= flatOne TimeoutError
//= join TimeoutError
//= slice TimeoutError
//= sortLong TimeoutError
//= fill TimeoutError
//= sortTexts TimeoutError
//= toSortedTexts TimeoutError
//= proxy TimeoutError
//= true
//= 10,3,1,9,a,b,null,xxxxx,undef 10,3,1,9,a,b,null,xxxxx,undef 6
//= true 10 100001 1
//= 3 1,2,3 1,2,2,4
//= 4 [ <1 empty item>, 'b' ]
//= reverse 0 1 true false
//= TypeError
//= TypeError
//= e-x-t [ 2, 3 ]
//= TypeError
