//! What few fibers have: a name, a deadline, a context. All in one place that the header points to, so that other
//! fibers pay one test for it; and what children inherit of it.
//!
//! A fiber's *heritage* is what fibers made by it begin with: its deadline and its context, not its name. While it runs
//! the heritage is in its carrier; a thread that runs no fiber has one, too. A [`scope`](Scope) of a context changes it
//! for the time of a call.
//!
//! | field               | who has it                                                        |
//! |---------------------|-------------------------------------------------------------------|
//! | `Header::extras`    | the fiber, from the beginning, for ever the same                  |
//! | `Heritage::current` | its children to come; the carrier's is without a fiber empty      |
//! | `Scope::before`     | what the heritage was around the scope, in the frame of that call |

use super::drop_quietly;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

/// What few fibers have.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) name: Option<Arc<String>>,
    /// When it is cancelled, and all who descend from it.
    pub(crate) deadline: Option<Instant>,
    pub(crate) context: Option<Arc<Value>>,
}

/// A value of a context, and those around it.
pub(crate) struct Value {
    /// Whose it is: the address of a static.
    pub(crate) key: usize,
    /// The user's; dropped by whoever lets go of it last, who may be a worker.
    value: Option<Box<dyn Any + Send + Sync>>,
    pub(crate) outer: Option<Arc<Value>>,
}

impl Value {
    pub(crate) fn new(key: usize, value: Box<dyn Any + Send + Sync>, outer: Option<Arc<Value>>) -> Value {
        Value { key, value: Some(value), outer }
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.value.as_ref()?.downcast_ref()
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        drop_quietly(self.value.take());
        // One after the other, as the list may be as long as a stack is deep.
        let mut outer = self.outer.take();
        while let Some(mut value) = outer.and_then(Arc::into_inner) {
            outer = value.outer.take();
        }
    }
}

/// Extras in the making, which nobody else has yet.
pub(crate) fn edit(extras: &mut Option<Arc<Extras>>) -> &mut Extras {
    Arc::make_mut(extras.get_or_insert_default())
}

/// What a fiber has that was made with `own`, by somebody with `heritage`: of two deadlines the earlier one.
#[inline]
pub(crate) fn combine(own: Option<Arc<Extras>>, heritage: Option<&Arc<Extras>>) -> Option<Arc<Extras>> {
    match (own, heritage) {
        (None, None) => None,
        (own, None) => own,
        (own, Some(heritage)) => Some(combine_both(own, heritage)),
    }
}

#[cold]
fn combine_both(own: Option<Arc<Extras>>, heritage: &Arc<Extras>) -> Arc<Extras> {
    let Some(own) = own else { return heritage.clone() };
    let deadline = own.deadline.into_iter().chain(heritage.deadline).min();
    Arc::new(Extras { name: own.name.clone(), deadline, context: heritage.context.clone() })
}

/// What the children of somebody with `extras` begin with.
pub(crate) fn inheritable(extras: &Arc<Extras>) -> Option<Arc<Extras>> {
    match &**extras {
        Extras { deadline: None, context: None, .. } => None,
        Extras { name: None, .. } => Some(extras.clone()),
        Extras { deadline, context, .. } => {
            Some(Arc::new(Extras { name: None, deadline: *deadline, context: context.clone() }))
        }
    }
}

/// What the children of a fiber, or of a thread, begin with. Used by one thread.
pub(crate) struct Heritage {
    current: UnsafeCell<Option<Arc<Extras>>>,
    innermost: Cell<*const Scope>,
}

impl Heritage {
    pub(crate) const fn new() -> Heritage {
        Heritage { current: UnsafeCell::new(None), innermost: Cell::new(ptr::null()) }
    }

    /// It stays as long as nobody changes it: for one expression.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<Extras>> {
        // SAFETY: one thread uses it, and nobody keeps the reference across a change, which only `replace` makes.
        unsafe { (*self.current.get()).as_ref() }
    }

    /// Another one from now on. The result is what it was.
    pub(crate) fn replace(&self, next: Option<Arc<Extras>>) -> Option<Arc<Extras>> {
        // SAFETY: as in `get`; nothing is dropped in here.
        unsafe { ptr::replace(self.current.get(), next) }
    }

    /// What it was when something at `address`, in the frame of a call on this stack, was made: a scope that was
    /// entered later is further down.
    #[cold]
    pub(crate) fn at(&self, address: usize) -> Option<Arc<Extras>> {
        let mut then = self.get();
        let mut scope = self.innermost.get();
        // SAFETY: a scope in the list is in the frame of a call that has not returned.
        while let Some(inner) = unsafe { scope.as_ref() }
            && scope.addr() < address
        {
            then = inner.before.as_ref();
            scope = inner.outer;
        }
        then.cloned()
    }
}

/// A context has a value for the time of a call.
pub(crate) struct Scope {
    before: Option<Arc<Extras>>,
    outer: *const Scope,
}

/// Calls `f` with another heritage. In a frame of its own, see [`Heritage::at`].
#[inline(never)]
pub(crate) fn with_heritage<R>(heritage: &Heritage, next: Arc<Extras>, f: impl FnOnce() -> R) -> R {
    /// Puts back what was, also when something unwinds.
    struct Within<'a> {
        heritage: &'a Heritage,
        scope: Scope,
    }
    impl Drop for Within<'_> {
        fn drop(&mut self) {
            self.heritage.innermost.set(self.scope.outer);
            let gone = self.heritage.replace(self.scope.before.take());
            // A destructor of the user's may look at the context, which is in order again.
            drop(gone);
        }
    }
    let scope = Scope { before: heritage.replace(Some(next)), outer: heritage.innermost.get() };
    let within = Within { heritage, scope };
    heritage.innermost.set(&within.scope);
    call_below(f)
}

#[inline(never)]
fn call_below<R>(f: impl FnOnce() -> R) -> R {
    f()
}
