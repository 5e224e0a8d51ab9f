// Events and abort signals. The lines of events.out are what Node 20.20 writes for this file.
const log = [];
const say = (...parts) => console.log(...parts);
const thrown = (f) => { try { f(); return 'nothing'; } catch (error) { return error.name; } };

const target = new EventTarget();
const listener = { handleEvent(event) { log.push(`object ${event.type} ${this === listener}`); } };
target.addEventListener('a', function (event) { log.push(`first ${this === target} ${event.target === target} ${event.eventPhase}`); });
target.addEventListener('a', listener);
target.addEventListener('a', listener);
target.addEventListener('a', () => log.push('once'), { once: true });
target.dispatchEvent(new Event('a'));
target.dispatchEvent(new Event('a'));
target.removeEventListener('a', listener);
target.dispatchEvent(new Event('a'));
say(log.splice(0));

// Adding and removing in the middle of a dispatch; stopping; preventing.
const late = () => log.push('late');
const removed = () => log.push('removed');
target.addEventListener('b', () => { log.push('adds'); target.addEventListener('b', late); target.removeEventListener('b', removed); });
target.addEventListener('b', removed);
target.dispatchEvent(new Event('b'));
target.dispatchEvent(new Event('b'));
say(log.splice(0));
target.addEventListener('c', (event) => { event.stopImmediatePropagation(); event.preventDefault(); });
target.addEventListener('c', () => log.push('not reached'));
say(target.dispatchEvent(new Event('c')), target.dispatchEvent(new Event('c', { cancelable: true })), log.length);
target.addEventListener('again', (event) => log.push(thrown(() => target.dispatchEvent(event))));
target.dispatchEvent(new Event('again'));
say(log.splice(0).length);
say(thrown(() => target.dispatchEvent({})), thrown(() => new Event()), thrown(() => target.addEventListener('x')));
const event = new Event('type', { bubbles: true, cancelable: true });
say(event.type, event.bubbles, event.cancelable, event.composed, event.defaultPrevented, event.target, event.eventPhase, event.composedPath());
say(typeof event.timeStamp, Object.prototype.toString.call(event), Object.prototype.toString.call(target), event instanceof Event);

// Abort signals.
const controller = new AbortController();
const { signal } = controller;
say(signal.aborted, signal.reason, controller.signal === signal, signal instanceof EventTarget, signal.onabort);
signal.onabort = function (event) { log.push(`on ${event.type} ${this === signal}`); };
signal.addEventListener('abort', () => log.push('listener'));
target.addEventListener('s', () => log.push('must not'), { signal });
controller.abort();
controller.abort('again');
target.dispatchEvent(new Event('s'));
say(log.splice(0), signal.aborted, signal.reason.name, signal.reason.message, signal.reason.code, signal.reason instanceof DOMException);
say(thrown(() => signal.throwIfAborted()), thrown(() => new AbortSignal()), AbortSignal.abort(5).reason, AbortSignal.abort().reason.name);
target.addEventListener('t', () => log.push('must not'), { signal });
target.dispatchEvent(new Event('t'));
say(log.length);

// Any.
const one = new AbortController(), two = new AbortController();
const any = AbortSignal.any([one.signal, two.signal]);
const nested = AbortSignal.any([any, new AbortController().signal]);
any.addEventListener('abort', () => log.push(`any ${any.reason}`));
nested.addEventListener('abort', () => log.push(`nested ${nested.reason}`));
two.abort('two');
one.abort('one');
say(log.splice(0), any.aborted, nested.reason, AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort(1), one.signal]).reason);
say(thrown(() => AbortSignal.any([{}])), thrown(() => AbortSignal.any()), thrown(() => AbortSignal.timeout(-1)));

// Texts.
const encoder = new TextEncoder(), decoder = new TextDecoder();
say(encoder.encode('a€😀\ud800'), encoder.encode(), decoder.decode(encoder.encode('a€😀')), encoder.encoding, decoder.encoding);
say(encoder.encodeInto('a€b', new Uint8Array(3)), encoder.encodeInto('€', new Uint8Array(8).subarray(6)));
say(decoder.decode(new Uint8Array([0xef, 0xbb, 0xbf, 97])), new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 97])).length);
say(thrown(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))), decoder.decode(new Uint8Array([97, 255, 0xe2, 0x82, 98])));
say(decoder.decode(new Uint8Array([0xe2, 0x82]), { stream: true }), decoder.decode(new Uint8Array([0xac]), { stream: true }), decoder.decode());
say(thrown(() => new TextDecoder('x')), decoder.decode(new Uint8Array([1, 97, 98]).buffer.slice(1)), decoder.decode(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1)));
say(btoa('text'), atob('dGV4dA=='), typeof queueMicrotask, typeof performance.now());
say(new DOMException('m', 'AbortError').code, new DOMException().name, new DOMException('m') instanceof Error);
