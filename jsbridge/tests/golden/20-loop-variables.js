// Each turn of a loop has variables of its own, and sends them.
const all = [];
for (let i = 0; i < 3; i++) all.push(new Deferred(() => i));
for (const word of ['a', 'b']) all.push(new Deferred(() => word));
for (const [key, value] of Object.entries({ x: 1, y: 2 })) all.push(new Deferred(() => key + value));
for (const key in { p: 0, q: 0 }) all.push(new Deferred(() => key));
for (var shared = 0; shared < 3; shared++) all.push(new Deferred(() => shared));
console.log(await Promise.all(all));

//= [
//=   0,   1,    2,    'a',
//=   'b', 'x1', 'y2', 'p',
//=   'q', 0,    1,    2
//= ]
