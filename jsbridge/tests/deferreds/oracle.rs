//! A hundred thousand Deferreds of every kind, half of them cancelled at random moments; each settles exactly once, and
//! its function has run at most once. Who counts is outside of the bridge: a Rust function that gets the lines of
//! `console.log`, and memory that the functions share.
//!
//! `SEED=n` replays a run (the seed of each is printed), `DEFERREDS=n` makes so many. The default is fewer where the
//! build is not optimized.

use crate::watched;
use heddle_jsbridge::{Bridge, ConsoleLevel, Error};
use heddle_scheduler::{Priority, Scheduler};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

/// Makes `N` Deferreds in batches, and does things to them at random. Each writes `S id outcome` when it settles.
const SCRIPT: &str = "
    let state = SEED >>> 0;
    const random = () => {
        state = (state + 0x6D2B79F5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const below = n => Math.floor(random() * n);
    const LEVELS = ['critical', 'high', 'normal', 'low', 'background'];
    const runs = new Int32Array(new SharedArrayBuffer(4 * (N + 1)));

    const kinds = [
        (id, runs) => { Atomics.add(runs, id, 1); return id * 2; },
        (id, runs) => { Atomics.add(runs, id, 1); throw new RangeError(`e${id}`); },
        async (id, runs) => { Atomics.add(runs, id, 1); await null; return id * 2; },
        async (id, runs) => { Atomics.add(runs, id, 1); await null; throw new RangeError(`e${id}`); },
        (id, runs) => {
            Atomics.add(runs, id, 1);
            for (let i = 0; i < 5; i++) { Deferred.current.progress(id); Deferred.current.checkpoint(); }
            return id * 2;
        },
        async (id, runs) => { Atomics.add(runs, id, 1); return await new Deferred(id => id * 2, { args: [id] }); },
        (id, runs) => { Atomics.add(runs, id, 1); new Deferred(() => 1).catch(() => {}); return id * 2; },
        (id, runs) => { Atomics.add(runs, id, 1); return new Promise(done => setTimeout(done, 1, id * 2)); },
        (id, runs) => { Atomics.add(runs, id, 1); Deferred.current.priority = 'low'; Deferred.current.yield(); return id * 2; },
    ];
    const endless = (id, runs) => { Atomics.add(runs, id, 1); while (true); };
    const overdue = (id, runs) => { Atomics.add(runs, id, 1); return new Promise(done => setTimeout(done, 1e9)); };

    const all = [], cancelled = new Set();
    const counts = { progress: 0, cancels: 0 };
    let unsettled = 0;
    const told = (id, kind, what, value) => {
        unsettled--;
        all[id] = undefined;
        const right = cancelled.has(id) ? what === 'abort' && value === id
            : what === 'value' ? value === id * 2
            : what === 'RangeError' ? value === `e${id}` && (kind === 1 || kind === 3)
            : what === 'TimeoutError' ? kind >= kinds.length
            : what === 'IsolateLimitError' && (kind === 5 || kind === 6);
        console.log(`S ${id} ${right ? what : `wrong: ${kind} ${what} ${String(value)}`}`);
    };
    const make = id => {
        const extra = below(200);
        const kind = extra === 0 ? kinds.length : extra === 1 ? kinds.length + 1 : below(kinds.length);
        const options = { args: [id, runs] };
        if (below(2)) options.priority = LEVELS[below(5)];
        if (kind >= kinds.length) options.timeout = below(4);
        else if (below(8) === 0) options.timeout = 1e6;
        if (below(8) === 0) options.name = `number ${id}`;
        const deferred = new Deferred(kind === kinds.length ? endless : kind > kinds.length ? overdue : kinds[kind], options);
        unsettled++;
        if (kind === 4) deferred.onprogress = value => { counts.progress++; if (value !== id) console.log(`S ${id} wrong: progress ${value}`); };
        deferred.then(value => told(id, kind, 'value', value),
            error => cancelled.has(id) ? told(id, kind, 'abort', error) : told(id, kind, error?.name, error?.message));
        all[id] = deferred;
    };
    const stop = id => {
        const deferred = all[id];
        if (deferred !== undefined && deferred.cancel(id)) { cancelled.add(id); counts.cancels++; }
    };
    const moment = () => new Promise(done => setTimeout(done, 0));
    for (let made = 0; made < N;) {
        const first = made;
        for (const end = Math.min(N, made + 1 + below(2000)); made < end; made++) {
            make(made);
            // At once: it is queued, or another thread has it already.
            if (below(4) === 0) stop(made);
            if (below(16) === 0) stop(below(made + 1));
            if (below(16) === 0) { const one = all[below(made + 1)]; if (one) one.priority = LEVELS[below(5)]; }
        }
        const turns = below(4);
        for (let turn = 0; turn < turns; turn++) {
            await moment();
            for (let i = 0; i < (made - first) / 6; i++) stop(first + below(made - first));
        }
        while (unsettled > 20000) await moment();
    }
    while (unsettled > 0) await moment();
    const most = runs.reduce((a, b) => Math.max(a, b));
    JSON.stringify([counts.cancels, most, runs.reduce((a, b) => a + b)]);
";

fn seed() -> u32 {
    let fixed = std::env::var("SEED").ok().map(|seed| seed.parse().unwrap());
    fixed.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos()
    })
}

fn how_many() -> usize {
    let wanted = std::env::var("DEFERREDS").ok().map(|count| count.parse().unwrap());
    wanted.unwrap_or(if cfg!(debug_assertions) { 10_000 } else { 100_000 })
}

/// Counts the lines `S id outcome`.
#[derive(Default)]
struct Oracle {
    settled: Vec<AtomicU8>,
    outcomes: Mutex<BTreeMap<String, usize>>,
    wrong: Mutex<Vec<String>>,
}

impl Oracle {
    fn new(deferreds: usize) -> Arc<Oracle> {
        Arc::new(Oracle { settled: (0..deferreds).map(|_| AtomicU8::new(0)).collect(), ..Oracle::default() })
    }

    fn hear(&self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (Some("S"), Some(id), Some(outcome)) = (words.next(), words.next(), words.next()) else {
            return self.wrong.lock().unwrap().push(line.to_owned());
        };
        self.settled[id.parse::<usize>().unwrap()].fetch_add(1, Ordering::Relaxed);
        if outcome.starts_with("wrong") {
            self.wrong.lock().unwrap().push(line.to_owned());
        }
        *self.outcomes.lock().unwrap().entry(outcome.to_owned()).or_default() += 1;
    }

    fn check(&self) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} wrong outcomes: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        for (id, times) in self.settled.iter().enumerate() {
            assert_eq!(times.load(Ordering::Relaxed), 1, "Deferred {id} was not settled exactly once");
        }
    }

    fn count(&self, outcome: &str) -> usize {
        self.outcomes.lock().unwrap().get(outcome).copied().unwrap_or_default()
    }
}

fn script(deferreds: usize, seed: u32) -> String {
    format!("const N = {deferreds}, SEED = {seed};{SCRIPT}")
}

fn live_fibers(scheduler: &Scheduler) -> u64 {
    scheduler.stats().workers.iter().map(|worker| worker.live).sum()
}

#[test]
fn each_of_a_hundred_thousand_settles_exactly_once() {
    let (deferreds, seed) = (how_many(), seed());
    for workers in [1, 2, 4] {
        // Their total is the number asked for.
        let deferreds = deferreds / 3;
        println!("SEED={seed} DEFERREDS={deferreds} with {workers} workers");
        watched("the oracle", || {
            let oracle = Oracle::new(deferreds);
            let hears = oracle.clone();
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let bridge = Bridge::builder(&scheduler)
                .memory(1 << 30)
                .time(Duration::MAX)
                .console(move |level, line| {
                    if level == ConsoleLevel::Log {
                        hears.hear(line)
                    } else {
                        hears.hear(&format!("{level:?} {line}"))
                    }
                })
                .build()
                .unwrap();
            let realm = bridge.realm().unwrap();
            let counts = realm.eval(script(deferreds, seed)).join().unwrap().to_string();
            let [cancels, most, ran]: [usize; 3] = parse(&counts);
            realm.finish().unwrap();
            scheduler.wait_all().unwrap();
            oracle.check();
            let stats = bridge.stats();
            let outcomes = oracle.outcomes.lock().unwrap().clone();
            println!("{outcomes:?}, {ran} ran\n{stats}");
            assert!(most <= 1, "a function has run {most} times");
            assert!(ran <= deferreds);
            assert_eq!(oracle.count("abort"), cancels);
            let total = stats.total();
            assert!(total.made as usize >= deferreds, "{stats}");
            assert_eq!(
                total.made,
                total.returned + total.failed + total.cancelled + total.timed_out,
                "each is counted once by how it ended\n{stats}"
            );
            assert!(total.timed_out as usize >= oracle.count("TimeoutError"), "{stats}");
            assert!(total.cancelled as usize >= cancels, "{stats}");
            assert_eq!(stats.isolates, 0);
            assert_eq!(live_fibers(&scheduler), 0);
        });
    }
}

fn parse<const N: usize>(json: &str) -> [usize; N] {
    let numbers: Vec<usize> =
        json.trim_matches(['[', ']']).split(',').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

#[test]
fn several_realms_at_once_settle_each_their_own() {
    let (deferreds, seed) = (how_many() / 10, seed());
    println!("SEED={seed} DEFERREDS={deferreds}");
    watched("several realms", || {
        let oracle = Oracle::new(3 * deferreds);
        let hears = oracle.clone();
        let scheduler = Scheduler::builder().workers(3).build().unwrap();
        let bridge = Bridge::builder(&scheduler)
            .memory(1 << 30)
            .time(Duration::MAX)
            .console(move |_, line| hears.hear(line))
            .build()
            .unwrap();
        let realms = [0, 1, 2].map(|number| {
            let realm = bridge.realm_with([Priority::High, Priority::Normal, Priority::Low][number]).unwrap();
            let script = script(deferreds, seed.wrapping_add(number as u32))
                .replace("console.log(`S ${id}", &format!("console.log(`S ${{{} + id}}", number * deferreds));
            (realm.eval(script), realm)
        });
        for (answer, realm) in realms {
            answer.join().unwrap();
            realm.finish().unwrap();
        }
        scheduler.wait_all().unwrap();
        oracle.check();
        assert_eq!(bridge.stats().isolates, 0);
        assert_eq!(live_fibers(&scheduler), 0);
    });
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[test]
fn threads_of_the_host_get_each_their_own() {
    let (deferreds, seed) = (how_many() / 10, seed());
    println!("SEED={seed} DEFERREDS={deferreds}");
    watched("threads of the host", || {
        let scheduler = Scheduler::builder().workers(2).build().unwrap();
        let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build().unwrap();
        let joined = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (bridge, joined) = (&bridge, &joined);
                scope.spawn(move || {
                    let mut random = Random(u64::from(seed) + thread);
                    for id in 0..deferreds as u64 / 4 {
                        one_of_the_host(bridge, id, &mut random);
                        joined.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        scheduler.wait_all().unwrap();
        let stats = bridge.stats();
        assert_eq!(joined.load(Ordering::Relaxed), deferreds / 4 * 4);
        let total = stats.total();
        assert_eq!(total.made as usize, deferreds / 4 * 4, "{stats}");
        assert_eq!(total.made, total.returned + total.failed + total.cancelled + total.timed_out, "{stats}");
        assert_eq!(stats.isolates, 0);
        assert_eq!(live_fibers(&scheduler), 0);
    });
}

fn one_of_the_host(bridge: &Bridge<'_>, id: u64, random: &mut Random) {
    let kinds = if random.below(50) == 0 { 4 } else { 3 };
    let kind = random.below(kinds);
    let text = [
        "id => id * 2",
        "id => { throw new RangeError('e' + id) }",
        "async id => id * 2",
        "id => { while (true); }",
    ];
    let mut defer =
        bridge.defer(text[kind as usize]).args((id,)).priority(Priority::ALL[random.below(5) as usize]);
    if kind == 3 {
        defer = defer.timeout(Duration::from_millis(random.below(3)));
    }
    let handle = defer.spawn::<u64>().unwrap();
    match random.below(6) {
        0 | 1 => handle.cancel(),
        2 => handle.set_priority(Priority::ALL[random.below(5) as usize]),
        3 => return drop(handle),
        _ => {}
    }
    let right = match (kind, handle.join()) {
        (0 | 2, Ok(value)) => value == id * 2,
        (1, Err(error)) if error.is_exception() => error.message() == Some(&format!("e{id}")),
        (3, Err(error)) if error.is_timeout() => true,
        (_, Err(error)) => Error::is_cancelled(&error),
        _ => false,
    };
    assert!(right, "Deferred {id} of kind {kind}");
}

/// A place is given back by whoever had it, and its time may be up: what gets the place is not that fiber's child.
#[test]
fn who_gets_the_place_of_one_that_took_too_long_has_its_own_time() {
    for workers in [1, 2] {
        watched("places", || {
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let bridge = Bridge::builder(&scheduler).max_isolates(4).build().unwrap();
            let realm = bridge.realm().unwrap();
            let script = "
                const hogs = Array.from({ length: 6 }, () => new Deferred(() => { while (true); }, { timeout: 3 }).catch((e) => e.name));
                const rest = Array.from({ length: 40 }, (_, i) => new Deferred((i) => i, { args: [i] }));
                const names = new Set(await Promise.all(hogs));
                const shared = new Int32Array(new SharedArrayBuffer(8));
                const outlives = (shared) => {
                    const end = performance.now() + 10;
                    while (performance.now() < end);
                    Atomics.add(shared, 0, 1);
                };
                // On a slow machine its time may be up before it has begun: the next one has more.
                for (let timeout = 5; Atomics.load(shared, 1) === 0; timeout *= 2) {
                    const made = new Deferred((shared) => {
                        new Deferred(outlives, { args: [shared], detached: true });
                        Atomics.store(shared, 1, 1);
                        while (true);
                    }, { args: [shared], timeout });
                    names.add(await made.catch((e) => e.name));
                }
                const sum = (await Promise.all(rest)).reduce((a, b) => a + b);
                while (Atomics.load(shared, 0) === 0) await new Promise((done) => setTimeout(done, 1));
                [...names] + ' ' + sum";
            assert_eq!(realm.eval(script).join_as::<String>().unwrap(), "TimeoutError 780");
            realm.finish().unwrap();
        });
    }
}
