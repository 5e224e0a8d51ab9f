// What the engine is given in the place of what it goes through: it looks at each property when it would have.
(function (asking, sizeOf) {
  'use strict';
  const { Reflect: { apply }, Symbol: { iterator } } = globalThis;
  const as = (value, fn, then) => typeof fn === 'function' ? (...all) => then(apply(fn, value, all)) : fn;
  const same = (value) => value;
  return {
    iterable: (value) => ({
      __proto__: null,
      get [iterator]() { return as(value, value[iterator], asking); },
    }),
    set: (value) => ({
      __proto__: null,
      get size() { return sizeOf(value); },
      get has() { return as(value, value.has, same); },
      get keys() { return as(value, value.keys, asking); },
    }),
  };
})
