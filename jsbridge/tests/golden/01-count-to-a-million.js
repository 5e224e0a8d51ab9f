// A loop that keeps a CPU busy runs elsewhere: counting to a million.
const counted = await new Deferred(() => {
  let x = 0;
  while (x < 1e6) x++;
  return x;
});
console.log('counted to', counted);

//= counted to 1000000
