// options: memory=4194304
// What uses too much ends alone: the realm and the next Deferred go on.
console.log(await new Deferred(() => { const f = () => f() + 1; return f(); }).catch((error) => `${error.name}: ${error.message}`));
console.log(await new Deferred(() => { const f = () => f() + 1; try { f(); } catch (error) { return `caught inside: ${error.name}`; } }));
console.log(await new Deferred(() => { const all = []; while (true) all.push(new Array(1000).fill(0)); }).catch((error) => error.name));
console.log(await new Deferred(() => 'x'.repeat(1e8)).catch((error) => error.name));
console.log(await new Deferred(() => new ArrayBuffer(1e8)).catch((error) => error.name));
console.log(await new Deferred(() => /(a+)+$/.test('a'.repeat(22) + 'b')));
console.log(await new Deferred(() => 'still here'));
console.log(await new Deferred(() => { let deep = '['.repeat(1e5); try { JSON.parse(deep); } catch (error) { return error.name; } }));

//= RangeError: Maximum call stack size exceeded
//= caught inside: RangeError
//= OutOfMemoryError
//= OutOfMemoryError
//= OutOfMemoryError
//= false
//= still here
//= RangeError
