// What is one object there is one object here; cycles too.
const back = (value) => new Deferred((value) => value, { args: [value] });
const node = { name: 'node' };
node.self = node;
const copy = await back(node);
console.log(copy.self === copy, copy !== node, copy);
const shared = [1];
const pair = await back({ a: shared, b: [shared, { c: shared }] });
console.log(pair.a === pair.b[0], pair.b[1].c === pair.a);
const map = new Map(); map.set(map, map);
const mapBack = await back(map);
console.log(mapBack.get(mapBack) === mapBack);
const set = new Set(); set.add(set);
const setBack = await back(set);
console.log(setBack.has(setBack));
const bytes = new ArrayBuffer(8);
const views = await back([new Uint8Array(bytes, 0, 4), new DataView(bytes, 4), bytes]);
console.log(views[0].buffer === views[2], views[1].buffer === views[2]);
let chain = null;
for (let i = 0; i < 10000; i++) chain = { next: chain };
let depth = 0;
for (let each = await back(chain); each; each = each.next) depth++;
console.log(depth);

//= true true <ref *1> { name: 'node', self: [Circular *1] }
//= true true
//= true
//= true
//= true true
//= 10000
