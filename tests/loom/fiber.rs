//! A fiber as the models have it: the production state word, and around it the steps of
//! `fiber/mod.rs`, `worker/finish.rs` and `handle.rs`, in their order.
//!
//! Its parts are cells that loom watches: two threads that reach one of them without being ordered
//! fail the model. `memory` is read by each use of the fiber and written by its end.

use crate::awaiting::{End, Slot};
use crate::inbox::{Inbox, Node};
use crate::primitive::{AtomicPtr, Ordering};
use crate::state::{By, Finish, State};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicBool;
use loom::thread::{self, Thread};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// What only counts, and orders nothing.
#[derive(Default)]
struct Count(AtomicU32);

impl Count {
    fn add(&self) -> u32 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }

    fn get(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Stage {
    Closure,
    Result,
    Gone,
}

pub(crate) struct Header {
    pub(crate) state: State,
    stage: UnsafeCell<Stage>,
    memory: UnsafeCell<()>,
    waiter: UnsafeCell<Option<Waits>>,
    waking: AtomicBool,
    mail_link: AtomicPtr<Header>,
    /// Written whenever the link is used: MAIL gives it to one at a time.
    mail_link_owner: UnsafeCell<()>,
    /// What the handle's owner wrote into the object.
    pub(crate) note: UnsafeCell<u32>,
    runs: Count,
    drops: Count,
    frees: Count,
}

/// Who waits: a thread, or a future, whose slot is its own again when the fiber is over.
#[derive(Clone)]
enum Waits {
    Thread(Arc<Waiter>),
    Future(NonNull<Slot<Alarm>>),
}

/// A waker: it says so, and unparks whoever polls.
#[derive(Clone)]
pub(crate) struct Alarm {
    pub(crate) rung: Arc<AtomicBool>,
    pub(crate) thread: Thread,
}

impl Alarm {
    /// A new one of the calling thread.
    pub(crate) fn new() -> Alarm {
        Alarm { rung: Arc::new(AtomicBool::new(false)), thread: thread::current() }
    }

    fn wake(&self) {
        // ORDERING: Release pairs with the acquire of whoever polls.
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl End<Alarm> for Fiber {
    fn is_over(&self) -> bool {
        Fiber::is_over(self)
    }

    fn register(&self, slot: NonNull<Slot<Alarm>>) -> bool {
        self.waiter.with_mut(|waiter| {
            // SAFETY: it is the handle's until it is registered; loom watches.
            unsafe { *waiter = Some(Waits::Future(slot)) };
        });
        self.state.register_waiter()
    }

    fn unregister(&self) -> bool {
        self.state.unregister_waiter()
    }
}

/// Who waits, in its own frame, which is gone when it goes on.
struct Waiter {
    thread: Thread,
    frame: UnsafeCell<()>,
}

/// As in production a pointer; the holds in the state word decide how long it may be used, and the
/// models check that they do.
#[derive(Clone)]
pub(crate) struct Fiber(Arc<Header>);

impl std::ops::Deref for Fiber {
    type Target = Header;

    fn deref(&self) -> &Header {
        assert_eq!(self.0.frees.get(), 0, "used after it was freed");
        self.0.memory.with(|_| ());
        &self.0
    }
}

// SAFETY: one cell a fiber.
unsafe impl Node for Header {
    unsafe fn link<'a>(node: NonNull<Header>) -> &'a AtomicPtr<Header> {
        // SAFETY: `Fiber`s keep their header until the model ends.
        let header = unsafe { &*node.as_ptr() };
        assert_eq!(header.frees.get(), 0, "used after it was freed");
        header.memory.with(|_| ());
        header.mail_link_owner.with_mut(|_| ());
        &header.mail_link
    }
}

impl Fiber {
    pub(crate) fn new(level: usize) -> Fiber {
        Fiber(Arc::new(Header {
            state: State::new(level, false),
            stage: UnsafeCell::new(Stage::Closure),
            memory: UnsafeCell::new(()),
            waiter: UnsafeCell::new(None),
            waking: AtomicBool::new(false),
            mail_link: AtomicPtr::new(ptr::null_mut()),
            mail_link_owner: UnsafeCell::new(()),
            note: UnsafeCell::new(0),
            runs: Count::default(),
            drops: Count::default(),
            frees: Count::default(),
        }))
    }

    /// A fiber that home 0 has started, with its handle.
    pub(crate) fn started(level: usize) -> Fiber {
        let fiber = Fiber::new(level);
        assert_eq!(fiber.state.claim(level, 0), crate::state::Claim::Won);
        fiber
    }

    /// The model has ended: everything happened as often as it should.
    pub(crate) fn check_end(self) {
        let header = &self.0;
        assert_eq!((header.runs.get(), header.drops.get(), header.frees.get()), (1, 1, 1));
    }

    // ---- fiber/mod.rs --------------------------------------------------------------------------

    /// Runs the closure, or drops it unrun: the claimer does one of them, once.
    pub(crate) fn run(&self) {
        self.runs.add();
        self.stage.with_mut(|stage| {
            // SAFETY: the claimer alone touches it until the end; loom watches.
            let before = unsafe { ptr::replace(stage, Stage::Result) };
            assert_eq!(before, Stage::Closure, "a fiber is run once");
        });
    }

    pub(crate) fn take_result(&self) {
        self.drops.add();
        self.stage.with_mut(|stage| {
            // SAFETY: it belongs to the handle, or to the finisher; loom watches.
            let before = unsafe { ptr::replace(stage, Stage::Gone) };
            assert_eq!(before, Stage::Result, "a result is taken once, and after the end");
        });
    }

    pub(crate) fn free(&self) {
        assert_eq!(self.0.frees.add(), 1, "freed twice");
        self.0.memory.with_mut(|_| ());
        self.0.stage.with(|stage| {
            // SAFETY: nobody else has it any more; loom watches.
            assert_eq!(unsafe { &*stage }, &Stage::Gone, "the result is gone before the memory");
        });
        // All that was ever written into it.
        self.0.waiter.with_mut(|_| ());
        self.0.note.with_mut(|_| ());
        self.0.mail_link_owner.with_mut(|_| ());
    }

    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Acquire pairs with the release of the finisher's last store, as in production.
        self.state.is_finished() && !self.waking.load(Ordering::Acquire)
    }

    // ---- worker/finish.rs ---------------------------------------------------------------------

    /// `complete`.
    pub(crate) fn complete(&self) {
        let mut announced = false;
        let outcome = self.state.finish(false).unwrap_or_else(|| {
            announced = true;
            self.waking.store(true, Ordering::Relaxed);
            self.state.finish(true).expect("announced")
        });
        match outcome {
            Finish::Quiet | Finish::Wake => {
                // From here on the fiber may be freed, unless it was announced.
                // ORDERING: Release pairs with the acquire of `is_over`, as in production.
                let free = || self.waking.store(false, Ordering::Release);
                if outcome == Finish::Wake {
                    let waiter = self.waiter.with(|waiter| {
                        // SAFETY: the joiner has written it and said so; loom watches.
                        unsafe { (*waiter).clone() }.expect("somebody waits")
                    });
                    match waiter {
                        Waits::Thread(waiter) => {
                            waiter.frame.with(|_| ());
                            let thread = waiter.thread.clone();
                            free();
                            thread.unpark();
                        }
                        Waits::Future(slot) => {
                            // SAFETY: the slot stays until the fiber is over; loom watches.
                            let waker = unsafe { slot.as_ref() }.take();
                            free();
                            waker.expect("whoever registers has put it there").wake();
                        }
                    }
                } else if announced {
                    free();
                }
            }
            Finish::Unwatched => {
                self.take_result();
                if self.state.finish_unwatched() {
                    self.free();
                }
            }
        }
    }

    // ---- handle.rs -----------------------------------------------------------------------------

    /// `release`: the handle is dropped.
    pub(crate) fn drop_handle(&self) {
        if !self.state.is_finished() && self.state.release_handle_of_running() {
            return;
        }
        self.wait_until_over();
        self.take_result();
        if self.state.release_handle_of_finished() {
            self.free();
        }
    }

    /// `join`. With `interrupted`, the first suspension ends by a cancellation of the joiner.
    pub(crate) fn join(&self, interrupted: bool) {
        if !self.is_over() && !self.wait(interrupted) {
            return self.drop_handle();
        }
        self.take_result();
        if self.state.release_handle_of_finished() {
            self.free();
        }
    }

    fn wait(&self, interrupted: bool) -> bool {
        let me = Arc::new(Waiter { thread: thread::current(), frame: UnsafeCell::new(()) });
        self.waiter.with_mut(|waiter| {
            // SAFETY: it is the joiner's until it is registered; loom watches.
            unsafe { *waiter = Some(Waits::Thread(me.clone())) };
        });
        let mut waited = true;
        if self.state.register_waiter() {
            while !self.state.is_finished() {
                if interrupted {
                    waited = !self.state.unregister_waiter();
                    break;
                }
                thread::park();
            }
        }
        if waited {
            self.wait_until_over();
        }
        // The frame is gone.
        me.frame.with_mut(|_| ());
        waited
    }

    fn wait_until_over(&self) {
        while !self.is_over() {
            thread::yield_now();
        }
    }

    // ---- suspend.rs ----------------------------------------------------------------------------

    /// A resumer is dropped.
    pub(crate) fn drop_resumer(&self) {
        if self.state.release() {
            self.free();
        }
    }

    // ---- runtime/mod.rs ------------------------------------------------------------------------

    /// `post`, without the wake-up. The letter is the fiber itself, or one from below.
    pub(crate) fn post(&self, mailbox: &Inbox<Header>, letter: &Fiber, by: By) {
        // SAFETY: the bit was set by the caller, so the letter is in no mailbox, and stays.
        let refused = unsafe { mailbox.push(NonNull::from(&*letter.0)) }.is_err();
        if refused && self.state.open_letter(by).free {
            self.free();
        }
    }

    /// Is `mail` this fiber's?
    pub(crate) fn is(&self, mail: NonNull<Header>) -> bool {
        ptr::eq(mail.as_ptr(), Arc::as_ptr(&self.0))
    }
}
