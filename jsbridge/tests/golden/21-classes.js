// Classes go with a function; objects of them become plain objects.
class Point {
  #hidden = 1;
  static origin = new Point(0, 0);
  constructor(x, y) { this.x = x; this.y = y; }
  get norm() { return Math.hypot(this.x, this.y); }
  plus(other) { return new Point(this.x + other.x, this.y + other.y); }
  hidden() { return this.#hidden; }
  static of(...xy) { return new Point(...xy); }
}
console.log(await new Deferred(() => {
  const point = new Point(3, 4).plus(Point.of(0, 0));
  return [point.norm, point.hidden(), point instanceof Point, Point.origin.x];
}));
const result = await new Deferred(() => new Point(1, 2));
console.log(result, result instanceof Point, Object.getPrototypeOf(result) === Object.prototype);
class Point3 extends Point {
  constructor(x, y, z) { super(x, y); this.z = z; }
  get norm() { return Math.hypot(super.norm, this.z); }
}
console.log(await new Deferred(() => new Point3(2, 3, 6).norm));
class Problem extends RangeError {
  constructor(message, code) { super(message); this.code = code; }
}
const error = await new Deferred(() => { throw new Problem('bad', 7); }).catch((error) => error);
console.log(error instanceof RangeError, error.message, error.code);

//= [ 5, 1, true, 0 ]
//= { x: 1, y: 2 } false true
//= 7
//= true bad 7
