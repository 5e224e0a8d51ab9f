// Array.prototype's methods as the standard has them, for what the engine's own would go through without a question: array-likes
// with any length, and arrays that are much longer than they are full. A loop here asks as every script does.
(function () {
  'use strict';
  const { Object, Array, Reflect, Symbol, TypeError, RangeError } = globalThis;
  const { defineProperty } = Object, { isArray } = Array, { apply } = Reflect;
  const { species, isConcatSpreadable } = Symbol;
  const MOST = 2 ** 53 - 1;

  const object = (value) => {
    if (value === null || value === undefined) throw new TypeError(`cannot convert ${value} to object`);
    return Object(value);
  };
  const whole = (value) => {
    value = +value;
    if (value !== value) return 0;
    return value === Infinity || value === -Infinity ? value : value - value % 1;
  };
  const lengthOf = (o) => {
    const length = whole(o.length);
    return length <= 0 ? 0 : length > MOST ? MOST : length;
  };
  // From the end where it is negative.
  const place = (value, length) => {
    value = whole(value);
    if (value < 0) return value + length < 0 ? 0 : value + length;
    return value > length ? length : value;
  };
  const define = (o, key, value) => {
    defineProperty(o, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  };
  const create = (o, length) => {
    let Class;
    if (isArray(o)) {
      Class = o.constructor;
      if (typeof Class === 'object' && Class !== null || typeof Class === 'function') {
        Class = Class[species];
        if (Class === null) Class = undefined;
      }
    }
    if (Class !== undefined) return new Class(length);
    if (length > 2 ** 32 - 1) throw new RangeError('invalid array length');
    const array = [];
    array.length = length;
    return array;
  };
  const move = (o, from, to) => {
    if (from in o) o[to] = o[from]; else delete o[to];
  };
  const spreads = (value) => {
    if (typeof value !== 'object' && typeof value !== 'function' || value === null) return false;
    const wish = value[isConcatSpreadable];
    return wish !== undefined ? !!wish : isArray(value);
  };
  const notTooLong = (length) => {
    if (length > MOST) throw new TypeError('array too long');
  };

  // `from` and `to` are sorted parts of `list`; the sum is in `room`.
  const merge = (list, room, from, middle, to, compare) => {
    let left = from, right = middle;
    for (let at = from; at < to; at++) {
      const first = right >= to || left < middle && compare(list[left], list[right]) <= 0;
      room[at] = first ? list[left++] : list[right++];
    }
  };
  const sorted = (list, length, compare) => {
    let room = [];
    for (let at = 0; at < length; at++) define(room, at, undefined);
    for (let width = 1; width < length; width *= 2) {
      for (let from = 0; from < length; from += 2 * width) {
        const middle = from + width < length ? from + width : length;
        const to = middle + width < length ? middle + width : length;
        merge(list, room, from, middle, to, compare);
      }
      [list, room] = [room, list];
    }
    return list;
  };

  // Equal texts are found out by one comparison, which is the longer the more they have in common.
  const byOrder = (order) => order === undefined
    ? (a, b) => { a = `${a}`; b = `${b}`; return a < b ? -1 : a === b ? 0 : 1; }
    : (a, b) => { const result = +order(a, b); return result !== result ? 0 : result; };

  const flatten = (target, at, source, length, depth) => {
    for (let index = 0; index < length; index++) {
      if (!(index in source)) continue;
      const element = source[index];
      if (depth > 0 && isArray(element)) at = flatten(target, at, element, lengthOf(element), depth - 1);
      else { notTooLong(at + 1); define(target, at++, element); }
    }
    return at;
  };

  return {
    reverse() {
      const o = object(this);
      for (let low = 0, high = lengthOf(o) - 1; low < high; low++, high--) {
        const hasLow = low in o, first = hasLow ? o[low] : undefined;
        const hasHigh = high in o, last = hasHigh ? o[high] : undefined;
        if (hasHigh) o[low] = last; else if (hasLow) delete o[low];
        if (hasLow) o[high] = first; else if (hasHigh) delete o[high];
      }
      return o;
    },
    copyWithin(target, start, end) {
      const o = object(this), length = lengthOf(o);
      let to = place(target, length), from = place(start, length);
      const last = end === undefined ? length : place(end, length);
      let count = last - from < length - to ? last - from : length - to, step = 1;
      if (from < to && to < from + count) {
        step = -1;
        from += count - 1;
        to += count - 1;
      }
      for (; count > 0; count--, from += step, to += step) move(o, from, to);
      return o;
    },
    shift() {
      const o = object(this), length = lengthOf(o);
      if (length === 0) { o.length = 0; return undefined; }
      const first = o[0];
      for (let index = 1; index < length; index++) move(o, index, index - 1);
      delete o[length - 1];
      o.length = length - 1;
      return first;
    },
    unshift(...items) {
      const o = object(this), length = lengthOf(o), count = items.length;
      if (count > 0) {
        notTooLong(length + count);
        for (let index = length; index > 0; index--) move(o, index - 1, index + count - 1);
        for (let index = 0; index < count; index++) o[index] = items[index];
      }
      return o.length = length + count;
    },
    splice(...args) {
      const o = object(this), length = lengthOf(o), start = place(args[0], length);
      let gone = 0;
      if (args.length === 1) gone = length - start;
      else if (args.length > 1) {
        gone = whole(args[1]);
        gone = gone < 0 ? 0 : gone > length - start ? length - start : gone;
      }
      const count = args.length > 2 ? args.length - 2 : 0;
      notTooLong(length + count - gone);
      const taken = create(o, gone);
      for (let index = 0; index < gone; index++) if (start + index in o) define(taken, index, o[start + index]);
      taken.length = gone;
      if (count < gone) {
        for (let index = start; index < length - gone; index++) move(o, index + gone, index + count);
        for (let index = length; index > length - gone + count; index--) delete o[index - 1];
      } else if (count > gone) {
        for (let index = length - gone; index > start; index--) move(o, index + gone - 1, index + count - 1);
      }
      for (let index = 0; index < count; index++) o[start + index] = args[index + 2];
      o.length = length - gone + count;
      return taken;
    },
    concat(...items) {
      const o = object(this), all = create(o, 0);
      let at = 0;
      for (let item = -1; item < items.length; item++) {
        const value = item < 0 ? o : items[item];
        if (spreads(value)) {
          const length = lengthOf(value);
          notTooLong(at + length);
          for (let index = 0; index < length; index++, at++) if (index in value) define(all, at, value[index]);
        } else {
          notTooLong(at + 1);
          define(all, at++, value);
        }
      }
      all.length = at;
      return all;
    },
    sort(order) {
      if (order !== undefined && typeof order !== 'function') throw new TypeError('sort: the order must be a function');
      const o = object(this), length = lengthOf(o);
      let list = [], count = 0, undefineds = 0, at = 0;
      for (let index = 0; index < length; index++) {
        if (!(index in o)) continue;
        const value = o[index];
        if (value === undefined) undefineds++; else define(list, count++, value);
      }
      list = sorted(list, count, byOrder(order));
      for (; at < count; at++) o[at] = list[at];
      for (; at < count + undefineds; at++) o[at] = undefined;
      for (; at < length; at++) delete o[at];
      return o;
    },
    toSorted(order) {
      if (order !== undefined && typeof order !== 'function') throw new TypeError('toSorted: the order must be a function');
      const o = object(this), length = lengthOf(o);
      if (length > 2 ** 32 - 1) throw new RangeError('invalid array length');
      const list = [], result = [];
      let count = 0;
      for (let index = 0; index < length; index++) {
        const value = o[index];
        if (value !== undefined) define(list, count++, value);
      }
      const inOrder = sorted(list, count, byOrder(order));
      for (let at = 0; at < length; at++) define(result, at, at < count ? inOrder[at] : undefined);
      return result;
    },
    flat(depth) {
      const o = object(this), length = lengthOf(o);
      const target = (depth = depth === undefined ? 1 : whole(depth), create(o, 0));
      flatten(target, 0, o, length, depth);
      return target;
    },
    flatMap(map, self) {
      const o = object(this), length = lengthOf(o);
      if (typeof map !== 'function') throw new TypeError('flatMap: a function is needed');
      const target = create(o, 0);
      let at = 0;
      for (let index = 0; index < length; index++) {
        if (!(index in o)) continue;
        const value = self === undefined ? map(o[index], index, o) : apply(map, self, [o[index], index, o]);
        if (isArray(value)) at = flatten(target, at, value, lengthOf(value), 0);
        else { notTooLong(at + 1); define(target, at++, value); }
      }
      return target;
    },
    join(separator) {
      const o = object(this), length = lengthOf(o);
      separator = separator === undefined ? ',' : `${separator}`;
      let text = '';
      for (let index = 0; index < length; index++) {
        if (index > 0) text += separator;
        const value = o[index];
        if (value !== undefined && value !== null) text += `${value}`;
      }
      return text;
    },
    slice(start, end) {
      const o = object(this), length = lengthOf(o);
      let from = place(start, length), at = 0;
      const last = end === undefined ? length : place(end, length);
      const part = create(o, last > from ? last - from : 0);
      for (; from < last; from++, at++) if (from in o) define(part, at, o[from]);
      part.length = at;
      return part;
    },
    fill(value, start, end) {
      const o = object(this), length = lengthOf(o);
      let from = place(start, length);
      const last = end === undefined ? length : place(end, length);
      for (; from < last; from++) o[from] = value;
      return o;
    },
  };
})
