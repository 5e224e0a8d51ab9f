// Variables that a function uses go with it, by value.
const number = 42, text = 'text', yes = true, none = null, nothing = undefined, big = 10n ** 20n, zero = -0;
console.log(await new Deferred(() => [number, text, yes, none, nothing, big, Object.is(zero, -0)]));
const object = { a: 1, nested: { list: [1, 2, { deep: true }] } };
const date = new Date(0), pattern = /a+/gi, map = new Map([[1, 'one']]), set = new Set(['x']);
console.log(await new Deferred(() => [object, date, pattern, map, set]));
let later = 'before';
const deferred = new Deferred(() => later);
later = 'after';
console.log(await deferred, later);
const both = { object };
console.log(await new Deferred(() => both.object === object));
const read = () => object.a;
object.a = 'changed before';
console.log(await new Deferred(() => read() + ', ' + object.a));
{
  const number = 'inner';
  console.log(await new Deferred(() => number));
}
(function () { const local = 'of a function'; this.done = new Deferred(() => local); }).call(globalThis);
console.log(await globalThis.done);

//= [ 42, 'text', true, null, undefined, 100000000000000000000n, true ]
//= [
//=   { a: 1, nested: { list: [Array] } },
//=   1970-01-01T00:00:00.000Z,
//=   /a+/gi,
//=   Map(1) { 1 => 'one' },
//=   Set(1) { 'x' }
//= ]
//= before after
//= true
//= changed before, changed before
//= inner
//= of a function
