// What goes through an iterator of an array-like, and makes nothing of it, is ended by a time-out however long that says it is;
// through others it goes as it did.
const endless = {
  drop: (long) => [].values.call(long).drop(2 ** 53 - 1).next(),
  dropAll: (long) => [].keys.call(long).drop(Infinity).next(),
  dropText: (long) => [].entries.call(long).drop('4294967294').next(),
  dropLater: () => { const array = [1, 2], it = array.values(); array.length = 2 ** 32 - 1; return it.drop(2 ** 32).next(); },
  includes: (long) => [].values.call(long).includes(1),
  skip: (long) => [].values.call(long).includes(undefined, Infinity),
  join: (long) => [].values.call(long).join(''),
  sumKeys: (long) => Math.sumPrecise({ [Symbol.iterator]: () => [].keys.call(long) }),
  sumArray: (long) => { const array = [1]; array[Symbol.iterator] = () => [].keys.call(long); return Math.sumPrecise(array); },
};
for (const name of ['isDisjointFrom', 'isSupersetOf', 'intersection', 'difference', 'symmetricDifference', 'union']) {
  endless[name] = (long, name) => new Set(name === 'isDisjointFrom' ? [1, 2] : [undefined])[name]({ size: name === 'isSupersetOf' || name === 'isDisjointFrom' ? 1 : 0, has: () => true, keys: () => [].values.call(long) });
}
endless.ownKeys = (long) => { const set = new Set([undefined]); set.keys = () => [].values.call(long); return new Set([undefined]).isSupersetOf(set); };
endless.subclass = (long) => { class Own extends Set { keys() { return [].values.call(long); } } return new Set([undefined]).isSupersetOf(new Own([undefined])); };
for (const [name, fn] of Object.entries(endless)) {
  try { console.log(name, await new Deferred(fn, { args: [{ length: 2 ** 32 - 1 }, name], timeout: 30, priority: 'critical' })); } catch (error) { console.log(name, error.name); }
}
await new Deferred(() => {
  const log = [];
  const watched = (object) => new Proxy(object, { get(target, key) { log.push(String(key)); return Reflect.get(target, key); } });
  const like = () => watched({ length: 5, 0: 'a', 1: undefined, 3: 'd', 4: null });
  const many = () => [].keys.call({ length: 5000 });
  // An iterator of an array with everything of its own.
  const loud = (it = [].values.call(like()), fails) => {
    const { next } = it;
    const close = fails ? () => { log.push('close'); throw new EvalError('close'); } : () => { log.push('close'); return {}; };
    return Object.defineProperties(it, { next: { get() { log.push('get next'); return next; } }, return: { get() { log.push('get return'); return close; } } });
  };
  const text = (value) => ({ toString() { log.push('to text'); return value; }, valueOf() { log.push('to number'); return value; } });
  const bad = { toString() { log.push('to text'); throw new EvalError('text'); }, valueOf() { log.push('to number'); throw new EvalError('number'); } };
  const calls = {
    drop: [() => [...many().drop(4990)], () => many().drop(4999.9).next(), () => many().drop(5000).next(), () => many().drop(Infinity).next(), () => many().drop('4998').toArray(), () => many().drop(text(4997)).toArray(),
      () => loud(many()).drop(4999).next(), () => loud(many()).drop(bad), () => loud(many()).drop(NaN), () => loud(many()).drop(-1), () => loud(many()).drop(2 ** 53), () => loud(many()).drop(), () => loud(many(), true).drop(text(NaN)), () => loud(many()).drop(5n), () => loud(many()).drop(Symbol()),
      () => { const it = loud(many()).drop(2000); return [it.next(), it.return(), it.next(), it.return()]; }, () => loud(many(), true).drop(2000).return(), () => many().drop(-0.5).next(), () => many().drop(1025).drop(1025).map((x) => x * 2).take(2).toArray(),
      () => [].values.call({ get length() { log.push('length'); throw new EvalError('length'); } }).drop(9999).next(), () => [].values.call({ length: 5000, get 1999() { throw new EvalError('element'); } }).drop(2000).next(), () => { for (const x of loud(many()).drop(3000)) return x; }],
    includes: [() => [].values.call(like()).includes('d'), () => [].values.call(like()).includes(undefined), () => [].values.call(like()).includes(null, 4), () => [].values.call(like()).includes('a', 1), () => many().includes(4999), () => many().includes(NaN), () => many().includes(-0),
      () => loud().includes('d'), () => loud(undefined, true).includes('d'), () => loud().includes('x', '1'), () => loud().includes('x', 1.5), () => loud().includes('x', -1), () => loud().includes('x', -Infinity), () => loud().includes('x', Infinity), () => loud().includes('x', NaN), () => loud().includes('x', 2 ** 53), () => loud().includes('x', -0), () => loud().includes(), () => [NaN].values().includes(NaN), () => [1, 2].values().includes(2, undefined), () => new Set([1]).values().includes(1)],
    join: [() => [].values.call(like()).join(), () => [].values.call(like()).join('--'), () => [].values.call(like()).join(''), () => [].values.call(like()).join(text('+')), () => [].values.call(like()).join(null), () => [].values.call(like()).join(7), () => loud().join(), () => loud().join(bad), () => loud(undefined, true).join(bad), () => loud([Symbol()].values()).join(), () => loud([bad].values()).join(), () => [[1, 2], 3].values().join(';'), () => many().join('').length, () => 'xyz'[Symbol.iterator]().join()],
    sum: [() => Math.sumPrecise([1, 2, 0.5]), () => Math.sumPrecise(many()), () => Math.sumPrecise(new Set([1, 2])), () => Math.sumPrecise(watched([1, 2])), () => Math.sumPrecise([]), () => Math.sumPrecise([1, , 2]), () => Math.sumPrecise([1, '2']), () => Math.sumPrecise(loud([1, '2'].values())), () => Math.sumPrecise({ [Symbol.iterator]: () => loud([1, 2].values()) }), () => Math.sumPrecise(), () => Math.sumPrecise(null), () => Math.sumPrecise(1), () => Math.sumPrecise('ab'), () => Math.sumPrecise(''), () => Math.sumPrecise({}), () => Math.sumPrecise({ [Symbol.iterator]: 1 }), () => Math.sumPrecise({ [Symbol.iterator]: () => 1 }), () => Math.sumPrecise({ get [Symbol.iterator]() { log.push('iterator'); return function (...all) { log.push(this === undefined, all.length); return [4].values(); }; } }), () => Math.sumPrecise((function* () { try { yield 1; yield '2'; } finally { log.push('finally'); } })()), () => Math.sumPrecise(Object.assign([1], { more: 2 })), () => { class Own extends Array {} return Math.sumPrecise(Own.of(1, 2)); }, () => Math.sumPrecise(new Float64Array([0.1, 0.2, 0.3]))],
    sets: [],
  };
  const setlike = (more) => watched({ size: 2, has(x) { log.push(`has ${x} ${this !== undefined}`); return x === 2; }, keys(...all) { log.push(`keys ${all.length}`); return loud([2, 3].values()); }, ...more });
  const sorted = (set) => set instanceof Set ? [...set].join() : set;
  for (const name of ['isDisjointFrom', 'isSupersetOf', 'isSubsetOf', 'intersection', 'difference', 'symmetricDifference', 'union']) {
    for (const other of [() => new Set([2, 3]), () => new Map([[2, 3], [4, 5]]), setlike, () => setlike({ size: text(1) }), () => setlike({ size: 9 }), () => setlike({ size: undefined }), () => setlike({ size: -1 }), () => setlike({ size: NaN }), () => setlike({ size: bad }), () => setlike({ has: 1 }), () => setlike({ keys: undefined }), () => setlike({ keys: () => 1 }), () => setlike({ keys: () => [2, 1].values() }), () => setlike({ has() { throw new EvalError('has'); } }), () => setlike({ keys() { throw new EvalError('keys'); } }), () => 1, () => undefined, () => null, () => [], () => Object.assign(new Set([2]), { size: 7 }),
      () => { class Own extends Set { get size() { log.push('own size'); return 5; } has(x) { log.push('own has'); return super.has(x); } keys() { log.push('own keys'); return super.keys(); } } return new Own([2, 9]); }]) {
      calls.sets.push(() => sorted(new Set([1, 2])[name](other())), () => sorted(new Set([1, 2, 3, 4])[name](other())));
    }
    calls.sets.push(() => Set.prototype[name].call({}, setlike()), () => Set.prototype[name].call(new Map, new Set), () => new Set()[name]());
  }
  let hash = 0, count = 0;
  for (const [kind, all] of Object.entries(calls)) {
    for (const call of all) {
      let result;
      try { result = call(); } catch (error) { result = error.name; }
      const line = `${JSON.stringify(result)} ${log.splice(0).join()}`;
      if (kind !== 'sets') console.log(kind, line);
      // Of the sets there are too many.
      else { count++; for (const unit of line) hash = Math.imul(hash, 31) + unit.codePointAt(0) | 0; }
    }
  }
  console.log(count, hash);
  for (const fn of [Iterator.prototype.drop, Iterator.prototype.includes, Iterator.prototype.join, Math.sumPrecise, Set.prototype.union, Set.prototype.isDisjointFrom]) console.log(fn.name, fn.length, String(fn).includes('[native code]'), 'prototype' in fn);
});

//= drop TimeoutError
//= dropAll TimeoutError
//= dropText TimeoutError
//= dropLater TimeoutError
//= includes TimeoutError
//= skip TimeoutError
//= join TimeoutError
//= sumKeys TimeoutError
//= sumArray TimeoutError
//= isDisjointFrom TimeoutError
//= isSupersetOf TimeoutError
//= intersection TimeoutError
//= difference TimeoutError
//= symmetricDifference TimeoutError
//= union TimeoutError
//= ownKeys TimeoutError
//= subclass TimeoutError
//= drop [4990,4991,4992,4993,4994,4995,4996,4997,4998,4999]
//= drop {"value":4999,"done":false}
//= drop {"done":true}
//= drop {"done":true}
//= drop [4998,4999]
//= drop [4997,4998,4999] to number
//= drop {"value":4999,"done":false} get next
//= drop "EvalError" to number,get return,close
//= drop "RangeError" get return,close
//= drop "RangeError" get return,close
//= drop "RangeError" get return,close
//= drop "RangeError" get return,close
//= drop "RangeError" to number,get return,close
//= drop "TypeError" get return,close
//= drop "TypeError" get return,close
//= drop [{"value":2000,"done":false},{"done":true},{"done":true},{"done":true}] get next,get return,close
//= drop "EvalError" get next,get return,close
//= drop {"value":0,"done":false}
//= drop [4100,4102]
//= drop "EvalError" length
//= drop "EvalError"
//= drop 3000 get next,get return,close
//= includes true length,0,length,1,length,2,length,3
//= includes true length,0,length,1
//= includes true length,0,length,1,length,2,length,3,length,4
//= includes false length,0,length,1,length,2,length,3,length,4,length
//= includes true
//= includes false
//= includes true
//= includes true get next,length,0,length,1,length,2,length,3,get return,close
//= includes "EvalError" get next,length,0,length,1,length,2,length,3,get return,close
//= includes "TypeError" get return,close
//= includes "TypeError" get return,close
//= includes "RangeError" get return,close
//= includes "RangeError" get return,close
//= includes false get next,length,0,length,1,length,2,length,3,length,4,length
//= includes "TypeError" get return,close
//= includes "RangeError" get return,close
//= includes false get next,length,0,length,1,length,2,length,3,length,4,length
//= includes true get next,length,0,length,1,get return,close
//= includes true
//= includes true
//= includes true
//= join "a,,,d," length,0,length,1,length,2,length,3,length,4,length
//= join "a------d--" length,0,length,1,length,2,length,3,length,4,length
//= join "ad" length,0,length,1,length,2,length,3,length,4,length
//= join "a+++d+" to text,length,0,length,1,length,2,length,3,length,4,length
//= join "anullnullnulldnull" length,0,length,1,length,2,length,3,length,4,length
//= join "a777d7" length,0,length,1,length,2,length,3,length,4,length
//= join "a,,,d," get next,length,0,length,1,length,2,length,3,length,4,length
//= join "EvalError" to text,get return,close
//= join "EvalError" to text,get return,close
//= join "TypeError" get next,get return,close
//= join "EvalError" get next,to text,get return,close
//= join "1,2;3"
//= join 18890
//= join "x,y,z"
//= sum 3.5
//= sum 12497500
//= sum 3
//= sum 3 Symbol(Symbol.iterator),length,0,length,1,length
//= sum 0
//= sum "TypeError"
//= sum "TypeError"
//= sum "TypeError" get next,get return,close
//= sum 3 get next
//= sum "TypeError"
//= sum "TypeError"
//= sum "TypeError"
//= sum "TypeError"
//= sum 0
//= sum "TypeError"
//= sum "TypeError"
//= sum "TypeError"
//= sum 4 iterator,false,0
//= sum "TypeError" finally
//= sum 1
//= sum 3
//= sum 0.6
//= 315 -1244548641
//= drop 1 true false
//= includes 1 true false
//= join 1 true false
//= sumPrecise 1 true false
//= union 1 true false
//= isDisjointFrom 1 true false
