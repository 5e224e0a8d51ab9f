// Built-in objects as results and inside.
console.log(await new Deferred(() => new Date(Date.UTC(2020, 1, 29)).toISOString()));
console.log(await new Deferred((date) => new Date(date.getTime() + 1), { args: [new Date(8.64e15 - 1)] }));
console.log(await new Deferred(() => 'a1b22'.match(/\d+/g)), await new Deferred(() => /(?<y>\d+)-(?<m>\d+)/.exec('2020-12').groups.m));
console.log(await new Deferred(() => 'x-y'.replaceAll('-', '+')), await new Deferred((p) => p.test('ABC'), { args: [/b/i] }));
const map = new Map([[NaN, 'not a number'], [{ key: 1 }, new Set([new Map()])]]);
console.log(await new Deferred((map) => [map.get(NaN), [...map.keys()][1], map], { args: [map] }));
console.log(await new Deferred(() => Object.groupBy([1, 2, 3], (n) => n % 2 ? 'odd' : 'even')));
console.log(await new Deferred(() => new Set([1, 2, 3]).intersection(new Set([2, 3, 4]))));
console.log(await new Deferred(() => [3, 1, 2].toSorted()));
console.log(await new Deferred(() => [btoa('hi'), atob('aGk=')]), await new Deferred(() => typeof performance.now()));

//= 2020-02-29T00:00:00.000Z
//= +275760-09-13T00:00:00.000Z
//= [ '1', '22' ] 12
//= x+y true
//= [
//=   'not a number',
//=   { key: 1 },
//=   Map(2) { NaN => 'not a number', { key: 1 } => Set(1) { Map(0) {} } }
//= ]
//= { odd: [ 1, 3 ], even: [ 2 ] }
//= Set(2) { 2, 3 }
//= [ 1, 2, 3 ]
//= [ 'aGk=', 'hi' ] number
