// cancel(): one that runs is stopped, one that waits never starts.
const endless = () => { while (true); };
const tell = (promise) => promise.then((value) => console.log('value', value), (error) => console.log(error?.name ?? error, '-', error?.message));
const running = new Deferred(endless);
setTimeout(() => console.log(running.cancel(), running.cancel(), running.state), 2);
await tell(running);
const reasons = [undefined, null, 'a text', new Error('own error'), 0];
for (const reason of reasons) {
  const deferred = new Deferred(endless);
  deferred.cancel(reason);
  await deferred.catch((caught) => console.log(reason === undefined ? caught.name : Object.is(caught, reason)));
}
const over = new Deferred(() => 'over');
console.log(await over, over.cancel(), await over);
// catch and finally inside do not see it.
const stubborn = new Deferred(() => { try { while (true); } catch { console.log('never'); } finally { console.log('never'); } });
setTimeout(() => stubborn.cancel(), 2);
await tell(stubborn);
const sleeping = new Deferred(() => new Promise((done) => setTimeout(done, 1e6)));
setTimeout(() => sleeping.cancel('woken'), 1);
await sleeping.catch((reason) => console.log(reason));
const both = new Deferred(endless);
const then = both.then(() => console.log('never'), (error) => console.log('then sees', error.name));
both.cancel();
await then;
// Its children end with it.
const parent = new Deferred(async () => { await Promise.all([1, 2].map(() => new Deferred(() => { while (true); }))); });
setTimeout(() => parent.cancel(), 2);
await tell(parent);

//= true false settled
//= AbortError - the Deferred was cancelled
//= AbortError
//= true
//= true
//= true
//= true
//= over false over
//= AbortError - the Deferred was cancelled
//= woken
//= then sees AbortError
//= AbortError - the Deferred was cancelled
