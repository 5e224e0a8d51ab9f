// AbortController and AbortSignal by themselves, and inside of Deferreds.
const controller = new AbortController();
const { signal } = controller;
signal.addEventListener('abort', (event) => console.log('event', event.type, event.target === signal));
signal.onabort = () => console.log('onabort');
console.log(signal.aborted, signal.reason);
controller.abort();
controller.abort('second');
console.log(signal.aborted, signal.reason.name);
try {
  signal.throwIfAborted();
} catch (error) {
  console.log(error === signal.reason);
}
console.log(await new Deferred(async () => {
  const inner = new AbortController();
  setTimeout(() => inner.abort('from inside'), 1);
  return await new Deferred(() => { while (true); }, { signal: inner.signal }).catch((reason) => reason);
}));
// One controller for many; those that are over are not touched.
const many = new AbortController();
const quick = [1, 2, 3].map((n) => new Deferred((n) => n, { args: [n], signal: many.signal }));
console.log(await Promise.all(quick));
const slow = Array.from({ length: 10 }, () => new Deferred(() => { while (true); }, { signal: many.signal }));
many.abort(new Error('all of you'));
console.log(new Set((await Promise.allSettled(slow)).map((each) => each.reason.message)));
console.log(await Promise.all(quick));

//= false undefined
//= event abort true
//= onabort
//= true AbortError
//= true
//= from inside
//= [ 1, 2, 3 ]
//= Set(1) { 'all of you' }
//= [ 1, 2, 3 ]
