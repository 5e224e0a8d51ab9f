// AggregateError, of Promise.any and of one's own.
const error = await new Deferred(() => Promise.any([Promise.reject(new TypeError('one')), Promise.reject(2)])).catch((error) => error);
console.log(error instanceof AggregateError, error.name, error.errors.length, error.errors[0] instanceof TypeError, error.errors[0].message, error.errors[1]);
const own = await new Deferred(() => { throw new AggregateError([new Error('a'), new RangeError('b')], 'both', { cause: 'c' }); }).catch((e) => e);
console.log(own.message, own.errors.map(String), own.cause);
const here = await Deferred.any([new Deferred(() => { throw new Error('first'); }), new Deferred(() => { throw new Error('second'); })]).catch((e) => e);
console.log(here instanceof AggregateError, here.errors.map((e) => e.message));

//= true AggregateError 2 true one 2
//= both [ 'Error: a', 'RangeError: b' ] c
//= true [ 'first', 'second' ]
