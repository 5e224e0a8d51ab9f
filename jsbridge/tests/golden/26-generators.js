// Generators run inside; a generator itself cannot come back.
console.log(await new Deferred(() => {
  function* fibonacci() { let [a, b] = [0, 1]; while (true) { yield a; [a, b] = [b, a + b]; } }
  return fibonacci().take(10).toArray();
}));
console.log(await new Deferred(() => [...new Set([3, 1, 2]).values().map((n) => n * n)]));
function* walk(tree) { if (tree) { yield* walk(tree.left); yield tree.value; yield* walk(tree.right); } }
const tree = { value: 2, left: { value: 1 }, right: { value: 3 } };
console.log(await new Deferred((tree) => [...walk(tree)].join(), { args: [tree] }));
console.log(await new Deferred(function* () { yield 1; }).catch((error) => `${error.name}: ${error.message}`));
console.log(await new Deferred(() => [1].values()).catch((error) => `${error.name}: ${error.message}`));

//= [
//=   0, 1,  1,  2,  3,
//=   5, 8, 13, 21, 34
//= ]
//= [ 9, 1, 4 ]
//= 1,2,3
//= DataCloneError: result is a Generator and cannot be cloned
//= DataCloneError: result is an Array Iterator and cannot be cloned
