//! What the urgent and the ordinary lane do while a background thread is frozen. All of it must come to
//! its end; where it does not the watchdog says so, or a list is made.

use crate::world::{ABOVE, World};
use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{JoinHandle, Priority, both, go, go_with_priority, scope, yield_now};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// After so long, a list says that something waits. It is no bound that a passing run depends on.
const LISTED_AFTER: Duration = Duration::from_secs(3);
/// Fibers that are queued at once, so that deques grow.
const BURST: usize = 300;

/// How to wait for what must happen.
pub(crate) struct Patience {
    /// Makes a list instead of waiting until the watchdog comes.
    pub(crate) gives_up: bool,
    /// Where the background thread is frozen.
    pub(crate) place: String,
}

impl Patience {
    /// `None`: it has happened.
    fn wait(&self, what: &str, happened: impl Fn() -> bool) -> Option<String> {
        let start = Instant::now();
        let mut told = false;
        while !happened() {
            if start.elapsed() > LISTED_AFTER {
                let text = format!("{what}, frozen at {}", self.place);
                if self.gives_up {
                    return Some(text);
                }
                if !told {
                    heddle_tests::watchdog::note(text);
                    told = true;
                }
            }
            std::thread::sleep(Duration::from_micros(20));
        }
        None
    }
}

/// Does everything, from outside and from fibers. The result is what did not get done.
pub(crate) fn probe(world: &Arc<World>, patience: &Patience) -> Vec<String> {
    let mut stuck = Vec::new();
    for priority in ABOVE {
        let fiber = world.scheduler.go_with_priority(priority, || {});
        stuck.extend(patience.wait(&format!("{priority} from outside"), || fiber.is_finished()));
    }
    for priority in ABOVE {
        let theirs = world.clone();
        let fiber = world.scheduler.go_with_priority(priority, move || work(&theirs));
        stuck.extend(patience.wait(&format!("the load of a {priority} fiber"), || fiber.is_finished()));
    }
    for (echo, handle) in &world.echoes {
        let number = echo.ask();
        handle.get().expect("it is there").set_priority(Priority::High);
        stuck.extend(patience.wait("a resumed fiber", || echo.has_answered(number)));
    }
    for (what, target) in world.targets() {
        target.set_priority(Priority::High);
        if what.starts_with("a fiber that waits") {
            target.cancel();
        }
        stuck.extend(patience.wait(what, || target.is_finished()));
    }
    drop(world.scheduler.stats());
    stuck
}

/// The part of it that can be repeated at will.
pub(crate) fn load(world: &Arc<World>) {
    let fibers = ABOVE.map(|priority| {
        let theirs = world.clone();
        world.scheduler.go_with_priority(priority, move || work(&theirs))
    });
    for fiber in fibers {
        fiber.join().expect("nobody cancels it");
    }
}

fn joined<T>(fiber: JoinHandle<T>) -> T {
    fiber.join().expect("it does not panic, and nobody cancels it")
}

/// What a fiber of the urgent or the ordinary lane does.
fn work(world: &World) {
    for priority in ABOVE {
        joined(go_with_priority(priority, || {}));
    }
    // Stacks for some that wait at the same time.
    let (give, get) = mpsc::channel();
    let waiting: Vec<_> = ABOVE
        .into_iter()
        .map(|priority| {
            let give = give.clone();
            go_with_priority(priority, move || {
                give.send(Resumer::current()).expect("they wait for it");
                while suspend().is_ok() {}
            })
        })
        .collect();
    let mut resumers = Vec::new();
    while resumers.len() < waiting.len() {
        match get.try_recv() {
            Ok(resumer) => resumers.push(resumer),
            Err(_) => yield_now(),
        }
    }
    for (fiber, resumer) in waiting.into_iter().zip(resumers) {
        resumer.resume();
        fiber.set_priority(Priority::High);
        fiber.cancel();
        let _ = fiber.join();
    }
    let unstarted = go(|| {});
    unstarted.set_priority(Priority::Critical);
    unstarted.set_priority(Priority::Normal);
    unstarted.cancel();
    let _ = unstarted.join();
    assert_eq!(both(|| 1, || 2), (1, 2));
    scope(|s| {
        for _ in 0..2 {
            s.go(|| {});
        }
    })
    .expect("this is a fiber");
    joined(world.other.go(|| {}));
    let burst: Vec<_> = (0..BURST).map(|_| go(|| {})).collect();
    burst.into_iter().for_each(joined);
    let numbers: Vec<u64> = world.echoes.iter().map(|(echo, _)| echo.ask()).collect();
    for ((echo, _), number) in world.echoes.iter().zip(numbers) {
        while !echo.has_answered(number) {
            yield_now();
        }
    }
}
