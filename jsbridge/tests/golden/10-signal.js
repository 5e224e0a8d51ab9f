// The option `signal`: an AbortSignal ends it, with the signal's reason.
const endless = () => { while (true); };
const controller = new AbortController();
const one = new Deferred(endless, { signal: controller.signal });
const two = new Deferred(endless, { signal: controller.signal });
setTimeout(() => controller.abort(), 1);
for (const each of await Promise.allSettled([one, two])) console.log(each.status, each.reason.name, each.reason === controller.signal.reason);
// Aborted before: it never starts.
console.log(await new Deferred(() => console.log('never'), { signal: AbortSignal.abort('too late') }).catch((reason) => reason));
// A signal that nobody uses changes nothing; one aborted after the end neither.
const late = new AbortController();
console.log(await new Deferred(() => 'in time', { signal: late.signal }));
late.abort();
console.log(await new Deferred(endless, { signal: AbortSignal.timeout(2) }).catch((error) => error.name));
const any = AbortSignal.any([new AbortController().signal, AbortSignal.abort(new RangeError('mine'))]);
console.log(await new Deferred(endless, { signal: any }).catch((error) => `${error}`));
for (const signal of [1, null, {}, 'abort', () => {}]) {
  try {
    new Deferred(() => 1, { signal });
  } catch (error) {
    console.log(String(error));
  }
}

//= rejected AbortError true
//= rejected AbortError true
//= too late
//= in time
//= TimeoutError
//= RangeError: mine
//= TypeError: Deferred: the option 'signal' must be an AbortSignal, not number
//= TypeError: Deferred: the option 'signal' must be an AbortSignal, not null
//= TypeError: Deferred: the option 'signal' must be an AbortSignal, not object
//= TypeError: Deferred: the option 'signal' must be an AbortSignal, not string
//= TypeError: Deferred: the option 'signal' must be an AbortSignal, not function
