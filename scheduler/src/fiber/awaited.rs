//! What a suspended fiber waits for, as far as the frame knows in which it waits: for the report of
//! [`Scheduler::who_waits`](crate::Scheduler::who_waits).

/// Fibers are named by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Nobody has said. It may be anything that gives a token, a timer for one.
    Unsaid,
    /// The end of a fiber.
    End(u64),
    /// The end of all fibers of its scope, of which these are known.
    Scope(Vec<u64>),
    /// A lock, and who has it, if that is a fiber.
    Lock { address: usize, holder: Option<u64> },
    /// Something that others do to what is at this address: `holders`, as far as they are known.
    Thing { what: &'static str, address: usize, holders: Vec<u64> },
    /// One of so many things.
    OneOf(usize),
}
