// A variable that is used before its declaration is an error where the Deferred is made.
try {
  new Deferred(() => later);
} catch (error) {
  console.log(error.name);
}
const later = 1;
console.log(await new Deferred(() => later));
try {
  (() => {
    new Deferred(() => Inner);
    class Inner {}
  })();
} catch (error) {
  console.log(String(error));
}
console.log(await new Deferred(() => hoisted()));
function hoisted() { return 'functions are declared from the start'; }
console.log(await new Deferred(() => typeof unset));
var unset;

//= TypeError
//= 1
//= TypeError: Deferred: Function not serializable: 'Inner' (22-before-its-declaration.js:11:15) is not initialized yet; make the Deferred after its declaration
//= functions are declared from the start
//= undefined
