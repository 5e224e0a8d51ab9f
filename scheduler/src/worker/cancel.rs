//! Asking a fiber to end, from anywhere.

use super::{current, loan};
use crate::error::JoinError;
use crate::fiber::FiberRef;
use crate::fiber::state::Cancel;

/// If it has not started it never will, and is over when this returns, or when the lane has looked at it that has it
/// queued; if it has, its blocking call returns. Somebody keeps the fiber alive.
pub(crate) fn cancel(fiber: FiberRef) {
    let by = current::by();
    loan::with_scheduler(fiber, |shared| match fiber.state.cancel(by, shared.left_to_others(by)) {
        Cancel::Done => {}
        Cancel::Won(level) => {
            // SAFETY: claimed just now.
            unsafe { shared.end_unrun(fiber, level, JoinError::cancelled()) };
        }
        Cancel::PostTo(home) => shared.post(home, fiber, by),
    });
}
