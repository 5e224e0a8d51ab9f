// The same globals are there as here, and nothing of the host.
const look = () => {
  const names = ['Deferred', 'AbortController', 'AbortSignal', 'Event', 'EventTarget', 'DOMException', 'TextEncoder', 'TextDecoder', 'console', 'performance',
    'setTimeout', 'clearInterval', 'queueMicrotask', 'atob', 'Atomics', 'SharedArrayBuffer', 'WeakRef', 'Iterator',
    'require', 'process', 'module', 'Deno', 'Bun', 'std', 'os', 'fetch', 'XMLHttpRequest', 'WebAssembly', 'importScripts', 'Worker', 'print', 'load', 'scriptArgs', 'gc', 'document', 'window'];
  return names.map((name) => `${name} ${typeof globalThis[name]}`);
};
const here = look(), there = await new Deferred(look);
console.log(here.join() === there.join());
console.log(there.filter((line) => line.endsWith('undefined')).join(', '));
console.log(await new Deferred(() => import('os')).catch((error) => error instanceof Error));
console.log(await new Deferred(() => import('/etc/passwd')).catch((error) => error instanceof Error));

//= true
//= require undefined, process undefined, module undefined, Deno undefined, Bun undefined, std undefined, os undefined, fetch undefined, XMLHttpRequest undefined, WebAssembly undefined, importScripts undefined, Worker undefined, print undefined, load undefined, scriptArgs undefined, gc undefined, document undefined, window undefined
//= true
//= true
