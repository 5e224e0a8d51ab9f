// One run of one case on Node: `node peers.mjs CONTENDER CASE COUNT WORKERS WARM_UP`. Prints figures, separated by spaces.
// The modules are looked for from the current folder.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import vm from 'node:vm';

const [contender, name, count, workers, warmUp] = [...process.argv.slice(2, 4), ...process.argv.slice(4).map(Number)];
const file = new URL('./worker.cjs', import.meta.url);

// Where npm has installed the pools: modules of either kind.
async function load(pool) {
  const found = createRequire(`${process.cwd()}/package.json`).resolve(pool);
  const module = await import(pathToFileURL(found).href);
  return module.default ?? module;
}

// Each has `run(name, argument, transfer)`, which gives a promise, and `end()`.
const contenders = {
  async piscina(options = {}) {
    const Piscina = await load('piscina');
    const pool = new Piscina({ filename: file.href, minThreads: workers, maxThreads: workers, ...options });
    return {
      run: (name, argument, transferList) => pool.run({ name, argument }, { transferList }),
      end: () => pool.destroy(),
    };
  },
  piscina_ten: () => contenders.piscina({ concurrentTasksPerWorker: 10 }),
  async tinypool() {
    const Tinypool = await load('tinypool');
    const pool = new Tinypool({ filename: file.href, minThreads: workers, maxThreads: workers });
    return {
      run: (name, argument, transferList) => pool.run({ name, argument }, { transferList }),
      end: () => pool.destroy(),
    };
  },
  async bare() {
    const waiting = new Map();
    const threads = Array.from({ length: workers }, () => {
      const worker = new Worker(file, { workerData: 'bare' });
      worker.on('message', ({ number, answer }) => {
        waiting.get(number)(answer);
        waiting.delete(number);
      });
      return worker;
    });
    let number = 0;
    return {
      run: (name, argument, transfer) => new Promise((done) => {
        number++;
        waiting.set(number, done);
        threads[number % workers].postMessage({ number, name, argument }, transfer);
      }),
      end: () => Promise.all(threads.map((worker) => worker.terminate())),
    };
  },
};

function check(is, expected) {
  if (is !== expected) throw new Error(`the answer is ${is}, not ${expected}`);
}

const objects = () => Array.from({ length: 1000 }, (_, i) => ({ id: i, name: `n${i}`, on: i % 2 === 0 }));

async function each(count, body) {
  const begin = performance.now();
  for (let i = 0; i < count; i++) await body(i);
  return ((performance.now() - begin) * 1000) / count;
}

const cases = {
  async sequential({ run }, count) {
    const begin = performance.now();
    for (let i = 0; i < count; i++) check(await run('trivial'), 1);
    return ((performance.now() - begin) * 1000) / count;
  },
  async parked({ run }, count) {
    const times = [];
    for (let i = 0; i < count; i++) {
      await new Promise((done) => setTimeout(done, 2));
      const begin = performance.now();
      check(await run('trivial'), 1);
      times.push(performance.now() - begin);
    }
    times.sort((a, b) => a - b);
    return times[count >> 1] * 1000;
  },
  async flight({ run }, count) {
    const begin = performance.now();
    const all = [];
    for (let i = 0; i < count; i++) all.push(run('trivial'));
    const sum = (await Promise.all(all)).reduce((a, b) => a + b);
    const time = performance.now() - begin;
    check(sum, count);
    return (time * 1000) / count;
  },
  add: ({ run }, count) => each(count, async (i) => check((await run('add', { x: i, y: 2 })).sum, i + 2)),
  async objects({ run }, count) {
    const list = objects();
    return each(count, async () => check((await run('give', list))[999].name, 'n999'));
  },
  async there({ run }, count) {
    const list = objects();
    return each(count, async () => check(await run('number', list), 1000));
  },
  async transfer({ run }, count) {
    let times = 0;
    for (let i = 0; i < count; i++) {
      const buffer = new ArrayBuffer(64 << 20);
      const begin = performance.now();
      const answer = await run('length', buffer, [buffer]);
      times += performance.now() - begin;
      check(answer, 64 << 20);
      check(buffer.byteLength, 0);
    }
    return (times * 1000) / count;
  },
  cold: ({ run }, count) => each(count, async (i) => {
    const text = `return a + ${i} + ${Math.random()} * 0`;
    check(await run('cold', { text, argument: 1 }), i + 1);
  }),
  async parallel({ run }, count) {
    const all = [];
    const begin = performance.now();
    for (let i = 0; i < count; i++) all.push(run('fib', 25));
    for (const answer of await Promise.all(all)) check(answer, 75025);
    return ((performance.now() - begin) * 1000) / count;
  },
};

// A worker until its first answer, and what it adds to the process: us and KiB.
async function start(count) {
  const resident = () => process.memoryUsage.rss();
  const before = resident();
  const all = [];
  let time = 0;
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    const worker = new Worker(file, { workerData: 'bare' });
    all.push(worker);
    await new Promise((done) => {
      worker.once('message', ({ answer }) => done(check(answer, 1)));
      worker.postMessage({ number: 1, name: 'trivial' });
    });
    time += performance.now() - begin;
  }
  const each = [(time * 1000) / count, (resident() - before) / 1024 / count];
  await Promise.all(all.map((worker) => worker.terminate()));
  return each;
}

if (name === 'start') {
  console.log((await start(count)).join(' '));
} else if (name.startsWith('compute-')) {
  const text = readFileSync(new URL('../compute.js', import.meta.url), 'utf8');
  vm.runInThisContext(text);
  console.log(vm.runInThisContext(`compute('${name.slice('compute-'.length)}')`).join(' '));
} else {
  const pool = await contenders[contender]();
  if (warmUp > 0) await cases[name](pool, warmUp);
  console.log(await cases[name](pool, count));
  await pool.end();
}
process.exit(0);
