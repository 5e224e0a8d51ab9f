// Looking for one long text in another is over soon, and is ended by a time-out where it is repeated for ever; hooks and conversions come
// in the standard's order.
await new Deferred(() => {
  const text = 'a'.repeat(6e5), needle = 'a'.repeat(3e5) + 'b', wide = 'ä線'.repeat(2e5), end = wide.slice(-1e5) + 'x';
  console.log(text.indexOf(needle), text.lastIndexOf('b' + needle.slice(0, -1)), text.includes(needle), text.includes(needle.slice(0, -1)));
  console.log(wide.indexOf(end), wide.lastIndexOf(end), wide.indexOf(wide.slice(-1e5)), wide.lastIndexOf(wide.slice(0, 1e5)));
  console.log(text.split(needle).length, text.split(needle.slice(1, -1), 1).length, text.split(needle.slice(0, -1)).map((part) => part.length));
  console.log(text.replace(needle, '') === text, text.replaceAll(needle.slice(0, -1), 'x$$'), text.replace(needle.slice(0, -1), (m, at, all) => [m.length, at, all.length, '']).slice(0, 20));
  console.log((text + 'b').indexOf(needle, -5), (text + 'b').indexOf(needle, 4e5), (text + 'b').lastIndexOf(needle, NaN), (text + 'b').lastIndexOf(needle, 5), (text + 'b').includes(needle, Infinity));
}, { timeout: 20_000 });

const endless = {
  indexOf: (s, n) => s.indexOf(n), lastIndexOf: (s, n) => s.lastIndexOf(n), includes: (s, n) => s.includes(n), split: (s, n) => s.split(n),
  replace: (s, n) => s.replace(n, ''), replaceAll: (s, n) => s.replaceAll(n, ''), object: (s, n) => s.split({ toString: () => n }),
  boxed: (s, n) => ''.indexOf.call(new String(s), [n]), unhooked: (s, n) => s.replace(Object.assign(/a/, { [Symbol.replace]: null, toString: () => n }), ''),
};
for (const [name, look] of Object.entries(endless)) {
  try {
    await new Deferred(() => { const s = 'a'.repeat(6e6), n = 'a'.repeat(3e6) + 'b'; for (;;) look(s, n); }, { timeout: 50, priority: 'critical' });
  } catch (error) {
    console.log(name, error.name);
  }
}

await new Deferred(() => {
  const log = [], say = (name, value) => ({ [Symbol.toPrimitive](hint) { log.push(`${name} ${hint}`); return value; } });
  const { indexOf, lastIndexOf, includes, split, replace, replaceAll } = String.prototype;
  for (const method of [indexOf, lastIndexOf, includes, split, replace, replaceAll]) {
    log.length = 0;
    const result = method.call(say('this', 'a-b-c'), say('wanted', '-'), say('more', 2));
    console.log(method.name, method.length, String(method).includes('[native code]'), 'prototype' in method, result, ...log);
    for (const wrong of [null, undefined]) {
      try { method.call(wrong, 'a'); } catch (error) { console.log(error.name); }
    }
    try { method.call('a', Symbol()); } catch (error) { console.log(error.name); }
    try { new method(); } catch (error) { console.log(error.name); }
  }
  const hook = { [Symbol.split]: (...all) => all, [Symbol.replace]: (...all) => all, [Symbol.match]: false, get flags() { return 'g'; } };
  console.log(split.call(1, hook, 2), replace.call(true, hook, 'r'), 'a'.replaceAll(hook, 'r'), 'x[object Object]'.includes(hook));
  for (const wrong of [() => 'a'.includes(/a/), () => 'a'.includes({ [Symbol.match]: 1 }), () => 'a'.replaceAll(/a/, ''), () => 'a'.indexOf('a', 1n), () => 'a'.split('a', Symbol())]) {
    try { console.log(wrong()); } catch (error) { console.log(error.name); }
  }
  console.log('abcabc'.replace(/b(c)/, '[$1]'), 'abcabc'.replaceAll(/b/g, 'x'), 'a1b2'.split(/\d/), 'abc'.split(''), 'abc'.split(), 'undefined'.indexOf(), 'null'.includes(null));
  console.log('\ud83d\udca9'.indexOf('\udca9'), '\ud83d\udca9'.split('\ud83d').length, 'x'.lastIndexOf(''), ''.split(''), ''.split('a'), 'aXbX'.replaceAll('X', "$'$`$&$$"));
});

//= -1 -1 false true
//= -1 -1 0 300000
//= 1 1 [ 0, 0, 0 ]
//= true x$x$ 300000,0,600000,aaaa
//= 300000 -1 300000 -1 false
//= indexOf TimeoutError
//= lastIndexOf TimeoutError
//= includes TimeoutError
//= split TimeoutError
//= replace TimeoutError
//= replaceAll TimeoutError
//= object TimeoutError
//= boxed TimeoutError
//= unhooked TimeoutError
//= indexOf 1 true false 3 this string wanted string more number
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= lastIndexOf 1 true false 1 this string wanted string more number
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= includes 1 true false true this string wanted string more number
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= split 2 true false [ 'a', 'b' ] this string more number wanted string
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= replace 2 true false a2b-c this string wanted string more string
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= replaceAll 2 true false a2b2c this string wanted string more string
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= [ 1, 2 ] [ true, 'r' ] [ 'a', 'r' ] true
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= a[c]abc axcaxc [ 'a', 'b', '' ] [ 'a', 'b', 'c' ] [ 'abc' ] 0 true
//= 1 2 1 [] [ '' ] abXaX$baXbX$
