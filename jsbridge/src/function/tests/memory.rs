//! No memory, at each allocation in turn. An engine that loses anything ends the process when its isolate is dropped.

use super::{Journey, enter, eval, isolate};

const SOURCES: [(&str, &str); 6] = [
    ("(() => 1)", "1"),
    ("(() => { const k = { a: [1, 'two'] }; return () => k.a[1] })()", "two"),
    (
        "(() => { const even = n => !n || odd(n - 1), odd = n => !!n && even(n - 1); return () => even(4) })()",
        "true",
    ),
    (
        "(() => { const k = 3; class A { m() { return k } } class B extends A {} return () => new B().m() })()",
        "3",
    ),
    ("({ ['k' + 1]() { return 5 } }).k1", "5"),
    ("globalThis.k = 6; () => k + (typeof nothing).length", "15"),
];

#[test]
fn a_text_that_is_too_long_for_the_isolate_is_refused() {
    let mut journey = Journey::new();
    journey.home = super::isolate_with(1 << 20).unwrap();
    let source = format!("new Function('return 1;{}')", " ".repeat(18_000));
    let error = journey.send(&source).err().unwrap().to_string();
    let why = "its text has 18035 bytes, and may have 16384 in an isolate with this limit of memory";
    assert_eq!(error, format!("TypeError: Deferred: Function not serializable: {why}"));
}

/// Runs `attempt` with the first, second, ... allocation refused, until one attempt needs none of those that are left.
fn sweep(mut attempt: impl FnMut(usize) -> bool) -> usize {
    let mut count = 0;
    while !attempt(count) {
        count += 1;
        assert!(count < 100_000, "it ends");
    }
    count
}

#[test]
fn functions_are_taken_apart_whole_or_not_at_all() {
    for (source, result) in SOURCES {
        sweep(|count| {
            let mut journey = Journey::new();
            let cache = &journey.cache;
            let shipment = enter(&mut journey.home, |scope| {
                let function = eval(scope, source)?;
                scope.memory().fail_after(Some(count));
                let shipment = cache.ship(&function, None);
                let is_over = scope.memory().fail_after_is_left();
                scope.memory().fail_after(None);
                // What failed once works when there is memory.
                let again = cache.ship(&function, None)?;
                Ok((shipment.ok(), again, is_over))
            });
            let (shipment, again, is_over) = shipment.unwrap();
            assert!(!is_over || shipment.is_some());
            for shipment in shipment.into_iter().chain([again]) {
                assert_eq!(journey.call(shipment, "f => f()").unwrap(), result, "{source}, {count}");
            }
            is_over
        });
    }
}

#[test]
fn functions_are_put_together_whole_or_not_at_all() {
    for (source, result) in SOURCES {
        let refused = sweep(|count| {
            let mut journey = Journey::new();
            let (first, second) = (journey.send(source).unwrap(), journey.send(source).unwrap());
            journey.away = isolate();
            let outcome = enter(&mut journey.away, |scope| {
                scope.memory().fail_after(Some(count));
                let function = first.receive(scope);
                let is_over = scope.memory().fail_after_is_left();
                scope.memory().fail_after(None);
                if let Ok(function) = &function {
                    assert_eq!(function.call(&scope.undefined(), &[])?.text()?, result, "{source}, {count}");
                }
                assert!(!is_over || function.is_ok());
                Ok(is_over)
            });
            let is_over = outcome.unwrap();
            assert_eq!(journey.call(second, "f => f()").unwrap(), result, "{source}, {count}");
            is_over
        });
        assert!(refused > 0, "{source}");
    }
}
