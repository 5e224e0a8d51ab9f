//! The floor: bare corosensei coroutines on one thread, with no scheduler around them.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// What a coroutine suspends with: the one input and output of every floor.
pub(crate) type Suspend = Yielder<(), ()>;

/// A coroutine on a stack of its own.
pub(crate) fn coroutine(body: impl FnOnce(&Suspend) + 'static) -> Coroutine<(), (), ()> {
    let stack = DefaultStack::new(64 * 1024).expect("memory for a stack");
    Coroutine::with_stack(stack, move |suspend, ()| body(suspend))
}

/// Resumes all coroutines in turn until all have ended.
pub(crate) fn run_in_turn(mut coroutines: Vec<Coroutine<(), (), ()>>) {
    while !coroutines.is_empty() {
        coroutines.retain_mut(|coroutine| matches!(coroutine.resume(()), CoroutineResult::Yield(())));
    }
}

/// A stack on which short coroutines run one after another, so that it stays warm.
pub(crate) struct WarmStack(Option<DefaultStack>);

impl WarmStack {
    pub(crate) fn new() -> Self {
        WarmStack(Some(DefaultStack::new(64 * 1024).expect("memory for a stack")))
    }

    /// Runs `body` to its end in a fresh coroutine.
    pub(crate) fn run(&mut self, body: impl FnOnce() -> u64 + 'static) -> u64 {
        let stack = self.0.take().expect("the stack came back");
        let mut coroutine = Coroutine::<(), (), u64>::with_stack(stack, |_, ()| body());
        let CoroutineResult::Return(value) = coroutine.resume(()) else { unreachable!("it cannot suspend") };
        self.0 = Some(coroutine.into_stack());
        value
    }
}
