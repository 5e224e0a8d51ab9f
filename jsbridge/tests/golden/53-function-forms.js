// Every way to write a function.
const object = {
  method() { return 'method'; },
  async later() { return 'async method'; },
  ['comp' + 'uted']() { return 'computed'; },
  get value() { return 'getter'; },
  'with space'() { return 'quoted'; },
  7() { return 'number'; },
};
class Holder { static make() { return 'static'; } act() { return 'of a class'; } }
for (const fn of [
  () => 'arrow', (() => ({ an: 'object' })), function () { return 'function'; }, function named() { return named.name; },
  async () => 'async arrow', async function () { return 'async function'; }, object.method, object.later, object.computed,
  Object.getOwnPropertyDescriptor(object, 'value').get, object['with space'], object[7], Holder.make, Holder.prototype.act,
  new Function('return "made of text"'), new Function('a', 'b = 2', 'return [a, b]'),
  (a, { b, c: [d] = [1] } = {}, ...rest) => [a, b, d, rest],
  x => x, () => { /* } */ return '// no comment'; }, () => `${'template'} ${`in ${'template'}`}`, () => /[/}]/.source,
  function () { return this === undefined; }, function () { 'use strict'; return this === undefined; },
]) console.log(await new Deferred(fn));

//= arrow
//= { an: 'object' }
//= function
//= named
//= async arrow
//= async function
//= method
//= async method
//= computed
//= getter
//= quoted
//= number
//= static
//= of a class
//= made of text
//= [ undefined, 2 ]
//= [ undefined, undefined, 1, [] ]
//= undefined
//= // no comment
//= template in template
//= [/}]
//= false
//= true
