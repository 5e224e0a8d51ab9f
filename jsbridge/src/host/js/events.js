// Event, CustomEvent, EventTarget, AbortSignal and AbortController, by the DOM standard, without a tree.
//
// Scripts may have changed the built-in objects before this runs: it uses syntax, private fields and lists of its own
// where others would use arrays, and takes what else it needs here.
(function (makeException, setTimeout, now, call) {
  'use strict';
  const { TypeError, RangeError, WeakRef, Symbol } = globalThis;
  const { deref } = WeakRef.prototype;
  const tag = Symbol.toStringTag;
  const iterator = Symbol.iterator;
  const optionsOf = (value, what) => {
    if (value === undefined || value === null) return {};
    if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${what}: the options must be an object`);
    return value;
  };

  let begin, end, isStopped, isEvent, isTarget, isController;

  class Event {
    #type; #bubbles; #cancelable; #composed;
    #time = now();
    #target = null; #current = null; #phase = 0;
    #dispatched = false; #stopped = false; #propagates = true; #canceled = false; #passive = false;

    constructor(type, options = undefined) {
      if (arguments.length === 0) throw new TypeError('Event: a type is needed');
      const { bubbles, cancelable, composed } = optionsOf(options, 'Event');
      this.#type = `${type}`;
      this.#bubbles = !!bubbles;
      this.#cancelable = !!cancelable;
      this.#composed = !!composed;
    }

    static {
      isEvent = (value) => typeof value === 'object' && value !== null && #type in value;
      begin = (event, target) => {
        if (event.#dispatched) throw makeException('The event is already being dispatched', 'InvalidStateError');
        event.#dispatched = true;
        event.#target = event.#current = target;
        event.#phase = 2;
        return event.#type;
      };
      end = (event) => {
        event.#dispatched = event.#stopped = false;
        event.#propagates = true;
        event.#current = null;
        event.#phase = 0;
        return !event.#canceled;
      };
      isStopped = (event, passive) => {
        event.#passive = passive;
        return event.#stopped;
      };
    }

    get type() { return this.#type; }
    get target() { return this.#target; }
    get srcElement() { return this.#target; }
    get currentTarget() { return this.#current; }
    get eventPhase() { return this.#phase; }
    get bubbles() { return this.#bubbles; }
    get cancelable() { return this.#cancelable; }
    get composed() { return this.#composed; }
    get timeStamp() { return this.#time; }
    get isTrusted() { return false; }
    get defaultPrevented() { return this.#canceled; }
    get returnValue() { return !this.#canceled; }
    set returnValue(value) { if (!value) this.preventDefault(); }
    get cancelBubble() { return !this.#propagates; }
    set cancelBubble(value) { if (value) this.#propagates = false; }
    composedPath() { return this.#dispatched ? [this.#target] : []; }
    preventDefault() { if (this.#cancelable && !this.#passive) this.#canceled = true; }
    stopPropagation() { this.#propagates = false; }
    stopImmediatePropagation() { this.#propagates = false; this.#stopped = true; }
    get [tag]() { return 'Event'; }

    static NONE = 0; static CAPTURING_PHASE = 1; static AT_TARGET = 2; static BUBBLING_PHASE = 3;
  }

  class CustomEvent extends Event {
    #detail;
    constructor(type, options = undefined) {
      super(type, options);
      const { detail = null } = optionsOf(options, 'CustomEvent');
      this.#detail = detail;
    }
    get detail() { return this.#detail; }
    get [tag]() { return 'CustomEvent'; }
  }

  // What a listener throws is nobody's to catch: it is reported as an unhandled rejection is.
  const report = async (error) => { throw error; };

  let watch;

  class EventTarget {
    // Lists of listeners by type, each in a chain.
    #lists = { __proto__: null };
    // Told the number of listeners of a type when that changes.
    #watcher = null;

    static {
      watch = (target, watcher) => { target.#watcher = watcher; };
      isTarget = (value) => #lists in value;
    }

    addEventListener(type, callback, options = undefined) {
      if (arguments.length < 2) throw new TypeError('addEventListener: a type and a listener are needed');
      type = `${type}`;
      let capture = false, once = false, passive = false, signal;
      if (typeof options === 'boolean') capture = options;
      else ({ capture = false, once = false, passive = false, signal } = optionsOf(options, 'addEventListener'));
      capture = !!capture;
      if (signal !== undefined && !isSignal(signal)) throw new TypeError('addEventListener: the signal must be an AbortSignal');
      if (callback === null || callback === undefined) return;
      if (typeof callback !== 'function' && typeof callback !== 'object') throw new TypeError('addEventListener: the listener must be a function, or an object with handleEvent');
      if (signal !== undefined && isAborted(signal)) return;
      const list = (this.#lists[type] ??= { __proto__: null, first: null, count: 0 });
      let last = null;
      for (let each = list.first; each !== null; each = each.next) {
        if (each.callback === callback && each.capture === capture) return;
        last = each;
      }
      const listener = { __proto__: null, callback, capture, once: !!once, passive: !!passive, removed: false, next: null };
      if (last === null) list.first = listener; else last.next = listener;
      list.count++;
      if (signal !== undefined) onAbort(signal, () => this.#remove(type, callback, capture));
      this.#watcher?.(type, list.count);
    }

    removeEventListener(type, callback, options = undefined) {
      if (arguments.length < 2) throw new TypeError('removeEventListener: a type and a listener are needed');
      const capture = typeof options === 'boolean' ? options : !!optionsOf(options, 'removeEventListener').capture;
      this.#remove(`${type}`, callback, capture);
    }

    #remove(type, callback, capture) {
      const list = this.#lists[type];
      let before = null;
      for (let each = list?.first ?? null; each !== null; before = each, each = each.next) {
        if (each.callback !== callback || each.capture !== capture) continue;
        // Its own `next` stays: a dispatch may stand here.
        each.removed = true;
        if (before === null) list.first = each.next; else before.next = each.next;
        list.count--;
        if (list.count === 0) delete this.#lists[type];
        this.#watcher?.(type, list.count);
        return;
      }
    }

    dispatchEvent(event) {
      if (!isEvent(event)) throw new TypeError('dispatchEvent: an Event is needed');
      const type = begin(event, this);
      const list = this.#lists[type];
      // Listeners that are added from now on are not called this time.
      let last = null;
      for (let each = list?.first ?? null; each !== null; each = each.next) last = each;
      for (let each = list?.first ?? null; each !== null; each = each.next) {
        if (!each.removed) {
          const { callback, passive } = each;
          if (isStopped(event, passive)) break;
          if (each.once) this.#remove(type, callback, each.capture);
          try {
            if (typeof callback === 'function') call(callback, this, event);
            else callback.handleEvent(event);
          } catch (error) { report(error); }
          isStopped(event, false);
        }
        if (each === last) break;
      }
      return end(event);
    }

    get [tag]() { return 'EventTarget'; }
  }

  let making = false;
  let isSignal, isAborted, onAbort, abort;
  const make = () => { making = true; return new AbortSignal(); };

  class AbortSignal extends EventTarget {
    #aborted = false; #reason;
    #handler = null; #handles = false;
    // What is to be done first when it aborts, in a chain.
    #steps = null; #lastStep = null;
    // Signals that abort with this one: held weakly, but strongly while somebody listens to them.
    #dependents = null; #lastDependent = null; #dependentCount = 0; #sweepAt = 16;
    // This one's entries in the lists of its sources.
    #entries = null;

    constructor() {
      if (!making) throw new TypeError('Illegal constructor: use new AbortController().signal, AbortSignal.timeout() or AbortSignal.abort()');
      making = false;
      super();
      watch(this, (type, count) => {
        if (type !== 'abort') return;
        for (let each = this.#entries; each !== null; each = each.nextEntry) each.strong = count > 0 ? this : null;
      });
    }

    static {
      isSignal = (value) => typeof value === 'object' && value !== null && #aborted in value;
      isAborted = (signal) => signal.#aborted;
      onAbort = (signal, step) => {
        const entry = { __proto__: null, step, next: null };
        if (signal.#lastStep === null) signal.#steps = entry; else signal.#lastStep.next = entry;
        signal.#lastStep = entry;
        // Steps are listeners too: who waits for them must not be collected.
        for (let each = signal.#entries; each !== null; each = each.nextEntry) each.strong = signal;
      };
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        reason = reason === undefined ? makeException('This operation was aborted', 'AbortError') : reason;
        signal.#mark(reason);
        // All are aborted before the first listener runs.
        let marked = null, last = null;
        for (let each = signal.#dependents; each !== null; each = each.next) {
          const dependent = each.strong ?? call(deref, each.weak);
          if (dependent === undefined || dependent.#aborted) continue;
          dependent.#mark(reason);
          const entry = { __proto__: null, dependent, next: null };
          if (last === null) marked = entry; else last.next = entry;
          last = entry;
        }
        signal.#dependents = signal.#lastDependent = null;
        signal.#run();
        for (; marked !== null; marked = marked.next) marked.dependent.#run();
      };
    }

    #mark(reason) {
      this.#aborted = true;
      this.#reason = reason;
      this.#entries = null;
    }

    #run() {
      const steps = this.#steps;
      this.#steps = this.#lastStep = null;
      for (let each = steps; each !== null; each = each.next) {
        try { each.step(); } catch (error) { report(error); }
      }
      super.dispatchEvent(new Event('abort'));
    }

    // `dependent` aborts when this one does.
    #lead(dependent) {
      if (this.#dependentCount >= this.#sweepAt) {
        let kept = null, last = null, count = 0;
        for (let each = this.#dependents; each !== null; each = each.next) {
          if (each.strong === null && call(deref, each.weak) === undefined) continue;
          if (last === null) kept = each; else last.next = each;
          last = each;
          count++;
        }
        if (last !== null) last.next = null;
        this.#dependents = kept;
        this.#lastDependent = last;
        this.#dependentCount = count;
        this.#sweepAt = count * 2 + 16;
      }
      const entry = { __proto__: null, weak: new WeakRef(dependent), strong: null, next: null, source: this, nextEntry: dependent.#entries };
      if (this.#lastDependent === null) this.#dependents = entry; else this.#lastDependent.next = entry;
      this.#lastDependent = entry;
      this.#dependentCount++;
      dependent.#entries = entry;
    }

    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    get onabort() { return this.#handler; }
    set onabort(handler) {
      this.#handler = typeof handler === 'function' || (typeof handler === 'object' && handler !== null) ? handler : null;
      if (this.#handles || this.#handler === null) return;
      this.#handles = true;
      super.addEventListener('abort', (event) => {
        if (typeof this.#handler === 'function') call(this.#handler, this, event);
      });
    }
    get [tag]() { return 'AbortSignal'; }

    static abort(reason = undefined) {
      const signal = make();
      signal.#mark(reason === undefined ? makeException('This operation was aborted', 'AbortError') : reason);
      return signal;
    }

    static timeout(delay) {
      delay = +delay;
      if (!(delay >= 0 && delay <= 9007199254740991)) throw new RangeError('AbortSignal.timeout: the delay must be a number of milliseconds, not negative');
      if (typeof setTimeout !== 'function') throw new TypeError('AbortSignal.timeout: there are no timers here');
      const signal = make();
      const timer = setTimeout(() => abort(signal, makeException('The operation was aborted due to timeout', 'TimeoutError')), delay);
      if (typeof timer === 'object' && typeof timer?.unref === 'function') timer.unref();
      return signal;
    }

    static any(signals) {
      if (signals === null || signals === undefined || typeof signals[iterator] !== 'function') throw new TypeError('AbortSignal.any: an iterable of signals is needed');
      const result = make();
      let sources = null;
      for (const signal of signals) {
        if (!isSignal(signal)) throw new TypeError('AbortSignal.any: each must be an AbortSignal');
        sources = { __proto__: null, signal, next: sources };
      }
      let aborted = null;
      for (let each = sources; each !== null; each = each.next) if (each.signal.#aborted) aborted = each.signal;
      if (aborted !== null) {
        result.#mark(aborted.#reason);
        return result;
      }
      for (; sources !== null; sources = sources.next) {
        // Of one that depends itself, the sources lead: so there are no chains.
        if (sources.signal.#entries === null) sources.signal.#lead(result);
        else for (let each = sources.signal.#entries; each !== null; each = each.nextEntry) each.source.#lead(result);
      }
      return result;
    }
  }

  class AbortController {
    #signal = make();
    static { isController = (value) => #signal in value; }
    get signal() { return this.#signal; }
    abort(reason = undefined) { abort(this.#signal, reason); }
    get [tag]() { return 'AbortController'; }
  }

  // Which of these classes has made an object; for who cannot clone them.
  const classOf = (value) => isTarget(value) ? (isSignal(value) ? 'AbortSignal' : 'EventTarget')
    : isController(value) ? 'AbortController' : isEvent(value) ? 'Event' : undefined;

  return { Event, CustomEvent, EventTarget, AbortSignal, AbortController, classOf };
})
