// Arguments: copies, in their order; none, holes, undefined, many.
console.log(await new Deferred((...all) => all, { args: [1, 'two', null, undefined, true, 5n] }));
console.log(await new Deferred((a, b = 'default') => [a, b], { args: [1] }));
console.log(await new Deferred((a, b = 'default') => [a, b], { args: [1, undefined] }));
console.log(await new Deferred((...all) => all.length, { args: [] }));
console.log(await new Deferred((...all) => [all.length, all[1]], { args: [1, , 3] }));
console.log(await new Deferred((...all) => all.length, { args: new Array(1000).fill(0) }));
console.log(await new Deferred(function () { return arguments.length; }, { args: [1, 2, 3] }));
const mine = { list: [1] };
await new Deferred((theirs) => { theirs.list.push(2); }, { args: [mine] });
console.log('mine is as it was:', mine);
const shared = {};
console.log(await new Deferred((a, b) => a === b, { args: [shared, shared] }));
console.log(await Deferred.run((a, b) => a + b, 1, 2), await Deferred.run(() => 'none'));

//= [ 1, 'two', null, undefined, true, 5n ]
//= [ 1, 'default' ]
//= [ 1, 'default' ]
//= 0
//= [ 3, undefined ]
//= 1000
//= 3
//= mine is as it was: { list: [ 1 ] }
//= true
//= 3 none
