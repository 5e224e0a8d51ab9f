// Classes that extend Deferred.
class Task extends Deferred {
  constructor(label, fn, options) { super(fn, options); this.label = label; }
  describe() { return `${this.label} is ${this.state}`; }
}
const task = new Task('sum', (a, b) => a + b, { args: [1, 2] });
console.log(task instanceof Task, task instanceof Deferred, task instanceof Promise, await task, task.describe());
console.log(task.then((x) => x).constructor === Promise);
console.log(await new Task('fails', () => { throw new Error('in a task'); }).catch((error) => error.message));
const stopped = new Task('stopped', () => { while (true); });
stopped.cancel();
console.log(await stopped.catch((error) => error.name));
class Loud extends Deferred {
  then(...all) { console.log('then was called'); return super.then(...all); }
}
console.log(await new Loud(() => 'loud'));

//= true true true 3 sum is settled
//= true
//= in a task
//= AbortError
//= then was called
//= loud
