// What a timer's function throws is reported; other timers and the script go on.
setTimeout(() => { throw new Error('of a timer'); }, 0);
setTimeout(() => { throw 'a text'; }, 0);
setTimeout(() => console.log('the next timer'), 0);
await new Promise((done) => setTimeout(done, 5));
let n = 0;
await new Promise((done) => {
  const timer = setInterval(() => { n++; if (n === 3) { clearInterval(timer); done(); } throw new RangeError(`turn ${n}`); }, 1);
});
console.log('the interval went on', n);
queueMicrotask(() => { throw new TypeError('of a job'); });
await new Promise((done) => setTimeout(done, 1));
console.log('and the script');
console.log(await new Deferred(() => new Promise((done) => { setTimeout(() => { throw new Error('inside'); }, 0); setTimeout(done, 5, 'goes on inside too'); })));

//= [error] Uncaught Error: of a timer
//= [error]     at <anonymous> (47-errors-of-timers.js:2:30)
//= [error] Uncaught a text (thrown, and no Error)
//= the next timer
//= [error] Uncaught RangeError: turn 1
//= [error]     at <anonymous> (47-errors-of-timers.js:8:118)
//= [error] Uncaught RangeError: turn 2
//= [error]     at <anonymous> (47-errors-of-timers.js:8:118)
//= [error] Uncaught RangeError: turn 3
//= [error]     at <anonymous> (47-errors-of-timers.js:8:118)
//= the interval went on 3
//= [error] Uncaught TypeError: of a job
//= [error]     at <anonymous> (47-errors-of-timers.js:11:34)
//= and the script
//= [error] Uncaught Error: inside
//= [error]     at <anonymous> (47-errors-of-timers.js:14:91)
//= goes on inside too
