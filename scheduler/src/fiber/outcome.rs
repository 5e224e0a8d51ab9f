//! What the transitions of a fiber's [state](super::state) find, and leave to do.

/// What a popped ticket turned out to be.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The fiber is yours to start.
    Won,
    /// It is yours to end, as it was cancelled.
    Cancelled,
    /// Nothing was done: its level may not be what the loans say. Settle, and claim it [surely](super::state::State::claim_surely).
    Unsure,
    /// Somebody else has it, or another ticket stands for it.
    Stale,
    /// Stale, and this was the last hold: free it.
    StaleFree,
}

/// What `set_level` did.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LevelChange {
    /// What is left to do.
    pub(crate) then: SetLevel,
    /// The level that a fiber which had not started was queued at, and is no longer.
    pub(crate) left: Option<usize>,
}

/// What `set_level` leaves to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SetLevel {
    /// The fiber is over, or it had that level already, or a ticket is there already.
    Done,
    /// It is at this home, and its mail is on its way there already.
    Posted(usize),
    /// Push a ticket at the new level.
    PushTicket,
    /// Nothing was changed: push an order at the new level, then set it again, by the [order](By::Order).
    Order,
    /// It runs, waits or is queued at this home, and its mail must be posted there.
    PostTo(usize),
}

/// What `cancel` found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// It is over, or has been told before.
    Done,
    /// It had not started, and was queued at this level: it is yours to end.
    Won(usize),
    /// It has started: post its mail to this home, to wake it if it waits.
    PostTo(usize),
}

/// What the end of a fiber leaves to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The handle is gone: drop the result, then call `finish_unwatched`.
    Unwatched,
    /// Nobody waits for it at this moment.
    Quiet,
    /// Wake whoever is in the `waiter` cell.
    Wake,
}

/// What came of an attempt to leave the home.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// A letter is on its way to the home, or an order is in the making: it stays.
    Stays,
    /// It is nobody's now. Queue it at this level by itself.
    Push(usize),
    /// The same by a ticket: the object itself is in a queue.
    PushTicket(usize),
    /// The same, and there is a ticket already.
    Queued,
}

/// What the home found when it opened a letter.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Somebody resumed the fiber.
    pub(crate) token: bool,
    /// The fiber has ended meanwhile; nothing else may be done with it.
    pub(crate) ended: bool,
    /// That was the last hold: free it.
    pub(crate) free: bool,
    /// The level it should be queued at.
    pub(crate) level: usize,
}
