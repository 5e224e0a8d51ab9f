// The option `node`: where it should run. One that is not there is an error.
console.log(await new Deferred(() => 'on node 0', { node: 0 }));
console.log(await new Deferred(() => 'never', { node: 12345 }).catch((error) => error.message));
for (const node of [-1, 0.5, '0', NaN, Infinity]) {
  try {
    new Deferred(() => 1, { node });
    console.log('accepted', node);
  } catch (error) {
    console.log(String(error));
  }
}

//= on node 0
//= its fiber could not be started: there is no node 12345 to run a fiber on: this machine's nodes are 0
//= TypeError: Deferred: the option 'node' must be the number of a NUMA node, not -1
//= TypeError: Deferred: the option 'node' must be the number of a NUMA node, not 0.5
//= TypeError: Deferred: the option 'node' must be the number of a NUMA node, not string
//= TypeError: Deferred: the option 'node' must be the number of a NUMA node, not NaN
//= TypeError: Deferred: the option 'node' must be the number of a NUMA node, not Infinity
