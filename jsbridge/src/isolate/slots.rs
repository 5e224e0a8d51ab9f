//! Where a pool's isolates are while nobody has them: a fixed table, used without a lock.
//!
//! The kernel may stop a thread of the background lane anywhere, for seconds, and such threads give isolates back that
//! Critical work asks for. So no part of this waits for another thread: whoever is stopped in the middle keeps the one
//! slot that it had claimed.
//!
//! A slot is one word and a cell. The word says who may touch the cell:
//!
//! ```text
//!   63                                16 15          8 7      4  3  2  1  0
//!   +-----------------------------------+-------------+-----+--+--+--------+
//!   | realm                             | node        |     |C |F | state  |      C: wants care   F: its realm is gone
//!   +-----------------------------------+-------------+-----+--+--+--------+
//! ```
//!
//! | state   | the cell                          | who changes it                                              |
//! |---------|-----------------------------------|-------------------------------------------------------------|
//! | EMPTY   | nothing                           | [`Slots::claim_empty`] to HELD                              |
//! | HELD    | belongs to whoever claimed it     | its holder, to any other                                    |
//! | FRESH   | an isolate that ran nothing       | [`Slots::claim`] to HELD                                    |
//! | IDLE    | an isolate of the realm           | [`Slots::claim`] to HELD                                    |
//!
//! Bitmaps say which slots are worth a look. They are hints: set after the word, cleared by whoever claimed the slot, and only
//! the compare-and-swap of the word decides.

use super::Isolate;
use super::pool::RealmId;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const STATE: u64 = 0b11;
const EMPTY: u64 = 0;
const HELD: u64 = 1;
const FRESH: u64 = 2;
const IDLE: u64 = 3;
/// Set on a slot that is held: its isolate may not serve again.
const FORGOTTEN: u64 = 1 << 2;
/// Its isolate has grown, and the collector should look at it.
const CARE: u64 = 1 << 3;
const NODE_SHIFT: u32 = 8;
const REALM_SHIFT: u32 = 16;

/// Two lines, as processors fetch them in pairs.
#[repr(align(128))]
struct Slot {
    word: AtomicU64,
    isolate: UnsafeCell<Option<Isolate>>,
}

/// What a claimer looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// One that has served this realm; of this node, if it matters.
    Idle(RealmId, Option<u8>),
    Fresh(Option<u8>),
    /// Any idle one, to make room: rather not of this realm.
    NotOf(RealmId),
    /// Any that is there.
    Any,
    /// Any idle one that wants care.
    Care,
}

impl Wish {
    fn is_met_by(self, word: u64) -> bool {
        let of_node =
            |node: Option<u8>| node.is_none_or(|node| u64::from(node) == (word >> NODE_SHIFT) & 0xff);
        match self {
            Wish::Idle(realm, node) => {
                word & STATE == IDLE && word >> REALM_SHIFT == realm.0 && of_node(node)
            }
            Wish::Fresh(node) => word & STATE == FRESH && of_node(node),
            Wish::NotOf(realm) => word & STATE == IDLE && word >> REALM_SHIFT != realm.0,
            Wish::Any => matches!(word & STATE, IDLE | FRESH),
            Wish::Care => word & STATE == IDLE && word & CARE != 0,
        }
    }
}

/// The table. All fields are shared; `isolate` of a slot is for who holds it.
pub(super) struct Slots {
    slots: Box<[Slot]>,
    /// A bit for each slot that may be FRESH or IDLE.
    filled: Box<[AtomicU64]>,
    /// A bit for each slot that may be EMPTY.
    vacant: Box<[AtomicU64]>,
    fresh: AtomicUsize,
    idle: AtomicUsize,
}

// SAFETY: a slot's cell is touched only by who has changed its word to HELD, until that one changes it again; an isolate may
// be sent.
unsafe impl Sync for Slots {}

/// A slot that was claimed. It must be given back by one of `put_idle`, `put_fresh` and `vacate`.
#[derive(Debug)]
#[must_use]
pub(super) struct Claim {
    index: usize,
    node: u8,
}

impl Claim {
    pub(super) fn node(&self) -> u8 {
        self.node
    }
}

thread_local! {
    /// The slot that this thread used last.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// Never inlined: the address of a thread-local must not be kept where a fiber may move.
#[inline(never)]
fn last_used() -> usize {
    LAST.get()
}

#[inline(never)]
fn set_last_used(index: usize) {
    LAST.set(index);
}

impl Slots {
    pub(super) fn new(count: usize) -> Slots {
        let slot = || Slot { word: AtomicU64::new(EMPTY), isolate: UnsafeCell::new(None) };
        let words = count.div_ceil(64);
        let slots = Slots {
            slots: (0..count).map(|_| slot()).collect(),
            filled: (0..words).map(|_| AtomicU64::new(0)).collect(),
            vacant: (0..words).map(|_| AtomicU64::new(0)).collect(),
            fresh: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
        };
        (0..count).for_each(|index| slots.mark(&slots.vacant, index));
        slots
    }

    fn mark(&self, bits: &[AtomicU64], index: usize) {
        // ORDERING: pairs with `find`: who sees the bit sees the word that was set before.
        bits[index / 64].fetch_or(1 << (index % 64), Ordering::Release);
    }

    fn clear(&self, bits: &[AtomicU64], index: usize) {
        bits[index / 64].fetch_and(!(1 << (index % 64)), Ordering::Relaxed);
    }

    pub(super) fn fresh(&self) -> usize {
        self.fresh.load(Ordering::Relaxed)
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    /// Takes an isolate out that fits, for this realm.
    pub(super) fn claim(&self, wish: Wish, realm: RealmId) -> Option<(Claim, Isolate)> {
        self.claim_for(wish, Some(realm))
    }

    /// Takes one out that wants care; it stays its realm's.
    pub(super) fn claim_for_care(&self) -> Option<(Claim, Isolate)> {
        self.claim_for(Wish::Care, None)
    }

    fn claim_for(&self, wish: Wish, realm: Option<RealmId>) -> Option<(Claim, Isolate)> {
        let last = last_used();
        let (index, word) = match self.try_claim(last, wish, realm) {
            Some(word) => (last, word),
            None => find(&self.filled, |index| self.try_claim(index, wish, realm))?,
        };
        self.clear(&self.filled, index);
        let count = if word & STATE == FRESH { &self.fresh } else { &self.idle };
        count.fetch_sub(1, Ordering::Relaxed);
        set_last_used(index);
        // SAFETY: the slot is ours.
        let isolate = unsafe { (*self.slots[index].isolate.get()).take() };
        isolate.map(|isolate| (Claim { index, node: (word >> NODE_SHIFT) as u8 }, isolate))
    }

    /// Takes a slot that has no isolate, for this realm and node.
    pub(super) fn claim_empty(&self, realm: RealmId, node: u8) -> Option<Claim> {
        let held = word(HELD, realm, node);
        let claim = |index: usize| {
            // ORDERING: acquires the cell from who vacated the slot.
            let outcome =
                self.slots[index].word.compare_exchange(EMPTY, held, Ordering::Acquire, Ordering::Relaxed);
            outcome.is_ok().then_some(held)
        };
        let (index, _) = find(&self.vacant, claim)?;
        self.clear(&self.vacant, index);
        Some(Claim { index, node })
    }

    /// From FRESH or IDLE to HELD, if the slot fits. The word before.
    fn try_claim(&self, index: usize, wish: Wish, realm: Option<RealmId>) -> Option<u64> {
        let slot = &self.slots.get(index)?.word;
        let now = slot.load(Ordering::Relaxed);
        if !wish.is_met_by(now) {
            return None;
        }
        let realm = realm.unwrap_or(RealmId(now >> REALM_SHIFT));
        let held = word(HELD, realm, (now >> NODE_SHIFT) as u8);
        // ORDERING: acquires the cell from who filled it.
        slot.compare_exchange(now, held, Ordering::Acquire, Ordering::Relaxed).ok()
    }

    /// Gives an isolate of the realm that the slot was claimed for back; or returns it, if that realm is gone.
    pub(super) fn put_idle(
        &self,
        claim: Claim,
        isolate: Isolate,
        wants_care: bool,
    ) -> Result<(), (Claim, Isolate)> {
        let Some(slot) = self.slots.get(claim.index) else { return Err((claim, isolate)) };
        let held = slot.word.load(Ordering::Relaxed);
        // SAFETY: the slot is ours.
        unsafe { *slot.isolate.get() = Some(isolate) };
        let idle = (held & !STATE) | IDLE | if wants_care { CARE } else { 0 };
        // Before it can be seen: the count is never less than what is there.
        self.idle.fetch_add(1, Ordering::Relaxed);
        // ORDERING: releases the cell to who claims the slot. It fails if the realm was forgotten meanwhile.
        let outcome = (held & FORGOTTEN == 0)
            .then(|| slot.word.compare_exchange(held, idle, Ordering::Release, Ordering::Relaxed));
        if matches!(outcome, Some(Ok(_))) {
            self.mark(&self.filled, claim.index);
            return Ok(());
        }
        self.idle.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the slot is still ours, and has what we put there.
        match unsafe { (*slot.isolate.get()).take() } {
            Some(isolate) => Err((claim, isolate)),
            None => Ok(()),
        }
    }

    /// Puts an isolate there that has run nothing.
    pub(super) fn put_fresh(&self, claim: Claim, isolate: Isolate) {
        let slot = &self.slots[claim.index];
        // SAFETY: the slot is ours.
        unsafe { *slot.isolate.get() = Some(isolate) };
        self.fresh.fetch_add(1, Ordering::Relaxed);
        // ORDERING: releases the cell to who claims the slot.
        slot.word.store(word(FRESH, RealmId(0), claim.node()), Ordering::Release);
        self.mark(&self.filled, claim.index);
    }

    /// Gives the slot back without an isolate.
    pub(super) fn vacate(&self, claim: Claim) {
        // ORDERING: releases the cell to who claims the slot.
        self.slots[claim.index].word.store(EMPTY, Ordering::Release);
        self.mark(&self.vacant, claim.index);
    }

    /// Isolates of this realm that are held now will not serve again.
    pub(super) fn forget_held(&self, realm: RealmId) {
        for slot in &self.slots {
            let forget =
                |now: u64| (now & STATE == HELD && now >> REALM_SHIFT == realm.0).then_some(now | FORGOTTEN);
            // The holder only reads the mark; nothing is published by it.
            let _ = slot.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, forget);
        }
    }
}

fn word(state: u64, realm: RealmId, node: u8) -> u64 {
    realm.0 << REALM_SHIFT | u64::from(node) << NODE_SHIFT | state
}

/// Tries the slots that have a bit set; the first that gives something.
fn find(bits: &[AtomicU64], mut attempt: impl FnMut(usize) -> Option<u64>) -> Option<(usize, u64)> {
    for (group, bits) in bits.iter().enumerate() {
        // ORDERING: pairs with `mark`.
        let mut left = bits.load(Ordering::Acquire);
        while left != 0 {
            let index = group * 64 + left.trailing_zeros() as usize;
            if let Some(word) = attempt(index) {
                return Some((index, word));
            }
            left &= left - 1;
        }
    }
    None
}
