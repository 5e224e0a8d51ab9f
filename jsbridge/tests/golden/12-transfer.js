// The option `transfer`: buffers move, and are not here any more.
const buffer = new Uint8Array(100000).fill(7).buffer;
const sum = await new Deferred((bytes) => new Uint8Array(bytes).reduce((a, b) => a + b), { args: [buffer], transfer: [buffer] });
console.log(sum, buffer.byteLength, buffer.detached);
// Without it a copy goes.
const kept = new Uint8Array([1, 2, 3]);
console.log(await new Deferred((bytes) => { bytes[0] = 9; return bytes; }, { args: [kept] }), kept);
// Of a view, the buffer.
const view = new Float64Array(1000).fill(0.5);
console.log(await new Deferred((v) => v.length + v[999], { args: [view], transfer: [view.buffer] }), view.length, view.byteLength);
// Not among the arguments: it goes nonetheless.
const unused = new ArrayBuffer(2000);
await new Deferred(() => 1, { transfer: [unused] });
console.log(unused.byteLength);
for (const [what, make] of Object.entries({
  'no array': () => ({ transfer: 5 }),
  'no buffer': () => ({ transfer: [{}] }),
  'twice': () => { const b = new ArrayBuffer(8); return { transfer: [b, b] }; },
  'gone already': () => ({ transfer: [buffer] }),
  'shared': () => ({ transfer: [new SharedArrayBuffer(8)] }),
})) {
  try {
    new Deferred(() => 1, make());
    console.log(what, 'was accepted');
  } catch (error) {
    console.log(what, '->', String(error));
  }
}

//= 700000 0 true
//= Uint8Array(3) [ 9, 2, 3 ] Uint8Array(3) [ 1, 2, 3 ]
//= 1000.5 0 0
//= 0
//= no array -> TypeError: Deferred: the option 'transfer' must be an array, not number
//= no buffer -> DataCloneError: transfer[0] is no ArrayBuffer and cannot be transferred
//= twice -> DataCloneError: transfer[1] is in the list twice
//= gone already -> DataCloneError: transfer[0] is a detached ArrayBuffer and cannot be transferred
//= shared -> DataCloneError: transfer[0] is a SharedArrayBuffer, which is shared and not transferred; leave it out of the list
