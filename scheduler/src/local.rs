//! Values of a fiber: those that are its own ([`fiber_local!`](crate::fiber_local)), and those that it passes on to the
//! fibers it makes ([`context_local!`](crate::context_local)). On a thread that runs no fiber they are the thread's.

use crate::fiber::extras::{Extras, Heritage, Value, with_heritage};
use crate::fiber::locals::Locals;
use crate::worker::current;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

thread_local! {
    /// Of a thread while it runs no fiber.
    static LOCALS: Locals = const { Locals::new() };
    static HERITAGE: Heritage = const { Heritage::new() };
}

/// Makes a static of which each fiber has a value of its own: made when the fiber first asks for it, dropped when the fiber
/// ends, on its thread. It need not be `Send`, as a fiber that has started stays on its thread, unless its code vouches
/// that all of it may [move](crate::movable).
///
/// Those of one fiber are dropped in the opposite of the order in which they were made, before anybody who joins the
/// fiber hears of its end; they may block. One that is gone is not made anew by the destructor of another.
///
/// Code that runs on a thread without a fiber has the thread's value, until the thread ends. A branch of
/// [`join`](crate::join) that runs elsewhere is a fiber of its own.
///
/// ```
/// use heddle_scheduler::{Scheduler, fiber_local, yield_now};
/// use std::cell::Cell;
///
/// fiber_local! {
///     /// How often this fiber was here.
///     static VISITS: Cell<u32> = Cell::new(0);
/// }
///
/// fn visit() -> u32 {
///     VISITS.with(|visits| {
///         visits.set(visits.get() + 1);
///         visits.get()
///     })
/// }
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let fibers: Vec<_> = (0..3).map(|_| scheduler.go(|| {
///     visit();
///     yield_now(); // others visit meanwhile, on the same thread
///     visit()
/// })).collect();
/// for fiber in fibers {
///     assert_eq!(fiber.join().unwrap(), 2);
/// }
/// assert_eq!(visit(), 1);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[macro_export]
macro_rules! fiber_local {
    () => {};
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr; $($rest:tt)*) => {
        $crate::fiber_local! { $(#[$attribute])* $vis static $name: $type = $init }
        $crate::fiber_local! { $($rest)* }
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr) => {
        $(#[$attribute])*
        $vis static $name: $crate::FiberLocal<$type> = {
            fn init() -> $type {
                $init
            }
            $crate::FiberLocal::new(init)
        };
    };
}

/// A static with a value for each fiber. See [`fiber_local!`](crate::fiber_local).
pub struct FiberLocal<T: 'static> {
    init: fn() -> T,
}

/// The value is gone, or will not be made any more, as the fiber or the thread ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a fiber-local value was asked for at the end of its fiber, when it was gone; ask for it earlier, or \
             use try_with() in destructors",
        )
    }
}

impl std::error::Error for AccessError {}

impl<T: 'static> FiberLocal<T> {
    /// For [`fiber_local!`](crate::fiber_local).
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> FiberLocal<T> {
        FiberLocal { init }
    }

    /// Calls `f` with the value of this fiber, which is made if there is none.
    ///
    /// # Panics
    /// Where [`try_with`](Self::try_with) returns an error.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.try_with(f).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same.
    ///
    /// # Errors
    /// A destructor calls this at the end of the fiber, or of the thread, and there is no value (any more).
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let value = match current::on_carrier() {
            Some((_, carrier)) => self.value_in(&carrier.locals)?,
            None => LOCALS.try_with(|locals| self.value_in(locals)).map_err(|_| AccessError(()))??,
        };
        // SAFETY: the value stays until the end of the fiber, or of the thread. It is dropped there when `f` has
        // returned: on this thread, after the fiber's closure; or, for one that a destructor uses at the end, below
        // that destructor, as each is taken out before it is dropped.
        Ok(f(unsafe { &*value }))
    }

    fn value_in(&'static self, locals: &Locals) -> Result<*const T, AccessError> {
        let key = ptr::from_ref(self).addr();
        if let Some(value) = locals.find(key) {
            return Ok(value.cast());
        }
        if locals.is_closing() {
            return Err(AccessError(()));
        }
        let value = (self.init)();
        // To make it may have taken it already, as a recursion does.
        Ok(match locals.find(key) {
            Some(first) => first,
            None => locals.insert(key, value),
        }
        .cast())
    }
}

impl<T: 'static> fmt::Debug for FiberLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberLocal").finish_non_exhaustive()
    }
}

/// Makes a static that has a value inside of a [`scope`](ContextLocal::scope), also in all fibers that are made there, at
/// any depth and detached ones too: who asked, for whom, in which span of a trace.
///
/// ```
/// use heddle_scheduler::{Scheduler, context_local, go};
///
/// context_local! {
///     static REQUEST_ID: String;
/// }
///
/// fn log(line: &str) -> String {
///     REQUEST_ID.with(|id| format!("{}: {line}", id.map_or("-", String::as_str)))
/// }
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let line = REQUEST_ID.scope("r-17".to_owned(), || scheduler.go(|| go(|| log("found")).join().unwrap()));
/// assert_eq!(line.join().unwrap(), "r-17: found");
/// assert_eq!(log("over"), "-: over");
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[macro_export]
macro_rules! context_local {
    () => {};
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::context_local! { $(#[$attribute])* $vis static $name: $type }
        $crate::context_local! { $($rest)* }
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty) => {
        $(#[$attribute])*
        $vis static $name: $crate::ContextLocal<$type> = $crate::ContextLocal::new();
    };
}

/// A static with a value for the time of a call, and for the fibers that are made in it. See
/// [`context_local!`](crate::context_local).
///
/// A fiber inherits what its maker has when it is made; what that one changes later it does not see. This costs one
/// test where there is no context, else a reference count. To look a value up takes as many steps as there are scopes
/// around, of any context.
pub struct ContextLocal<T: 'static> {
    /// Statics of no size could have one address.
    _place: u8,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> ContextLocal<T> {
    /// For [`context_local!`](crate::context_local).
    #[doc(hidden)]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> ContextLocal<T> {
        ContextLocal { _place: 0, value: PhantomData }
    }

    /// Calls `f` with this value instead of the one around it. The value is dropped when `f` has returned and all
    /// fibers have ended that inherited it.
    pub fn scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        with_current(|heritage| {
            let before = heritage.get().map_or_else(Extras::default, |extras| (**extras).clone());
            let outer = before.context;
            let value = Value::new(ptr::from_ref(self).addr(), Box::new(value), outer);
            let next = Extras { context: Some(Arc::new(value)), ..before };
            with_heritage(heritage, Arc::new(next), f)
        })
    }

    /// Calls `f` with the value, if there is one.
    pub fn with<R>(&'static self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let key = ptr::from_ref(self).addr();
        let extras = with_current(|heritage| heritage.get().map_or(ptr::null(), Arc::as_ptr));
        // SAFETY: until `f` has returned the heritage of this fiber or thread is changed only by scopes that `f` enters. They keep
        // what it was in their frames, and put it back: so it stays as long as we use it.
        let mut next = unsafe { extras.as_ref() }.and_then(|extras| extras.context.as_deref());
        while let Some(value) = next {
            if value.key == key {
                return f(value.get());
            }
            next = value.outer.as_deref();
        }
        f(None)
    }

    /// A copy of the value, if there is one.
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }
}

impl<T: 'static> fmt::Debug for ContextLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextLocal").finish_non_exhaustive()
    }
}

/// Calls `f` with the heritage of the running fiber, else of the thread.
fn with_current<R>(f: impl FnOnce(&Heritage) -> R) -> R {
    match current::on_carrier() {
        Some((_, carrier)) => f(&carrier.heritage),
        None => HERITAGE.with(f),
    }
}

/// What a fiber inherits that is made here, where no fiber of its scheduler runs.
pub(crate) fn heritage_outside() -> Option<Arc<Extras>> {
    match current::on_carrier() {
        Some((_, carrier)) => carrier.heritage.get().cloned(),
        None => HERITAGE.try_with(|heritage| heritage.get().cloned()).ok().flatten(),
    }
}
