// Simple arithmetic.
console.log(await new Deferred(() => 42 * 2));
console.log(await new Deferred((a, b) => a ** b, { args: [2, 10] }));
console.log(await new Deferred(() => [0.1 + 0.2, 7 % 3, -7 % 3, 2n ** 64n, 1 / -0]));

//= 84
//= 1024
//= [ 0.30000000000000004, 1, -1, 18446744073709551616n, -Infinity ]
