// Jobs (microtasks) run when a task is over, before the next task: as in browsers.
const log = [];
setTimeout(() => { log.push('timer 1'); queueMicrotask(() => log.push('job of timer 1')); Promise.resolve().then(() => log.push('reaction of timer 1')); }, 0);
setTimeout(() => { log.push('timer 2'); }, 0);
queueMicrotask(() => { log.push('job'); queueMicrotask(() => log.push('job of job')); });
Promise.resolve().then(() => log.push('reaction'));
log.push('script');
await new Promise((done) => setTimeout(done, 5));
console.log(log.join(' | '));
// Of two settled Deferreds, the jobs of the first run before the second settles.
const order = [];
const one = new Deferred(() => 1).then(() => { order.push('first'); return Promise.resolve().then(() => Promise.resolve()).then(() => order.push('its jobs')); });
await one;
await new Deferred(() => 2).then(() => order.push('second'));
console.log(order.join(' | '));
try {
  queueMicrotask(5);
} catch (error) {
  console.log(error.name);
}

//= script | job | reaction | job of job | timer 1 | job of timer 1 | reaction of timer 1 | timer 2
//= first | its jobs | second
//= TypeError
