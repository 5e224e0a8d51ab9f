// The stack of an error tells where it was thrown, and where its Deferred was made.
const inner = () => { throw new Error('deep'); };
const outer = () => inner();
function maker() { return new Deferred(outer, { name: 'shown' }); }
const error = await maker().catch((error) => error);
console.log(error.stack);

//=     at inner (58-stacks.js:2:33)
//=     at outer (58-stacks.js:3:21)
//=     --- Deferred 'shown', made:
//=     at maker (58-stacks.js:4:40)
//=     at <eval> (58-stacks.js:5:21)
