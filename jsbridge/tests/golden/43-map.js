// Deferred.map: each item through a function, in parts that run at the same time; results in the items' order.
const items = Array.from({ length: 100 }, (_, i) => i);
const squares = await Deferred.map(items, (n) => n * n);
console.log(squares.length, squares[0], squares[99], squares.every((n, i) => n === i * i));
console.log(await Deferred.map(['a', 'b', 'c'], (text, index) => text + index));
console.log(await Deferred.map([], (n) => n), await Deferred.map([7], (n) => n + 1));
console.log(await Deferred.map(new Set([1, 2]), (n) => n * 10));
console.log(await Deferred.map((function* () { yield 'x'; yield 'y'; })(), (text) => text.toUpperCase()));
console.log(await Deferred.map([1, 2, 3], async (n) => { await null; return n * 2; }));
for (const chunk of [1, 2, 3, 1000]) console.log(chunk, await Deferred.map([1, 2, 3, 4, 5], (n, i) => n * 10 + i, { chunk }));
const factor = 3;
const helper = (n) => n * factor;
console.log(await Deferred.map([1, 2], (n) => helper(n)), await Deferred.map([1, 2], (n) => n * k, { capture: { k: 5 } }));
console.log(await Deferred.map([1, 2], () => Deferred.current.priority, { priority: 'high', chunk: 1 }));
console.log(await Deferred.map([[1, 2], [3]], (list) => list), await Deferred.map([1, 2], (n) => [n, [n]]));
console.log(await Deferred.map([1, 2], () => undefined), await Deferred.map([1, 2], (n) => null));

//= 100 0 9801 true
//= [ 'a0', 'b1', 'c2' ]
//= [] [ 8 ]
//= [ 10, 20 ]
//= [ 'X', 'Y' ]
//= [ 2, 4, 6 ]
//= 1 [ 10, 21, 32, 43, 54 ]
//= 2 [ 10, 21, 32, 43, 54 ]
//= 3 [ 10, 21, 32, 43, 54 ]
//= 1000 [ 10, 21, 32, 43, 54 ]
//= [ 3, 6 ] [ 5, 10 ]
//= [ 'high', 'high' ]
//= [ [ 1, 2 ], [ 3 ] ] [ [ 1, [ 1 ] ], [ 2, [ 2 ] ] ]
//= [ undefined, undefined ] [ null, null ]
