//! Nested Deferreds, deeper and wider than there are isolates: they run or are refused, and nothing hangs.

use crate::{text, watched};
use heddle_jsbridge::{Bridge, Value};
use heddle_scheduler::Scheduler;

/// What a script comes to, with so many isolates, over several numbers of workers.
fn with_isolates(isolates: usize, source: &str) -> Vec<String> {
    let answers = [1, 2, 4].map(|workers| {
        watched(&format!("{isolates} isolates, {workers} workers: {source}"), || {
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let bridge = Bridge::builder(&scheduler).max_isolates(isolates).build().unwrap();
            let realm = bridge.realm().unwrap();
            let answer =
                realm.eval(source).join().map_or_else(|error| error.to_string(), |value| value.to_string());
            // It goes on as before.
            assert_eq!(realm.eval("await new Deferred(() => 1)").join(), Ok(Value::Number(1.0)));
            realm.finish().unwrap();
            scheduler.wait_all().unwrap();
            assert_eq!(bridge.stats().isolates, 0);
            answer
        })
    });
    answers.into()
}

const SIZES: [usize; 4] = [1, 2, 3, 8];

#[test]
fn deeper_than_there_are_isolates_runs_or_is_refused() {
    let source = "
        const deeper = n => n === 0 ? 'bottom' : new Deferred(deeper, { args: [n - 1] });
        await new Deferred(deeper, { args: [20] }).catch(error => error.name)";
    for isolates in SIZES {
        for answer in with_isolates(isolates, source) {
            assert_eq!(answer, "IsolateLimitError", "{isolates} isolates");
        }
    }
    for answer in with_isolates(256, source) {
        assert_eq!(answer, "bottom");
    }
}

#[test]
fn a_refusal_can_be_caught_at_every_depth() {
    // Each that is refused says so to the one above it, which goes on.
    let source = "
        const deeper = async n => n === 0 ? 0 : 1 + await new Deferred(deeper, { args: [n - 1] }).catch(() => 0);
        const depth = await new Deferred(deeper, { args: [20] });
        depth >= 1 && depth < 20 ? 'some' : depth";
    for isolates in SIZES {
        for answer in with_isolates(isolates, source) {
            assert_eq!(answer, "some", "{isolates} isolates");
        }
    }
}

#[test]
fn wider_than_there_are_isolates_runs_all() {
    let source = "
        const sums = await Promise.all(Array.from({ length: 50 }, (_, i) => new Deferred(i => i, { args: [i] })));
        sums.reduce((a, b) => a + b)";
    for isolates in SIZES {
        for answer in with_isolates(isolates, source) {
            assert_eq!(answer, "1225", "{isolates} isolates");
        }
    }
}

#[test]
fn fifty_parents_of_fifty_end() {
    let source = "
        const wide = async () => {
            const all = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => new Deferred(i => i, { args: [i] })));
            return all.map(each => each.status === 'fulfilled' ? 'ran' : each.reason.name);
        };
        const parents = await Promise.allSettled(Array.from({ length: 50 }, () => new Deferred(wide)));
        const outcomes = parents.flatMap(each => each.status === 'fulfilled' ? each.value : each.reason.name);
        [outcomes.length, [...new Set(outcomes)].every(each => each === 'ran' || each === 'IsolateLimitError')].join()";
    for isolates in SIZES {
        for answer in with_isolates(isolates, source) {
            assert_eq!(answer, "2500,true", "{isolates} isolates");
        }
    }
}

#[test]
fn trees_of_many_roots_end() {
    // Each node has three below it, five levels of them: 364 nodes a root, of which each ends or is refused.
    let source = "
        const tree = async n => {
            if (n === 0) return 1;
            const below = await Promise.allSettled([1, 2, 3].map(() => new Deferred(tree, { args: [n - 1] })));
            return below.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : each.reason.name === 'IsolateLimitError' ? 0 : NaN), 1);
        };
        const roots = await Promise.all(Array.from({ length: 10 }, () => new Deferred(tree, { args: [4] })));
        roots.every(count => count >= 1 && count <= 121) ? 'all' : roots.join()";
    for isolates in SIZES {
        for answer in with_isolates(isolates, source) {
            assert_eq!(answer, "all", "{isolates} isolates");
        }
    }
}

#[test]
fn a_cancelled_tree_gives_all_its_isolates_back() {
    assert_eq!(
        text(
            "const tree = async n => { if (n === 0) while (true); await Promise.all([1, 2].map(() => new Deferred(tree, { args: [n - 1] }))); };
             const roots = Array.from({ length: 4 }, () => new Deferred(tree, { args: [3] }));
             await new Promise(done => setTimeout(done, 5));
             roots.forEach(root => root.cancel());
             (await Promise.allSettled(roots)).map(each => each.reason.name).join()"
        ),
        "AbortError,AbortError,AbortError,AbortError"
    );
}

#[test]
fn a_critical_one_completes_while_all_loop_in_the_background() {
    // Asserted is the order, and no time: the loops are still running when the Critical ones are done.
    for workers in [1, 2, 4] {
        watched("a Critical Deferred among loops", || {
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let bridge = Bridge::builder(&scheduler).build().unwrap();
            let realm = bridge.realm().unwrap();
            let source = "
                const endless = () => { while (true); };
                const loops = Array.from({ length: WORKERS * 2 }, () => new Deferred(endless, { priority: 'background' }));
                const seen = [];
                for (let i = 0; i < 20; i++) seen.push(await new Deferred(i => i, { args: [i], priority: 'critical' }));
                const going = loops.every(loop => loop.state !== 'settled');
                const overdue = await new Deferred(endless, { priority: 'background', timeout: 5 }).catch(error => error.name);
                loops.forEach(loop => loop.cancel());
                const ends = await Promise.all(loops.map(loop => loop.catch(error => error.name)));
                [seen.join(' '), going, overdue, [...new Set(ends)]].join()"
                .replace("WORKERS", &workers.to_string());
            let answer = realm.eval(source).join().unwrap().to_string();
            assert_eq!(
                answer, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19,true,TimeoutError,AbortError",
                "{workers} workers"
            );
            realm.finish().unwrap();
            scheduler.wait_all().unwrap();
            assert_eq!(bridge.stats().isolates, 0);
        });
    }
}
