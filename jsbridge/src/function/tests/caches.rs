//! What is remembered, and that it ends.

use super::{Journey, enter, eval};
use crate::function::{CodeCache, Shipment};

#[test]
fn a_text_is_compiled_once() {
    let mut journey = Journey::new();
    for _ in 0..10 {
        assert_eq!(journey.go("() => 1 + 1", "f => f()"), "2");
    }
    let stats = journey.stats();
    assert_eq!((stats.sent, stats.compiled, stats.texts, stats.evicted), (10, 1, 1, 0));
}

#[test]
fn the_cache_is_bounded_and_forgets_what_was_not_used_for_longest() {
    let mut journey = Journey::new();
    journey.cache = CodeCache::bounded([], 4, usize::MAX);
    for n in 0..20 {
        assert_eq!(journey.go(&format!("() => {n}"), "f => f()"), n.to_string());
        assert_eq!(journey.go("() => 'always'", "f => f()"), "always");
    }
    let stats = journey.stats();
    assert_eq!((stats.texts, stats.compiled, stats.evicted), (4, 21, 17));
    journey.cache = CodeCache::bounded([], usize::MAX, 2000);
    for n in 0..20 {
        assert_eq!(journey.go(&format!("() => {n}"), "f => f()"), n.to_string());
    }
    assert!(journey.stats().bytes <= 2000, "{:?}", journey.stats());
    assert_eq!(journey.stats().bytes > 0, journey.stats().texts > 0);
}

#[test]
fn functions_without_end_are_sent_and_nothing_piles_up() {
    let mut journey = Journey::new();
    for n in 0..3000 {
        assert_eq!(journey.go(&format!("new Function('return {n}')"), "f => f()"), n.to_string());
    }
    // What is kept is let go with the isolates, which end the process if it is not.
}

#[test]
fn addresses_that_are_used_again_are_not_mixed_up() {
    let mut journey = Journey::new();
    for n in 0..2000 {
        // The code of the one before is garbage by now, or held.
        assert_eq!(journey.go(&format!("(0, eval)('() => {n}')"), "f => f()"), n.to_string());
    }
}

#[test]
fn a_function_that_nobody_can_get_at_is_not_made_anew() {
    let mut journey = Journey::new();
    let same = |journey: &mut Journey, source: &str| {
        let once = journey.send(source).unwrap();
        journey.call(once, "f => { globalThis.last = f; return 1 }").unwrap();
        let again = journey.send(source).unwrap();
        journey.call(again, "f => f === last").unwrap()
    };
    assert_eq!(same(&mut journey, "() => 1"), "true");
    for source in
        ["(function f() { f.n = 1 })", "(function () { arguments })", "(class {})", "(function* () {})"]
    {
        assert_eq!(same(&mut journey, source), "false", "{source}");
    }
}

#[test]
fn a_cache_that_another_thread_has_holds_up_nobody() {
    let mut journey = Journey::new();
    let cache = &journey.cache;
    let sent = cache.while_held(|| {
        // A thread that the kernel has stopped there never gives it back.
        enter(&mut journey.home, |scope| {
            let value = eval(scope, "const k = 41; (() => k + 1)")?;
            assert_eq!(cache.stats().texts, 0);
            cache.ship(&value, None)
        })
    });
    assert_eq!(journey.call(sent.unwrap(), "f => f()").unwrap(), "42");
    let stats = journey.stats();
    assert_eq!((stats.sent, stats.compiled, stats.texts), (1, 1, 0));
    assert_eq!(journey.go("() => 1", "f => f()"), "1");
    assert_eq!(journey.stats().texts, 1);
}

#[test]
fn code_of_a_host_is_compiled_once_and_runs() {
    let mut journey = Journey::new();
    let cache = &journey.cache;
    let code = enter(&mut journey.home, |scope| cache.compile(scope, "host.js", "(a, b) => a + b")).unwrap();
    assert_eq!(code.free_names().count(), 0);
    for _ in 0..2 {
        assert_eq!(journey.call(Shipment::from_code(code.clone()), "f => f(1, 2)").unwrap(), "3");
    }
    let cache = &journey.cache;
    let mut refused = |source: &str| {
        enter(&mut journey.home, |scope| cache.compile(scope, "host.js", source)).err().unwrap().to_string()
    };
    assert_eq!(
        refused("() => k"),
        "TypeError: Deferred: Function not serializable: 'k' (host.js:1:7) is neither a variable that can be sent along \
         nor a global there; pass it in `args`, or name it in `capture: { k }`"
    );
    assert_eq!(refused("1 + 1"), "TypeError: Deferred: Function not serializable: it is not a function");
    assert_eq!(
        refused("() => {"),
        "TypeError: Deferred: Function not serializable: its text cannot be compiled by itself (unexpected token in \
         expression: ')')"
    );
}

#[test]
fn two_isolates_of_a_bridge_share_code() {
    let mut journey = Journey::new();
    journey.send("() => 1").unwrap();
    let cache = &journey.cache;
    enter(&mut journey.away, |scope| cache.ship(&eval(scope, "\n() => 1")?, None).map(drop)).unwrap();
    assert_eq!(journey.stats().compiled, 1);
}
