//! What the runtime's threads do to each other, step by step, for the test that freezes a thread at each
//! of them (`tests/freeze`). Compiled only with `--cfg heddle_steps`, in the place of `off.rs`.
//!
//! A step is an atomic operation, a fence, a lock (before it is taken, and when it was), or a call to
//! the system, made by the runtime's own code. A test sets a [`Trap`] for a thread: the thread stops
//! before the step with the trap's number and does nothing until it is released, as if the kernel had
//! given its CPU to others. And it may [`restrict`] a thread, whose calls that map memory or interrupt
//! other threads are then noted as [`trespasses`].

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::atomic::{self, Ordering};
use std::sync::{Arc, Condvar};

/// Stops one thread before one of its steps.
#[derive(Clone)]
pub struct Trap(Arc<Inner>);

struct Inner {
    state: std::sync::Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the thread stands still.
    caught: Option<&'static Location<'static>>,
    /// It goes on, and is not stopped any more.
    released: bool,
}

/// A trap that a thread has with it.
struct Armed {
    trap: Trap,
    steps_left: u64,
}

thread_local! {
    static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
    static RESTRICTED: Cell<bool> = const { Cell::new(false) };
}

static TRESPASSES: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

/// What a restricted thread does not call: all that changes the process's mappings, for which the kernel
/// has one lock, and what interrupts other threads and waits for them.
const FORBIDDEN: [&str; 6] = ["mmap", "munmap", "mprotect", "madvise", "membarrier", "lock"];

impl Trap {
    /// One that no thread has yet.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Trap {
        Trap(Arc::new(Inner { state: Default::default(), changed: Condvar::new() }))
    }

    /// The calling thread will stop before its `at`th step from here, 1 being the next.
    pub fn arm(&self, at: u64) {
        ARMED.set(Some(Armed { trap: self.clone(), steps_left: at }));
    }

    /// Where the thread stands still, if it does.
    pub fn caught(&self) -> Option<&'static Location<'static>> {
        self.0.state.lock().expect("no panic while locked").caught
    }

    /// The thread will not stop any more, unless it has: then this says where.
    pub fn withdraw(&self) -> Option<&'static Location<'static>> {
        let mut state = self.0.state.lock().expect("no panic while locked");
        state.released = state.caught.is_none();
        state.caught
    }

    /// The thread goes on.
    pub fn release(&self) {
        self.0.state.lock().expect("no panic while locked").released = true;
        self.0.changed.notify_all();
    }

    fn spring(&self, at: &'static Location<'static>) {
        let mut state = self.0.state.lock().expect("no panic while locked");
        if !state.released {
            state.caught = Some(at);
        }
        while !state.released {
            state = self.0.changed.wait(state).expect("no panic while locked");
        }
    }
}

/// From now on, what the calling thread does and should not is noted.
pub fn restrict() {
    RESTRICTED.set(true);
}

/// What restricted threads have done so far: the call, and from where.
pub fn trespasses() -> Vec<String> {
    TRESPASSES.lock().expect("no panic while locked").clone()
}

#[track_caller]
fn step() {
    let at = Location::caller();
    // A thread that is ending has no traps any more.
    let caught = ARMED.try_with(|armed| {
        let mut armed = armed.borrow_mut();
        let here = armed.as_mut()?;
        here.steps_left -= 1;
        if here.steps_left == 0 { armed.take().map(|armed| armed.trap) } else { None }
    });
    if let Ok(Some(trap)) = caught {
        trap.spring(at);
    }
}

/// The thread is about to call the system.
#[track_caller]
pub(crate) fn system_call(name: &'static str) {
    step();
    if FORBIDDEN.contains(&name) && RESTRICTED.try_with(Cell::get).unwrap_or(false) {
        let text = format!("{name} at {}", Location::caller());
        let mut all = TRESPASSES.lock().expect("no panic while locked");
        if !all.contains(&text) {
            all.push(text);
        }
    }
}

#[track_caller]
pub(crate) fn fence(ordering: Ordering) {
    step();
    atomic::fence(ordering);
}

/// A lock, of which asking and having are two steps.
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> parking_lot::MutexGuard<'_, T> {
        system_call("lock");
        let guard = self.0.lock();
        step();
        guard
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<parking_lot::MutexGuard<'_, T>> {
        step();
        let guard = self.0.try_lock();
        step();
        guard
    }
}

/// An operation of an atomic that is a step.
macro_rules! stepped {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            #[track_caller]
            #[allow(dead_code)]
            pub(crate) fn $name(&self, $($argument: $type),*) -> $result {
                step();
                self.0.$name($($argument),*)
            }
        )*
    };
}

/// What all atomics have.
macro_rules! common {
    ($value:ty) => {
        stepped! {
            load(order: Ordering) -> $value;
            store(value: $value, order: Ordering) -> ();
            swap(value: $value, order: Ordering) -> $value;
            compare_exchange(old: $value, new: $value, won: Ordering, lost: Ordering) -> Result<$value, $value>;
            compare_exchange_weak(old: $value, new: $value, won: Ordering, lost: Ordering) -> Result<$value, $value>;
        }
    };
}

macro_rules! number {
    ($($name:ident: $value:ty;)*) => {
        $(
            /// As in std, and each operation is a step.
            #[derive(Default)]
            #[repr(transparent)]
            pub(crate) struct $name(atomic::$name);

            impl $name {
                pub(crate) const fn new(value: $value) -> $name {
                    $name(atomic::$name::new(value))
                }

                #[allow(dead_code)]
                pub(crate) const fn as_ptr(&self) -> *mut $value {
                    self.0.as_ptr()
                }

                common!($value);
                stepped! {
                    fetch_add(value: $value, order: Ordering) -> $value;
                    fetch_sub(value: $value, order: Ordering) -> $value;
                    fetch_or(value: $value, order: Ordering) -> $value;
                    fetch_and(value: $value, order: Ordering) -> $value;
                    fetch_max(value: $value, order: Ordering) -> $value;
                    fetch_min(value: $value, order: Ordering) -> $value;
                }

                #[track_caller]
                #[allow(dead_code)]
                pub(crate) fn fetch_update(
                    &self,
                    won: Ordering,
                    lost: Ordering,
                    mut next: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    let mut value = self.load(lost);
                    loop {
                        let Some(new) = next(value) else { return Err(value) };
                        match self.compare_exchange_weak(value, new, won, lost) {
                            Ok(_) => return Ok(value),
                            Err(now) => value = now,
                        }
                    }
                }
            }
        )*
    };
}

number! {
    AtomicU8: u8;
    AtomicU32: u32;
    AtomicU64: u64;
    AtomicI64: i64;
    AtomicUsize: usize;
}

/// As in std, and each operation is a step.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct AtomicBool(atomic::AtomicBool);

impl AtomicBool {
    pub(crate) const fn new(value: bool) -> AtomicBool {
        AtomicBool(atomic::AtomicBool::new(value))
    }

    common!(bool);
}

/// As in std, and each operation is a step.
#[repr(transparent)]
pub(crate) struct AtomicPtr<T>(atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) const fn new(value: *mut T) -> AtomicPtr<T> {
        AtomicPtr(atomic::AtomicPtr::new(value))
    }

    common!(*mut T);
}
