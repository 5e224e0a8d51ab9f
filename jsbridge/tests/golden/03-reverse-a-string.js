// A string is reversed elsewhere.
const reverse = (text) => [...text].reverse().join('');
console.log(await new Deferred(reverse, { args: ['Hello, World!'] }));
console.log(await new Deferred(reverse, { args: ['añb😀c'] }));

//= !dlroW ,olleH
//= c😀bña
