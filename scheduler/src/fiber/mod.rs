//! A fiber: one heap object with a header that every part of the runtime knows, and behind it the
//! closure, which the result replaces.
//!
//! ```text
//!   Header (96 bytes)                                      | Stage<F, T>
//!   state vtable link mail_link waiter waking held loans     | Closure(F) -> Result(T) -> Gone
//!   scope shared carrier stamp id extras
//! ```
//!
//! | field       | written by                              | read by                                   |
//! |-------------|-----------------------------------------|-------------------------------------------|
//! | `state`     | anyone, by its transitions              | anyone                                    |
//! | `link`      | the inbox or the relay it is in         | whoever takes from it                     |
//! | `mail_link` | the mailbox it is in (MAIL is set, or it is a letter for another one) | the home    |
//! | `waiter`    | the joiner, before `register_waiter`    | the finisher, after `Finish::Wake`        |
//! | `waking`    | the finisher; of an order, its maker    | the joiner, after the end; who pops it    |
//! | `loans`     | anyone, by its transitions              | anyone                                    |
//! | `held`      | the home's thread                       | the home's thread                         |
//! | `carrier`   | the home, from start to end             | the home                                  |
//! | `stamp`     | whoever queues it, before it does       | whoever takes it out of the queue         |
//! | the rest    | whoever makes it                        | anyone                                    |
//! | `Stage`     | the claimer, until the end              | the handle after the end, else the home   |
//!
//! The end of a fiber, and who may then touch what, is in [`state`]. A joiner leaves only after
//! `waking` is down again: until then the finisher may still be using the joiner.

mod outcome;
pub(crate) mod state;
pub(crate) mod awaited;
pub(crate) mod loans;
pub(crate) mod block;
pub(crate) mod memory;
pub(crate) mod branches;
pub(crate) mod shown;
pub(crate) mod extras;
pub(crate) mod locals;
pub(crate) mod carrier;
pub(crate) mod sections;

use crate::error::JoinError;
use crate::primitive::{AtomicBool, AtomicPtr, Ordering};
use crate::priority::Priority;
use crate::queue::inbox::Node;
use carrier::Carrier;
use extras::Extras;
use loans::Loans;
use sections::ElapsedUnwind;
use state::State;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// A number that no other fiber of the process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiberId(pub(crate) u64);

impl FiberId {
    /// No fiber has it.
    pub(crate) const NOBODY: FiberId = FiberId(0);
}

impl fmt::Display for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// See the module's documentation.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) state: State,
    vtable: &'static Vtable,
    link: AtomicPtr<Header>,
    mail_link: AtomicPtr<Header>,
    waiter: Cell<*mut ()>,
    pub(crate) waking: AtomicBool,
    /// It is another fiber's ticket at a new level, or a letter of its, not a fiber of its own.
    pub(crate) is_ticket: bool,
    /// How many locks it has; 255: so many that they are not counted any more.
    held: Cell<u8>,
    /// The site that it was made for, and one; 0: for none in particular.
    placed: u8,
    pub(crate) loans: Loans,
    /// A `ScopeState`, or null.
    pub(crate) scope: *const (),
    /// The `Shared` of its scheduler, or null.
    pub(crate) shared: *const (),
    pub(crate) carrier: Cell<*mut Carrier>,
    /// When it was queued, in ticks; 0 where this one is not timed.
    pub(crate) stamp: Cell<u64>,
    pub(crate) id: FiberId,
    /// `None` for most.
    pub(crate) extras: Option<Arc<Extras>>,
}

/// A fiber, as queues and workers hold it: the holds in its state word keep it alive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FiberRef(NonNull<Header>);

// SAFETY: a FiberRef is a pointer; who may touch which field is said in the module's table. Closures
// and results are `Send` by the bounds of everything that makes a fiber.
unsafe impl Send for FiberRef {}

impl std::ops::Deref for FiberRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: a FiberRef exists only where a hold keeps the header alive (see `state`).
        unsafe { self.0.as_ref() }
    }
}

/// Gets the text of a panic.
type Tell<'a> = &'a mut dyn FnMut(&str);

struct Vtable {
    run: unsafe fn(NonNull<Header>) -> bool,
    fail: unsafe fn(NonNull<Header>, JoinError),
    drop_result: unsafe fn(NonNull<Header>) -> bool,
    take: unsafe fn(NonNull<Header>, *mut ()),
    with_panic: unsafe fn(NonNull<Header>, Tell<'_>),
    free: unsafe fn(NonNull<Header>),
}

// With the allocator's word, a fiber with a closure of two words has two cache lines: see `block`.
const _: () = assert!(size_of::<usize>() != 8 || size_of::<Header>() == 96);

enum Stage<F, T> {
    Closure(F),
    Result(Result<T, JoinError>),
    Gone,
}

#[repr(C)]
struct Object<F, T> {
    header: Header,
    stage: UnsafeCell<Stage<F, T>>,
}

/// The number of a letter that belongs to no fiber.
const VISIT: u64 = u64::MAX;

/// What a cancelled fiber unwinds with. It is no panic: no hook runs, no message is printed.
pub(crate) struct CancelUnwind {
    /// Because its deadline had passed.
    pub(crate) too_late: bool,
}

/// What a fiber is made with, besides its closure.
pub(crate) struct Making {
    pub(crate) level: usize,
    pub(crate) shared: *const (),
    pub(crate) scope: *const (),
    /// With a hold, as a resumer has it.
    pub(crate) kept: bool,
    pub(crate) id: u64,
    pub(crate) stamp: u64,
    pub(crate) extras: Option<Arc<Extras>>,
    /// See [`place`].
    pub(crate) placed: u8,
}

/// A site, as a fiber that is made for it remembers it. The sites past the 255th are not remembered.
pub(crate) fn place(site: usize) -> u8 {
    u8::try_from(site + 1).unwrap_or(0)
}

/// What [`place`] made.
#[inline]
pub(crate) fn site(placed: u8) -> Option<usize> {
    placed.checked_sub(1).map(usize::from)
}

/// Makes a fiber that has not started. Its ticket and its handle belong to the caller.
///
/// # Safety
/// `F` and `T` may borrow only what outlives the fiber's end (that is what scopes see to), and
/// `shared` and `scope` live until then.
#[inline]
pub(crate) unsafe fn make<F, T>(f: F, making: Making) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    // SAFETY: the caller's promise.
    unsafe { allocate(f, making, false) }
}

/// Writes each field where it belongs: an object that is built in the frame and then moved would be
/// read back before its stores have left the processor.
#[inline]
unsafe fn allocate<F: FnOnce() -> T, T>(f: F, making: Making, is_ticket: bool) -> FiberRef {
    let object = block::allocate::<Object<F, T>>();
    let header = object.cast::<Header>();
    // SAFETY: the memory is ours and large enough; every field is written once, before anyone reads.
    unsafe {
        let h = header.as_ptr();
        (&raw mut (*h).state).write(State::new(making.level, making.kept));
        (&raw mut (*h).vtable).write(&Vtable {
            run: run::<F, T>,
            fail: fail::<F, T>,
            drop_result: drop_result::<F, T>,
            take: take::<F, T>,
            with_panic: with_panic::<F, T>,
            free: free::<F, T>,
        });
        (&raw mut (*h).link).write(AtomicPtr::new(ptr::null_mut()));
        (&raw mut (*h).mail_link).write(AtomicPtr::new(ptr::null_mut()));
        (&raw mut (*h).waiter).write(Cell::new(ptr::null_mut()));
        (&raw mut (*h).waking).write(AtomicBool::new(false));
        (&raw mut (*h).is_ticket).write(is_ticket);
        (&raw mut (*h).held).write(Cell::new(0));
        (&raw mut (*h).placed).write(making.placed);
        (&raw mut (*h).loans).write(Loans::new(making.level));
        (&raw mut (*h).scope).write(making.scope);
        (&raw mut (*h).shared).write(making.shared);
        (&raw mut (*h).carrier).write(Cell::new(ptr::null_mut()));
        (&raw mut (*h).stamp).write(Cell::new(making.stamp));
        (&raw mut (*h).id).write(FiberId(making.id));
        (&raw mut (*h).extras).write(making.extras);
        (&raw mut (*object.as_ptr()).stage).write(UnsafeCell::new(Stage::Closure(f)));
    }
    FiberRef(header)
}

/// Runs the closure and puts its result in place. `true`: it panicked.
unsafe fn run<F: FnOnce() -> T, T>(header: NonNull<Header>) -> bool {
    // SAFETY: the vtable belongs to this type; the claimer alone touches the stage until the end.
    let stage = unsafe { (*header.cast::<Object<F, T>>().as_ptr()).stage.get() };
    // SAFETY: as above; no reference into the stage is held while the closure runs.
    let Stage::Closure(f) = (unsafe { ptr::replace(stage, Stage::Gone) }) else {
        unreachable!("a fiber is run once")
    };
    let result = catch_unwind(AssertUnwindSafe(f)).map_err(cause_of);
    let panicked = result.as_ref().is_err_and(JoinError::is_panic);
    // SAFETY: as above; the stage is `Gone`, so nothing is dropped here.
    unsafe { ptr::write(stage, Stage::Result(result)) };
    panicked
}

#[cold]
fn cause_of(payload: Box<dyn Any + Send>) -> JoinError {
    match payload.downcast_ref::<CancelUnwind>() {
        Some(CancelUnwind { too_late: true }) => JoinError::too_late(true),
        Some(CancelUnwind { too_late: false }) => JoinError::cancelled(),
        // A section's own payload comes here only if somebody kept it back until the section was gone.
        None if payload.is::<ElapsedUnwind>() => JoinError::cancelled(),
        None => JoinError::panicked(payload),
    }
}

/// Drops the closure unrun and puts an error in the result's place.
#[cold]
unsafe fn fail<F, T>(header: NonNull<Header>, error: JoinError) {
    // SAFETY: as in `run`.
    let stage = unsafe { (*header.cast::<Object<F, T>>().as_ptr()).stage.get() };
    // SAFETY: as in `run`.
    let closure = unsafe { ptr::replace(stage, Stage::Result(Err(error))) };
    drop_quietly(closure);
}

/// Drops the result. `true`: it was a panic that nobody has seen.
unsafe fn drop_result<F, T>(header: NonNull<Header>) -> bool {
    // SAFETY: called by whoever owns the result: the handle after the end, else the finisher.
    let stage = unsafe { (*header.cast::<Object<F, T>>().as_ptr()).stage.get() };
    // SAFETY: as above.
    let result = unsafe { ptr::replace(stage, Stage::Gone) };
    match result {
        Stage::Result(Ok(value)) => {
            if std::mem::needs_drop::<T>() {
                drop_quietly(value);
            }
            false
        }
        Stage::Result(Err(error)) => {
            let panic = error.is_panic();
            drop_quietly(error);
            panic
        }
        _ => false,
    }
}

/// Drops a value of the user's; a panic in its destructor was reported by the panic hook and goes
/// no further, as there is nobody left to hear of it.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // The payload's own destructor may panic too; leaking it is the end of that chain.
        std::mem::forget(payload);
    }
}

unsafe fn take<F, T>(header: NonNull<Header>, out: *mut ()) {
    // SAFETY: called by the handle after the end, with room for a `Option<Result<T, JoinError>>`; the
    // handle goes with it, and with the last hold the object.
    unsafe {
        let stage = (*header.cast::<Object<F, T>>().as_ptr()).stage.get();
        let result = match ptr::replace(stage, Stage::Gone) {
            Stage::Result(result) => Some(result),
            _ => None,
        };
        *out.cast::<Option<Result<T, JoinError>>>() = result;
        if header.as_ref().state.release_handle_of_finished() {
            free::<F, T>(header);
        }
    }
}

/// Shows what the fiber panicked with, if it did and the result is still there.
unsafe fn with_panic<F, T>(header: NonNull<Header>, f: Tell<'_>) {
    // SAFETY: called by the finisher before the end.
    let stage = unsafe { &*(*header.cast::<Object<F, T>>().as_ptr()).stage.get() };
    if let Stage::Result(Err(error)) = stage
        && let Some(text) = error.panic_text()
    {
        f(text);
    }
}

unsafe fn free<F, T>(header: NonNull<Header>) {
    let object = header.cast::<Object<F, T>>();
    // SAFETY: the last hold is gone; the object was made in `allocate`.
    unsafe {
        ptr::drop_in_place(object.as_ptr());
        block::free(object);
    }
}

impl FiberRef {
    pub(crate) fn as_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }

    /// # Safety
    /// `header` comes from [`as_ptr`](Self::as_ptr), and a hold keeps it alive.
    pub(crate) unsafe fn from_ptr(header: *mut Header) -> FiberRef {
        // SAFETY: the caller's promise.
        FiberRef(unsafe { NonNull::new_unchecked(header) })
    }

    /// What it counts as now.
    pub(crate) fn priority(self) -> Priority {
        Priority::from_level(self.state.level())
    }

    /// What was chosen for it.
    pub(crate) fn base_priority(self) -> Priority {
        Priority::from_level(self.loans.base())
    }

    /// What it is called, if anything.
    pub(crate) fn name(&self) -> Option<&Arc<String>> {
        self.extras.as_ref()?.name.as_ref()
    }

    /// The site that it was made for.
    #[inline]
    pub(crate) fn site(self) -> Option<usize> {
        site(self.placed)
    }

    /// It runs, and has taken a lock, whose word names it from now on.
    #[inline]
    pub(crate) fn note_lock(self) {
        self.held.set(self.held.get().saturating_add(1));
    }

    /// It has freed a lock.
    ///
    /// # Safety
    /// The lock was noted, and this is the same thread. It may be freed by this.
    #[inline]
    pub(crate) unsafe fn forget_lock(self) {
        let held = self.held.get();
        if held < u8::MAX {
            self.held.set(held - 1);
            if held == 1 && self.carrier.get().is_null() {
                // SAFETY: the caller's promise: the hold of `outlive_locks` ends here.
                unsafe { self.release_outlived() };
            }
        }
    }

    /// It has ended, at home. If it has not freed all its locks, somebody may come across its address
    /// at any time, so its memory stays until it has; for ever, if a guard was forgotten.
    #[inline]
    pub(crate) fn outlive_locks(self) {
        if self.held.get() != 0 {
            self.state.hold();
        }
    }

    #[cold]
    unsafe fn release_outlived(self) {
        if self.state.release() {
            // SAFETY: that was the last hold.
            unsafe { self.free() };
        }
    }

    /// Runs the closure. `true`: it panicked.
    ///
    /// # Safety
    /// The caller has claimed the fiber, and does this once.
    #[inline]
    pub(crate) unsafe fn run(self) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (self.vtable.run)(self.0) }
    }

    /// Shows `f` what the fiber panicked with.
    ///
    /// # Safety
    /// The caller is the finisher, before the end.
    pub(crate) unsafe fn with_panic(self, f: Tell<'_>) {
        // SAFETY: the caller's promise.
        unsafe { (self.vtable.with_panic)(self.0, f) }
    }

    /// Gives the fiber an error instead of running it.
    ///
    /// # Safety
    /// The caller has claimed the fiber, and has not run it.
    pub(crate) unsafe fn fail(self, error: JoinError) {
        // SAFETY: the caller's promise.
        unsafe { (self.vtable.fail)(self.0, error) }
    }

    /// Drops the result. `true`: it was a panic that nobody has seen.
    ///
    /// # Safety
    /// The caller owns it: it is the handle and the fiber has ended, or there is no handle.
    pub(crate) unsafe fn drop_result(self) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (self.vtable.drop_result)(self.0) }
    }

    /// Takes the result out, and gives the handle up.
    ///
    /// # Safety
    /// The caller is the handle, which it does not use again; the fiber has ended, and `T` is its
    /// result's type.
    pub(crate) unsafe fn take_result<T>(self) -> Result<T, JoinError> {
        let mut out: Option<Result<T, JoinError>> = None;
        // SAFETY: the caller's promise.
        unsafe { (self.vtable.take)(self.0, ptr::from_mut(&mut out).cast()) };
        out.expect("a result is taken once")
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// The last hold is gone.
    pub(crate) unsafe fn free(self) {
        // SAFETY: the caller's promise: the last hold is gone.
        unsafe { (self.vtable.free)(self.0) }
    }

    /// Notes who waits for the end, in the form that `Waiter` gives it.
    pub(crate) fn set_waiter(self, waiter: *mut ()) {
        self.waiter.set(waiter);
    }

    /// Who waits for the end. Only for the finisher, when `finish` said that somebody does.
    pub(crate) fn waiter(self) -> *mut () {
        self.waiter.get()
    }

    /// The fiber has ended, and so has everything the finisher does with its waiter.
    pub(crate) fn is_over(self) -> bool {
        // ORDERING: Acquire pairs with the release of the finisher's last store.
        self.state.is_finished() && !self.waking.load(Ordering::Acquire)
    }
}

/// The node of a fiber in an inbox.
// SAFETY: `link` is one cell of the node; the ticket that is in the inbox owns it.
unsafe impl Node for Header {
    unsafe fn link<'a>(node: NonNull<Header>) -> &'a AtomicPtr<Header> {
        // SAFETY: the node is alive, by the contract.
        unsafe { &(*node.as_ptr()).link }
    }
}

/// A fiber's mail: the same object, linked by another cell, since it may be in an inbox by a stale
/// ticket at the same time.
#[repr(transparent)]
pub(crate) struct Mail(Header);

// SAFETY: as above, with the cell that the MAIL bit owns.
unsafe impl Node for Mail {
    unsafe fn link<'a>(node: NonNull<Mail>) -> &'a AtomicPtr<Mail> {
        // SAFETY: the node is alive, by the contract; `Mail` is transparent over `Header`, so a
        // pointer to the one is a pointer to the other.
        unsafe { &*ptr::from_ref(&(*node.as_ptr()).0.mail_link).cast() }
    }
}

impl FiberRef {
    pub(crate) fn node(self) -> NonNull<Header> {
        self.0
    }

    pub(crate) fn from_node(node: NonNull<Header>) -> FiberRef {
        FiberRef(node)
    }

    pub(crate) fn mail(self) -> NonNull<Mail> {
        self.0.cast()
    }

    pub(crate) fn from_mail(mail: NonNull<Mail>) -> FiberRef {
        FiberRef(mail.cast())
    }

    /// Makes a ticket for this fiber at `level`: an object for the queues whose only use is to be
    /// popped. See [`resolve`](Self::resolve).
    pub(crate) fn make_ticket(self, level: usize) -> FiberRef {
        self.make_note(level, false)
    }

    /// Makes a letter, for the mailbox, from a thread of the background lane: the fiber itself may be in that
    /// mailbox. Such a letter has to be [resolved](Self::resolve) too.
    pub(crate) fn make_letter(self) -> FiberRef {
        self.make_note(0, false)
    }

    /// Makes an order: a ticket that moves the fiber to `level` when it is popped, until it is
    /// [closed](Self::close_order), which the caller does.
    pub(crate) fn make_order(self, level: usize) -> FiberRef {
        self.state.begin_order();
        let order = self.make_note(level, true);
        order.waking.store(true, Ordering::Relaxed);
        order
    }

    /// From now on the order, for this fiber, is a ticket as others. Called once, by whoever has made it.
    pub(crate) fn close_order(self, fiber: FiberRef) {
        self.waking.store(false, Ordering::Relaxed);
        fiber.state.end_order();
        if self.state.release() {
            // SAFETY: that was the last hold: it has been popped.
            unsafe { self.free() };
        }
    }

    /// Is it an order that still has to be carried out?
    pub(crate) fn is_order(self) -> bool {
        self.waking.load(Ordering::Relaxed)
    }

    fn make_note(self, level: usize, kept: bool) -> FiberRef {
        let target = self;
        let making = Making {
            level,
            shared: self.shared,
            scope: ptr::null(),
            kept,
            id: 0,
            stamp: self.stamp.get(),
            extras: None,
            placed: self.placed,
        };
        let resolve = move || target;
        // SAFETY: it is never run as a fiber, only resolved.
        unsafe { allocate::<_, FiberRef>(resolve, making, true) }
    }

    /// Makes a letter that belongs to no fiber: whoever opens it calls `f`, see [`open_visit`](Self::open_visit).
    ///
    /// # Safety
    /// It is opened, once, while what `f` borrows is there.
    pub(crate) unsafe fn make_visit<F: FnOnce() + Send>(f: F) -> FiberRef {
        let (shared, scope) = (ptr::null(), ptr::null());
        let making =
            Making { level: 0, shared, scope, kept: false, id: VISIT, stamp: 0, extras: None, placed: 0 };
        // SAFETY: it is never run as a fiber, only opened.
        unsafe { allocate(f, making, true) }
    }

    /// Was it made by [`make_visit`](Self::make_visit)?
    pub(crate) fn is_visit(self) -> bool {
        self.is_ticket && self.id == FiberId(VISIT)
    }

    /// Calls what it was made with, and frees it.
    ///
    /// # Safety
    /// It is a visit, and the caller's.
    pub(crate) unsafe fn open_visit(self) {
        // SAFETY: as for a ticket, below.
        let outcome = unsafe {
            self.state.withdraw();
            self.run();
            let _ = self.state.finish(true);
            self.take_result::<()>()
        };
        debug_assert!(outcome.is_ok(), "what visits a worker does not panic");
    }

    /// The fiber that a popped entry stands for, and frees the entry if it was a ticket.
    #[inline]
    pub(crate) fn resolve(self) -> FiberRef {
        if self.is_ticket { self.resolve_ticket() } else { self }
    }

    #[cold]
    fn resolve_ticket(self) -> FiberRef {
        // SAFETY: a ticket's closure only returns its target, which the target's ticket bit, BELOW or a
        // hold keeps alive; a ticket is popped once, so this is the only run, and taking its result frees
        // it, unless its maker has a hold.
        unsafe {
            self.state.withdraw();
            self.run();
            let _ = self.state.finish(true);
            self.take_result::<FiberRef>().expect("returning a pointer does not panic")
        }
    }
}
