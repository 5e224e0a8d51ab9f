// console works inside of Deferreds; each isolate has its own groups and counters.
await new Deferred(() => {
  console.log('from inside', { a: [1, 2] });
  console.warn('a warning');
  console.error('an error');
  console.group('group');
  console.log('indented');
  console.count();
});
await new Deferred(() => { console.log('not indented'); console.count(); });
console.log('%s is %d', 'seven', 7);
console.table([{ a: 1, b: 2 }]);

//= from inside { a: [ 1, 2 ] }
//= [warn] a warning
//= [error] an error
//= group
//=   indented
//=   default: 1
//= not indented
//= default: 1
//= seven is 7
//= ┌─────────┬───┬───┐
//= │ (index) │ a │ b │
//= ├─────────┼───┼───┤
//= │ 0       │ 1 │ 2 │
//= └─────────┴───┴───┘
