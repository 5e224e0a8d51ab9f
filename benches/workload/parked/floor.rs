//! `parked` by the floor.

use super::{MILLION, STACKFUL, Ways, arrive, drive, leave};
use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult};
use heddle_benches::{Run, Sample};
use std::num::NonZero;

/// Room for each coroutine; only the pages it touches become resident.
const SLOT: usize = 16 * 1024;

/// One slot of an arena that is one mapping and lives as long as the process.
struct Slot(NonZero<usize>);

// SAFETY: `base` and `limit` are the ends of a slot that the arena gave to this value alone; both are aligned to a page.
unsafe impl Stack for Slot {
    fn base(&self) -> StackPointer {
        self.0.checked_add(SLOT).expect("mappings end before the address space does")
    }
    fn limit(&self) -> StackPointer {
        self.0
    }
}

/// The first address of `slots` slots; zeroed memory of that size is a fresh mapping, which nothing has touched.
fn arena(slots: usize) -> usize {
    let memory: &'static mut [u8] = vec![0; (slots + 1) * SLOT].leak();
    (memory.as_mut_ptr() as usize).next_multiple_of(SLOT)
}

pub(crate) fn run(run: &Run) -> Sample {
    let start = arena(MILLION + 1);
    let parked = std::cell::RefCell::new(Vec::new());
    let mut spawn = |n: usize| {
        let mut parked = parked.borrow_mut();
        for i in 0..n as u64 {
            let slot = Slot(NonZero::new(start + parked.len() * SLOT).expect("an address in the arena"));
            let mut coroutine: Coroutine<(), (), (), Slot> =
                Coroutine::with_stack(slot, move |suspend, ()| {
                    arrive(i);
                    suspend.suspend(());
                    leave();
                });
            assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(())), "it suspends");
            parked.push(coroutine);
        }
    };
    let mut open = || {
        for coroutine in parked.borrow_mut().iter_mut() {
            assert!(matches!(coroutine.resume(()), CoroutineResult::Return(())), "it ends");
        }
    };
    let says = "bare coroutines in 16 KiB slots of one mapping, no guards, one thread";
    drive(
        run,
        Ways {
            says,
            n: MILLION,
            room: STACKFUL,
            spawn: &mut spawn,
            spawn_holder: &mut || (),
            open: &mut open,
        },
    )
}
