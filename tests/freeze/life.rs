//! The life of a background fiber, which does everything that fibers can do. It holds nothing that the
//! other lanes lock while it takes a step of the runtime.

use crate::world::{ABOVE, World};
use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{
    Fork, Priority, checkpoint, go, go_with_priority, join, scope, set_priority, sleep, yield_movable,
    yield_now,
};
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

/// Where others introduce themselves.
struct Meeting(mpsc::Receiver<Resumer>);

/// Where one introduces itself, to whom waits there.
#[derive(Clone)]
struct Door(Option<mpsc::Sender<Resumer>>, Resumer);

fn meeting() -> (Door, Meeting) {
    let (give, get) = mpsc::channel();
    (Door(Some(give), Resumer::current()), Meeting(get))
}

impl Door {
    fn introduce(mut self) {
        let give = self.0.take().expect("once");
        give.send(Resumer::current()).expect("they wait for it");
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The channel first: who is woken looks whether anybody is left.
        self.0 = None;
        self.1.resume();
    }
}

impl Meeting {
    /// Waits for one more; `None`: none is left.
    fn met(&self) -> Option<Resumer> {
        loop {
            match self.0.try_recv() {
                Ok(resumer) => return Some(resumer),
                Err(TryRecvError::Empty) => suspend().expect("nobody cancels us"),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
    }
}

/// So many fibers wait at once that stacks are taken and given back.
const CROWD: usize = 8;

/// All of it, once.
pub(crate) fn live(world: &Arc<World>) {
    start_and_join();
    ask(world);
    move_and_cancel_started(world);
    move_and_cancel_unstarted(world);
    wait();
    open_a_scope();
    assert_eq!(fork(&mut None, 3), 8);
    crowd();
    share_a_lock();
    be_someone_else();
    roam();
    go_elsewhere(world);
    drop(world.scheduler.stats());
}

/// Fibers of all levels, of which some run here and some in other lanes.
fn start_and_join() {
    let fibers = Priority::ALL.map(|priority| go_with_priority(priority, move || priority));
    // They run on their own from now on.
    Priority::ALL.into_iter().for_each(|priority| drop(go_with_priority(priority, || {})));
    for (fiber, priority) in fibers.into_iter().zip(Priority::ALL) {
        assert_eq!(fiber.join().expect("it does not panic"), priority);
    }
}

/// Resumes fibers of other lanes, and changes their priorities.
fn ask(world: &World) {
    for (echo, handle) in &world.echoes {
        let number = echo.ask();
        handle.get().expect("it is there").set_priority(Priority::High);
        handle.get().expect("it is there").set_priority(Priority::Normal);
        if number % 2 == 0 {
            echo.ask();
        }
    }
}

/// Fibers of other lanes that wait, as they are moved and cancelled.
fn move_and_cancel_started(world: &World) {
    for priority in ABOVE {
        let (give, get) = meeting();
        let fiber = world.scheduler.go_with_priority(priority, move || {
            give.introduce();
            while suspend().is_ok() {}
        });
        let target = world.publish("a fiber that waits, and is resumed, moved and cancelled", fiber);
        // The other lanes may have cancelled it before it could start.
        if let Some(resumer) = get.met() {
            resumer.resume();
        }
        target.set_priority(Priority::High);
        target.cancel();
    }
}

/// Fibers of other lanes that nobody may have started, as they are moved between lanes and cancelled.
fn move_and_cancel_unstarted(world: &World) {
    for priority in ABOVE {
        let moved = world.publish("a fiber that is moved", world.scheduler.go_with_priority(priority, || {}));
        moved.set_priority(Priority::High);
        moved.set_priority(Priority::Critical);
        moved.set_priority(Priority::Normal);
        let fiber = world.scheduler.go_with_priority(priority, || {});
        world.publish("a fiber that is cancelled", fiber).cancel();
    }
    let risen = go(|| {});
    risen.set_priority(Priority::Normal);
    let fallen = go_with_priority(Priority::Normal, || {});
    fallen.set_priority(Priority::Low);
    for fiber in [risen, fallen] {
        fiber.join().expect("nobody cancels it");
    }
}

fn wait() {
    yield_now();
    checkpoint();
    sleep(Duration::from_micros(50));
    let me = Resumer::current();
    let waker = go_with_priority(Priority::Normal, move || me.resume());
    suspend().expect("nobody cancels us");
    waker.join().expect("nobody cancels it");
}

fn open_a_scope() {
    let sum = std::sync::atomic::AtomicUsize::new(0);
    scope(|s| {
        for _ in 0..3 {
            s.go(|| sum.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    })
    .expect("this is a fiber");
    assert_eq!(sum.into_inner(), 3);
}

/// How many leaves a tree of forks has.
fn fork(here: &mut Option<&mut Fork>, depth: usize) -> usize {
    if depth == 0 {
        return 1;
    }
    let (a, b) = match here {
        Some(here) => here.join(|f| fork(&mut Some(f), depth - 1), |f| fork(&mut Some(f), depth - 1)),
        None => join(|f| fork(&mut Some(f), depth - 1), |f| fork(&mut Some(f), depth - 1)),
    };
    a + b
}

/// Many that wait at the same time, for us.
fn crowd() {
    let (give, get) = meeting();
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let give = give.clone();
            go(move || {
                give.introduce();
                suspend().expect("nobody cancels us");
            })
        })
        .collect();
    for _ in 0..CROWD {
        get.met().expect("they come").resume();
    }
    for fiber in crowd {
        fiber.join().expect("nobody cancels it");
    }
}

/// With a fiber of the ordinary lane, which lends its priority.
fn share_a_lock() {
    let lock = Arc::new(Mutex::new(0));
    let theirs = lock.clone();
    let guard = lock.lock();
    let other = go_with_priority(Priority::Normal, move || *theirs.lock() += 1);
    yield_now();
    drop(guard);
    other.join().expect("nobody cancels it");
    *lock.lock() += 1;
    assert_eq!(*lock.lock(), 2);
}

fn be_someone_else() {
    let before = heddle_scheduler::current().expect("this is a fiber").priority();
    set_priority(Priority::High).expect("this is a fiber");
    yield_now();
    set_priority(before).expect("this is a fiber");
}

/// Gives fibers away that have started, and takes some: of this lane, and one that goes to the ordinary lane by itself.
fn roam() {
    fn pass() {
        // SAFETY: there are numbers and handles on these stacks.
        unsafe { yield_movable() }
    }
    let movers: Vec<_> = (0..3).map(|_| go(|| (0..4).for_each(|_| pass()))).collect();
    let rises = go(|| {
        pass();
        set_priority(Priority::Normal).expect("this is a fiber");
        (0..2).for_each(|_| pass());
    });
    (0..4).for_each(|_| pass());
    for fiber in movers.into_iter().chain([rises]) {
        fiber.join().expect("nobody cancels it");
    }
}

/// To another scheduler, which has a limit, and which others wait for to be empty.
fn go_elsewhere(world: &World) {
    for _ in 0..2 {
        drop(world.other.go(|| {}));
    }
    let fiber = world.other.go(|| {});
    fiber.set_priority(Priority::High);
    fiber.join().expect("nobody cancels it");
    world.other.wait_all().expect("nobody cancels us");
}
