// Errors bring their cause, their own properties and a name that was changed.
const error = await new Deferred(() => {
  try {
    try {
      throw new TypeError('at the bottom');
    } catch (cause) {
      throw new RangeError('in the middle', { cause });
    }
  } catch (cause) {
    throw Object.assign(new Error('on top', { cause }), { code: 'E_TOP', details: { list: [1, 2] } });
  }
}).catch((error) => error);
console.log(error.message, error.code, error.details);
console.log(error.cause instanceof RangeError, error.cause.message, error.cause.cause instanceof TypeError, error.cause.cause.message);
console.log(Object.keys(error), 'cause' in error, Object.hasOwn(error, 'message'));
const named = await new Deferred(() => { const e = new Error('m'); e.name = 'CustomError'; throw e; }).catch((e) => e);
console.log(named.name, String(named), named instanceof Error);
const plain = await new Deferred(() => { throw new Error('x', { cause: 'text' }); }).catch((e) => e);
console.log(plain.cause);
const loop = await new Deferred(() => { const e = new Error('loop'); e.self = e; throw e; }).catch((e) => e);
console.log(loop.self === loop);
const returned = await new Deferred(() => new Error('returned, not thrown'));
console.log(returned instanceof Error, returned.message);
const odd = await new Deferred(() => { const e = new Error('with a function'); e.f = () => 1; throw e; }).catch((e) => e);
console.log(odd.name, odd.message);

//= on top E_TOP { list: [ 1, 2 ] }
//= true in the middle true at the bottom
//= [ 'code', 'details' ] true true
//= CustomError CustomError: m true
//= text
//= true
//= true returned, not thrown
//= DataCloneError error.f is a function and cannot be cloned
