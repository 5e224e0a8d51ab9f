// Long computations, the same text for both engines: what an interpreter costs against a compiler. Milliseconds of one run.
const computations = {
  fib() {
    const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
    return fib(27);
  },
  loop() {
    let sum = 0;
    for (let i = 0; i < 1e7; i++) sum = (sum + i * 3) | 0;
    return sum;
  },
  json() {
    const list = Array.from({ length: 1000 }, (_, i) => ({ id: i, name: `n${i}`, tags: ['a', 'b', i] }));
    let length = 0;
    for (let i = 0; i < 20; i++) length += JSON.stringify(JSON.parse(JSON.stringify(list))).length;
    return length;
  },
  sort() {
    let seed = 1;
    const list = Array.from({ length: 100000 }, () => (seed = (seed * 16807) % 2147483647));
    list.sort((a, b) => a - b);
    return list[50000];
  },
  regex() {
    let found = 0;
    for (let i = 0; i < 50000; i++) if (/^(\w+)-(\d+)@([a-z.]+)$/.test(`user-${i}@example.org`)) found++;
    return found;
  },
};

// The third of three runs: a compiler is warm by then. With the answer, which must be the same everywhere.
function compute(name) {
  let time, answer;
  for (let i = 0; i < 3; i++) {
    const begin = performance.now();
    answer = computations[name]();
    time = performance.now() - begin;
  }
  return [time, answer];
}
