//! The sections that a fiber is in: parts of its code with a time limit, or that somebody may call off, or with a
//! shield. And from that, together with the state word: must its blocking calls return, and for whom?
//!
//! ```text
//!   the fiber's stack                       carrier.sections
//!   timeout(1 s)      Section, number 7  <--+   outermost
//!     shielded        Section, number 8     |
//!       timeout(2 ms) Section, number 9  <--+-- innermost
//!         sleep
//! ```
//!
//! Each section is in the frame of the call that made it, and in the list exactly while that call runs. A
//! section sees to its own timer; when that fires, the home sets EXPIRED in the state word, by which blocking
//! calls notice that they must look here (`State::is_called`: the same test as for a cancellation). Who calls a section
//! off, from any thread, first sets the section's flag and then that bit.
//!
//! | the fiber was cancelled | sections, from the innermost                  | a blocking call                   |
//! |-------------------------|-----------------------------------------------|-----------------------------------|
//! | yes                     | none is a shield                              | returns for the cancellation      |
//! | any                     | some are over, up to the first shield         | returns for the outermost of them |
//! | any                     | none is over, up to the first shield          | waits                             |
//!
//! A cancellation goes first, being the outermost of all. Of several sections that are over, all within the
//! outermost is in vain.

use super::FiberId;
use super::carrier::Carrier;
use crate::primitive::{AtomicBool, Ordering};
use crate::wheel::Key as TimerKey;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::time::Instant;

/// See the module's documentation.
pub(crate) struct Section {
    end: End,
    /// Its timer, at the worker that has the fiber.
    pub(crate) timer: Cell<Option<TimerKey>>,
    number: u64,
    outer: *const Section,
}

/// When a section is over.
#[derive(Clone, Copy)]
pub(crate) enum End {
    At(Instant),
    /// When this is set; it stays as long as the section.
    CalledOff(NonNull<AtomicBool>),
    /// Never: it is a shield.
    Shield,
}

impl End {
    /// `now` is a note of what the clock said, for those who ask for several.
    fn is_over(self, now: &mut Option<Instant>) -> bool {
        match self {
            End::At(due) => due <= *now.get_or_insert_with(Instant::now),
            // SAFETY: it stays as long as the section, which is in the list of those that run.
            // ORDERING: Acquire pairs with the release of whoever calls it off.
            End::CalledOff(flag) => unsafe { flag.as_ref() }.load(Ordering::Acquire),
            End::Shield => false,
        }
    }
}

/// A section, for the whole process and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionId(FiberId, u64);

/// Why a blocking call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    Cancelled,
    /// This section is over.
    Elapsed(SectionId),
}

/// What a section unwinds with that is over. It is no panic: no hook runs, no message is printed.
pub(crate) struct ElapsedUnwind(pub(crate) SectionId);

/// The list of a carrier.
pub(crate) struct Sections {
    innermost: Cell<*const Section>,
    /// The next section's.
    number: Cell<u64>,
}

impl Sections {
    pub(crate) const fn new() -> Sections {
        Sections { innermost: Cell::new(ptr::null()), number: Cell::new(0) }
    }

    /// From the innermost.
    fn iter(&self) -> impl Iterator<Item = &Section> {
        // SAFETY: a section in the list is in the frame of a call that has not returned.
        let outer = |section: &&Section| unsafe { section.outer.as_ref() };
        // SAFETY: as above.
        std::iter::successors(unsafe { self.innermost.get().as_ref() }, outer)
    }

    /// Those that have a timer, and when each is over.
    pub(crate) fn timed(&self) -> impl Iterator<Item = (&Section, TimerKey, Instant)> {
        self.iter().filter_map(|section| match (section.timer.get(), section.end) {
            (Some(key), End::At(due)) => Some((section, key, due)),
            _ => None,
        })
    }

    /// A section to be entered next.
    pub(crate) fn section(&self, end: End) -> Section {
        let number = self.number.replace(self.number.get() + 1);
        Section { end, timer: Cell::new(None), number, outer: self.innermost.get() }
    }
}

/// The running fiber is in a section, until this is dropped.
pub(crate) struct Inside<'a> {
    carrier: &'a Carrier,
    section: &'a Section,
}

impl<'a> Inside<'a> {
    /// Enters a section that was made for this carrier just now.
    ///
    /// # Safety
    /// The caller runs on the carrier, and drops this before it leaves its own frame, whatever happens.
    pub(crate) unsafe fn enter(carrier: &'a Carrier, section: &'a Section) -> Inside<'a> {
        carrier.sections.innermost.set(section);
        Inside { carrier, section }
    }

    /// Is `other` this one?
    pub(crate) fn is(&self, other: SectionId) -> bool {
        self.carrier.fiber().is_some_and(|fiber| SectionId(fiber.id, self.section.number) == other)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let sections = &self.carrier.sections;
        debug_assert!(ptr::eq(sections.innermost.get(), self.section));
        sections.innermost.set(self.section.outer);
        if let Some(fiber) = self.carrier.fiber()
            && fiber.state.is_expired()
        {
            fiber.state.forget_expiry();
            let mut now = None;
            if sections.iter().any(|section| section.end.is_over(&mut now)) {
                fiber.state.expire();
            }
        }
    }
}

impl Carrier {
    /// Must blocking calls of its fiber return? Only for the fiber itself.
    #[inline]
    pub(crate) fn is_interrupted(&self) -> bool {
        self.may_be_interrupted() && self.interruption().is_some()
    }

    /// Is there reason to ask that?
    #[inline]
    pub(crate) fn may_be_interrupted(&self) -> bool {
        self.fiber().is_some_and(|fiber| fiber.state.is_called())
    }

    /// Is a cancellation kept from it, now and until the call returns that asks? Only for the fiber itself.
    pub(crate) fn is_shielded(&self) -> bool {
        self.sections.iter().any(|section| matches!(section.end, End::Shield))
    }

    /// Why.
    #[cold]
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        let fiber = self.fiber()?;
        let mut over = None;
        // Nobody looks at the clock for a fiber that is in no section.
        let mut now = None;
        for section in self.sections.iter() {
            if matches!(section.end, End::Shield) {
                return over;
            }
            if section.end.is_over(&mut now) {
                over = Some(Interruption::Elapsed(SectionId(fiber.id, section.number)));
            }
        }
        if fiber.state.is_cancelled() { Some(Interruption::Cancelled) } else { over }
    }
}
