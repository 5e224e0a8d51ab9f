// The class `Deferred`. Gets the host's functions, gives back the class and what the host calls of it.
(function (natives) {
  'use strict';

  const { start, cancel, stage, getPriority, setPriority } = natives;
  const { working, workName, progress, workPriority, setWorkPriority, giveWay, workSignal } = natives;
  // Taken now: scripts may change what is on the prototypes later.
  const { Promise, DOMException, Error, TypeError, RangeError, Symbol, String, Object, Array } = globalThis;
  const { apply, defineProperty, setPrototypeOf } = Reflect;
  const { isArray } = Array;
  const { isInteger } = Number;
  const { min, ceil, max } = Math;
  const { freeze } = Object;
  const slice = Array.prototype.slice;
  const indexOf = Array.prototype.indexOf;
  const split = String.prototype.split;
  const then = Promise.prototype.then;

  const LEVELS = ['critical', 'high', 'normal', 'low', 'background'];

  function levelOf(value, where) {
    const level = apply(indexOf, LEVELS, [value]);
    if (level < 0) {
      throw new TypeError(`${where}: '${String(value)}' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'`);
    }
    return level;
  }

  function kindOf(value) {
    return value === null ? 'null' : typeof value;
  }

  function wrong(option, wanted, value, isNumeric = false) {
    const got = isNumeric && typeof value === 'number' ? String(value) : kindOf(value);
    return new TypeError(`Deferred: the option '${option}' must be ${wanted}, not ${got}`);
  }

  function aborted(reason) {
    return reason === undefined ? new DOMException('the Deferred was cancelled', 'AbortError') : reason;
  }

  // What a Deferred is: a promise that only the host settles. Where the host has none it is the usual one, and tells us how to
  // settle it.
  const { Pledge = Promise } = natives;
  if (Pledge !== Promise) {
    setPrototypeOf(Pledge, Promise);
    defineProperty(Pledge, 'prototype', { value: Promise.prototype, writable: false, enumerable: false, configurable: false });
    freeze(Pledge);
  }

  // One for all, as a function for each would have to be made; `super` calls it then, and it is read at once.
  let givenResolve, givenReject;
  const executor = (yes, no) => { givenResolve = yes; givenReject = no; };

  // What few of them have: each field of a class costs those that have nothing in it. Whoever asks for it reads
  // `#ticket` first, which throws in what is no Deferred.
  const details = new WeakMap(), names = new WeakMap();
  const { get: getOf, set: setOf } = WeakMap.prototype;

  function detailsOf(deferred) {
    let known = apply(getOf, details, [deferred]);
    if (known === undefined) {
      known = { level: undefined, onprogress: null };
      apply(setOf, details, [deferred, known]);
    }
    return known;
  }

  // What is left to do for one with a signal, once it has its ticket. One that then failed leaves it behind.
  let following;

  // Ties one to its signal: gives what is to be called when it is settled. The host calls this when no script runs any more
  // until there is a ticket.
  function follow(deferred, signal) {
    const onabort = () => { deferred.cancel(signal.reason); };
    // A signal may live for long, and must not hold what is over.
    const leave = () => { signal.removeEventListener('abort', onabort); };
    const begin = () => {
      // A getter of an argument may have aborted it meanwhile.
      if (signal.aborted) onabort();
      else signal.addEventListener('abort', onabort);
    };
    following = { deferred, begin };
    return leave;
  }

  // The errors of the constructor.
  function refuse(option, value) {
    switch (option) {
      case 'fn': return new TypeError(`Deferred: the first argument must be a function, not ${kindOf(value)}`);
      case 'options': return new TypeError('Deferred: the options must be an object, like { args: [1, 2], priority: \'high\' }');
      case 'priority': return levelOf(value, 'Deferred');
      case 'args': case 'transfer': return wrong(option, 'an array', value);
      case 'capture': return wrong(option, 'an object, like { k }', value);
      case 'timeout': return wrong(option, 'a number of milliseconds', value, true);
      case 'node': return wrong(option, 'the number of a NUMA node', value, true);
      case 'name': return wrong(option, 'a string', value);
      case 'signal': return wrong(option, 'an AbortSignal', value);
    }
  }

  class Deferred extends Pledge {
    #ticket;

    constructor(fn, options) {
      super(executor);
      const resolve = givenResolve, reject = givenReject;
      givenResolve = givenReject = undefined;
      this.#ticket = start(this, resolve, reject, fn, options);
      if (following !== undefined) {
        const { deferred, begin } = following;
        following = undefined;
        if (deferred === this) begin();
      }
    }

    get priority() {
      const ticket = this.#ticket;
      // One that is settled keeps what it was given: in the ticket, or later.
      return LEVELS[getPriority(ticket) ?? apply(getOf, details, [this])?.level ?? ticket % 8];
    }

    set priority(value) {
      const ticket = this.#ticket;
      const level = levelOf(value, 'Deferred.priority');
      detailsOf(this).level = level;
      setPriority(ticket, level);
    }

    get state() {
      return stage(this.#ticket) ?? 'settled';
    }

    get name() {
      return this.#ticket, apply(getOf, names, [this]);
    }

    get onprogress() {
      return this.#ticket, apply(getOf, details, [this])?.onprogress ?? null;
    }

    set onprogress(listener) {
      this.#ticket;
      detailsOf(this).onprogress = typeof listener === 'function' ? listener : null;
    }

    cancel(reason) {
      return cancel(this.#ticket, aborted(reason));
    }

    get [Symbol.toStringTag]() {
      return 'Deferred';
    }

    // What `then` makes is a promise: it has no function to run.
    static get [Symbol.species]() {
      return Promise;
    }

    static run(fn, ...args) {
      return new Deferred(fn, { args });
    }

    static async map(items, fn, options) {
      if (typeof fn !== 'function') throw new TypeError('Deferred.map: the second argument must be a function');
      if (typeof items !== 'string' && (items === null || typeof items !== 'object'
          || (typeof items[Symbol.iterator] !== 'function' && typeof items.length !== 'number'))) {
        throw new TypeError(`Deferred.map: the first argument must be something to go through, not ${kindOf(items)}`);
      }
      const { chunk, capture, ...rest } = options ?? {};
      const all = isArray(items) ? items : Array.from(items);
      const count = all.length;
      if (chunk !== undefined && !(isInteger(chunk) && chunk > 0)) throw wrong('chunk', 'a positive whole number', chunk, true);
      // Four for each CPU: enough to even out what takes longer, and few messages.
      const size = chunk ?? max(1, ceil(count / (4 * natives.cpus())));
      const parts = [];
      let results;
      try {
        for (let begin = 0; begin < count; begin += size) {
          const part = apply(slice, all, [begin, min(begin + size, count)]);
          parts.push(new Deferred(mapPart(fn), { ...rest, args: [part, begin], capture: { ...capture, fn } }));
        }
        results = await Promise.all(parts);
      } catch (error) {
        // Also where a later part could not be made: then nobody looks at those before it.
        for (const part of parts) {
          apply(then, part, [undefined, () => {}]);
          part.cancel();
        }
        throw error;
      }
      return results.flat();
    }

    static get current() {
      return working() ? current : null;
    }
  }

  // Runs elsewhere: `fn` is captured.
  const mapPart = (fn) => async (part, begin) => {
    const results = [];
    for (let i = 0; i < part.length; i++) {
      const result = fn(part[i], begin + i);
      results.push(typeof result === 'object' && result !== null ? await result : result);
    }
    return results;
  };

  // `await` and `then` take what has `Promise` for its constructor as it is; of anything else they make two more promises,
  // in a turn more, which is a quarter of what a Deferred costs.
  defineProperty(Deferred.prototype, 'constructor', {
    value: Promise, writable: true, enumerable: false, configurable: true,
  });

  // The inherited ones would call our constructor with a function of theirs.
  for (const name of ['all', 'allSettled', 'any', 'race', 'resolve', 'reject', 'withResolvers', 'try']) {
    const own = Promise[name];
    defineProperty(Deferred, name, {
      value: { [name](...args) { return apply(own, Promise, args); } }[name],
      writable: true, enumerable: false, configurable: true,
    });
  }

  // What a function can ask of the Deferred that it runs in.
  const current = freeze({
    progress(value) { progress(value); },
    get priority() { return LEVELS[workPriority()]; },
    set priority(value) { setWorkPriority(levelOf(value, 'Deferred.current.priority')); },
    get name() { return workName(); },
    get signal() { return workSignal(); },
    yield() { giveWay(true); },
    checkpoint() { giveWay(false); },
    get [Symbol.toStringTag]() { return 'Deferred.current'; },
  });

  function tell(deferred, value) {
    const listener = deferred.onprogress;
    if (listener !== null) apply(listener, deferred, [value]);
  }

  // What was thrown elsewhere says also where its Deferred was made.
  function origin(thrown, name, made) {
    if (!(thrown instanceof Error) || typeof thrown.stack !== 'string') return;
    const lines = apply(split, made, ['\n']);
    let places = '';
    // Without our own frames.
    for (const line of lines) {
      if (line !== '' && !line.includes('heddle:deferred') && !line.endsWith(' start (native)')) places += `${line}\n`;
    }
    const what = name === undefined ? 'Deferred' : `Deferred '${name}'`;
    const end = thrown.stack === '' || thrown.stack.endsWith('\n') ? '' : '\n';
    defineProperty(thrown, 'stack', {
      value: `${thrown.stack}${end}    --- ${what}, made:\n${places}`,
      writable: true, enumerable: false, configurable: true,
    });
  }

  function failure(name, message) {
    if (name === 'AbortError' || name === 'TimeoutError') return new DOMException(message, name);
    const error = new Error(message);
    defineProperty(error, 'name', { value: name, writable: true, enumerable: false, configurable: true });
    defineProperty(error, 'stack', { value: '', writable: true, enumerable: false, configurable: true });
    return error;
  }

  const remember = (deferred, name) => { apply(setOf, names, [deferred, name]); };

  return { Deferred, tell, origin, failure, follow, refuse, remember };
})
