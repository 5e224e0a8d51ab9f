// Deferred.map where something is wrong.
const tell = (promise) => promise.then((value) => console.log('value', value), (error) => console.log(String(error)));
await tell(Deferred.map([1, 2, 3], (n) => { if (n === 2) throw new RangeError(`not ${n}`); return n; }));
await tell(Deferred.map([1, 2, 3], (n) => { if (n === 2) throw new RangeError(`not ${n}`); while (true); }, { chunk: 1 }));
await tell(Deferred.map([1], 5));
await tell(Deferred.map([1]));
await tell(Deferred.map(5, (n) => n));
await tell(Deferred.map(null, (n) => n));
await tell(Deferred.map({ a: 1 }, (n) => n));
for (const chunk of [0, -1, 1.5, '2', NaN, null]) await tell(Deferred.map([1], (n) => n, { chunk }));
await tell(Deferred.map([() => 1], (f) => f()));
await tell(Deferred.map([1], (n) => unknownName));
await tell(Deferred.map([1, 2], () => { while (true); }, { timeout: 5 }));
const controller = new AbortController();
setTimeout(() => controller.abort(new Error('enough')), 2);
await tell(Deferred.map([1, 2], () => { while (true); }, { signal: controller.signal }));

//= RangeError: not 2
//= RangeError: not 2
//= TypeError: Deferred.map: the second argument must be a function
//= TypeError: Deferred.map: the second argument must be a function
//= TypeError: Deferred.map: the first argument must be something to go through, not number
//= TypeError: Deferred.map: the first argument must be something to go through, not null
//= TypeError: Deferred.map: the first argument must be something to go through, not object
//= TypeError: Deferred: the option 'chunk' must be a positive whole number, not 0
//= TypeError: Deferred: the option 'chunk' must be a positive whole number, not -1
//= TypeError: Deferred: the option 'chunk' must be a positive whole number, not 1.5
//= TypeError: Deferred: the option 'chunk' must be a positive whole number, not string
//= TypeError: Deferred: the option 'chunk' must be a positive whole number, not NaN
//= TypeError: Deferred: the option 'chunk' must be a positive whole number, not null
//= DataCloneError: args[0][0] is a function and cannot be cloned
//= TypeError: Deferred: Function not serializable: in '', which it uses: 'unknownName' (44-map-fails.js:12:37) is neither a variable that can be sent along nor a global there; pass it in `args`, or name it in `capture: { unknownName }`
//= TimeoutError: it took longer than its timeout
//= Error: enough
