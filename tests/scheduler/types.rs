//! What may cross threads. What the types refuse in programs is in `compile_fail`.

use heddle_scheduler::suspend::Resumer;
use heddle_scheduler::{
    Builder, Cancelled, Error, FiberId, FiberInfo, Fork, JoinError, JoinHandle, Priority, Scheduler, Scope,
    ScopedJoinHandle, StackGuard, Stats,
};
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

/// Says whether `T` is `Send` and `Sync`: an inherent constant, where its bounds hold, hides the
/// trait's.
struct Is<T: ?Sized>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T: ?Sized> Otherwise for Is<T> {}

impl<T: ?Sized + Send> Is<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> Is<T> {
    const SYNC: bool = true;
}

macro_rules! crosses {
    ($type:ty) => {
        (Is::<$type>::SEND, Is::<$type>::SYNC)
    };
}

#[test]
fn handles_cross_threads_if_their_results_do() {
    assert_eq!(crosses!(JoinHandle<String>), (true, true));
    assert_eq!(crosses!(JoinHandle<Cell<u8>>), (true, true), "a shared handle gives no result");
    assert_eq!(crosses!(JoinHandle<Rc<u8>>), (false, false));
    assert_eq!(crosses!(ScopedJoinHandle<'static, String>), (true, true));
    assert_eq!(crosses!(ScopedJoinHandle<'static, Rc<u8>>), (false, false));
}

#[test]
fn a_fork_belongs_to_its_fiber() {
    assert_eq!(crosses!(Fork), (false, false));
}

#[test]
fn everything_else_crosses_threads() {
    assert_eq!(crosses!(Scheduler), (true, true));
    assert_eq!(crosses!(Builder), (true, true));
    assert_eq!(crosses!(Resumer), (true, true));
    assert_eq!(crosses!(Scope<'static, 'static>), (true, true));
    assert_eq!(crosses!((Error, Cancelled, FiberId, FiberInfo)), (true, true));
    assert_eq!(crosses!((Priority, StackGuard, Stats)), (true, true));
    assert_eq!(
        crosses!(JoinError),
        (true, true),
        "what the fiber panicked with is taken out by its owner only"
    );
}
