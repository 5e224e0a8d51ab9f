// Functions that use themselves and each other.
const factorial = (n) => n < 2n ? 1n : n * factorial(n - 1n);
console.log(await new Deferred(factorial, { args: [25n] }));
function isEven(n) { return n === 0 ? true : isOdd(n - 1); }
function isOdd(n) { return n === 0 ? false : isEven(n - 1); }
console.log(await new Deferred(() => [isEven(10), isOdd(10), isEven(7)]));
const ring = { a: (n) => n === 0 ? 'a' : ring.b(n - 1), b: (n) => n === 0 ? 'b' : ring.a(n - 1) };
console.log(await new Deferred(() => ring.a(5)));
const hanoi = (n, from = 'A', to = 'C', by = 'B') => n === 0 ? [] : [...hanoi(n - 1, from, by, to), from + to, ...hanoi(n - 1, by, to, from)];
console.log((await new Deferred(hanoi, { args: [3] })).join(' '));
const parallel = async (n) => {
  if (n < 10) { let a = 0, b = 1; while (n--) [a, b] = [b, a + b]; return a; }
  const [x, y] = await Promise.all([new Deferred(parallel, { args: [n - 1] }), parallel(n - 2)]);
  return x + y;
};
console.log(await new Deferred(parallel, { args: [14] }));

//= 15511210043330985984000000n
//= [ true, false, false ]
//= b
//= AC AB CB AC BA BC AC
//= 377
