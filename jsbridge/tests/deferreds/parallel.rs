//! Who runs what a script has made: its own worker where the script waits, others where it goes on. The monitor is off, so
//! what nobody was told of would never run, and these tests would hang.

use super::watched;
use heddle_jsbridge::Bridge;
use heddle_scheduler::Scheduler;
use std::time::Duration;

fn on_two_workers(what: &str, source: &str) -> f64 {
    watched(what, || {
        let scheduler = Scheduler::builder().workers(2).hog_after(Duration::MAX).build().unwrap();
        let bridge = Bridge::builder(&scheduler).build().unwrap();
        let realm = bridge.realm().unwrap();
        let answer = realm.eval(source).join_as::<f64>();
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        answer.unwrap()
    })
}

#[test]
fn a_script_that_goes_on_computing_keeps_no_deferred_waiting() {
    let source = "(async () => {
            const flag = new Int32Array(new SharedArrayBuffer(4));
            let rounds = 0;
            for (let i = 1; i <= 50; i++) {
                const done = new Deferred((flag, i) => { Atomics.store(flag, 0, i); return i; }, { args: [flag, i] });
                while (Atomics.load(flag, 0) !== i) {}
                rounds += (await done) === i;
            }
            return rounds;
        })()";
    assert_eq!(on_two_workers("a script that goes on", source), 50.0);
}

#[test]
fn two_deferreds_that_are_made_in_a_row_run_side_by_side() {
    let source = "(async () => {
            const met = new Int32Array(new SharedArrayBuffer(4));
            const meet = (met) => { Atomics.add(met, 0, 1); while (Atomics.load(met, 0) < 2) {} return 1; };
            let sum = 0;
            for (let i = 0; i < 20; i++) {
                Atomics.store(met, 0, 0);
                const both = [new Deferred(meet, { args: [met] }), new Deferred(meet, { args: [met] })];
                sum += (await Promise.all(both)).length;
            }
            return sum;
        })()";
    assert_eq!(on_two_workers("two in a row", source), 40.0);
}
