// What is thrown elsewhere is caught here.
try {
  await new Deferred(() => { throw new Error('Intentional error'); });
  console.log('not reached');
} catch (error) {
  console.log('caught:', error instanceof Error, error.message);
}
console.log(await new Deferred(() => { throw new Error('again'); }).catch((error) => `${error}`));
await new Deferred(() => null.x).then(() => console.log('not reached'), (error) => console.log(error.name));

//= caught: true Intentional error
//= Error: again
//= TypeError
