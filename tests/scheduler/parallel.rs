//! Parallel loops, maps, reductions and sorts: every element once and in order, whatever panics, waits or is
//! cancelled in the middle.

use heddle_scheduler::parallel::{
    Grain, Source, chunks, for_each, map, map_reduce, par_sort, par_sort_by, par_sort_by_key,
    par_sort_unstable, par_sort_unstable_by, par_sort_unstable_by_key, parallel_chunks, parallel_chunks_mut,
    parallel_for, reduce, zip,
};
use heddle_scheduler::{Priority, current, set_priority, sleep};
use heddle_tests::{Event, Random, Rig, eventually, everywhere, on_workers};
use std::cmp::Ordering;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const GRAINS: [usize; 4] = [0, 1, 7, usize::MAX];

fn panic_of(rig: &Rig, body: impl FnOnce() + Send) -> Box<dyn std::any::Any + Send> {
    catch_unwind(AssertUnwindSafe(|| rig.run(body))).unwrap_err()
}

#[test]
fn each_element_is_visited_once() {
    everywhere(|rig| {
        for grain in GRAINS {
            for len in [0, 1, 2, 3, 100, 5000] {
                let visits: Vec<AtomicU32> = (0..len).map(|_| AtomicU32::new(0)).collect();
                rig.run(|| {
                    parallel_for(0..len, grain, |n| {
                        visits[n].fetch_add(1, SeqCst);
                    });
                });
                assert!(visits.iter().all(|visit| visit.load(SeqCst) == 1));
                let mut numbers = vec![1_u32; len];
                rig.run(|| for_each(&mut numbers[..], grain, |n| *n += 1));
                assert!(numbers.iter().all(|&n| n == 2));
            }
        }
    });
}

#[test]
fn ranges_of_all_integers_have_all_their_numbers() {
    fn check<I: Copy + Send + Sync + PartialEq + std::fmt::Debug>(range: Range<I>)
    where
        Range<I>: Source<Element = I> + Iterator<Item = I> + Clone,
    {
        assert_eq!(map(range.clone(), 3, |n| n), range.collect::<Vec<_>>());
    }
    on_workers(&[2], |rig| {
        rig.run(|| {
            check(0..255_u8);
            check(-128..127_i8);
            check(-300..300_i16);
            check(u64::MAX - 5..u64::MAX);
            check(i64::MIN..i64::MIN + 9);
            check(-4..4_isize);
            // Ranges that run backwards are empty.
            #[allow(clippy::reversed_empty_ranges)]
            check(5..-5_i32);
        });
    });
    assert_eq!(Source::extent(&(i64::MIN..i64::MAX)), usize::MAX);
    let (low, high) = Source::split_at(i64::MIN..i64::MAX, usize::MAX / 2);
    assert_eq!((low, high), (i64::MIN..-1, -1..i64::MAX));
}

#[test]
fn chunks_and_pairs_cover_what_they_are_made_of() {
    everywhere(|rig| {
        let numbers: Vec<usize> = (0..1003).collect();
        let longest = AtomicUsize::new(0);
        rig.run(|| {
            parallel_chunks(&numbers, 10, |chunk| {
                assert!(chunk.is_sorted());
                longest.fetch_max(chunk.len(), SeqCst);
            });
        });
        assert_eq!(longest.into_inner(), 10);
        let firsts = rig.run(|| map(chunks(&numbers, 10), Grain::Auto, |chunk| (chunk[0], chunk.len())));
        assert_eq!(firsts.len(), 101);
        assert_eq!((firsts[0], firsts[100]), ((0, 10), (1000, 3)));
        let mut to = vec![0; 2000];
        rig.run(|| for_each(zip(&numbers[..], &mut to[..]), 3, |(from, to)| *to = *from + 1));
        assert!(to[..1003].iter().enumerate().all(|(index, &n)| n == index + 1));
        assert!(to[1003..].iter().all(|&n| n == 0), "the longer one's rest is left out");
        rig.run(|| parallel_chunks_mut(&mut to, usize::MAX, |all| all.fill(9)));
        assert!(to.iter().all(|&n| n == 9));
    });
}

#[test]
#[should_panic(expected = "chunks of no elements")]
fn chunks_of_no_elements_are_refused() {
    parallel_chunks(&[1, 2], 0, |_| ());
}

#[test]
fn maps_and_reductions_keep_the_order() {
    everywhere(|rig| {
        for grain in GRAINS {
            let texts = rig.run(|| map(0..3000_usize, grain, |n| n.to_string()));
            assert!(texts.iter().enumerate().all(|(n, text)| *text == n.to_string()));
            let joined =
                rig.run(|| map_reduce(&texts[..], grain, String::clone, |a: String, b: String| a + &b));
            assert_eq!(joined.unwrap(), texts.concat());
            let first = rig.run(|| reduce(&texts[..], grain, |a, _| a).cloned());
            assert_eq!(first.as_deref(), Some("0"));
            assert_eq!(rig.run(|| reduce(0..0_u32, grain, |a, b| a + b)), None);
            assert_eq!(rig.run(|| map(&[] as &[u8], grain, |n| *n)), []);
            // Values without a size are counted too.
            assert_eq!(rig.run(|| map(0..999_u32, grain, |_| ())).len(), 999);
        }
    });
}

#[test]
fn a_panic_ends_the_rest_and_drops_what_was_built() {
    everywhere(|rig| {
        for at in [0, 1, 500, 998, 999] {
            let done = AtomicUsize::new(0);
            let panic = panic_of(rig, || {
                let made = map(0..1000, 1, |n| {
                    if n == at {
                        std::panic::panic_any("torn");
                    }
                    done.fetch_add(1, SeqCst);
                    rig.track()
                });
                drop(made);
            });
            assert_eq!(*panic.downcast::<&str>().unwrap(), "torn");
            assert_eq!(rig.census.live(), 0, "what was built is dropped, once");
            assert!(done.into_inner() < 1000);
        }
        // In the merge, too.
        let panic = panic_of(rig, || {
            let made = map_reduce(0..64, 1, |_| rig.track(), |_, _| std::panic::panic_any("merge"));
            drop(made);
        });
        assert_eq!(*panic.downcast::<&str>().unwrap(), "merge");
        assert_eq!(rig.census.live(), 0);
    });
}

#[test]
fn a_cancelled_caller_leaves_the_rest_out_on_all_workers() {
    everywhere(|rig| {
        let (begun, built) = (AtomicUsize::new(0), Event::new());
        let begun = std::sync::Arc::new(begun);
        let handle = rig.go({
            let (begun, built, census) = (begun.clone(), built.clone(), rig.census.clone());
            move || {
                map(0..1_000_000, 1, |_| {
                    begun.fetch_add(1, SeqCst);
                    let _ = built.wait();
                    census.track()
                })
                .len()
            }
        });
        eventually(|| begun.load(SeqCst) > 0);
        // Nothing but this lets anybody go on: else others could do all there is before the caller is reached.
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
        assert_eq!(rig.census.live(), 0);
        assert!(begun.load(SeqCst) < 1_000_000);
    });
}

#[test]
fn stop_in_the_middle_ends_a_loop() {
    everywhere(|rig| {
        let begun = std::sync::Arc::new(AtomicUsize::new(0));
        let handle = rig.go({
            let begun = begun.clone();
            move || {
                parallel_for(0..u64::MAX, 1, |_| {
                    begun.fetch_add(1, SeqCst);
                });
            }
        });
        eventually(|| begun.load(SeqCst) > 100);
        rig.stop().unwrap();
        assert!(handle.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn bodies_that_wait_do_so_together() {
    everywhere(|rig| {
        // Each waits for all others: with the automatic grain too, none is kept behind another.
        let here = AtomicUsize::new(0);
        let all = Event::new();
        rig.run(|| {
            parallel_for(0..20, 1, |_| {
                if here.fetch_add(1, SeqCst) == 19 {
                    all.fire();
                }
                all.wait().unwrap();
            });
        });
        let slept = AtomicUsize::new(0);
        rig.run(|| {
            parallel_for(0..20, Grain::Auto, |_| {
                sleep(Duration::from_micros(100));
                slept.fetch_add(1, SeqCst);
            });
        });
        assert_eq!(slept.into_inner(), 20);
    });
}

#[test]
fn all_parts_have_the_callers_priority() {
    everywhere(|rig| {
        let handle = rig.go_with_priority(Priority::Low, || {
            map(0..500, 1, |_| {
                heddle_scheduler::yield_now();
                current().unwrap().priority()
            })
        });
        assert!(handle.join().unwrap().iter().all(|&priority| priority == Priority::Low));
        rig.run(|| {
            set_priority(Priority::High).unwrap();
            parallel_for(0..50, 1, |_| assert_eq!(current().unwrap().base_priority(), Priority::High));
        });
    });
}

#[test]
fn loops_nest_and_run_at_the_same_time() {
    everywhere(|rig| {
        let count = AtomicUsize::new(0);
        rig.scope(|s| {
            for _ in 0..4 {
                s.go(|| {
                    parallel_for(0..20, 1, |_| {
                        parallel_for(0..20_u8, Grain::Auto, |_| {
                            count.fetch_add(1, SeqCst);
                        });
                    });
                });
            }
        });
        assert_eq!(count.into_inner(), 1600);
    });
}

#[test]
fn outside_of_any_fiber_all_is_done_in_place() {
    let thread = std::thread::current().id();
    let here = map(0..100, 1, |_| std::thread::current().id());
    assert!(here.iter().all(|&id| id == thread));
    let mut numbers: Vec<u32> = (0..10_000).rev().collect();
    par_sort(&mut numbers);
    assert!(numbers.is_sorted());
    let panic = catch_unwind(|| parallel_for(0..10, 1, |n| assert!(n < 5, "five"))).unwrap_err();
    assert!(panic.downcast::<&str>().unwrap().contains("five"));
}

#[test]
fn in_a_destructor_of_a_panic_a_loop_runs_to_its_end() {
    everywhere(|rig| {
        struct Late<'a>(&'a AtomicUsize);
        impl Drop for Late<'_> {
            fn drop(&mut self) {
                parallel_for(0..1000, 1, |_| {
                    self.0.fetch_add(1, SeqCst);
                });
                let mut numbers: Vec<u32> = (0..5000).rev().collect();
                par_sort(&mut numbers);
                assert!(numbers.is_sorted());
            }
        }
        let count = AtomicUsize::new(0);
        panic_of(rig, || {
            let _late = Late(&count);
            panic!("first");
        });
        assert_eq!(count.into_inner(), 1000);
    });
}

/// A source that has fewer elements than it says.
struct Liar(Range<usize>);

impl Source for Liar {
    type Element = usize;
    type Elements = std::iter::Take<Range<usize>>;

    fn extent(&self) -> usize {
        self.0.len()
    }

    fn split_at(self, middle: usize) -> (Liar, Liar) {
        let (low, high) = Source::split_at(self.0, middle);
        (Liar(low), Liar(high))
    }

    fn elements(self) -> Self::Elements {
        let len = self.0.len();
        self.0.take(len / 2)
    }
}

#[test]
fn a_source_that_lies_about_its_length_is_found_out() {
    everywhere(|rig| {
        panic_of(rig, || drop(map(Liar(0..100), 8, |_| rig.track())));
        assert_eq!(rig.census.live(), 0);
        panic_of(rig, || drop(map(Liar(0..1), 8, |_| rig.track())));
        assert_eq!(rig.run(|| map_reduce(Liar(0..1), 8, |n| n, |a, b| a + b)), None);
    });
}

fn random_keys(len: usize, most: u64, seed: u64) -> Vec<u64> {
    let mut random = Random::from_seed(seed);
    (0..len).map(|_| random.number() % most).collect()
}

#[test]
fn sorts_agree_with_the_standard_library() {
    on_workers(&[1, 2, 8], |rig| {
        for (seed, len) in [0, 1, 2, 1024, 1025, 5000, 40_000].into_iter().enumerate() {
            for most in [1, 2, 100, u64::MAX] {
                let keys = random_keys(len, most, seed as u64);
                // Stable: what was before stays before.
                let mut pairs: Vec<(u64, usize)> = keys.iter().copied().zip(0..).collect();
                let mut expected = pairs.clone();
                expected.sort_by_key(|pair| pair.0);
                rig.run(|| par_sort_by_key(&mut pairs, |pair| pair.0));
                assert!(pairs == expected, "{len} elements of {most}");
                let (mut numbers, mut texts) =
                    (keys.clone(), keys.iter().map(u64::to_string).collect::<Vec<_>>());
                rig.run(|| par_sort_unstable(&mut numbers));
                assert!(numbers.is_sorted());
                rig.run(|| par_sort_by(&mut texts, |a, b| b.cmp(a)));
                assert!(texts.is_sorted_by(|a, b| a >= b));
            }
        }
        let mut ordered: Vec<u32> = (0..50_000).collect();
        rig.run(|| par_sort(&mut ordered));
        assert!(ordered.is_sorted());
        ordered.reverse();
        rig.run(|| par_sort(&mut ordered));
        assert!(ordered.is_sorted());
        rig.run(|| par_sort(&mut [(); 3000]));
    });
}

/// Elements that are counted, some with an address that would be freed twice.
struct Owned(Box<u64>, #[allow(dead_code)] heddle_tests::Tracked);

#[test]
fn a_comparison_that_panics_or_makes_no_sense_loses_nothing() {
    on_workers(&[1, 2, 8], |rig| {
        let len = 20_000;
        for seed in 0..12 {
            let keys = random_keys(len, 1000, seed);
            let mut elements: Vec<Owned> =
                keys.iter().map(|&key| Owned(Box::new(key), rig.track())).collect();
            let left = AtomicUsize::new(Random::from_seed(seed).number() as usize % 250_000);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                rig.run(|| {
                    par_sort_by(&mut elements, |a, b| {
                        if left.fetch_sub(1, SeqCst) == 1 {
                            panic!("no more");
                        }
                        a.0.cmp(&b.0)
                    });
                });
            }));
            let mut found: Vec<u64> = elements.iter().map(|element| *element.0).collect();
            assert!(outcome.is_err() || found.is_sorted());
            found.sort_unstable();
            let mut expected = keys.clone();
            expected.sort_unstable();
            assert!(found == expected, "each element is there once");
            // Random answers: it may panic, and that is all.
            let random = std::sync::Mutex::new(Random::from_seed(seed));
            let _ = catch_unwind(AssertUnwindSafe(|| {
                rig.run(|| {
                    par_sort_by(&mut elements, |_, _| match random.lock().unwrap().number() % 3 {
                        0 => Ordering::Less,
                        1 => Ordering::Equal,
                        _ => Ordering::Greater,
                    });
                });
            }));
            assert_eq!(rig.census.live(), len);
            found = elements.iter().map(|element| *element.0).collect();
            found.sort_unstable();
            assert!(found == expected, "each element is there once");
        }
    });
}

/// Inputs of so many elements that are hard for one way of sorting or another.
fn patterns(len: usize) -> Vec<Vec<u64>> {
    let (up, half) = (0..len as u64, len as u64 / 2);
    let mut late = up.clone().collect::<Vec<_>>();
    late.extend([0, 1]);
    vec![
        up.clone().collect(),
        up.clone().rev().collect(),
        vec![7; len],
        up.clone().map(|n| n.min(len as u64 - n)).collect(), // an organ's pipes
        up.clone().map(|n| n % 3).collect(),
        up.clone().map(|n| n % half.max(1)).collect(),
        up.clone().map(|n| n ^ 1).collect(),
        late,
        random_keys(len, u64::MAX, len as u64),
        random_keys(len, 10, len as u64),
    ]
}

#[test]
fn whatever_the_order_was_an_unstable_sort_agrees_with_the_standard_library() {
    on_workers(&[1, 2, 8], |rig| {
        for len in [1, 2, 1025, 40_000, 300_000] {
            for keys in patterns(len) {
                let mut expected = keys.clone();
                expected.sort_unstable();
                let mut sorted = keys.clone();
                rig.run(|| par_sort_unstable(&mut sorted));
                assert!(sorted == expected, "{len}: {:?}", &keys[..len.min(8)]);
                // Large elements, by a key.
                let mut large: Vec<[u64; 20]> = keys.iter().take(50_000).map(|&key| [key; 20]).collect();
                rig.run(|| par_sort_unstable_by_key(&mut large, |element| !element[7]));
                assert!(large.is_sorted_by(|a, b| a >= b));
            }
        }
        rig.run(|| par_sort_unstable(&mut [(); 3000]));
        rig.run(|| par_sort_unstable::<u8>(&mut []));
    });
}

#[test]
fn an_unstable_sort_whose_comparison_panics_or_makes_no_sense_loses_nothing() {
    on_workers(&[1, 2, 8], |rig| {
        for (seed, keys) in patterns(20_000).into_iter().enumerate() {
            let mut elements: Vec<Owned> =
                keys.iter().map(|&key| Owned(Box::new(key), rig.track())).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            let is_whole = |elements: &[Owned]| {
                let mut found: Vec<u64> = elements.iter().map(|element| *element.0).collect();
                found.sort_unstable();
                assert!(found == expected, "each element is there once");
            };
            let random = std::sync::Mutex::new(Random::from_seed(seed as u64));
            for way in 0..4 {
                let left = AtomicUsize::new(random.lock().unwrap().number() as usize % 100_000);
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    rig.run(|| {
                        par_sort_unstable_by(&mut elements, |a, b| match way {
                            0 if left.fetch_sub(1, SeqCst) == 1 => panic!("no more"),
                            0 => a.0.cmp(&b.0),
                            // As of floats some of which are no numbers; all less than all; at random.
                            1 if *a.0 % 5 == 0 || *b.0 % 5 == 0 => Ordering::Equal,
                            1 => a.0.cmp(&b.0),
                            2 => Ordering::Less,
                            _ => [Ordering::Less, Ordering::Equal, Ordering::Greater]
                                [random.lock().unwrap().number() as usize % 3],
                        });
                    });
                }));
                is_whole(&elements);
                assert!(way != 0 || outcome.is_err() || elements.is_sorted_by(|a, b| a.0 <= b.0));
            }
            assert_eq!(rig.census.live(), elements.len());
        }
    });
}

#[test]
fn a_sort_that_is_cancelled_leaves_all_elements() {
    everywhere(|rig| {
        let comparing = std::sync::Arc::new(AtomicBool::new(false));
        let (give, get) = std::sync::mpsc::channel();
        let handle = rig.go({
            let (comparing, census) = (comparing.clone(), rig.census.clone());
            move || {
                struct Sends(Vec<heddle_tests::Tracked>, std::sync::mpsc::Sender<usize>);
                impl Drop for Sends {
                    fn drop(&mut self) {
                        self.1.send(self.0.len()).unwrap();
                    }
                }
                let mut all = Sends((0..30_000).map(|_| census.track()).collect(), give);
                loop {
                    let compare = |a: &heddle_tests::Tracked, b: &heddle_tests::Tracked| {
                        comparing.store(true, SeqCst);
                        (std::ptr::from_ref(a) as usize % 7).cmp(&(std::ptr::from_ref(b) as usize % 5))
                    };
                    par_sort_unstable_by(&mut all.0, compare);
                    par_sort_by(&mut all.0, compare);
                }
            }
        });
        eventually(|| comparing.load(SeqCst));
        handle.cancel();
        // The comparison makes no sense, so the standard library may have said so before.
        let error = handle.join().unwrap_err();
        assert!(error.is_cancelled() || error.is_panic(), "{error}");
        assert_eq!(get.recv().unwrap(), 30_000);
        assert_eq!(rig.census.live(), 0);
    });
}

#[test]
fn a_shield_lets_a_loop_run_to_its_end_and_a_timeout_ends_it() {
    everywhere(|rig| {
        let (begun, go_on) = (std::sync::Arc::new(AtomicBool::new(false)), Event::new());
        let handle = rig.go({
            let (begun, go_on) = (begun.clone(), go_on.clone());
            move || {
                let made = heddle_scheduler::shielded(|| {
                    map(0..200, 1, |n| {
                        begun.store(true, SeqCst);
                        go_on.wait().unwrap();
                        n
                    })
                });
                assert_eq!(made.len(), 200);
                heddle_scheduler::yield_now();
                unreachable!("it is cancelled");
            }
        });
        eventually(|| begun.load(SeqCst));
        handle.cancel();
        go_on.fire();
        assert!(handle.join().map(|(): ()| ()).unwrap_err().is_cancelled());
        let in_time = rig.run(|| {
            heddle_scheduler::timeout(Duration::from_millis(1), || parallel_for(0..u64::MAX, 1, |_| ()))
                .is_ok()
        });
        assert!(!in_time);
    });
}
