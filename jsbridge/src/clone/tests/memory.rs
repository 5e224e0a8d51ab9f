//! No memory, at every allocation there is: an error, no crash and no leak. (Leaks end the process when an isolate is dropped.)

use super::*;

/// One of everything.
const EVERYTHING: &str = r#"
    const buffer = new ArrayBuffer(16), big = new ArrayBuffer(5000), o = {x: 1, y: 'text', z: [1, 2.5, null]};
    o.self = o;
    ({o, again: o, list: [o, {x: 2, y: 'é', z: '線'}, , 5], map: new Map([[o, 1], ['k', new Set([1, 'a'])]]), date: new Date(1), regexp: /a(b)/gi,
      boxed: [new Number(1), new String('s'), Object(2n ** 80n)], error: Object.assign(new TypeError('t', {cause: o}), {code: 1}), dom: new DOMException('m', 'AbortError'),
      many: new AggregateError([1], 'm'), views: [new Uint8Array(buffer, 1, 4), new DataView(buffer), buffer, big, new Float64Array(new ArrayBuffer(8, {maxByteLength: 16}))],
      bigs: [1n, -(2n ** 99n)], shared: new SharedArrayBuffer(64), long: ['long text '.repeat(20), 'longer é text '.repeat(20)], get g() { return {got: [{deep: 1}]}; }, 7: 'seven'})
"#;

/// Makes so many values of several sizes, and keeps them. The engine takes small blocks from pages of its own, which are then
/// full at another place.
fn fill(scope: Scope<'_>, count: usize) -> JsResult<'_, ()> {
    eval(
        scope,
        &format!(
            "var filling = []; for (let i = 0; i < {count}; i++) filling.push({{i}}, [i, i], i + ' text', new Date(i), {{a: 1, ['b' + i % 7]: 2, c: 3}})"
        ),
    )?;
    Ok(())
}

/// Runs `work` in new isolates, in which no allocation succeeds from one point on: the first, the second, and so on, with
/// more and more values there before.
fn sweep(what: &str, work: impl for<'a> Fn(Scope<'a>, &Handle<'a>, &dyn Fn(bool)) -> JsResult<'a, ()>) {
    let (mut failures, mut runs) = (0, 0);
    for filling in 0..200 {
        for count in 0..40 {
            let mut isolate = isolate();
            let mut failed = false;
            let result = enter(&mut isolate, |scope| {
                fill(scope, filling)?;
                let value = eval(scope, EVERYTHING)?;
                let arm = |on: bool| scope.fail_after(on.then_some(count));
                let outcome = work(scope, &value, &arm);
                arm(false);
                failed = outcome.is_err();
                Ok(())
            });
            result.unwrap();
            runs += 1;
            failures += u32::from(failed);
            if !failed {
                break;
            }
        }
    }
    assert!(failures >= 10, "{what}: there were allocations: {failures} of {runs} runs failed");
}

#[test]
fn writing_survives_the_loss_of_every_allocation() {
    for known in [true, false] {
        sweep("write", |scope, value, arm| {
            let layout = if known { Layout::get(scope) } else { None };
            arm(true);
            write_with(scope, layout, value, &[]).map(drop)
        });
    }
}

#[test]
fn reading_survives_the_loss_of_every_allocation() {
    sweep("read", |scope, value, arm| {
        let message = write_with(scope, Layout::get(scope), value, &[])?;
        arm(true);
        read(scope, message).map(drop)
    });
}
