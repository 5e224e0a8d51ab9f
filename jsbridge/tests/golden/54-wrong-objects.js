// Methods of Deferred on what is no Deferred.
const tell = (f) => { try { console.log('returned', f()); } catch (error) { console.log(error.name); } };
for (const wrong of [undefined, null, 1, {}, Promise.resolve(), Object.create(Deferred.prototype), new Proxy(new Deferred(() => 1), {})]) {
  tell(() => Deferred.prototype.cancel.call(wrong));
  tell(() => Object.getOwnPropertyDescriptor(Deferred.prototype, 'priority').get.call(wrong));
  tell(() => Object.getOwnPropertyDescriptor(Deferred.prototype, 'state').get.call(wrong));
}
tell(() => Deferred(() => 1));
tell(() => Reflect.construct(Deferred, [() => 1], Object) instanceof Promise);
tell(() => new Deferred());
tell(() => new Deferred(1));
tell(() => new Deferred(() => 1, 1));
tell(() => new Deferred(() => 1, null));
tell(() => new Deferred(() => 1, { args: {} }));

//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= returned false
//= TypeError
//= TypeError
//= TypeError
//= TypeError
//= TypeError
