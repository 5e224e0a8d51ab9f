//! Models of the lock-free protocols: loom runs each of them in every order that threads and memory
//! allow, up to a number of preemptions, and fails if one of those runs does.
//!
//! The files under test are the production files themselves, compiled here once more against the
//! atomics in [`primitive`]. What surrounds them in the runtime (the end of a fiber, mailboxes, a
//! worker's loop) is modelled step by step; each model names the file whose steps it repeats.
//!
//! | file          | what it checks                                                            |
//! |---------------|---------------------------------------------------------------------------|
//! | [`isolate_inboxes`] | what is posted to an isolate is read once, and its fiber sleeps beside none |
//! | [`isolate_answers`] | who asks for the outcome of a Deferred is told once                      |
//! | [`inboxes`]   | nothing is lost or doubled; contents are visible; closing                 |
//! | [`lives`]     | a fiber is run once, its result dropped once, its memory freed once       |
//! | [`letters`]   | resuming, cancelling and moving a started fiber from elsewhere            |
//! | [`roamers`]   | a started fiber that leaves its home for another one; the line it waits in |
//! | [`stops`]     | `stop()` against a fiber that moves: it ends once, and all workers leave    |
//! | [`expiries`]  | sections that are over or called off, against all that                    |
//! | [`wakers`]    | a future that waits for a fiber is polled at its end, by its latest waker  |
//! | [`bells`]     | who waits for a future hears each ring of its waker                        |
//! | [`pools`]     | each blocking call is made once or taken back, and no thread sleeps beside it |
//! | [`parkers`]   | a thread that sleeps is woken, whoever else was about to do so            |
//! | [`lending`]   | the level in the state word is what the loans say                         |
//! | [`outdated`]  | a level set from below that is out of date takes no loan away              |
//! | [`fronts`]    | a scope's owner sees each of its fibers, or is woken to look again        |
//! | [`locks`]     | a lock is had by one at a time; its loans, and the end of who had it      |
//! | [`sleepers`]  | no wake-up is lost                                                        |
//! | [`frozen`]    | a thread of a lower lane that stops between two of its steps robs nobody  |
//! | [`aside`]     | who stands aside comes back for its mail, and robs no sleeper             |
//! | [`needs`]     | who makes way for a lane below comes back; no need is forgotten            |
//! | [`piles`]     | the queues of the background lane: owner, thieves, and what they put back |
//! | [`stacks`]    | a stack is in one list, or in one pair of hands                           |
//! | [`spares`]    | a spare that leaves takes no wake-up along; the monitor sleeps and wakes  |
//! | [`tables`]    | an entry that others look at is dropped once, when the last one is out    |
//! | [`limits`]    | a place under the limit has one owner, and nobody sleeps beside a free one |
//! | [`waits`]     | who waits for all is released when nothing is left, and is woken          |
//! | [`sync`]      | those who wait in lines behind a latch: a folder of its own                |
//! | `mutate.sh`   | checks the models: weakens each ordering in turn, one of them has to fail |
//!
//! What loom cannot show: that the pair of barriers in `machine/barrier.rs` is as good as two fences
//! (here they are two fences), and a compare-and-swap that fails on an old value or for no reason.

// loom's cells are shared on purpose: it watches who uses them.
#![allow(clippy::arc_with_non_send_sync)]

#[path = "../../scheduler/src/worker/awaiting.rs"]
mod awaiting;
#[path = "../../scheduler/src/bell.rs"]
mod bell;
#[allow(dead_code)]
#[path = "../../scheduler/src/worker/beacon.rs"]
mod beacon;
#[allow(dead_code)]
#[path = "../../scheduler/src/pool/call.rs"]
mod call;
#[allow(dead_code)]
#[path = "../../scheduler/src/pool/staff.rs"]
mod staff;
#[allow(dead_code)]
#[path = "../../scheduler/src/worker/front.rs"]
mod front;
#[allow(dead_code)]
#[path = "../../scheduler/src/worker/duty.rs"]
mod duty;
#[path = "../../jsbridge/src/deferred/answer.rs"]
mod isolate_answer;
#[allow(dead_code)]
#[path = "../../jsbridge/src/realm/inbox.rs"]
mod isolate_inbox;
#[path = "../../jsbridge/src/deferred/slot.rs"]
mod slot;
#[allow(dead_code)]
#[path = "../../scheduler/src/queue/inbox.rs"]
mod inbox;
#[path = "../../scheduler/src/queue/relay.rs"]
mod relay;
#[allow(dead_code)]
#[path = "../../scheduler/src/worker/limit.rs"]
mod limit;
#[path = "../../scheduler/src/worker/travels.rs"]
mod travels;
mod machine;
mod mortal;
#[allow(dead_code)]
#[path = "../../scheduler/src/fiber/awaited.rs"]
mod awaited;
#[allow(dead_code)]
#[path = "../../scheduler/src/worker/need.rs"]
mod need;
#[allow(dead_code)]
#[path = "../../scheduler/src/fiber/loans.rs"]
mod loans;
#[allow(dead_code)]
#[path = "../../scheduler/src/sync/lock_word.rs"]
mod lock_word;
mod primitive;
mod queue;
#[allow(dead_code)]
#[path = "../../scheduler/src/worker/quiet.rs"]
mod quiet;
#[allow(dead_code)]
#[path = "../../scheduler/src/fiber/memory/slots.rs"]
mod slots;
#[path = "../../scheduler/src/fiber/outcome.rs"]
mod outcome;
#[allow(dead_code)]
#[path = "../../scheduler/src/fiber/state.rs"]
mod state;
#[allow(dead_code)]
#[path = "../../scheduler/src/sync/raw_lock.rs"]
mod raw_lock;
#[allow(dead_code)]
#[path = "../../scheduler/src/sync/wait_list.rs"]
mod wait_list;

#[path = "../../scheduler/src/worker/vigil.rs"]
mod vigil;
#[allow(dead_code, unreachable_pub)]
#[path = "../../scheduler/src/priority.rs"]
mod priority;

mod aside;
mod bells;
mod expiries;
mod fiber;
mod fronts;
mod frozen;
mod inboxes;
mod isolate_answers;
mod isolate_inboxes;
mod lending;
mod letters;
mod locks;
mod limits;
mod lives;
mod needs;
mod outdated;
mod parkers;
mod piles;
mod pools;
mod roamers;
mod sleepers;
mod stacks;
mod spares;
mod sync;
mod stops;
mod tables;
mod waits;
mod wakers;

/// What the files under `sync` need of the scheduler's `error.rs`.
mod error {
    pub(crate) struct Cancelled(pub(crate) ());
}

/// Runs `model` in every order that has at most `preemptions` switches away from a thread that could
/// have gone on. Most bugs need two.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(model);
}
