//! What a worker's fibers wait for outside of the program: descriptors that become readable or writable.
//!
//! Each worker has a poller of its own, made when the first of its fibers waits for a descriptor. As a fiber that has
//! started never leaves its worker, a descriptor is registered with the poller of each worker on which a fiber has
//! waited for it, once, for both directions, until it is closed. What a look at the poller finds resumes fibers at home,
//! by pushing them on the ready lists of their levels: no thread but the worker's own is involved, and who goes first is
//! decided as always.
//!
//! # When a worker looks
//!
//! Only while a fiber of its own waits for a descriptor:
//!
//! * before it searches for work, and while it does;
//! * instead of parking: then it sleeps in the poller, and whoever unparks it rings a bell that the poller hears
//!   ([`park`](crate::machine::park));
//! * every so often while it is busy: [`POLL_INTERVAL`](crate::policy::POLL_INTERVAL), at a dispatch or a checkpoint.
//!
//! # No edge is missed
//!
//! Events are edges: the kernel tells once that something has come. All of the following is on one thread.
//!
//! ```text
//! READY        the last event said so, and no call has found otherwise: a call is tried
//! not READY    a call has found nothing, and no look at the poller since has brought an event: a fiber waits
//! ```
//!
//! A fiber waits only when not READY. Whatever had come before the call that found nothing, that call would have
//! found. Whatever comes after it makes an edge that is queued in the kernel until this thread looks at the poller, which
//! it has not done since: the flag would be set. And before the descriptor is registered nothing is relied on: to register
//! it is an edge, if it is ready by then.
//!
//! A call on a stream that transfers less than it could has found nothing, too, and saves the call that would say so.
//! Except after an event of an end, an error or urgent data, which may have come together with the data that was read
//! before: then READY stays (`FOR_GOOD`), and each call is tried.
//!
//! An event resumes all fibers that wait for its direction, as one edge may stand for several connections or datagrams;
//! who finds nothing waits again.
//!
//! # Turns
//!
//! Where more fibers are told of something than run, those of a [crowd](crate::policy::crowd) go first for a while, by
//! level, and the others are put off (`PUT_OFF`): READY is set, a record is in the level's line, and they sleep on. Whoever
//! looks lets in those whose turn it is, at least one where none of the others is left to run. So a worker that has
//! nothing to do has nobody in line, and one that is about to sleep looks first. A record may be old: its source is gone, its
//! fibers have gone on by themselves, as they were cancelled, became urgent or their time is up. It is passed over then.
//!
//! # Numbers that are used again
//!
//! Descriptors are small numbers, so the table is indexed by them. An entry says which source it is for, by an id that is
//! never used twice. A source whose number had another source before finds the entry of that one, and takes it over. An
//! event says what it was registered as: if that is not the entry's source, it is ignored. (A file that was duplicated
//! lives on when our descriptor is closed, and the kernel goes on telling of it.) Nothing but time is lost by an event that
//! comes in error: whoever it resumes tries, and waits again.
//!
//! # Who touches what
//!
//! All of it belongs to the worker's thread, and to the fibers on it. Entries point to nodes in the frames of fibers that
//! wait; a fiber takes its node out before its frame ends.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod system;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
pub(crate) use ring::Operation;

pub(crate) use system::*;
