// The option `priority`: inside it is `Deferred.current.priority`, and the default is that of the maker.
for (const priority of ['critical', 'high', 'normal', 'low', 'background']) {
  const deferred = new Deferred(() => Deferred.current.priority, { priority });
  console.log(deferred.priority, await deferred);
}
console.log(await new Deferred(() => Deferred.current.priority));
console.log(await new Deferred(() => new Deferred(() => Deferred.current.priority), { priority: 'low' }));
for (const priority of ['Critical', '', 0, null, {}, Symbol('s')]) {
  try {
    new Deferred(() => 1, { priority });
  } catch (error) {
    console.log(String(error));
  }
}

//= critical critical
//= high high
//= normal normal
//= low low
//= background background
//= normal
//= low
//= TypeError: Deferred: 'Critical' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= TypeError: Deferred: '' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= TypeError: Deferred: '0' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= TypeError: Deferred: 'null' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= TypeError: Deferred: '[object Object]' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
//= TypeError: Deferred: 'Symbol(s)' is no priority; there are 'critical', 'high', 'normal', 'low' and 'background'
