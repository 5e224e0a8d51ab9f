//! Where a host finds the outcome of a Deferred.
//!
//! Of many Deferreds that are made at once, all but a few have their outcome before anybody asks for it. So what waiting
//! takes, a channel, is made by whoever finds nothing there. The slot has one of two things:
//!
//! | it has      | put there by               | taken by                                    |
//! |-------------|----------------------------|---------------------------------------------|
//! | nothing     |                            |                                             |
//! | the outcome | who settles, [`tell`](Answer::tell) | who asks; or who settles, where somebody had asked |
//! | the asker   | who asks, [`ask`](Answer::ask)      | who settles, in the same exchange           |
//!
//! Each side puts its own and gets what the other had put: so one of them sees both, and the outcome is handed over once.
//! There is one who settles ([`Work`](super::work::Work)'s state says who), and one who asks.

use super::slot::Slot;

/// See the module's documentation. `A` is told to whoever asks by an `S`.
pub(crate) struct Answer<A, S>(Slot<There<A, S>>);

enum There<A, S> {
    Outcome(A),
    Asker(S),
}

impl<A, S> Answer<A, S> {
    pub(crate) fn new() -> Answer<A, S> {
        Answer(Slot::new(None))
    }

    /// Here is the outcome. `Some`: somebody waits for it, and is to be told so.
    #[must_use]
    pub(crate) fn tell(&self, outcome: A) -> Option<(S, A)> {
        match self.0.put(There::Outcome(outcome))? {
            There::Asker(asker) => match self.0.take()? {
                There::Outcome(outcome) => Some((asker, outcome)),
                There::Asker(_) => None,
            },
            There::Outcome(_) => None,
        }
    }

    /// The outcome, if it is there.
    pub(crate) fn take(&self) -> Option<A> {
        match self.0.take()? {
            There::Outcome(outcome) => Some(outcome),
            There::Asker(_) => None,
        }
    }

    /// Who asks is to be told. `Some`: it is there by now, and nobody will be.
    pub(crate) fn ask(&self, asker: S) -> Option<A> {
        match self.0.put(There::Asker(asker))? {
            There::Outcome(outcome) => {
                drop(self.0.take());
                Some(outcome)
            }
            There::Asker(_) => None,
        }
    }
}
