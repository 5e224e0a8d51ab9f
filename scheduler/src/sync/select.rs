//! Waits for one of several: [`select!`](crate::select!), and what it is made of.
//!
//! ```text
//!   try      each case, from a random one on: can it be had now?
//!   enter    each gets in line, with one choice for all; stops where one could be had now
//!   wait     until the choice is made, a fiber that is waited for has ended, or the time is over
//!   leave    each leaves its line: one at most was served
//! ```
//!
//! A case never serves others while it is in line itself: two who wait for each other in two lines would each have to
//! win two choices at once. Who finds while it enters that a case could be had leaves all lines and tries again.
//! Of two who meet, the one who entered first stays in line, so one of them gets on.

// What is hidden here names types of ours that nobody else can use.
#![allow(private_interfaces)]

use super::channel::{Channel, Receiver, RecvError, SendError, Sender};
use super::channel::{Received, Sent};
use super::line::{Choice, Place};
use super::wait::{Who, unwind};
use crate::fiber::FiberRef;
use crate::fiber::awaited::Awaited;
use crate::fiber::loans::Lender;
use crate::handle::{JoinHandle, wait_until_over};
use crate::machine::random::Random;
use crate::suspend::suspend;
use crate::worker::sleeper::park_thread;
use crate::worker::wake::{ThreadWaiter, Waiter};
use crate::worker::{current, loan};
use std::marker::{PhantomData, PhantomPinned};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// Waits until one of several can be done, does it, and goes on with its arm.
///
/// ```
/// use heddle_scheduler::{Scheduler, select, sync::channel};
/// use std::time::Duration;
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let (numbers, number) = channel::unbounded();
/// let (words, word) = channel::bounded::<&str>(1);
/// let mut work = scheduler.go(|| 7);
/// numbers.send(42).unwrap();
/// let chosen = select! {
///     recv(number) -> n => format!("number {}", n.unwrap()),
///     send(words, "hello") -> sent => { sent.unwrap(); "sent".to_owned() }
///     finished(work) => "work is done".to_owned(),
///     default(Duration::from_secs(1)) => "nothing for a second".to_owned(),
/// };
/// assert!(["number 42", "sent", "work is done"].contains(&chosen.as_str()));
/// assert_eq!(word.try_recv().is_ok(), chosen == "sent");
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
///
/// | arm                              | is ready when                                                     |
/// |----------------------------------|-------------------------------------------------------------------|
/// | `recv(receiver) -> result =>`    | a value is there, or all senders are gone                         |
/// | `send(sender, value) -> result =>` | there is room, or all receivers are gone                        |
/// | `finished(handle) =>`            | the fiber of a [`JoinHandle`], which is `mut`, has ended: `join` does not wait then |
/// | `default =>`                     | nothing else is, at once                                          |
/// | `default(time) =>`               | nothing else was for a [`Duration`], or until an [`Instant`]      |
///
/// Where several are ready, one is chosen at random; after `biased;` as the first word, the first. The values to be sent are
/// made before, and dropped if another arm is chosen.
///
/// A fiber that is cancelled while it waits unwinds.
#[macro_export]
macro_rules! select {
    (biased; $($arms:tt)*) => { $crate::__select!(@arms (true) [] [] $($arms)*) };
    ($($arms:tt)*) => { $crate::__select!(@arms (false) [] [] $($arms)*) };
}

/// What [`select!`] becomes.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // One arm after the other: the cases so far, the default so far.
    (@arms $biased:tt [$($cases:tt)*] [] default => $body:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms $biased [$($cases)*] [($crate::sync::select::Limit::now()) $body] $($($rest)*)?)
    };
    (@arms $biased:tt [$($cases:tt)*] [] default($limit:expr) => $body:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms $biased [$($cases)*] [($crate::sync::select::Limit::from($limit)) $body] $($($rest)*)?)
    };
    (@arms $biased:tt [$($cases:tt)*] [$($default:tt)*] recv($receiver:expr) -> $result:pat => $body:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms $biased
            [$($cases)* (case ($crate::sync::select::recv(&$receiver)) ($result) $body)] [$($default)*] $($($rest)*)?)
    };
    (@arms $biased:tt [$($cases:tt)*] [$($default:tt)*] send($sender:expr, $value:expr) -> $result:pat => $body:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms $biased
            [$($cases)* (case ($crate::sync::select::send(&$sender, $value)) ($result) $body)] [$($default)*] $($($rest)*)?)
    };
    (@arms $biased:tt [$($cases:tt)*] [$($default:tt)*] finished($handle:expr) => $body:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms $biased
            [$($cases)* (case ($crate::sync::select::finished(&mut $handle)) (()) $body)] [$($default)*] $($($rest)*)?)
    };
    (@arms $biased:tt $cases:tt $default:tt $kind:ident $(($($given:tt)*))? $(-> $result:pat)? => $body:block, $($rest:tt)*) => {
        ::core::compile_error!(
            "the arms of select! are recv(receiver) -> result =>, send(sender, value) -> result =>, finished(handle) =>, \
             and one default => or default(time) =>"
        )
    };
    // The same without a comma after a block.
    (@arms $biased:tt $cases:tt $default:tt $kind:ident $(($($given:tt)*))? $(-> $result:pat)? => $body:block $($rest:tt)*) => {
        $crate::__select!(@arms $biased $cases $default $kind $(($($given)*))? $(-> $result)? => $body, $($rest)*)
    };
    // And with an expression for a block.
    (@arms $biased:tt $cases:tt $default:tt $kind:ident $(($($given:tt)*))? $(-> $result:pat)? => $body:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@arms $biased $cases $default $kind $(($($given)*))? $(-> $result)? => { $body }, $($($rest)*)?)
    };
    // All are known.
    (@arms ($biased:expr) [$(($case:ident ($make:expr) ($result:pat) $body:block))*] []) => {
        $crate::__select!(@run ($biased) [$(($case ($make) ($result) $body))*]
            [($crate::sync::select::Limit::never()) { unreachable!("one of them was chosen") }])
    };
    (@arms ($biased:expr) [$(($case:ident ($make:expr) ($result:pat) $body:block))*] [($limit:expr) $default:block]) => {
        $crate::__select!(@run ($biased) [$(($case ($make) ($result) $body))*] [($limit) $default])
    };
    (@run ($biased:expr) [] [($limit:expr) $default:block]) => {{
        $crate::sync::select::run(&mut [], $limit, $biased);
        $default
    }};
    (@run ($biased:expr) [$(($case:ident ($make:expr) ($result:pat) $body:block))*] [($limit:expr) $default:block]) => {{
        // What each has come to; the cases themselves, and what they borrow, are gone when an arm begins.
        let ($($case,)*) = {
            $(let mut $case = $make;)*
            $crate::sync::select::run(&mut [$(&mut $case),*], $limit, $biased);
            ($($crate::sync::select::Case::result($case),)*)
        };
        $(if let ::core::option::Option::Some($result) = $case $body else)* $default
    }};
}

/// Until when [`select!`] waits.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    now: bool,
    due: Option<Instant>,
}

impl Limit {
    /// Not at all.
    pub fn now() -> Limit {
        Limit { now: true, due: None }
    }

    /// For ever.
    pub fn never() -> Limit {
        Limit { now: false, due: None }
    }

    fn is_over(&self) -> bool {
        self.now || self.due.is_some_and(|due| Instant::now() >= due)
    }
}

impl From<Duration> for Limit {
    fn from(time: Duration) -> Limit {
        // Past the end of the clock is for ever.
        Limit { now: false, due: Instant::now().checked_add(time) }
    }
}

impl From<Instant> for Limit {
    fn from(due: Instant) -> Limit {
        Limit { now: false, due: Some(due) }
    }
}

/// What [`select!`] waits for.
#[doc(hidden)]
pub trait Case: sealed::Waits {
    /// What its arm gets.
    type Output;

    /// What has come of it, if it was chosen.
    fn result(self) -> Option<Self::Output>;
}

mod sealed {
    use super::Choice;

    /// Nothing outside of this crate can call these: `enter` puts addresses into lines, from which `leave` takes them.
    pub trait Waits {
        /// Does it, if it can be done now. It is not in line.
        fn try_now(&mut self) -> bool;
        /// Gets in line. `false`: it need not, and has not.
        ///
        /// # Safety
        /// It does not move until it has left, and the choice stays as long.
        unsafe fn enter(&mut self, choice: &Choice, index: u32) -> bool;
        /// Can it be done now, though nobody has made the choice?
        fn is_ready(&self) -> bool;
        /// Does not wait any longer.
        fn leave(&mut self);
        /// Whoever waits has another level now.
        fn level_is(&self, level: usize);
    }
}

/// Does one of them; none if the time is over.
#[doc(hidden)]
pub fn run(cases: &mut [&mut dyn sealed::Waits], limit: Limit, biased: bool) {
    let mut done = false;
    while !done {
        let first = if biased { 0 } else { random_below(cases.len()) };
        let (before, from) = cases.split_at_mut(first);
        done = from.iter_mut().chain(before).any(|case| case.try_now())
            || limit.is_over()
            || enter_and_wait(cases, limit);
    }
}

/// Some of the cases, in line. They leave when this is dropped, also while it unwinds.
struct InLine<'a, 'b>(&'a mut [&'b mut dyn sealed::Waits], usize);

impl Drop for InLine<'_, '_> {
    fn drop(&mut self) {
        self.0.iter_mut().take(self.1).for_each(|case| case.leave());
    }
}

/// `false`: something can be done now, but was not.
fn enter_and_wait(cases: &mut [&mut dyn sealed::Waits], limit: Limit) -> bool {
    let choice = Choice::new();
    let mut line = InLine(cases, 0);
    for index in 0..line.0.len() {
        // SAFETY: they are borrowed until they have left, and `line` goes before the choice.
        if !unsafe { line.0[index].enter(&choice, index as u32) } {
            drop(line);
            return choice.made().is_some();
        }
        line.1 = index + 1;
    }
    let over = wait(line.0, &choice, limit);
    // Until then one may be served.
    drop(line);
    match over {
        _ if choice.made().is_some() => true,
        Over::Ready => false,
        Over::TimedOut => true,
        Over::Cancelled => unwind(),
    }
}

enum Over {
    Ready,
    TimedOut,
    Cancelled,
}

/// Waits until one of them was served or is ready.
fn wait(cases: &[&mut dyn sealed::Waits], choice: &Choice, limit: Limit) -> Over {
    let is_ready = || choice.made().is_some() || cases.iter().any(|case| case.is_ready());
    let Some((worker, me)) = current::in_fiber().filter(|_| !current::cannot_wait()) else {
        while !is_ready() {
            let left = limit.due.map(|due| due.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Over::TimedOut;
            }
            park_thread(left);
        }
        return Over::Ready;
    };
    let timer = limit.due.map(|due| worker.timers.set(due, me));
    let moves = Moves(NonNull::from(cases).cast(), cases.len());
    let over = loan::while_lending(&moves, || {
        loop {
            if is_ready() {
                return Over::Ready;
            }
            if limit.is_over() {
                return Over::TimedOut;
            }
            if suspend().is_err() {
                return Over::Cancelled;
            }
        }
    });
    if let Some(key) = timer {
        worker.timers.clear(key);
    }
    over
}

/// Tells all lines when the level of the fiber changes.
struct Moves(NonNull<NonNull<dyn sealed::Waits>>, usize);

impl Lender for Moves {
    fn level_is(&self, level: usize) {
        // SAFETY: the frame in which this is borrows them, and does not run; a `&mut` is a pointer.
        let cases = unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.1) };
        for case in cases {
            // SAFETY: as above.
            unsafe { case.as_ref() }.level_is(level);
        }
    }

    fn waits_for(&self) -> Awaited {
        Awaited::OneOf(self.1)
    }
}

#[inline(never)]
fn random_below(bound: usize) -> usize {
    thread_local! {
        static RANDOM: Random = Random::new(crate::machine::clock::ticks());
    }
    RANDOM.with(|random| random.below(bound.max(1)))
}

/// A case with a channel.
struct Waiting<'a, T> {
    channel: &'a Channel<T>,
    place: Option<Place<Option<T>>>,
}

impl<'a, T> Waiting<'a, T> {
    fn new(channel: &'a Channel<T>) -> Waiting<'a, T> {
        Waiting { channel, place: None }
    }

    /// A new place, and its level.
    fn sit(&mut self, choice: &Choice, index: u32, value: Option<T>) -> (&Place<Option<T>>, usize) {
        let (who, level) = Who::caller();
        (self.place.insert(Place::one_of(choice, index, who, value)), level)
    }

    /// What is at the place, which is not in line.
    fn take(&mut self) -> Option<T> {
        // SAFETY: the caller's promise.
        self.place.take().and_then(|place| unsafe { place.with_value(Option::take) })
    }
}

/// Something is received.
#[doc(hidden)]
pub struct Recv<'a, T> {
    waiting: Waiting<'a, T>,
    result: Option<Result<T, RecvError>>,
}

/// `recv(receiver) -> result`
#[doc(hidden)]
pub fn recv<T>(receiver: &Receiver<T>) -> Recv<'_, T> {
    Recv { waiting: Waiting::new(&receiver.0), result: None }
}

impl<T> sealed::Waits for Recv<'_, T> {
    fn try_now(&mut self) -> bool {
        self.result = match self.waiting.channel.try_receive() {
            Received::Value(value) => Some(Ok(value)),
            Received::Disconnected => Some(Err(RecvError)),
            Received::Empty | Received::Cancelled => None,
        };
        self.result.is_some()
    }

    unsafe fn enter(&mut self, choice: &Choice, index: u32) -> bool {
        let channel = self.waiting.channel;
        let (place, level) = self.waiting.sit(choice, index, None);
        // SAFETY: the caller's promise.
        unsafe { channel.enter_receiving(place, level) }
    }

    fn is_ready(&self) -> bool {
        false
    }

    fn leave(&mut self) {
        if let Some(place) = &self.waiting.place
            && !self.waiting.channel.leave_receiving(place)
            && place.is_served()
        {
            self.result = Some(self.waiting.take().ok_or(RecvError));
        }
        self.waiting.place = None;
    }

    fn level_is(&self, level: usize) {
        if let Some(place) = &self.waiting.place {
            self.waiting.channel.move_receiving(place, level);
        }
    }
}

impl<T> Case for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn result(self) -> Option<Self::Output> {
        self.result
    }
}

/// Something is sent.
#[doc(hidden)]
pub struct Send<'a, T> {
    waiting: Waiting<'a, T>,
    value: Option<T>,
    result: Option<Result<(), SendError<T>>>,
}

/// `send(sender, value) -> result`
#[doc(hidden)]
pub fn send<T>(sender: &Sender<T>, value: T) -> Send<'_, T> {
    Send { waiting: Waiting::new(&sender.0), value: Some(value), result: None }
}

impl<T> sealed::Waits for Send<'_, T> {
    fn try_now(&mut self) -> bool {
        let Some(value) = self.value.take() else { return false };
        self.result = match self.waiting.channel.try_send(value) {
            Sent::Done => Some(Ok(())),
            Sent::Disconnected(value) => Some(Err(SendError(value))),
            Sent::Full(value) | Sent::Cancelled(value) => {
                self.value = Some(value);
                None
            }
        };
        self.result.is_some()
    }

    unsafe fn enter(&mut self, choice: &Choice, index: u32) -> bool {
        let channel = self.waiting.channel;
        let value = self.value.take();
        let (place, level) = self.waiting.sit(choice, index, value);
        // SAFETY: the caller's promise.
        let entered = unsafe { channel.enter_sending(place, level) };
        if !entered {
            self.value = self.waiting.take();
        }
        entered
    }

    fn is_ready(&self) -> bool {
        false
    }

    fn leave(&mut self) {
        let Some(place) = &self.waiting.place else { return };
        let left = self.waiting.channel.leave_sending(place);
        let served = !left && place.is_served();
        match self.waiting.take() {
            Some(value) if served => self.result = Some(Err(SendError(value))),
            None if served => self.result = Some(Ok(())),
            Some(value) => self.value = Some(value),
            None => {}
        }
    }

    fn level_is(&self, level: usize) {
        if let Some(place) = &self.waiting.place {
            self.waiting.channel.move_sending(place, level);
        }
    }
}

impl<T> Case for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn result(self) -> Option<Self::Output> {
        self.result
    }
}

/// A fiber has ended.
#[doc(hidden)]
pub struct Finished<'a> {
    fiber: FiberRef,
    /// A thread that waits for it.
    thread: Option<ThreadWaiter>,
    registered: bool,
    is_over: bool,
    handle: PhantomData<&'a mut ()>,
    /// Others use `thread` while it is borrowed here.
    _pinned: PhantomPinned,
}

/// `finished(handle)`
#[doc(hidden)]
pub fn finished<T>(handle: &mut JoinHandle<T>) -> Finished<'_> {
    Finished {
        fiber: handle.fiber(),
        thread: None,
        registered: false,
        is_over: false,
        handle: PhantomData,
        _pinned: PhantomPinned,
    }
}

impl sealed::Waits for Finished<'_> {
    fn try_now(&mut self) -> bool {
        self.is_over = self.fiber.is_over();
        self.is_over
    }

    unsafe fn enter(&mut self, _choice: &Choice, _index: u32) -> bool {
        let waiter = match Who::caller().0 {
            Who::Fiber(me) => Waiter::Fiber(me),
            _ => Waiter::Thread(NonNull::from(self.thread.insert(ThreadWaiter::new()))),
        };
        self.fiber.set_waiter(waiter.into_word());
        self.registered = self.fiber.state.register_waiter();
        if !self.registered {
            wait_until_over(self.fiber);
        }
        self.registered
    }

    fn is_ready(&self) -> bool {
        self.fiber.state.is_finished()
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.registered) && !self.fiber.state.unregister_waiter() {
            // Its finisher is waking us, and uses what we have registered.
            wait_until_over(self.fiber);
        }
    }

    fn level_is(&self, _level: usize) {}
}

impl Case for Finished<'_> {
    type Output = ();

    fn result(self) -> Option<()> {
        self.is_over.then_some(())
    }
}
