//! The cases as Heddle does them. Each run has a scheduler, a bridge and a realm of its own, warms up, and counts then.

use heddle_benches::process::Memory;
use heddle_benches::stat::{quantile, sorted};
use heddle_jsbridge::{Bridge, Function, Realm};
use heddle_scheduler::{Priority, Scheduler};
use std::error::Error;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A figure for each metric.
pub(crate) type Answer = Result<Vec<f64>, Box<dyn Error>>;

/// What to do.
pub(crate) struct Run {
    pub(crate) case: &'static str,
    pub(crate) count: usize,
    pub(crate) workers: usize,
}

/// How many are done before it counts.
pub(crate) fn warm_up(count: usize) -> usize {
    (count / 5).clamp(1, 2_000)
}

fn scheduler(workers: usize) -> Result<Scheduler, Box<dyn Error>> {
    // What is measured is no more urgent than what the peers' threads do.
    Ok(Scheduler::builder()
        .workers(workers)
        .lanes(heddle_scheduler::Lanes::from(3).ordinary_nice(0))
        .build()?)
}

/// Evaluates what comes to a number.
fn number(realm: &Realm, script: &str) -> Result<f64, Box<dyn Error>> {
    realm.eval(script).join_as::<f64>().map_err(|error| {
        let stack = error.js_stack().unwrap_or_default().to_owned();
        format!("{error}\n{stack}").into()
    })
}

fn measure_in_realm(case: &str, count: usize, workers: usize) -> Result<f64, Box<dyn Error>> {
    let scheduler = scheduler(workers)?;
    // Room for a buffer of 64 MiB.
    let bridge = Bridge::builder(&scheduler).memory(512 << 20).time(Duration::MAX).build()?;
    let realm = bridge.realm()?;
    realm.eval(include_str!("heddle.js")).join().map_err(|error| error.to_string())?;
    number(&realm, &format!("await cases.{case}({})", warm_up(count)))?;
    let result = number(&realm, &format!("await cases.{case}({count})"))?;
    realm.finish()?;
    scheduler.wait_all()?;
    Ok(result)
}

/// A case of `heddle.js`.
pub(crate) fn in_realm(run: &Run) -> Answer {
    Ok(vec![measure_in_realm(run.case, run.count, run.workers)?])
}

/// The same with all workers and with one.
pub(crate) fn parallel(run: &Run) -> Answer {
    let together = measure_in_realm(run.case, run.count, run.workers)?;
    let alone = measure_in_realm(run.case, run.count, 1)?;
    Ok(vec![together, alone / together])
}

/// Calls `body` in a fiber, with a function that is compiled and warm.
fn in_fiber<R: Send>(
    workers: usize,
    body: impl FnOnce(&Bridge<'_>, &Function) -> Result<R, heddle_jsbridge::Error> + Send,
) -> Result<R, Box<dyn Error>> {
    let scheduler = scheduler(workers)?;
    let bridge = Bridge::builder(&scheduler).build()?;
    let function = Function::new("() => 1");
    let result = scheduler.run(|| body(&bridge, &function));
    scheduler.wait_all()?;
    Ok(result?)
}

fn one_after_another(
    bridge: &Bridge<'_>,
    function: &Function,
    count: usize,
) -> Result<f64, heddle_jsbridge::Error> {
    let mut begin = Instant::now();
    let warm_up = warm_up(count);
    for round in 0..warm_up + count {
        if round == warm_up {
            begin = Instant::now();
        }
        let answer: u32 = bridge.defer(function).spawn()?.join()?;
        assert_eq!(answer, 1);
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / count as f64)
}

pub(crate) fn rust_sequential(run: &Run) -> Answer {
    Ok(vec![in_fiber(run.workers, |bridge, function| one_after_another(bridge, function, run.count))?])
}

pub(crate) fn rust_thread(run: &Run) -> Answer {
    let scheduler = scheduler(run.workers)?;
    let bridge = Bridge::builder(&scheduler).build()?;
    Ok(vec![one_after_another(&bridge, &Function::new("() => 1"), run.count)?])
}

pub(crate) fn rust_flight(run: &Run) -> Answer {
    let time = in_fiber(run.workers, |bridge, function| {
        let mut time = 0.0;
        for count in [warm_up(run.count), run.count] {
            let begin = Instant::now();
            let handles: Vec<_> =
                (0..count).map(|_| bridge.defer(function).spawn::<u32>()).collect::<Result<_, _>>()?;
            let mut sum = 0;
            for handle in handles {
                sum += handle.join()?;
            }
            time = begin.elapsed().as_secs_f64() * 1e6 / count as f64;
            assert_eq!(sum as usize, count);
        }
        Ok(time)
    })?;
    Ok(vec![time])
}

/// How often urgent work is due.
const EVERY: Duration = Duration::from_millis(2);

/// Urgent work at fixed moments, whatever became of what came before.
pub(crate) fn critical(run: &Run) -> Answer {
    let scheduler = scheduler(run.workers)?;
    let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build()?;
    let hog = Function::new("() => { while (true) {} }");
    let hogs: Vec<_> = (0..run.workers)
        .map(|_| bridge.defer(&hog).priority(Priority::Background).spawn::<()>())
        .collect::<Result<_, _>>()?;
    let function = Function::new("() => 1");
    let mut latencies = Vec::with_capacity(run.count);
    let warm_up = warm_up(run.count);
    let mut due = Instant::now() + EVERY;
    for round in 0..warm_up + run.count {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer: u32 = bridge.defer(&function).priority(Priority::Critical).spawn()?.join()?;
        assert_eq!(answer, 1);
        if round >= warm_up {
            latencies.push(due.elapsed().as_secs_f64() * 1e6);
        }
        due += EVERY;
    }
    for hog in hogs {
        hog.cancel();
        assert!(hog.join().is_err_and(|error| error.is_cancelled()));
    }
    let latencies = sorted(latencies);
    Ok(vec![quantile(&latencies, 0.5), quantile(&latencies, 0.99)])
}

/// Realms: an isolate and a fiber each, made, asked, and kept.
pub(crate) fn start(run: &Run) -> Answer {
    let scheduler = scheduler(run.workers)?;
    let bridge = Bridge::builder(&scheduler).build()?;
    // What a process makes once.
    let first = bridge.realm()?;
    assert_eq!(number(&first, "1")?, 1.0);
    // A realm costs a hundredth of a Node worker, so there are ten times as many.
    let count = 10 * run.count;
    let before = Memory::now().resident;
    let begin = Instant::now();
    let mut realms = Vec::with_capacity(count);
    for _ in 0..count {
        let realm = bridge.realm()?;
        assert_eq!(number(&realm, "1")?, 1.0);
        realms.push(realm);
    }
    let time = begin.elapsed().as_secs_f64() * 1e6 / count as f64;
    let memory = Memory::now().resident.saturating_sub(before) as f64 / 1024.0 / count as f64;
    for realm in realms {
        realm.finish()?;
    }
    Ok(vec![time, memory])
}

pub(crate) fn suspended(run: &Run) -> Answer {
    let scheduler = scheduler(run.workers)?;
    // Of all isolates, half are for roots of this level; and scripts give way to their equals only while there is room.
    let bridge = Bridge::builder(&scheduler).max_isolates(3 * run.count).time(Duration::MAX).build()?;
    let function = Function::new("() => { let n = 0; while (true) n++; return n }");
    let before = Memory::now().resident;
    let scripts: Vec<_> =
        (0..run.count).map(|_| bridge.defer(&function).spawn::<f64>()).collect::<Result<_, _>>()?;
    // Each has its turn of 2 ms, and gives way in the middle.
    let begin = Instant::now();
    while bridge.stats().isolates < run.count {
        if begin.elapsed() > Duration::from_secs(60) {
            return Err(format!("only {} have started", bridge.stats().isolates).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let memory = Memory::now().resident.saturating_sub(before) as f64 / 1024.0 / run.count as f64;
    for script in scripts {
        script.cancel();
        assert!(script.join().is_err_and(|error| error.is_cancelled()));
    }
    Ok(vec![memory])
}

/// What `compute.js` comes to: milliseconds, and the answer.
fn computed(case: &str) -> Result<(f64, f64), Box<dyn Error>> {
    let scheduler = scheduler(1)?;
    let bridge = Bridge::builder(&scheduler).time(Duration::MAX).build()?;
    let realm = bridge.realm()?;
    realm.eval(include_str!("compute.js")).join()?;
    let name = case.trim_start_matches("compute-");
    let result = realm.eval(format!("compute('{name}')")).join_as::<(f64, f64)>()?;
    realm.finish()?;
    Ok(result)
}

pub(crate) fn compute(run: &Run) -> Answer {
    Ok(vec![computed(run.case)?.0])
}

/// What a computation comes to in our engine: Node's must be the same.
pub(crate) fn answer_of(case: &str) -> Result<f64, Box<dyn Error>> {
    Ok(computed(case)?.1)
}

/// Two threads that sleep and wake each other: at once again, and after 2 ms in which both were asleep.
pub(crate) fn floor(run: &Run) -> Answer {
    let (there, asked) = mpsc::channel::<u32>();
    let (back, answers) = mpsc::channel::<u32>();
    let ask = move |question| {
        let begin = Instant::now();
        there.send(question).expect("it listens");
        assert_eq!(answers.recv(), Ok(question + 1));
        begin.elapsed().as_secs_f64() * 1e6
    };
    std::thread::scope(|scope| {
        scope.spawn(move || asked.into_iter().try_for_each(|question| back.send(question + 1)));
        let awake: f64 = (0..run.count as u32).map(&ask).sum();
        let rested = (0..run.count.div_ceil(10) as u32).map(|question| {
            std::thread::sleep(Duration::from_millis(2));
            ask(question)
        });
        let rested = sorted(rested.collect());
        // The other one hears no more, and ends.
        drop(ask);
        Ok(vec![awake / run.count as f64, quantile(&rested, 0.5)])
    })
}
