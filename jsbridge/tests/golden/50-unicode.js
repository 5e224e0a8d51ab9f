// Texts of every kind.
const back = (text) => new Deferred((text) => text, { args: [text] });
for (const text of ['', 'plain', 'ünïcödé', '日本語', '😀👩‍👩‍👧‍👦', 'a\0b', '\u2028\u2029', '\uFEFFbom', 'e\u0301']) {
  const there = await back(text);
  console.log(there === text, there.length);
}
const lone = await back('\uD800x\uDC00');
console.log(lone === '\uD800x\uDC00', lone.isWellFormed());
console.log(await new Deferred(() => '日本' + '語😀'));
const größe = 5, π = Math.PI, 名前 = 'name';
console.log(await new Deferred(() => [größe, π.toFixed(3), 名前, { ключ: '値' }]));
console.log(await new Deferred(() => ['straße'.toUpperCase(), 'İ'.toLowerCase().length, 'a😀b'.split(''). length, [...'a😀b'].length, 'é'.normalize('NFD').length]));
console.log(await new Deferred(() => 'x😀y'.replace(/\p{Emoji}/u, '*')), await new Deferred(() => 'ﬀ'.localeCompare('ff')));
console.log(await new Deferred(() => { throw new Error('Größe 😀'); }, { name: '名前' }).catch((error) => error.message));
console.log(await new Deferred(() => new TextDecoder().decode(new TextEncoder().encode('añ😀'))));

//= true 0
//= true 5
//= true 7
//= true 3
//= true 13
//= true 3
//= true 2
//= true 4
//= true 2
//= true false
//= 日本語😀
//= [ 5, '3.142', 'name', { 'ключ': '値' } ]
//= [ 'STRASSE', 2, 4, 3, 2 ]
//= x*y 1
//= Größe 😀
//= añ😀
