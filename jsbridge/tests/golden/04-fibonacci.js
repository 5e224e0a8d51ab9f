// A function that calls itself by the name of the variable that it is in.
const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2);
console.log(await new Deferred(() => fib(20)));
console.log(await new Deferred(fib, { args: [15] }));
console.log(await new Deferred(function inner(n) { return n < 2 ? n : inner(n - 1) + inner(n - 2); }, { args: [10] }));

//= 6765
//= 610
//= 55
