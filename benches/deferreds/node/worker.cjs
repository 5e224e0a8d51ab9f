// What runs on a Node worker: the functions of `peers.mjs`, by name, for pools and for bare messages.
const { parentPort, workerData } = require('node:worker_threads');

const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
const functions = {
  trivial: () => 1,
  add: ({ x, y }) => ({ sum: x + y }),
  give: (list) => list,
  number: (list) => list.length,
  length: (buffer) => buffer.byteLength,
  fib,
  cold: ({ text, argument }) => new Function('a', text)(argument),
};

const run = ({ name, argument }) => functions[name](argument);

// Bare messages: a number comes along, and goes back.
if (workerData === 'bare') {
  parentPort.on('message', (message) => parentPort.postMessage({ number: message.number, answer: run(message) }));
}

module.exports = run;
