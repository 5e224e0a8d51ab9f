// setInterval: until it is cleared, also by itself.
let ticks = 0;
await new Promise((done) => {
  const timer = setInterval((a) => { console.log('tick', ++ticks, a); if (ticks === 3) { clearInterval(timer); done(); } }, 1, 'argument');
});
await new Promise((done) => {
  let n = 0;
  const timer = setInterval(() => { if (++n === 5) { clearTimeout(timer); done(); } });
});
console.log('clearTimeout clears intervals too');
console.log(await new Deferred(() => new Promise((done) => {
  let n = 0;
  const timer = setInterval(() => { if (++n === 4) { clearInterval(timer); done(n); } }, 1);
})));
const [a, b] = [[], []];
await new Promise((done) => {
  const one = setInterval(() => a.push(1), 1);
  const two = setInterval(() => { b.push(1); if (b.length === 3) { clearInterval(one); clearInterval(two); done(); } }, 1);
});
console.log(a.length > 0, b.length);

//= tick 1 argument
//= tick 2 argument
//= tick 3 argument
//= clearTimeout clears intervals too
//= 4
//= true 3
