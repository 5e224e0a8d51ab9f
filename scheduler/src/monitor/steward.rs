//! Memory for the background lane, whose threads may not map or unmap any: stacks are ready for them while any
//! of them is up, and the pages of those that they give back go to the system. See
//! [`supply`](crate::worker::supply).

use crate::lane::Lane;
use crate::worker::shared::Shared;
use std::sync::atomic::Ordering;

/// How many stacks wait at least for background workers that are up: only addresses, of which there are
/// plenty, so that the first fibers of a burst find theirs.
const RESERVE: usize = 32;

/// The most, for bursts: mapping so many takes some 10 ms.
const RESERVE_MAX: usize = 4096;

pub(super) struct Steward {
    /// How many stacks should wait now at each site: more where that was not enough.
    reserve: Box<[usize]>,
}

impl Steward {
    pub(super) fn new(shared: &Shared) -> Steward {
        Steward { reserve: vec![RESERVE; shared.config.sites.all().len()].into() }
    }

    pub(super) fn look(&mut self, shared: &Shared) {
        let stacks = &shared.stacks;
        let crew = &shared.crews[Lane::Background as usize];
        let is_up = crew.levels() != 0 && crew.beacon.is_anyone_up();
        for (site, reserve) in self.reserve.iter_mut().enumerate() {
            if stacks.has_many_to_release(site) {
                stacks.release_at(site);
            }
            let here = |worker: &usize| shared.remotes[*worker].site() == site;
            if !is_up || !crew.everyone().any(|worker| here(&worker)) {
                continue;
            }
            let wanted =
                crew.everyone().filter(here).filter(|&worker| shared.remotes[worker].wants_stack()).count();
            if wanted > 0 {
                *reserve = (2 * *reserve).min(RESERVE_MAX);
            }
            let missing = stacks.needs(site, *reserve);
            // A refusal is told to those who want one.
            if missing > 0 && stacks.supply(site, missing).is_ok() {
                shared.watchman.stacks_supplied.fetch_add(missing as u64, Ordering::Relaxed);
            }
            if wanted > 0 {
                for worker in
                    crew.everyone().filter(here).filter(|&worker| shared.remotes[worker].got_stack())
                {
                    shared.unpark(worker);
                }
            }
        }
    }

    /// Nothing has run for a while.
    pub(super) fn rest(&mut self, shared: &Shared) {
        self.reserve.fill(RESERVE);
        shared.stacks.release();
    }
}
