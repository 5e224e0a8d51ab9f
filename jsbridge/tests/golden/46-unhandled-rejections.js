// A rejection that nobody handles is reported once, with where it was thrown and where its Deferred was made.
const lonely = new Deferred(() => { throw new Error('nobody looks'); }, { name: 'lonely' });
// What comes of this promise has nobody who looks. That it is over can be awaited without a look at that.
lonely.then(() => {});
await Promise.allSettled([lonely]);
await new Promise((done) => setTimeout(done, 1));
Promise.reject(new TypeError('of a promise'));
await new Promise((done) => setTimeout(done, 1));
const handled = new Deferred(() => { throw new Error('handled'); });
await handled.catch(() => {});
const late = Promise.reject(new Error('handled in the same turn'));
queueMicrotask(() => late.catch(() => {}));
await new Promise((done) => setTimeout(done, 1));
await new Deferred(() => { Promise.reject(new RangeError('left inside')); return 1; }, { name: 'careless' });
console.log('the realm goes on');

//= [error] Uncaught Error: nobody looks (in a promise that nobody handled)
//= [error]     at <anonymous> (46-unhandled-rejections.js:2:47)
//= [error]     --- Deferred 'lonely', made:
//= [error]     at <eval> (46-unhandled-rejections.js:2:20)
//= [error] Uncaught TypeError: of a promise (in a promise that nobody handled)
//= [error]     at <eval> (46-unhandled-rejections.js:7:20)
//= [error] Uncaught RangeError: left inside (in a promise that nobody handled)
//= [error]     at <anonymous> (46-unhandled-rejections.js:14:47)
//= [error]     --- in Deferred 'careless'
//= the realm goes on
