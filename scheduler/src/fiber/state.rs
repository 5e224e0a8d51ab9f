//! The state word of a fiber: one `u64` that says where it is in its life, how urgent it is, which
//! queues know it, and who still holds it. Every change is one of the named transitions below.
//!
//! # The word
//!
//! ```text
//! bit   0      UNSTARTED   may still be claimed: to be run, cancelled or taken back
//! bit   1      LIVE        the runtime's own hold; cleared, once, when the result is in its place
//! bit   2      CANCELLED   somebody asked it to end
//! bit   3      WAITER      the `waiter` cell holds somebody to wake at the end
//! bit   4      MAIL        it is in its home's mailbox (a hold)
//! bit   5      UNSURE      a thread of the background lane has set its level, to what may be true no more
//! bits  6..11  TICKET k    a queue of level k holds it (five holds)
//! bits 11..14  level       its priority now
//! bits 14..30  home        the worker that has it, valid once UNSTARTED is clear
//! bit   30     HANDLE      its join handle exists (a hold): somebody wants the result
//! bit   31     EXPIRED     a section that it is in is over
//! bit   32     BELOW       the same as MAIL, for a letter from a thread of the background lane (a hold)
//! bit   33     HOMELESS    it will never start: whoever claimed it, on any thread, ends it
//! bit   34     ROAMING     it has started, and is on its way to another worker: UNSTARTED is set, too
//! bit   35     LINKED      the object itself is in a queue, so its link is in use
//! bits 36..38  orders      how many are being made for it; 3: so many that they are not counted any more
//! bit   38     TOKEN       a resume is on its way to its home, in that mailbox
//! bits 39..64  holds       how many resumers and orders exist
//! ```
//!
//! # Its life
//!
//! ```text
//!            claim / revoke / cancel                 finish
//! UNSTARTED+LIVE ----------------------> LIVE ---------------> (neither)
//!                                        |  ^
//!                                 depart |  | claim
//!                                        v  |
//!                              UNSTARTED+ROAMING+LIVE
//! ```
//!
//! * A fiber that has not started may be in several queues: a change of priority cannot pull it out
//!   of the queue it is in, so it adds a *ticket* at the new level, unless one is there already.
//!   Whoever pops a ticket claims the fiber only if the ticket's level is the fiber's level now;
//!   otherwise the ticket was stale. So it is run once, and at its present level.
//! * A started fiber stays with its home; only the home runs it, so no transition is needed to
//!   suspend or to resume it at home. Everyone else goes through MAIL and TOKEN.
//! * A started fiber that may move (`worker/roam.rs`) leaves its home by becoming what it was before it had started, with a
//!   stack: it is in queues by tickets, and whoever claims it is its home from then on. It leaves only when no letter
//!   of its is on its way. While it roams nobody posts one: who resumes it leaves the TOKEN for the next home, who cancels
//!   it leaves CANCELLED, and does not end it, as it has to unwind.
//! * The object is in one queue at most by its own link (LINKED). As tickets of a level stand for each other, whoever pops
//!   the object itself clears the bit; one that departs while it is set goes by a ticket that is made for that.
//! * Mail is only for a fiber with a home: as nobody else ends it, the home may use it after it has
//!   opened the letter. What was claimed to be ended elsewhere is HOMELESS and gets none.
//! * A fiber that is cancelled by a thread of the background lane while another lane has it queued stays
//!   UNSTARTED, with CANCELLED: whoever claims it ends it.
//! * EXPIRED says only that there is something to look at, in the fiber's frames (`fiber/sections.rs`); no other
//!   transition depends on it. It is set after what it stands for, and cleared before that is looked at again.
//! * **The result is dropped by the handle, or by the runtime if the handle is gone first**, never
//!   later: it may borrow from a scope that is about to end.
//! * **The memory is freed by whoever removes the last hold**: LIVE, MAIL, BELOW, HANDLE, a ticket, a
//!   resumer or an order. The transitions that remove a hold say so in what they return.
//!
//! # Those who may be stopped in the middle
//!
//! Who finds MAIL relies on the letter being on its way, and who finds a ticket's bit on that ticket; for
//! a moment both are still in the hands of whoever set the bit. The kernel may stop a thread of the
//! background lane at that moment, for seconds ([`By::Below`]). So what such a thread does is either in
//! nobody's way or there as a whole:
//!
//! ```text
//! a letter    has a bit of its own, BELOW, on which nobody else relies: others post a letter as if there
//!             were none. Among themselves these threads rely on it
//! a ticket    is queued first, as an order, which says: move the fiber here. It is a hold. Only then
//!               the level is changed   the order is a ticket as others, and if the level had none,
//!                                      takes its bit instead of the hold
//!               it is popped before    whoever pops it carries it out: the fiber has that level, and is
//!                                      claimed
//! an end      is left to who pops the fiber, where that is another lane's
//! a level     might be what the loans said when the thread was stopped, and take a loan away that has come since. So
//!             one that is less urgent is left to the home of a started fiber; and where the fiber has none, it is
//!             UNSURE: whoever pops a ticket of it makes the level what the loans say, before the claim
//! ```
//!
//! Whoever makes an order knows by UNSTARTED that it has not been popped. So a started fiber does not depart, which would
//! set that anew, while there is one in the making (ORDERS).
//!
//! *A ticket's bit is true*: where the bit of level k is set, one ticket of that level is queued, or in
//! the hands of a thread that goes on. There may be more tickets of that level than this one, orders, each
//! a hold. Whoever pops any of them removes the bit if it is set, else a hold: so as many are left as there
//! are tickets, and the bit says nothing of a ticket that is gone.

use crate::primitive::{AtomicU64, Ordering};

pub(crate) use super::outcome::{Cancel, Claim, Departure, Finish, Letter, LevelChange, SetLevel};

const UNSTARTED: u64 = 1 << 0;
const LIVE: u64 = 1 << 1;
const CANCELLED: u64 = 1 << 2;
const WAITER: u64 = 1 << 3;
const MAIL: u64 = 1 << 4;
const UNSURE: u64 = 1 << 5;
const TICKET_SHIFT: u32 = 6;
const TICKETS: u64 = 0b1_1111 << TICKET_SHIFT;
const LEVEL_SHIFT: u32 = 11;
const LEVEL: u64 = 0b111 << LEVEL_SHIFT;
const HOME_SHIFT: u32 = 14;
const HOME: u64 = 0xffff << HOME_SHIFT;
const HANDLE: u64 = 1 << 30;
const EXPIRED: u64 = 1 << 31;
const BELOW: u64 = 1 << 32;
const HOMELESS: u64 = 1 << 33;
const ROAMING: u64 = 1 << 34;
const LINKED: u64 = 1 << 35;
const ORDER_SHIFT: u32 = 36;
const ORDER: u64 = 1 << ORDER_SHIFT;
const ORDERS: u64 = 0b11 << ORDER_SHIFT;
const TOKEN: u64 = 1 << 38;
const HOLD_SHIFT: u32 = 39;
const HOLD: u64 = 1 << HOLD_SHIFT;
const HOLDS: u64 = !(HOLD - 1);
/// What makes a blocking call look whether it has to return. Both are in the word's lower half, where one
/// instruction tests them.
const CALLED: u64 = CANCELLED | EXPIRED;
/// Anything in here keeps the memory alive.
const ANY_HOLD: u64 = LIVE | MAIL | BELOW | TICKETS | HANDLE | HOLDS;

/// The most workers a scheduler may have: what fits into the word's `home`.
pub(crate) const HOMES_MAX: usize = 1 << 16;

const fn ticket(level: usize) -> u64 {
    1 << (TICKET_SHIFT as usize + level)
}

const fn level_of(word: u64) -> usize {
    ((word & LEVEL) >> LEVEL_SHIFT) as usize
}

/// The word with another level.
const fn leveled(word: u64, level: usize) -> u64 {
    (word & !LEVEL) | (level as u64) << LEVEL_SHIFT
}

const fn home_of(word: u64) -> usize {
    ((word & HOME) >> HOME_SHIFT) as usize
}

/// Who reaches for a fiber from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A thread that goes on.
    Anyone,
    /// One of the background lane, which the kernel may stop between any two of its steps.
    Below,
    /// The same, and it has queued an order for this.
    Order,
}

impl By {
    /// The bit of the letters that it posts.
    const fn mail(self) -> u64 {
        match self {
            By::Anyone => MAIL,
            By::Below | By::Order => BELOW,
        }
    }

    /// The bits of the letters that it relies on.
    const fn trusts(self) -> u64 {
        MAIL | self.mail()
    }
}

/// What says which level a fiber is claimed at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The word, unless it is UNSURE.
    Word,
    /// The word, whatever it is.
    Surely,
    /// The ticket, which is an order.
    Order,
}

/// The state word. See the module's documentation for its bits.
pub(crate) struct State(AtomicU64);

impl State {
    /// A new fiber, with one handle and one ticket, at `level`; if it is `kept`, with a hold.
    #[inline]
    pub(crate) fn new(level: usize, kept: bool) -> State {
        let hold = if kept { HOLD } else { 0 };
        State(AtomicU64::new(
            hold | UNSTARTED | LIVE | HANDLE | LINKED | ticket(level) | (level as u64) << LEVEL_SHIFT,
        ))
    }

    /// Takes the ticket of `level` out of the word and claims the fiber for worker `home`. It was popped by itself.
    #[inline]
    pub(crate) fn claim(&self, level: usize, home: usize) -> Claim {
        self.claim_as(level, (home as u64) << HOME_SHIFT, LINKED)
    }

    /// The same where a ticket was popped that is an object of its own.
    #[inline]
    pub(crate) fn claim_by_ticket(&self, level: usize, home: usize) -> Claim {
        self.claim_as(level, (home as u64) << HOME_SHIFT, 0)
    }

    /// The same after [`Claim::Unsure`], when the level was made what the loans say.
    #[cold]
    pub(crate) fn claim_surely(&self, level: usize, home: usize, by_itself: bool) -> Claim {
        let unlinked = if by_itself { LINKED } else { 0 };
        self.claim_otherwise(level, (home as u64) << HOME_SHIFT, unlinked, Trust::Surely).0
    }

    /// The same for somebody who will not run it, but end it, and need not be a worker. It does not roam: nothing does
    /// any more when queues are closed.
    pub(crate) fn claim_to_end(&self, level: usize) -> Claim {
        self.claim_otherwise(level, HOMELESS, 0, Trust::Surely).0
    }

    /// `unlinked`: LINKED, if it was popped by itself.
    #[inline(always)]
    fn claim_as(&self, level: usize, claimer: u64, unlinked: u64) -> Claim {
        let mut word = self.0.load(Ordering::Relaxed);
        // Its one ticket, of the level that it has.
        let plain = UNSTARTED | ticket(level) | (level as u64) << LEVEL_SHIFT;
        while word & (UNSTARTED | CANCELLED | UNSURE | ticket(level) | LEVEL) == plain {
            let next = (word & !(ticket(level) | UNSTARTED | ROAMING | HOME | unlinked)) | claimer;
            // ORDERING: Acquire, as in `claim_otherwise`. The ticket is no hold that we drop: we have LIVE, and whoever
            // frees pairs with the end.
            match self.0.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Claim::Won,
                Err(now) => word = now,
            }
        }
        self.claim_otherwise(level, claimer, unlinked, Trust::Word).0
    }

    /// The same for an order that whoever queued it has not carried out yet. The second result is the level
    /// at which the fiber was queued until then, if that was another one.
    pub(crate) fn claim_ordered(&self, level: usize, home: usize) -> (Claim, Option<usize>) {
        self.claim_otherwise(level, (home as u64) << HOME_SHIFT, 0, Trust::Order)
    }

    /// The same for somebody who will not run it.
    pub(crate) fn claim_ordered_to_end(&self, level: usize) -> (Claim, Option<usize>) {
        self.claim_otherwise(level, HOMELESS, 0, Trust::Order)
    }

    #[cold]
    fn claim_otherwise(
        &self,
        level: usize,
        claimer: u64,
        unlinked: u64,
        trust: Trust,
    ) -> (Claim, Option<usize>) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let left = level_of(word);
            if trust == Trust::Word && word & (UNSURE | UNSTARTED) == UNSURE | UNSTARTED {
                return (Claim::Unsure, None);
            }
            let won = word & UNSTARTED != 0 && (trust == Trust::Order || left == level);
            let roams = word & ROAMING != 0;
            debug_assert!(!won || !roams || claimer != HOMELESS, "one that has started is ended by itself");
            let mut next = match word & ticket(level) {
                // An order, or the ticket beside one that was popped before.
                0 => word - HOLD,
                ticket => word & !ticket,
            } & !unlinked;
            if won {
                next = (next & !(UNSTARTED | UNSURE | ROAMING | HOME | LEVEL))
                    | claimer
                    | (level as u64) << LEVEL_SHIFT;
            }
            // ORDERING: AcqRel. Acquire pairs with the release of whoever set the level or dropped
            // a hold (we may free), and with that of `depart`: the fiber's stack is ours. Release: a stale ticket is
            // a hold that we drop, pairs with the Acquire of whoever frees.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    let claim = match () {
                        () if won && word & CANCELLED != 0 && !roams => Claim::Cancelled,
                        () if won => Claim::Won,
                        () if next & ANY_HOLD == 0 => Claim::StaleFree,
                        () => Claim::Stale,
                    };
                    return (claim, (won && left != level && !roams).then_some(left));
                }
                Err(now) => word = now,
            }
        }
    }

    /// The fiber leaves its home, whose thread calls this when the fiber is suspended and nothing at home knows it any
    /// more. After this it is in nobody's hands but the queues': the caller pushes what the result says, and touches
    /// nothing of it besides.
    pub(crate) fn depart(&self) -> Departure {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & (MAIL | BELOW | ORDERS) != 0 {
                return Departure::Stays;
            }
            let level = level_of(word);
            let (link, then) = match word {
                _ if word & ticket(level) != 0 => (0, Departure::Queued),
                _ if word & LINKED != 0 => (0, Departure::PushTicket(level)),
                _ => (LINKED, Departure::Push(level)),
            };
            let next = word | UNSTARTED | ROAMING | ticket(level) | link;
            // ORDERING: AcqRel. Release pairs with the acquire of the claim: whoever gets the fiber sees all that it and
            // its home did to it. It is needed by itself where the ticket was popped before this. Acquire pairs with the
            // release of who popped the object: its link is ours to use.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return then,
                Err(now) => word = now,
            }
        }
    }

    /// A new home takes the token that came while the fiber roamed.
    pub(crate) fn take_token(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `resume`: what the resumer did.
        self.0.fetch_and(!TOKEN, Ordering::Acquire) & TOKEN != 0
    }

    /// Takes a new fiber out of circulation before it was queued: its ticket goes, and it is the
    /// caller's to end.
    pub(crate) fn withdraw(&self) {
        self.0.fetch_and(!(UNSTARTED | TICKETS | LINKED), Ordering::Relaxed);
        self.0.fetch_or(HOMELESS, Ordering::Relaxed);
    }

    /// Claims the fiber without a ticket, to run it inline in the place of its joiner. Its tickets
    /// go stale. The result is the level that it was queued at. Not one that has started and roams.
    pub(crate) fn revoke(&self, home: usize) -> Option<usize> {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & (UNSTARTED | ROAMING) == UNSTARTED {
            let next = (word & !(UNSTARTED | UNSURE | HOME)) | (home as u64) << HOME_SHIFT;
            // The object was made by this fiber or its home, so there is nothing to acquire.
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(level_of(word)),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Changes the level. The word is written also where it has that level already: see `loans`.
    pub(crate) fn set_level(&self, level: usize, by: By) -> LevelChange {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LIVE == 0 || word & HOMELESS != 0 {
                return LevelChange { then: SetLevel::Done, left: None };
            }
            let same = level_of(word) == level;
            // Its home does that, when it opens the letter.
            let left_to_home = by != By::Anyone && word & UNSTARTED == 0 && level > level_of(word);
            let moved = match by {
                _ if left_to_home => word,
                By::Below | By::Order if word & UNSTARTED != 0 => leveled(word, level) | UNSURE,
                _ => leveled(word, level) & !UNSURE,
            };
            let (next, outcome) = if word & UNSTARTED != 0 {
                match by {
                    By::Anyone if same => (moved, SetLevel::Done),
                    _ if same => (word, SetLevel::Done),
                    _ if word & ticket(level) != 0 => (moved, SetLevel::Done),
                    By::Anyone => (moved | ticket(level), SetLevel::PushTicket),
                    By::Below => return LevelChange { then: SetLevel::Order, left: None },
                    // It is unstarted, so nobody has popped the order, who would have claimed it.
                    By::Order => ((moved | ticket(level)) - HOLD, SetLevel::Done),
                }
            } else if same && word & BELOW & !by.trusts() == 0 {
                (word, SetLevel::Done)
            } else if word & by.trusts() != 0 {
                (moved, SetLevel::Posted(home_of(word)))
            } else {
                // Also where it has the level already, but its home may not have been told.
                (moved | by.mail(), SetLevel::PostTo(home_of(word)))
            };
            // ORDERING: AcqRel. Acquire pairs with the release of `open_letter`: the link of the mail is
            // ours to use; and with the release here and in `set_level_at_home`: who comes after another
            // sees the loans that the other had changed. The level itself is in this word, and the queue
            // that is told of it has its own release.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    let unstarted = word & (UNSTARTED | ROAMING) == UNSTARTED;
                    let left = (!same && unstarted).then(|| level_of(word));
                    return LevelChange { then: outcome, left };
                }
                Err(now) => word = now,
            }
        }
    }

    /// Changes the priority from the home itself, which moves the fiber between its own queues.
    /// Only for started fibers.
    pub(crate) fn set_level_at_home(&self, level: usize) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = leveled(word, level);
            // ORDERING: AcqRel, as in `set_level`, for the loans.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Asks the fiber to end. `theirs` are the levels (a mask) whose queued fibers are for others to end.
    pub(crate) fn cancel(&self, by: By, theirs: u32) -> Cancel {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LIVE == 0 || word & HOMELESS != 0 {
                return Cancel::Done;
            }
            let queued = word & UNSTARTED != 0;
            // Who was first may be stopped before anybody is told.
            let told = if queued { by != By::Anyone } else { word & BELOW & !by.trusts() == 0 };
            if word & CANCELLED != 0 && told {
                return Cancel::Done;
            }
            let (next, outcome) = if word & ROAMING != 0 {
                // Its next home resumes it, and it unwinds.
                (word | CANCELLED | TOKEN, Cancel::Done)
            } else if queued && 1 << level_of(word) & theirs != 0 {
                (word | CANCELLED, Cancel::Done)
            } else if queued {
                ((word & !UNSTARTED) | CANCELLED | HOMELESS, Cancel::Won(level_of(word)))
            } else if word & by.trusts() != 0 {
                (word | CANCELLED | TOKEN, Cancel::Done)
            } else {
                (word | CANCELLED | TOKEN | by.mail(), Cancel::PostTo(home_of(word)))
            };
            // ORDERING: AcqRel, as in `set_level`; what the canceller did before is seen by the
            // fiber that finds itself cancelled.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// Marks a started fiber as cancelled from its home, which wakes it itself.
    pub(crate) fn cancel_at_home(&self) {
        self.0.fetch_or(CANCELLED, Ordering::Relaxed);
    }

    /// A section that the fiber is in is over. Only by the home, which wakes it itself.
    pub(crate) fn expire(&self) {
        self.0.fetch_or(EXPIRED, Ordering::Relaxed);
    }

    /// The same from elsewhere, for a section that somebody else has ended, and wakes it as `resume` does. What
    /// says that the section is over was written before.
    pub(crate) fn call_off(&self, by: By) -> Option<usize> {
        self.resume_with(by, EXPIRED)
    }

    /// Before the home looks whether there still is a section that is over.
    pub(crate) fn forget_expiry(&self) {
        // ORDERING: Acquire pairs with the release of `call_off`: either what it wrote before is seen by
        // the look that comes after this, or it sets the bit again.
        self.0.fetch_and(!EXPIRED, Ordering::Acquire);
    }

    /// Resumes a started fiber from elsewhere. `Some(home)`: post its mail there.
    #[inline]
    pub(crate) fn resume(&self, by: By) -> Option<usize> {
        self.resume_with(by, 0)
    }

    #[inline(always)]
    fn resume_with(&self, by: By, called: u64) -> Option<usize> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LIVE == 0 || word & HOMELESS != 0 {
                return None;
            }
            // ORDERING: AcqRel. Release pairs with the acquire of `open_letter`: what the resumer did
            // is visible to the resumed, also when the letter was on its way already. Acquire pairs
            // with the release of `open_letter`: the link of the mail is ours to use.
            // One that roams has no home, and nobody to post to.
            let posts = word & (by.trusts() | UNSTARTED) == 0;
            let next = word | TOKEN | called | if posts { by.mail() } else { 0 };
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return if posts { Some(home_of(word)) } else { None },
                Err(now) => word = now,
            }
        }
    }

    /// The home takes a letter of the fiber's out of the mailbox, which is from those.
    pub(crate) fn open_letter(&self, from: By) -> Letter {
        let mail = from.mail();
        // ORDERING: AcqRel. Acquire pairs with `resume`, `set_level` and `cancel`. Release: the letter is
        // a hold, pairs with the acquire of whoever frees.
        let word = self.0.fetch_and(!(mail | TOKEN), Ordering::AcqRel);
        Letter {
            token: word & TOKEN != 0,
            ended: word & LIVE == 0,
            free: word & !mail & ANY_HOLD == 0,
            level: level_of(word),
        }
    }

    /// Registers the waiter whose address is in the `waiter` cell. `false`: it has ended already.
    #[must_use]
    pub(crate) fn register_waiter(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LIVE == 0 {
                return false;
            }
            // ORDERING: Release pairs with the acquire of `finish`, which reads the cell.
            match self.0.compare_exchange_weak(word, word | WAITER, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Takes the registration back. `false`: the end came first, and a wake-up is certain.
    #[must_use]
    pub(crate) fn unregister_waiter(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LIVE == 0 {
                return false;
            }
            match self.0.compare_exchange_weak(word, word & !WAITER, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// The result is in its place: the runtime lets go. With `announced`, the caller has raised
    /// `waking` and may wake a waiter; without, the end waits until it has (`None`).
    #[inline]
    pub(crate) fn finish(&self, announced: bool) -> Option<Finish> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & HANDLE == 0 {
                return Some(Finish::Unwatched);
            }
            if word & WAITER != 0 && !announced {
                return None;
            }
            // ORDERING: AcqRel. Release pairs with the acquire of `is_finished` (the result) and of
            // whoever frees; acquire pairs with `register_waiter` (the waiter) and with dropped holds.
            match self.0.compare_exchange_weak(word, word & !LIVE, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if word & WAITER != 0 => return Some(Finish::Wake),
                Ok(_) => return Some(Finish::Quiet),
                Err(now) => word = now,
            }
        }
    }

    /// As `finish`, when the handle is gone and the result with it. `true`: free the fiber.
    #[inline]
    #[must_use]
    pub(crate) fn finish_unwatched(&self) -> bool {
        // ORDERING: AcqRel: pairs with the other drops of a hold; whoever frees sees all our writes.
        let word = self.0.fetch_and(!LIVE, Ordering::AcqRel);
        word & !LIVE & ANY_HOLD == 0
    }

    /// The handle goes. `false`: the fiber has ended, so drop the result first, then call
    /// `release_handle_of_finished`.
    #[must_use]
    pub(crate) fn release_handle_of_running(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & LIVE != 0 {
            // ORDERING: Release pairs with the acquire of `finish_unwatched` and of whoever frees.
            match self.0.compare_exchange_weak(word, word & !HANDLE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The handle of a finished fiber goes, and its result is gone. `true`: free the fiber.
    #[inline]
    #[must_use]
    pub(crate) fn release_handle_of_finished(&self) -> bool {
        // ORDERING: Acquire pairs with the release of every other drop of a hold.
        if self.0.load(Ordering::Acquire) & ANY_HOLD == HANDLE {
            // No queue, no mailbox and no resumer knows it: nobody else can reach the word any more.
            return true;
        }
        // ORDERING: AcqRel: our use of it happens before the free, whoever does it.
        let word = self.0.fetch_and(!HANDLE, Ordering::AcqRel);
        word & !HANDLE & ANY_HOLD == 0
    }

    /// Has it ended? If so, its result may be read by the one who holds the handle.
    #[inline]
    pub(crate) fn is_finished(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `finish`.
        self.0.load(Ordering::Acquire) & LIVE == 0
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `cancel`.
        self.0.load(Ordering::Acquire) & CANCELLED != 0
    }

    /// May it be in a section that is over? Only for the home.
    pub(crate) fn is_expired(&self) -> bool {
        self.0.load(Ordering::Relaxed) & EXPIRED != 0
    }

    /// Is there anything for which a blocking call may have to return: a cancellation, or the end of a
    /// section's time? Only for the home.
    #[inline]
    pub(crate) fn is_called(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `cancel` and of `call_off`.
        self.0.load(Ordering::Acquire) & CALLED != 0
    }

    #[inline]
    pub(crate) fn level(&self) -> usize {
        level_of(self.0.load(Ordering::Relaxed))
    }

    /// Has it this level, and has its home been told, as far as can be relied on?
    #[inline]
    pub(crate) fn is_settled_at(&self, level: usize) -> bool {
        self.0.load(Ordering::Relaxed) & (LEVEL | BELOW) == (level as u64) << LEVEL_SHIFT
    }

    /// Has it a stack, or had one?
    pub(crate) fn has_started(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        word & HOMELESS == 0 && word & (UNSTARTED | ROAMING) != UNSTARTED
    }

    /// The worker that has it, if it has been started and does not roam.
    pub(crate) fn home(&self) -> Option<usize> {
        let word = self.0.load(Ordering::Relaxed);
        if word & (UNSTARTED | HOMELESS) == 0 { Some(home_of(word)) } else { None }
    }

    /// One more resumer.
    pub(crate) fn hold(&self) {
        let word = self.0.fetch_add(HOLD, Ordering::Relaxed);
        if word >> HOLD_SHIFT > 1 << 24 {
            // As `Arc` does: leaking fifteen million handles is a bug that must not become a double free.
            std::process::abort();
        }
    }

    /// One more order, which is a hold, and is in the making.
    pub(crate) fn begin_order(&self) {
        self.hold();
        self.count_order(|word| word + ORDER);
    }

    /// The order has been carried out, or is a ticket as others.
    pub(crate) fn end_order(&self) {
        self.count_order(|word| word - ORDER);
    }

    fn count_order(&self, next: impl Fn(u64) -> u64) {
        let change = |word: u64| (word & ORDERS != ORDERS).then(|| next(word));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// One resumer less. `true`: it was the last hold, free the fiber.
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        // ORDERING: AcqRel: our use of it happens before the free, whoever does it.
        let word = self.0.fetch_sub(HOLD, Ordering::AcqRel);
        (word - HOLD) & ANY_HOLD == 0
    }
}
