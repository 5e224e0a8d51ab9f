//! Functions that no copy could replace, and what the messages say.

use super::{Journey, refusal_of};

fn expect(source: &str, message: &str) {
    let whole = format!("TypeError: Deferred: Function not serializable: {message}");
    assert_eq!(refusal_of(source), whole, "{source}");
}

#[test]
fn names_that_nobody_knows_are_listed_with_their_places() {
    expect(
        "() => secret",
        "'secret' (main.js:2:7) is neither a variable that can be sent along nor a global there; pass it in `args`, \
         or name it in `capture: { secret }`",
    );
    expect(
        "\n(a) => 'b' + a.b + /b/ +\n  b + c",
        "'b' (main.js:4:3) and 'c' (main.js:4:7) are neither variables that can be sent along nor globals there; pass \
         them in `args`, or name them in `capture: { b, c }`",
    );
    expect(
        "(() => { const helper = () => secret; return () => helper() })()",
        "in 'helper', which it uses: 'secret' (main.js:2:31) is neither a variable that can be sent along nor a global \
         there; pass it in `args`, or name it in `capture: { secret }`",
    );
    expect(
        "(function () { x = 1 })",
        "'x' (main.js:2:16) is neither a variable that can be sent along nor a global there; pass it in `args`, or \
         name it in `capture: { x }`",
    );
}

#[test]
fn what_belongs_to_the_function_around_is_refused() {
    expect(
        "(function () { return () => this.x }).call({})",
        "it uses the `this` of the function around it (main.js:2:29); pass what it needs of that in `args`",
    );
    expect(
        "() => this",
        "it uses the `this` of the function around it (main.js:2:7); pass what it needs of that in `args`",
    );
    expect(
        "new (class { x = 1; f = () => this.x })().f",
        "it uses the `this` of the function around it (main.js:2:31); pass what it needs of that in `args`",
    );
    expect(
        "(function () { return () => arguments[0] })()",
        "it uses the `arguments` of the function around it (main.js:2:29); pass what it needs of that in `args`",
    );
    expect(
        "(function () { return () => new.target })()",
        "it uses the `new.target` of the function around it (main.js:2:29); pass what it needs of that in `args`",
    );
    let is_super = |place: &str| {
        format!("it uses `super` ({place}), which belongs to the object that it is a method of; pass a class")
    };
    expect("({ m() { return super.x } }).m", &is_super("main.js:2:17"));
    expect("({ m() { return () => super.x } }).m()", &is_super("main.js:2:23"));
    expect("(class { m() { return super.x } }).prototype.m", &is_super("main.js:2:23"));
    expect(
        "(class { #p; static f = o => o.#p }).f",
        "it uses the private name '#p' (main.js:2:32) of a class that it is only a part of; pass the class",
    );
    expect(
        "(class { #p() {} m() { this.#p() } }).prototype.m",
        "it uses the private name '#p' (main.js:2:29) of a class that it is only a part of; pass the class",
    );
}

#[test]
fn names_that_may_mean_anything_are_refused() {
    expect(
        "(() => { with ({ k: 1 }) { return () => k } })()",
        "it is inside of a `with` statement, where a name may mean anything; move it out, or pass it as `new Function`",
    );
    expect(
        "(function () { eval('var k = 1'); return () => k })()",
        "it is inside of a function that calls `eval`, where a name may mean anything; move it out, or pass it as \
         `new Function`",
    );
    expect(
        "(() => { const k = 1, j = 2; return function () { return eval('k') } })()",
        "it calls `eval`, which may use the variables around it ('j' and 'k'); name those that it uses in `capture`, \
         and move it out of the reach of others",
    );
    expect(
        "() => eval('this')",
        "it is an arrow function that calls `eval`, which may use the `this` around it; make it a `function`",
    );
    expect(
        "({ m() { return eval('1') } }).m",
        "it is a method that calls `eval`, which may use the `super` of its object; make it a `function`",
    );
    // A function has a `this` of its own, wherever it is written.
    expect(
        "(() => { const k = 1; return function () { return eval('k') } })()",
        "it calls `eval`, which may use the variables around it ('k'); name those that it uses in `capture`, and move \
         it out of the reach of others",
    );
    expect(
        "new (class { m() { const k = 1; return function () { return (() => eval('k'))() } } })().m()",
        "it calls `eval`, which may use the variables around it ('k'); name those that it uses in `capture`, and move \
         it out of the reach of others",
    );
    expect(
        "(() => { const k = 1; return class { m() { return eval('k') } } })()",
        "it calls `eval`, which may use the variables around it ('k'); name those that it uses in `capture`, and move \
         it out of the reach of others",
    );
}

#[test]
fn variables_without_a_value_that_could_be_copied_are_refused() {
    expect(
        "(() => { const f = () => k; globalThis.g = f; return f; let k = 1 })()",
        "'k' (main.js:2:26) is not initialized yet; make the Deferred after its declaration",
    );
    expect(
        "(() => { const p = Promise.resolve(1); return async () => await p })()",
        "'p' (main.js:2:65) is a Promise, which settles here only; await it first, and use its value",
    );
    expect(
        "(() => { let go; new Promise(done => go = done); return () => go(1) })()",
        "'go' (main.js:2:63) is a native function; use it inside by its own name, or wrap it in a function",
    );
    expect(
        "(() => { const g = (() => 1).bind(); return () => g() })()",
        "'g' (main.js:2:51) is a bound function; use it inside by its own name, or wrap it in a function",
    );
    expect(
        "(() => { const g = new Proxy(() => 1, {}); return () => g() })()",
        "'g' (main.js:2:57) is a Proxy; use it inside by its own name, or wrap it in a function",
    );
    expect(
        "(() => { const k = 1; return () => { k = 2 } })()",
        "it assigns to the constant 'k' (main.js:2:38)",
    );
    expect(
        "(() => { let n = 0; const next = () => n++; return () => next() + n })()",
        "in 'next', which it uses: 'n' (main.js:2:40) is written to, and used by more than one of the functions that \
         are sent, which would have copies of their own; put it in an object: `{ n }`",
    );
    expect(
        "function f() { return typeof f } const g = f; f = 1; g",
        "'f' means another value by now than the function of that name; give it another name",
    );
    expect(
        "(() => { function P() {} P.prototype.m = () => 1; return () => new P().m() })()",
        "in 'P', which it uses: 'P' has a prototype with methods of its own; make it a `class`",
    );
}

#[test]
fn values_that_cannot_be_copied_are_refused_with_the_path_to_what_is_wrong() {
    let why = refusal_of("(() => { const o = { a: [new Map([[1, () => 1]])] }; return () => o.a })()");
    let begins =
        "TypeError: Deferred: Function not serializable: of the captured variable 'o' (main.js:2:67), o.a[0]";
    assert!(why.starts_with(begins), "{why}");
    let why = refusal_of("(() => { const o = Symbol('s'); return () => o })()");
    let begins =
        "TypeError: Deferred: Function not serializable: of the captured variable 'o' (main.js:2:46), o ";
    assert!(why.starts_with(begins), "{why}");
    let thrown =
        refusal_of("(() => { const o = { get a() { throw new RangeError('mine') } }; return () => o })()");
    assert_eq!(thrown, "RangeError: mine");
}

#[test]
fn what_is_wrong_with_capture_is_said() {
    let refused = refusal_of("[() => k, 1]");
    assert_eq!(refused, "TypeError: Deferred: `capture` must be an object of names and values");
    let thrown = refusal_of("[() => k, { get k() { throw new RangeError('mine') } }]");
    assert_eq!(thrown, "RangeError: mine");
}

#[test]
fn where_variables_cannot_be_read_their_names_are_refused_and_all_else_works() {
    let mut journey = Journey::blind();
    let refused = journey.send("(() => { const k = 1; return () => k + 1 })()").err().unwrap().to_string();
    assert_eq!(
        refused,
        "TypeError: Deferred: Function not serializable: 'k' (main.js:2:36) cannot be read from outside, as this engine \
         is not the one whose layout is known; pass it in `args`, or name it in `capture: { k }`"
    );
    for (source, result) in [
        ("() => 1", "1"),
        ("(function f() { return Math.max(1, 2) })", "2"),
        ("(class { static m() { return 3 } }).m", "3"),
        ("({ m() { return 4 } }).m", "4"),
        ("(() => { const k = 1; return [() => k, { k: 5 }] })()", "5"),
        ("const k = 6; () => k", "6"),
        ("Function.prototype.toString = 1; () => 7", "7"),
    ] {
        assert_eq!(journey.go(source, "f => f()"), result, "{source}");
    }
    for source in ["() => this", "({ m() { return super.x } }).m", "Math.max", "(function () { eval('') })"] {
        assert!(journey.send(source).is_err(), "{source}");
    }
}
