//! Every way to write a function.

use super::{Journey, refusal_of, result_of};

/// Sends what `source` gives, and lets `then` use it.
fn expect(source: &str, then: &str, result: &str) {
    assert_eq!(Journey::new().go(source, then), result, "{source}");
}

#[test]
fn functions_of_each_form_run() {
    let forms = [
        ("(a => a + 1)", "f => f(1)", "2"),
        ("(a, b = a) => a * b", "f => f(3)", "9"),
        (
            "(({ a, ...rest }, [b], ...c) => a + b + c.length + rest.z)",
            "f => f({a: 1, z: 5}, [2], 0, 0)",
            "10",
        ),
        ("(function (a) { return a + this.b })", "f => f.call({b: 2}, 1)", "3"),
        ("(function fact(n) { return n < 2 ? 1 : n * fact(n - 1) })", "f => f(5)", "120"),
        ("(function () { return arguments.length })", "f => f(1, 2, 3)", "3"),
        ("(function () { return typeof new.target })", "f => new f() && f()", "undefined"),
        ("(async a => (await a) + 1)", "f => f(1)", "2"),
        ("(async function (a) { return await a })", "f => f(Promise.resolve(7))", "7"),
        ("(function* () { yield 1; yield* [2, 3] })", "f => [...f()].join()", "1,2,3"),
        (
            "(async function* () { yield 1; yield 2 })",
            "async f => { let sum = 0; for await (const n of f()) sum += n; return sum }",
            "3",
        ),
        ("new Function('a', 'b', 'return a + b // sum')", "f => f(1, 2)", "3"),
        ("(a => a // the end\n)", "f => f(4)", "4"),
        ("(a => /* in */ a /* the end */)", "f => f(4)", "4"),
        ("(function () { 'use strict'; return this === undefined })", "f => f()", "true"),
        ("(function () { return this === globalThis })", "f => f()", "true"),
        ("(() => `a${1 + `${2}`}b`)", "f => f()", "a12b"),
        ("(s => /[/]+$/u.test(s))", "f => f('a//')", "true"),
        ("(a => { using x = { [Symbol.dispose]() { a.push(1) } }; return a })", "f => f([]).length", "1"),
    ];
    for (source, then, result) in forms {
        expect(source, then, result);
    }
}

#[test]
fn classes_are_sent_whole() {
    expect(
        "(class A { #p = 1; static s = 4; static #q = 5; get p() { return this.#p } \
           m() { return super.toString.name + A.#q + A.s } static make() { return new this() } })",
        "C => { const c = C.make(); return c.p + c.m() }",
        "1toString54",
    );
    expect(
        "(class extends Array { last() { return this[this.length - 1] } })",
        "C => C.from([1, 2]).last()",
        "2",
    );
    expect(
        "(class { constructor() { this.t = new.target.name } static { this.n = 'set' } })",
        "C => C.n",
        "set",
    );
}

#[test]
fn parts_of_objects_and_classes_run_where_they_do_without_the_whole() {
    let object = "({ m(a) { return a + 1 }, async am(a) { return a }, *g() { yield 5 }, async *ag() { yield 6 }, \
         ['comp' + 'uted'](a) { return a }, 7(a) { return a }, 'a b'(a) { return a }, async(a) { return a }, \
         get(a) { return a }, function(a) { return a }, get x() { return this.y }, set x(v) { this.z = v } })";
    let part = |name: &str| format!("({object}).{name}");
    expect(&part("m"), "f => f(1)", "2");
    expect(&part("am"), "f => f(1)", "1");
    expect(&part("g"), "f => f().next().value", "5");
    expect(&part("ag"), "async f => (await f().next()).value", "6");
    expect(&part("computed"), "f => f(3)", "3");
    expect(&format!("({object})[7]"), "f => f(3)", "3");
    expect(&format!("({object})['a b']"), "f => f(3)", "3");
    for name in ["async", "get", "function"] {
        expect(&part(name), "f => f(3)", "3");
    }
    let accessor = |part| format!("Object.getOwnPropertyDescriptor({object}, 'x').{part}");
    expect(&accessor("get"), "f => f.call({y: 8})", "8");
    expect(&accessor("set"), "f => { const o = {}; f.call(o, 9); return o.z }", "9");
    let class = "(class { static s(a) { return a } static async t(a) { return a } static static(a) { return a } \
        m(a) { return a } get g() { return 4 } static get [`h`]() { return 5 } f = a => a })";
    for part in ["s", "t", "static", "prototype.m"] {
        expect(&format!("{class}.{part}"), "f => f(6)", "6");
    }
    expect(&format!("Object.getOwnPropertyDescriptor({class}.prototype, 'g').get"), "f => f()", "4");
    expect(&format!("Object.getOwnPropertyDescriptor({class}, 'h').get"), "f => f()", "5");
    expect(&format!("new {class}().f"), "f => f(6)", "6");
}

#[test]
fn strictness_is_that_of_the_place_where_it_was_written() {
    let sloppy = "(() => { const f = function () { return typeof this }; return f })()";
    assert_eq!(result_of(sloppy), "object");
    let strict = "(() => { 'use strict'; return function () { return typeof this } })()";
    assert_eq!(result_of(strict), "undefined");
    let octal = "(() => { const k = 1; return () => k + 010 })()";
    assert_eq!(result_of(octal), "9");
}

#[test]
fn names_and_texts_are_kept() {
    expect("const count = () => 1; count", "f => f.name + f", "count() => 1");
    expect(
        "(() => { const k = 1; const count = () => k; return count })()",
        "f => f.name + f",
        "count() => k",
    );
    expect("(function () {})", "f => f.name + f", "function () {}");
    expect("({ 'a b'() {} })['a b']", "f => f.name + f", "a b'a b'() {}");
    expect("Object.defineProperty(() => 1, 'name', { value: 'x y' })", "f => f.name", "x y");
    // The key is no part of what is sent; the name is.
    expect("({ ['k' + 1]() {} }).k1", "f => f.name", "k1");
}

#[test]
fn an_overridden_to_string_is_not_asked() {
    let source = "const f = () => 1; f.toString = () => '() => 2'; \
        Function.prototype.toString = () => { throw 1 }; f";
    assert_eq!(result_of(source), "1");
}

#[test]
fn what_is_thrown_has_the_place_where_it_was_written() {
    let at = |source: &str, call: &str| {
        let then =
            format!("f => {{ try {{ {call} }} catch (e) {{ return e.stack.split('\\n')[0].trim() }} }}");
        let mut journey = Journey::new();
        let away = journey.go(source, &then);
        // Below the line that `send` adds.
        let home = format!("\n{source};\n");
        let here = super::enter(&mut journey.home, |scope| {
            let function = super::eval(scope, &home)?;
            super::eval(scope, &then)?.call(&scope.undefined(), &[&function])?.text()
        });
        assert_eq!(away, here.unwrap(), "{source}");
        away
    };
    let boom = "throw new Error('boom')";
    let cases = [
        (format!("(() => {{ {boom} }})"), "f()"),
        (format!("\n\n  (() => {{\n {boom} }})"), "f()"),
        (format!("(() => {{ const k = 1;\nconst f = () => {{ k; {boom} }}; return f }})()"), "f()"),
        (format!("\n({{ m() {{ {boom} }} }}).m"), "f()"),
        (
            format!("\n({{ async *m() {{ {boom} }} }}).m.bind === 1 || ({{ *m() {{ {boom} }} }}).m"),
            "f().next()",
        ),
        (format!("\n({{ ['k' + 1]() {{ {boom} }} }}).k1"), "f()"),
        (format!("\n(class {{ static\n   m() {{ {boom} }} }}).m"), "f()"),
        (format!("\n(class {{\n   async m() {{ {boom} }}; n() {{ {boom} }} }}).prototype.n"), "f()"),
        (format!("0,\n Object.getOwnPropertyDescriptor({{ get x() {{ {boom} }} }}, 'x').get"), "f()"),
        (format!("\n  (class {{\n constructor() {{ {boom} }} }})"), "new f()"),
        (format!("\n  (class {{ m() {{\n\n {boom} }} }})"), "new f().m()"),
        (format!("\n  (class extends Array {{ constructor() {{ super(); {boom} }} }})"), "new f()"),
        (format!("[1].map(k => function named(a, b = k) {{ {boom} }})[0]"), "f()"),
        (format!("\n\n\n((a, b) =>\n      {{ {boom} }})"), "f()"),
    ];
    for (source, call) in &cases {
        at(source, call);
    }
    assert_eq!(at(&format!("(() => {{ {boom} }})"), "f()"), "at <anonymous> (main.js:2:20)");
}

#[test]
fn functions_inside_functions_that_were_sent_can_be_sent_on() {
    let mut journey = Journey::new();
    let first = journey.send("const k = 20; (() => { const j = 2; return () => k * j + 2 })").unwrap();
    let cache = &journey.cache;
    let second = super::enter(&mut journey.away, |scope| {
        let inner = first.receive(scope)?.call(&scope.undefined(), &[])?;
        cache.ship(&inner, None)
    });
    let second = second.unwrap();
    assert_eq!(journey.call(second, "f => f() + String(f)").unwrap(), "42() => k * j + 2");
}

#[test]
fn what_is_no_text_of_a_script_is_refused() {
    let begins = |source: &str, with: &str| {
        let refusal = refusal_of(source);
        let message = format!("TypeError: Deferred: Function not serializable: {with}");
        assert_eq!(refusal, message, "{source}");
    };
    begins(
        "Math.max",
        "'max' is a native function; wrap it in one that calls it: `(...args) => max(...args)`",
    );
    begins(
        "(function f() {}).bind(1)",
        "it is a bound function; pass the function itself, and what it was bound to in `args`",
    );
    begins("new Proxy(() => 1, {})", "it is a Proxy; pass the function inside of it");
    for source in ["1", "'() => 1'", "null", "({})", "Symbol()"] {
        begins(source, "it is not a function");
    }
}
