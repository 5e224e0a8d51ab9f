//! The end of a fiber.

use super::family::ScopeState;
use super::wake::Waiter;
use crate::fiber::FiberRef;
use crate::fiber::state::Finish;
use crate::primitive::Ordering;

/// Lets go of a fiber whose result is in place: whoever waits is woken, its scope hears of it, and
/// what nobody holds is freed.
///
/// # Safety
/// The caller claimed the fiber, its result is in place, and it is ended once. After this the caller
/// does not touch it again.
#[inline]
pub(crate) unsafe fn complete(fiber: FiberRef) {
    let scope = fiber.scope.cast::<ScopeState>();
    let mut announced = false;
    let outcome = fiber.state.finish(false).unwrap_or_else(|| {
        // Before the end is visible, so that the joiner stays until we have woken it.
        announced = true;
        fiber.waking.store(true, Ordering::Relaxed);
        fiber.state.finish(true).expect("announced")
    });
    match outcome {
        Finish::Quiet | Finish::Wake => {
            // ORDERING: Release pairs with the acquire of `is_over`: our use of the fiber ends here, and
            // that of the waiter's frame.
            let free = || fiber.waking.store(false, Ordering::Release);
            if outcome == Finish::Wake {
                // SAFETY: `finish` said so, and the waiter stays while `waking` is up.
                unsafe { Waiter::from_word(fiber.waiter()).wake(free) };
            } else if announced {
                free();
            }
        }
        Finish::Unwatched => {
            // SAFETY: without a handle the result is the runtime's; `free` says the last hold is gone.
            unsafe {
                if fiber.drop_result() && !scope.is_null() {
                    (*scope).note_panic();
                }
                if fiber.state.finish_unwatched() {
                    fiber.free();
                }
            }
        }
    }
    if !scope.is_null() {
        // SAFETY: a scope stays until all its fibers have called this, once each.
        unsafe { ScopeState::child_ended(scope) };
    }
}
