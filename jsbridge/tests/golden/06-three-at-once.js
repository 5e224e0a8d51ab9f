// Three at the same time; each result comes back to its own.
const work = (id, n) => {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += i;
  return `task ${id}: ${sum}`;
};
const three = [1, 2, 3].map((id) => new Deferred(work, { args: [id, id * 10000] }));
for (const line of await Promise.all(three)) console.log(line);

//= task 1: 49995000
//= task 2: 199990000
//= task 3: 449985000
