//! What the pool promises, with real isolates and without a bridge.

use super::Isolate;
use super::enter::StackTop;
use super::handle::CStrSource;
use super::pool::{Discard, Lease, Pool, RealmId, Recipe, Stock, Ticket, Want};
use super::population::Population;
use crate::error::Error;
use crate::limits::{self, Limits};
use crate::value::Value;
use heddle_scheduler::{Priority, Scheduler};
use std::sync::{Arc, Mutex};

type Out = Mutex<Vec<(u32, Option<Ticket<u32>>)>>;

/// A pool on one worker, whose work is numbers. What is let in is put into `out`.
struct Fixture {
    pool: Arc<Pool<u32>>,
    population: Arc<Population>,
    out: Arc<Out>,
    scheduler: Scheduler,
    stack: usize,
}

fn limits(memory: usize) -> Limits {
    Limits { memory, stack: 64 << 10, time: limits::TIME_DEFAULT, slice: limits::SLICE, eval: true }
}

fn fixture(most: usize, stock: Stock) -> Fixture {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let population = Arc::new(Population::new(most));
    let out = Arc::new(Out::default());
    let recipe = Recipe { limits: limits(4 << 20), furnish: Arc::new(|_| Ok(())) };
    let let_in = out.clone();
    let pool =
        Pool::new(scheduler.spawner(), population.clone(), most, recipe, stock, move |work, ticket| {
            let_in.lock().unwrap().push((work, ticket));
        });
    let stack = scheduler.stats().stacks.size;
    Fixture { pool, population, out, scheduler, stack }
}

const STOCK: Stock = Stock { fresh: 1, idle: 4 };

fn want(realm: RealmId, level: Priority) -> Want {
    Want { realm, level, isolated: false, depth: 0, node: None }
}

impl Fixture {
    /// Runs `f` in a fiber.
    fn inside<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Arc<Pool<u32>>, StackTop) -> T + Send + 'static,
    ) -> T {
        let (pool, stack) = (self.pool.clone(), self.stack);
        self.scheduler.go(move || f(&pool, StackTop::here(stack))).join().unwrap()
    }

    fn lease(&self, want: Want, work: u32) -> Lease<u32> {
        lease(&self.pool, &want, work).unwrap()
    }

    /// After this nothing is left to do for the keeper.
    fn settle(&self) {
        self.scheduler.wait_all().unwrap();
    }
}

fn lease(pool: &Arc<Pool<u32>>, want: &Want, work: u32) -> Option<Lease<u32>> {
    pool.lease_or_park(want, work, None).map_err(|(error, _)| error).unwrap().map(|(lease, _)| lease)
}

fn eval(isolate: &mut Isolate, top: StackTop, source: &str) -> Result<Value, Error> {
    isolate.enter(top, |scope| {
        let result = scope.eval(c"test.js", &CStrSource::new(source))?;
        scope.settle(result)?.to_value()
    })
}

#[test]
fn a_clean_isolate_serves_its_realm_again_and_no_other() {
    let fixture = fixture(8, STOCK);
    let (one, two) = (RealmId::new(), RealmId::new());
    fixture.inside(move |pool, top| {
        for n in 0..10 {
            let mut lease = lease(pool, &want(one, Priority::Normal), n).unwrap();
            assert_eq!(eval(&mut lease, top, "[1, 2].map(n => n + 1).join()").unwrap().as_str(), Some("2,3"));
        }
        let stats = pool.stats();
        assert_eq!((stats.reused, stats.idle, stats.leased), (9, 1, 0), "{stats:?}");
        drop(lease(pool, &want(two, Priority::Normal), 0).unwrap());
        assert_eq!((pool.stats().reused, pool.stats().idle), (9, 2));
    });
    fixture.settle();
    assert_eq!(fixture.pool.stats().fresh, 1);
    fixture.pool.forget_realm(one);
    fixture.pool.forget_realm(two);
    fixture.settle();
    let stats = fixture.pool.stats();
    assert_eq!(
        (stats.live, stats.idle, stats.discarded[Discard::Forgotten as usize]),
        (1, 0, 2),
        "{stats:?}"
    );
    let population = fixture.population.clone();
    drop(fixture);
    assert_eq!(population.live(), 0);
}

#[test]
fn one_that_is_isolated_is_fresh_and_serves_once() {
    let fixture = fixture(8, STOCK);
    let realm = RealmId::new();
    drop(fixture.lease(want(realm, Priority::Normal), 0));
    drop(fixture.lease(Want { isolated: true, ..want(realm, Priority::Normal) }, 0));
    let stats = fixture.pool.stats();
    assert_eq!((stats.reused, stats.discarded[Discard::Isolated as usize], stats.idle), (0, 1, 1));
}

#[test]
fn what_was_killed_or_has_no_memory_left_or_is_dirty_is_discarded() {
    let fixture = fixture(8, STOCK);
    let realm = RealmId::new();
    let stats = fixture.inside(move |pool, top| {
        let take = |source| {
            let mut lease = lease(pool, &want(realm, Priority::Normal), 0).unwrap();
            let _ = eval(&mut lease, top, source);
        };
        take("try { new Uint8Array(1 << 30) } catch {}");
        take("globalThis.leftover = 1");
        take("Promise.reject(1); 0");
        pool.stats()
    });
    assert_eq!(stats.discarded[Discard::OutOfMemory as usize], 1);
    assert_eq!(stats.discarded[Discard::Dirty as usize], 2);
    assert_eq!((stats.reused, stats.idle), (0, 0));
    fixture.settle();
    assert_eq!(fixture.pool.stats().live, fixture.pool.stats().fresh);
}

#[test]
fn a_realm_that_is_gone_gets_nothing_back_to_it() {
    let fixture = fixture(8, STOCK);
    let realm = RealmId::new();
    let held = fixture.lease(want(realm, Priority::Normal), 0);
    fixture.pool.forget_realm(realm);
    drop(held);
    let stats = fixture.pool.stats();
    assert_eq!((stats.idle, stats.discarded[Discard::Forgotten as usize]), (0, 1));
}

#[test]
fn a_lot_that_another_thread_has_holds_up_nobody_who_changes_a_priority() {
    let fixture = fixture(1, Stock { fresh: 0, idle: 1 });
    let realm = RealmId::new();
    let held = fixture.lease(want(realm, Priority::Normal), 0);
    assert!(lease(&fixture.pool, &want(realm, Priority::Normal), 1).is_none());
    assert!(lease(&fixture.pool, &want(realm, Priority::Background), 2).is_none());
    let relevel = |level, which| fixture.inside(move |pool, _| pool.relevel(level, |work| *work == which));
    fixture.pool.with_lot(Priority::Background, || {
        // From there, and to there: both stay where they are.
        assert!(!relevel(Priority::Critical, 2));
        assert!(!relevel(Priority::Background, 1));
        assert!(relevel(Priority::High, 1));
    });
    // A move looks whether there is a place, which a fiber does that takes the lot, and may be stopped there.
    fixture.settle();
    assert_eq!(fixture.pool.stats().parked, 2);
    assert!(relevel(Priority::Critical, 2));
    fixture.settle();
    assert!(!relevel(Priority::Critical, 2), "it is there");
    assert_eq!(fixture.pool.unpark(|_| true), [2, 1]);
    drop(held);
}

#[test]
fn work_waits_at_the_bound_and_goes_on_most_urgent_first() {
    let fixture = fixture(2, Stock { fresh: 0, idle: 1 });
    let realm = RealmId::new();
    let held = fixture.lease(want(realm, Priority::Normal), 0);
    for (work, level) in
        [(1, Priority::Low), (2, Priority::Normal), (3, Priority::Normal), (4, Priority::High)]
    {
        assert!(lease(&fixture.pool, &want(realm, level), work).is_none());
    }
    assert_eq!(fixture.pool.stats().parked, 4);
    assert!(fixture.pool.relevel(Priority::Critical, |work| *work == 1));
    assert!(!fixture.pool.relevel(Priority::Critical, |work| *work == 99));
    assert_eq!(fixture.pool.unpark(|work| *work == 3), [3]);
    drop(held);
    let mut order = Vec::new();
    loop {
        let Some((work, ticket)) = fixture.out.lock().unwrap().pop() else { break };
        order.push(work);
        // As it goes on: with the ticket it has a lease at once, and when that ends the next one goes on.
        let lease = fixture.pool.lease_or_park(&want(realm, Priority::Normal), work, ticket);
        assert!(lease.map_err(|(error, _)| error).unwrap().is_some());
    }
    assert_eq!(order, [1, 4, 2]);
    assert_eq!((fixture.pool.stats().parked, fixture.pool.stats().leased), (0, 0));
}

#[test]
fn a_ticket_that_is_dropped_lets_the_next_one_in() {
    let fixture = fixture(1, STOCK);
    let realm = RealmId::new();
    let held = fixture.lease(want(realm, Priority::Normal), 0);
    (1..=3).for_each(|work| assert!(lease(&fixture.pool, &want(realm, Priority::Normal), work).is_none()));
    drop(held);
    let mut order = Vec::new();
    while let Some((work, _ticket)) = { fixture.out.lock().unwrap().pop() } {
        order.push(work);
    }
    assert_eq!(order, [1, 2, 3]);
    assert_eq!(fixture.pool.stats().leased, 0);
}

#[test]
fn nested_work_runs_or_waits_or_is_refused_and_never_waits_for_itself() {
    let fixture = fixture(6, STOCK);
    let realm = RealmId::new();
    let nested = |depth| Want { depth, ..want(realm, Priority::Normal) };
    // Four places for roots, two for what they make: one of those for the second depth.
    let roots = [fixture.lease(nested(0), 0), fixture.lease(nested(0), 0)];
    let first = fixture.lease(nested(1), 1);
    assert!(lease(&fixture.pool, &nested(1), 2).is_none(), "one of its depth is running");
    let second = fixture.lease(nested(2), 3);
    let refused = fixture.pool.lease_or_park(&nested(3), 4, None).err().unwrap();
    assert!(refused.0.is_limit() && refused.1 == 4, "{}", refused.0);
    assert!(lease(&fixture.pool, &nested(2), 5).is_none());
    // The one that it might have waited for ends, and it has its place.
    drop(second);
    let (work, ticket) = fixture.out.lock().unwrap().pop().unwrap();
    assert_eq!((work, ticket.is_some()), (5, true));
    drop(ticket);
    drop(first);
    let (work, ticket) = fixture.out.lock().unwrap().pop().unwrap();
    assert_eq!((work, ticket.is_some()), (2, true));
    drop((ticket, roots));
    assert_eq!((fixture.pool.stats().leased, fixture.pool.stats().refused), (0, 1));
}

#[test]
fn three_hundred_pieces_of_work_share_three_isolates() {
    let fixture = fixture(4, STOCK);
    let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let realms: Arc<[RealmId]> = (0..3).map(|_| RealmId::new()).collect();
    // Each piece starts as a fiber, and once more when it was parked.
    fn start(pool: &Arc<Pool<u32>>, work: u32, ticket: Option<Ticket<u32>>, realms: &[RealmId]) -> bool {
        let want = want(realms[work as usize % 3], Priority::ALL[work as usize % 5]);
        pool.lease_or_park(&want, work, ticket).map_err(|(error, _)| error).unwrap().is_some()
    }
    let handles: Vec<_> = (0..300)
        .map(|work| {
            let (pool, realms, done) = (fixture.pool.clone(), realms.clone(), done.clone());
            fixture.scheduler.go_with_priority(Priority::ALL[work as usize % 5], move || {
                if start(&pool, work, None, &realms) {
                    done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            })
        })
        .collect();
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    while let Some((work, ticket)) = { fixture.out.lock().unwrap().pop() } {
        assert!(ticket.is_some() && start(&fixture.pool, work, ticket, &realms));
        done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    assert_eq!(done.load(std::sync::atomic::Ordering::Relaxed), 300);
    fixture.settle();
    let stats = fixture.pool.stats();
    assert_eq!((stats.parked, stats.leased), (0, 0));
    assert!(stats.live <= 5 && stats.live == stats.idle + stats.fresh, "{stats:?}");
}

#[test]
fn a_pool_outlives_its_scheduler() {
    let fixture = fixture(4, STOCK);
    let realm = RealmId::new();
    let held = fixture.lease(want(realm, Priority::Normal), 0);
    fixture.scheduler.stop().unwrap();
    drop(held);
    drop(fixture.lease(Want { isolated: true, ..want(realm, Priority::Normal) }, 0));
    let stats = fixture.pool.stats();
    assert_eq!(stats.live, stats.idle + stats.fresh, "what is discarded is freed at once");
}
