// Deferreds on all CPUs:  cargo run --release -p heddle-jsbridge --bin heddle -- run examples/deferred.mjs
// Background Deferreds keep every CPU busy with loops that never yield, while Critical ones come every few milliseconds.

const seconds = Number(heddle.args[0] ?? 2);
const isPrime = (n) => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
};

// 1. A map over all CPUs. `isPrime` is captured, and goes along by itself.
const limit = 200_000;
const numbers = Array.from({ length: limit }, (_, n) => n);
let begin = performance.now();
const primes = (await Deferred.map(numbers, (n) => isPrime(n), { priority: 'normal' })).filter(Boolean).length;
console.log(`${primes} primes below ${limit}, found in ${Math.round(performance.now() - begin)} ms`);

// 2. Loops without an end, on every CPU, and urgent work beside them.
const hogs = Array.from({ length: 4 }, (_, n) => new Deferred(() => { while (true) {} }, { priority: 'background', name: `hog ${n}` }));
const waits = [];
const end = performance.now() + seconds * 1000;
while (performance.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  begin = performance.now();
  await new Deferred(() => 'done', { priority: 'critical' });
  waits.push(performance.now() - begin);
}
waits.sort((a, b) => a - b);
const at = (share) => (waits[Math.floor(waits.length * share)] * 1000).toFixed(0);
console.log(`${waits.length} critical Deferreds beside 4 endless loops: half within ${at(0.5)} us, 99 % within ${at(0.99)} us`);

// 3. What never ends is stopped.
for (const hog of hogs) hog.cancel();
const outcomes = await Promise.allSettled(hogs);
console.log('the loops:', [...new Set(outcomes.map(({ reason }) => reason.name))].join());
const slow = new Deferred(() => { while (true) {} }, { timeout: 50 });
console.log('another one:', await slow.catch((error) => `${error.name}: ${error.message}`));
