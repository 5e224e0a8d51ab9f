// The cases as Heddle's JavaScript does them, evaluated in a main realm. Each gets a count, checks its answers, and gives
// microseconds for each. What the same is for Node is in `node/peers.mjs`.
const trivial = () => 1;
const add = ({ x, y }) => ({ sum: x + y });
const give = (list) => list;
const number = (list) => list.length;
const length = (buffer) => buffer.byteLength;
const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
const loop = (n) => { let i = 0; while (i < n) i++; return i; };

function check(is, expected) {
  if (is !== expected) throw new Error(`the answer is ${is}, not ${expected}`);
}

const objects = () => Array.from({ length: 1000 }, (_, i) => ({ id: i, name: `n${i}`, on: i % 2 === 0 }));

// Microseconds for each of `count` calls of `body`, one after another.
async function each(count, body) {
  const begin = performance.now();
  for (let i = 0; i < count; i++) await body(i);
  return ((performance.now() - begin) * 1000) / count;
}

// The same with a pause before each, in which everybody goes to sleep. Pauses are not counted.
async function rested(count, body) {
  const times = [];
  for (let i = 0; i < count; i++) {
    await new Promise((done) => setTimeout(done, 2));
    const begin = performance.now();
    await body(i);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  return times[count >> 1] * 1000;
}

async function together(count, computation, argument, expected) {
  const begin = performance.now();
  const all = [];
  for (let i = 0; i < count; i++) all.push(new Deferred(computation, { args: [argument] }));
  for (const answer of await Promise.all(all)) check(answer, expected);
  return ((performance.now() - begin) * 1000) / count;
}

const cases = {
  // Without a function around it: an async one is a promise and a turn more.
  async sequential(count) {
    const begin = performance.now();
    for (let i = 0; i < count; i++) check(await new Deferred(trivial), 1);
    return ((performance.now() - begin) * 1000) / count;
  },
  parked: (count) => rested(count, async () => check(await new Deferred(trivial), 1)),
  async flight(count) {
    const begin = performance.now();
    const all = [];
    for (let i = 0; i < count; i++) all.push(new Deferred(trivial));
    const sum = (await Promise.all(all)).reduce((a, b) => a + b);
    const time = performance.now() - begin;
    check(sum, count);
    return (time * 1000) / count;
  },
  add: (count) => each(count, async (i) => check((await new Deferred(add, { args: [{ x: i, y: 2 }] })).sum, i + 2)),
  async objects(count) {
    const list = objects();
    return each(count, async () => check((await new Deferred(give, { args: [list] }))[999].name, 'n999'));
  },
  async there(count) {
    const list = objects();
    return each(count, async () => check(await new Deferred(number, { args: [list] }), 1000));
  },
  async transfer(count) {
    let times = 0;
    for (let i = 0; i < count; i++) {
      const buffer = new ArrayBuffer(64 << 20);
      const begin = performance.now();
      const answer = await new Deferred(length, { args: [buffer], transfer: [buffer] });
      times += performance.now() - begin;
      check(answer, 64 << 20);
      check(buffer.byteLength, 0);
    }
    return (times * 1000) / count;
  },
  cold: (count) => each(count, async (i) => {
    const unseen = new Function('a', `return a + ${i} + ${Math.random()} * 0`);
    check(await new Deferred(unseen, { args: [1] }), i + 1);
  }),
  captures: (count) => each(count, async (i) => {
    const k = { factor: 3 };
    check(await new Deferred(() => k.factor * i), 3 * i);
  }),
  // Deferreds that together take all workers.
  parallel: (count) => together(count, fib, 25, 75025),
  parallel_loop: (count) => together(count, loop, 3e5, 3e5),
};
