// All kinds of typed arrays, DataView, and buffers that can grow.
const back = (value) => new Deferred((value) => value, { args: [value] });
for (const kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float16Array, Float32Array, Float64Array]) {
  console.log(await back(new kind([1, 2, 300])));
}
console.log(await back(new BigInt64Array([-1n, 2n])), await back(new BigUint64Array([1n])));
const view = await back(new DataView(new Uint8Array([0, 0, 1, 2]).buffer, 2, 2));
console.log(view instanceof DataView, view.byteOffset, view.byteLength, view.getUint16(0));
const growing = await back(new ArrayBuffer(4, { maxByteLength: 16 }));
console.log(growing.resizable, growing.byteLength, growing.maxByteLength);
growing.resize(16);
console.log(growing.byteLength);
console.log(await back(new Uint8Array(0)), await back(new ArrayBuffer(0)));
console.log(await new Deferred((a) => a.map((x) => x * 2), { args: [new Float64Array([1.5, -2.25])] }));
const tracking = await back(new Uint8Array(new ArrayBuffer(2, { maxByteLength: 8 })));
tracking.buffer.resize(8);
console.log(tracking.length);

//= Int8Array(3) [ 1, 2, 44 ]
//= Uint8Array(3) [ 1, 2, 44 ]
//= Uint8ClampedArray(3) [ 1, 2, 255 ]
//= Int16Array(3) [ 1, 2, 300 ]
//= Uint16Array(3) [ 1, 2, 300 ]
//= Int32Array(3) [ 1, 2, 300 ]
//= Uint32Array(3) [ 1, 2, 300 ]
//= Float16Array(3) [ 1, 2, 300 ]
//= Float32Array(3) [ 1, 2, 300 ]
//= Float64Array(3) [ 1, 2, 300 ]
//= BigInt64Array(2) [ -1n, 2n ] BigUint64Array(1) [ 1n ]
//= true 2 2 258
//= true 4 16
//= 16
//= Uint8Array(0) [] ArrayBuffer { [Uint8Contents]: <>, byteLength: 0 }
//= Float64Array(2) [ 3, -4.5 ]
//= 8
