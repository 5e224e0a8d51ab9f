// What is thrown comes back as the same kind of error.
for (const kind of ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError']) {
  const error = await new Deferred((kind) => { throw new globalThis[kind](`a ${kind}`); }, { args: [kind] }).catch((error) => error);
  console.log(error instanceof globalThis[kind], Object.prototype.toString.call(error), String(error));
}
const fails = {
  'a null': () => null.x,
  'no function': () => ({}).f(),
  'a constant': () => { const c = 1; c = 2; },
  'too long': () => new Array(-1),
  'no number': () => (1).toFixed(200),
  'no JSON': () => JSON.parse('{'),
  'no URI': () => decodeURIComponent('%'),
  'a BigInt': () => 1n + 1,
  'no regular expression': () => new RegExp('('),
};
for (const [what, fn] of Object.entries(fails)) console.log(what, '->', await new Deferred(fn).catch((e) => e.name));
for (const thrown of [undefined, null, 0, 'text', 5n, true, { code: 1 }, [1, 2]]) {
  console.log(await new Deferred((thrown) => { throw thrown; }, { args: [thrown] }).catch((caught) => ['caught', caught]));
}
console.log(await new Deferred(() => { throw () => 1; }).catch((error) => `${error.name}: ${error.message}`));
const dom = await new Deferred(() => { throw new DOMException('gone', 'NotFoundError'); }).catch((error) => error);
console.log(dom instanceof DOMException, dom.name, dom.message, dom.code);

//= true [object Error] Error: a Error
//= true [object Error] EvalError: a EvalError
//= true [object Error] RangeError: a RangeError
//= true [object Error] ReferenceError: a ReferenceError
//= true [object Error] SyntaxError: a SyntaxError
//= true [object Error] TypeError: a TypeError
//= true [object Error] URIError: a URIError
//= a null -> TypeError
//= no function -> TypeError
//= a constant -> TypeError
//= too long -> RangeError
//= no number -> RangeError
//= no JSON -> SyntaxError
//= no URI -> URIError
//= a BigInt -> TypeError
//= no regular expression -> SyntaxError
//= [ 'caught', undefined ]
//= [ 'caught', null ]
//= [ 'caught', 0 ]
//= [ 'caught', 'text' ]
//= [ 'caught', 5n ]
//= [ 'caught', true ]
//= [ 'caught', { code: 1 } ]
//= [ 'caught', [ 1, 2 ] ]
//= DataCloneError: error is a function and cannot be cloned
//= true NotFoundError gone 8
