//! A fiber that says that it is the one who receives: see [`Receiver::declare`].

use super::Receiver;
use crate::sync::owner::Owner;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// The word of a fiber that it is the one who receives, until this is dropped. Made by [`Receiver::declare`].
///
/// It is used as the [`Receiver`] is, and stays in its fiber.
#[must_use = "nothing is lent to the fiber any more when this is dropped"]
pub struct Declared<'a, T> {
    receiver: &'a Receiver<T>,
    owner: Owner,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared one only gives `&Receiver`.
unsafe impl<T: Send> Sync for Declared<'_, T> {}

impl<T> Receiver<T> {
    /// Says that the calling fiber is the one who receives: until the result is dropped, it counts as urgent as the most urgent
    /// of those who wait for room to send, as who holds a [`Mutex`](crate::sync::Mutex) does.
    ///
    /// Without this, nobody knows whom a sender waits for. A Low fiber that serves requests would be passed over by all Normal
    /// work while a Critical fiber waits for it. What is lent is taken back when nobody waits for room who has it to
    /// lend: when the value was taken, or the sender has given up. It passes through chains: who is lent to and waits
    /// itself, for a mutex, a join or another such channel, lends on. Values that are in the channel
    /// already lend nothing, as nobody waits for room by them; where that matters, give the channel none.
    ///
    /// Where several fibers say so of receivers of one channel, nobody knows which of them will take the next value, and none
    /// is lent anything until one alone is left. A thread may say so, too, and is lent nothing. To hand the receiver to
    /// another fiber, drop this; the other one declares then.
    ///
    /// ```
    /// use heddle_scheduler::{Priority, Scheduler, sync::channel};
    ///
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let (sender, receiver) = channel::bounded(0);
    /// let server = scheduler.go_with_priority(Priority::Low, move || {
    ///     let requests = receiver.declare();
    ///     requests.iter().sum::<u32>()
    /// });
    /// scheduler.go_with_priority(Priority::Critical, move || (1..=4).for_each(|n| sender.send(n).unwrap()));
    /// assert_eq!(server.join().unwrap(), 10);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn declare(&self) -> Declared<'_, T> {
        let owner = Owner::caller();
        // Before others know of it, and until they do not.
        owner.note();
        let declared = Declared { receiver: self, owner, not_send: PhantomData };
        self.0.declare(owner);
        declared
    }
}

impl<T> Deref for Declared<'_, T> {
    type Target = Receiver<T>;

    fn deref(&self) -> &Receiver<T> {
        self.receiver
    }
}

impl<T> Drop for Declared<'_, T> {
    fn drop(&mut self) {
        self.receiver.0.withdraw(self.owner);
        // SAFETY: noted when this was made, on this thread, which it does not leave; it is not in the channel any more.
        unsafe { self.owner.forget() };
    }
}

impl<'a, T> IntoIterator for &'a Declared<'_, T> {
    type Item = T;
    type IntoIter = super::Iter<'a, T>;

    fn into_iter(self) -> super::Iter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Declared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Declared").field(self.receiver).finish()
    }
}
