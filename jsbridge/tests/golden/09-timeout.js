// The option `timeout`: in milliseconds, from its making on.
const tell = (deferred) => deferred.then((value) => console.log('value', value), (error) => console.log(error instanceof DOMException, error.name, error.message));
await tell(new Deferred(() => { while (true); }, { timeout: 5 }));
await tell(new Deferred(() => new Promise(() => setTimeout(() => {}, 1e9)), { timeout: 5 }));
await tell(new Deferred(() => 1, { timeout: Infinity }));
await tell(new Deferred(() => 2, { timeout: 1e300 }));
await tell(new Deferred(() => { while (true); }, { timeout: 0 }));
for (const timeout of [-1, NaN, '5', null, 5n, {}]) {
  try {
    new Deferred(() => 1, { timeout });
  } catch (error) {
    console.log(String(error));
  }
}

//= true TimeoutError it took longer than its timeout
//= true TimeoutError it took longer than its timeout
//= value 1
//= value 2
//= true TimeoutError it took longer than its timeout
//= TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not -1
//= TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not NaN
//= TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not string
//= TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not null
//= TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not bigint
//= TypeError: Deferred: the option 'timeout' must be a number of milliseconds, not object
