//! Realms, bridges and schedulers that end while scripts are busy, in every order.

use crate::watched;
use heddle_jsbridge::{Bridge, ConsoleLevel, DeferredStats, Value};
use heddle_scheduler::{Priority, Scheduler, block_on};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const BUSY: &str = "
    const endless = () => { while (true); };
    for (let i = 0; i < 8; i++) new Deferred(endless, { priority: ['critical', 'high', 'normal', 'low', 'background'][i % 5] }).catch(() => {});
    new Deferred(async () => { await Promise.all([1, 2].map(() => new Deferred(() => { while (true); }))); }).catch(() => {});
    new Deferred(() => new Promise(done => setTimeout(done, 1e9))).catch(() => {});
    setTimeout(() => {}, 1e9); setInterval(() => {}, 1);
    void 0";

fn each_size(what: &str, test: impl Fn(usize)) {
    for workers in [1, 2, 4] {
        watched(&format!("{what}, {workers} workers"), || test(workers));
    }
}

#[test]
fn a_realm_that_is_dropped_lets_what_is_pending_end() {
    each_size("a dropped realm", |workers| {
        let lines = Arc::new(AtomicUsize::new(0));
        let sink = lines.clone();
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler)
            .console(move |_, _| {
                sink.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        for _ in 0..10 {
            let realm = bridge.realm().unwrap();
            drop(realm.eval("for (let i = 0; i < 10; i++) new Deferred(() => 1).then(() => console.log('ended')); setTimeout(() => console.log('timer'), 1)"));
            drop(realm);
        }
        scheduler.wait_all().unwrap();
        assert_eq!(lines.load(Ordering::Relaxed), 110);
        assert_eq!(bridge.stats().isolates, 0);
    });
}

#[test]
fn a_bridge_that_is_dropped_while_busy_lets_its_realms_end() {
    each_size("a dropped bridge", |workers| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler)
            .console(move |_, line| sink.lock().unwrap().push(line.to_owned()))
            .build()
            .unwrap();
        let realm = bridge.realm().unwrap();
        let answer = realm.eval(
            "const d = new Deferred(() => { let n = 0; while (n < 1e6) n++; return n; });
             setTimeout(() => console.log('timer'), 1); console.log(await d); 'answer'",
        );
        let called = bridge.defer("() => 'called'").spawn::<String>().unwrap();
        drop(bridge);
        assert_eq!(called.join().unwrap(), "called");
        assert_eq!(answer.join(), Ok(Value::from("answer")));
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        let mut lines = lines.lock().unwrap().clone();
        lines.sort();
        assert_eq!(lines, ["1000000", "timer"]);
    });
}

#[test]
fn a_scheduler_that_stops_while_busy_ends_everything() {
    each_size("a stopped scheduler", |workers| {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler).console(|_, _| {}).on_uncaught(|_| {}).build().unwrap();
        let realm = bridge.realm().unwrap();
        realm.eval(BUSY).join().unwrap();
        let never = realm.eval("await new Promise(() => {})");
        let looped = bridge.defer("() => { while (true); }").spawn::<()>().unwrap();
        let queued: Vec<_> =
            (0..500).map(|_| bridge.defer("() => { while (true); }").spawn::<()>().unwrap()).collect();
        scheduler.stop().unwrap();
        assert!(never.join().unwrap_err().is_cancelled());
        assert!(looped.join().is_err());
        for one in queued {
            assert!(one.join().is_err());
        }
        assert!(realm.eval("1").join().is_err(), "nothing is evaluated in a realm that is over");
        assert!(bridge.realm().is_err(), "and no realm is made");
        assert!(bridge.eval(Priority::High, "1").join().is_err());
        assert!(bridge.defer("() => 1").spawn::<u32>().unwrap().join().is_err());
        assert!(realm.finish().unwrap_err().is_cancelled());
        assert_eq!(bridge.stats().isolates, 0);
    });
}

#[test]
fn a_realm_that_is_cancelled_while_busy_ends_with_all_that_it_made() {
    each_size("a cancelled realm", |workers| {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler)
            .time(Duration::MAX)
            .console(|_, _| {})
            .on_uncaught(|_| {})
            .build()
            .unwrap();
        let other = bridge.realm().unwrap();
        let realm = bridge.realm().unwrap();
        realm.eval(BUSY).join().unwrap();
        let never = realm.eval("await new Promise(() => {})");
        realm.cancel();
        assert!(never.join().unwrap_err().is_cancelled());
        realm.cancel();
        assert!(realm.eval("1").join().unwrap_err().is_cancelled());
        assert!(realm.finish().unwrap_err().is_cancelled());
        let realm = bridge.realm().unwrap();
        let looped = realm.eval("while (true);");
        realm.cancel();
        assert!(looped.join().unwrap_err().is_cancelled());
        assert_eq!(other.eval("await new Deferred(() => 6 * 7)").join(), Ok(Value::Number(42.0)));
        other.finish().unwrap();
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0);
    });
}

#[test]
fn scripts_of_hosts_can_be_awaited() {
    watched("awaited", || {
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        let bridge = Bridge::builder(&scheduler).build().unwrap();
        let realm = bridge.realm().unwrap();
        let sum = block_on(async {
            let one = realm.eval("await new Deferred(() => 1)").await?;
            let two = bridge.eval(Priority::High, "2").await?;
            Ok::<_, heddle_jsbridge::Error>((one, two))
        });
        assert_eq!(sum, Ok((Value::Number(1.0), Value::Number(2.0))));
        assert!(block_on(realm.eval("throw 1").into_future()).unwrap_err().is_exception());
        scheduler.stop().unwrap();
        assert!(block_on(realm.eval("1").into_future()).unwrap_err().is_cancelled());
        let error = bridge.realm().unwrap_err();
        assert!(error.is_fiber() && error.to_string().contains("call start() to use it again"), "{error}");
    });
}

#[test]
fn a_scheduler_that_is_dropped_while_busy_ends_everything() {
    each_size("a dropped scheduler", |workers| {
        for _ in 0..5 {
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let bridge = Bridge::builder(&scheduler).console(|_, _| {}).on_uncaught(|_| {}).build().unwrap();
            let realm = bridge.realm().unwrap();
            // Somewhere in the middle of it.
            drop(realm.eval(BUSY));
            drop(bridge);
            drop(scheduler);
            assert!(realm.eval("1").join().is_err());
        }
    });
}

#[test]
fn one_after_the_other_schedulers_start_and_stop() {
    watched("start and stop", || {
        for round in 0..10 {
            let scheduler = Scheduler::builder().workers(1 + round % 3).build().unwrap();
            let bridge = Bridge::builder(&scheduler).on_uncaught(|_| {}).build().unwrap();
            let realm = bridge.realm().unwrap();
            assert_eq!(realm.eval("await new Deferred(() => 'runs')").join(), Ok(Value::from("runs")));
            if round % 2 == 0 {
                drop(realm.eval(BUSY));
            }
            scheduler.stop().unwrap();
        }
    });
}

#[test]
fn what_was_asked_before_the_end_is_answered() {
    each_size("answers at the end", |workers| {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler).build().unwrap();
        let realm = bridge.realm().unwrap();
        let answers: Vec<_> =
            (0..100).map(|n| realm.eval(format!("await new Deferred(n => n, {{ args: [{n}] }})"))).collect();
        let never = realm.eval("await new Promise(() => {})");
        let ended = std::thread::scope(|scope| scope.spawn(|| realm.finish()).join().unwrap());
        ended.unwrap();
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.join(), Ok(Value::Number(n as f64)));
        }
        let error = never.join().unwrap_err();
        assert!(error.is_pending() || error.is_cancelled(), "{error}");
    });
}

#[test]
fn a_script_that_takes_too_long_ends_and_its_realm_goes_on() {
    each_size("too long", |workers| {
        let told = Arc::new(AtomicUsize::new(0));
        let sink = told.clone();
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler)
            .time(Duration::from_millis(30))
            .on_uncaught(move |error| {
                assert!(error.is_timeout(), "{error}");
                sink.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        let realm = bridge.realm().unwrap();
        realm.eval("globalThis.kept = 5; void 0").join().unwrap();
        let error = realm.eval("while (true);").join().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(realm.eval("kept").join(), Ok(Value::Number(5.0)));
        // Also in a job, and in a timer.
        let error = realm.eval("await null; while (true);").join().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        told.store(0, Ordering::Relaxed);
        let waits = "setTimeout(() => { while (true); }, 0); await new Promise(done => setTimeout(done, 1))";
        realm.eval(waits).join().unwrap();
        assert_eq!(told.load(Ordering::Relaxed), 1, "a timer's function that was ended is told of");
        assert_eq!(realm.eval("await new Deferred(() => 6)").join(), Ok(Value::Number(6.0)));
        let name =
            realm.eval("await new Deferred(() => { while (true); }).catch(error => error.name)").join();
        assert_eq!(name, Ok(Value::from("TimeoutError")));
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0);
    });
}

#[test]
fn a_realm_without_memory_says_so_and_goes_on() {
    each_size("out of memory", |workers| {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler).memory(2 << 20).on_uncaught(|_| {}).build().unwrap();
        let realm = bridge.realm().unwrap();
        let error =
            realm.eval("(() => { const all = []; while (true) all.push([1, 2, 3]); })()").join().unwrap_err();
        assert!(error.is_out_of_memory(), "{error}");
        assert_eq!(realm.eval("1 + 1").join(), Ok(Value::Number(2.0)));
        // Ten thousand Deferreds at once do not fit. Those that were made settle.
        let made = realm.eval(
            "const all = []; let refused;
             try { for (let i = 0; i < 100000; i++) all.push(new Deferred(() => 1)); } catch (error) { refused = error; }
             const few = all.length; all.length = Math.min(few, 100);
             (await Promise.allSettled(all)).length > 0",
        );
        match made.join() {
            Ok(value) => assert_eq!(value, Value::Bool(true)),
            Err(error) => assert!(error.is_out_of_memory(), "{error}"),
        }
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0);
    });
}

/// Memory may end at any allocation: whichever it is, whoever waits for the script learns how it went.
#[test]
fn wherever_memory_ends_who_waits_is_told() {
    watched("where memory ends", || {
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        for more in 0..48 {
            let memory = (1 << 20) + 40 * more;
            let bridge = Bridge::builder(&scheduler).memory(memory).on_uncaught(|_| {}).build().unwrap();
            let realm = bridge.realm().unwrap();
            let made = realm.eval(
                "const all = []; let refused;
                 try { for (;;) all.push(new Deferred(() => 1)); } catch (error) { refused = error; }
                 all.length = 20;
                 (await Promise.allSettled(all)).length",
            );
            match made.join() {
                Ok(value) => assert_eq!(value, Value::Number(20.0)),
                Err(error) => assert!(error.is_out_of_memory(), "{error}"),
            }
            // Those that nobody awaits any more need memory until they are settled, too.
            let is_over =
                |all: DeferredStats| all.made == all.returned + all.failed + all.cancelled + all.timed_out;
            while !is_over(bridge.stats().total()) {
                std::thread::sleep(Duration::from_micros(100));
            }
            // One that waits for what another will do is not told that of the one before.
            let waits = realm.eval("await new Promise(done => { globalThis.go = done; })");
            let goes = realm.eval("go(7)");
            if goes.join().is_ok() {
                assert_eq!(waits.join(), Ok(Value::Number(7.0)));
            }
            realm.finish().unwrap();
        }
    });
}

#[test]
fn a_hundred_thousand_timers_are_called_once_each_or_cleared() {
    let timers = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    each_size("timers", |workers| {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler).memory(1 << 30).time(Duration::MAX).build().unwrap();
        let realm = bridge.realm().unwrap();
        let counted = realm.eval(format!(
            "let called = 0; const numbers = [];
             for (let i = 0; i < {timers}; i++) numbers.push(setTimeout(i => {{ called++; if (i % 2 === 0) clearTimeout(numbers[i + 1]); }}, Math.floor(i / 2) % 7, i));
             await new Promise(done => {{ const look = setInterval(() => {{ if (called >= {timers} / 2) {{ clearInterval(look); done(); }} }}, 1); }});
             called"
        ));
        assert_eq!(counted.join(), Ok(Value::Number(f64::from(timers / 2))));
        realm.finish().unwrap();
    });
}

#[test]
fn what_nobody_catches_is_told_once() {
    each_size("uncaught", |workers| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = Bridge::builder(&scheduler)
            .on_uncaught(move |error| sink.lock().unwrap().push(error.message().unwrap_or("none").to_owned()))
            .console(|level, line| assert_ne!(level, ConsoleLevel::Error, "{line}"))
            .build()
            .unwrap();
        let realm = bridge.realm().unwrap();
        realm
            .eval(
                "Promise.reject(new Error('1')); setTimeout(() => { throw new Error('2'); }, 0);
                 new Deferred(() => { throw new Error('3'); });
                 new Deferred(() => { throw new Error('no'); }).catch(() => {});
                 await new Deferred(() => { Promise.reject(new Error('4')); });
                 queueMicrotask(() => { throw new Error('5'); });
                 const d = new Deferred(() => { Deferred.current.progress(1); }); d.onprogress = () => { throw new Error('6'); };
                 await d;",
            )
            .join()
            .unwrap();
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        let mut told = told.lock().unwrap().clone();
        told.sort();
        assert_eq!(told, ["1", "2", "3", "4", "5", "6"]);
    });
}
