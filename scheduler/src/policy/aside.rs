//! How long a worker leaves its CPU to the lanes below it.
//!
//! Between lanes the kernel divides a CPU: a thread at nice 10 gets a tenth beside one at nice 0, a
//! thread in `SCHED_IDLE` three thousandths. That is what keeps urgent work fast, and far less than the
//! weights promise the levels below. So a worker whose CPU's lower lanes have work measures what they
//! get, by the CPU time of the threads, and when they are owed more than [`ASIDE_MIN`](super::ASIDE_MIN)
//! it parks: for as long as puts them even, at most [`ASIDE_MAX`](super::ASIDE_MAX), or, where its own
//! fibers run for longer than that without a checkpoint, what their last stretch earned the others.
//!
//! * It is a feedback: what the kernel gives by itself counts, so it works at any nice value.
//! * Time left to them that they did not use counts as used, unless a lane above used it: where
//!   another process took the CPU, or their fibers all blocked, at most their share is wasted.
//! * Workers of a lane take turns: who was the last to stand aside lets the others go first. Else one of two could run all
//!   the time and the other never, and all that is below would be on the CPU of the one.
//! * Lower lanes whose levels have no weight get their turn when they have had nothing for their longest
//!   wait.
//! * The kernel may have two of a lane's threads on one CPU, while on another one the lane below takes all that is left, or
//!   nobody does: it moves threads at its ticks, or later. So who stands aside brings a thread of the next lane
//!   below that has work to its CPU.

use super::{Terms, levels_of};

/// What happened on a worker's CPU since it last asked, or on the CPUs of several, a worker's part of it. All
/// times in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    /// CPU time of the worker's own thread.
    pub(crate) mine: u64,
    /// CPU time of the threads of lanes below.
    pub(crate) below: u64,
    /// CPU time that the threads of lanes above had of the time for which the worker stood aside, or more.
    pub(crate) above: u64,
    /// How long the worker stood aside. That may be told later than what others did meanwhile.
    pub(crate) aside: u64,
    /// Of the busy workers beside it, it was the last to stand aside: it is another one's turn.
    pub(crate) was_last: bool,
}

/// What the lanes below one worker are owed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aside {
    owed: i64,
    /// When they last had time, or no work; 0: no reading yet.
    served: u64,
    /// What they have had more than was left to them, by then: of what they leave unused later, so much was
    /// used before.
    ahead: u64,
}

impl Aside {
    pub(crate) const fn new() -> Aside {
        Aside { owed: 0, served: 0, ahead: 0 }
    }

    /// How long to stand aside now; 0: not. `own` are the levels of the worker's lane that have work, `below`
    /// those of the lanes below it on its CPU,
    /// also of workers that stand aside themselves.
    ///
    /// To be asked about every [`ASIDE_MIN`](super::ASIDE_MIN) of the time that the worker is busy, and
    /// when it gets up after it has stood aside: a lane above may have had all of that time.
    pub(crate) fn ask(&mut self, terms: &Terms, window: Window, own: u32, below: u32, now: u64) -> u64 {
        if below == 0 || own == 0 {
            *self = Aside { served: now, ..Aside::new() };
            return 0;
        }
        let left = window.aside.saturating_sub(window.above);
        let had = window.below + self.ahead;
        let used = window.below + left.saturating_sub(had);
        self.ahead = had.saturating_sub(left).min(terms.slice);
        if used > 0 || self.served == 0 {
            self.served = now;
        }
        let (lower, upper) = (terms.weight_of(below) as i64, terms.weight_of(own) as i64);
        if lower > 0 {
            let time = (window.mine + used).min(1 << 32) as i64;
            self.owed += time * lower / (lower + upper) - used as i64;
            self.owed = self.owed.clamp(-(terms.credit_max as i64), terms.credit_max as i64);
        }
        let max_wait = levels_of(below).map(|level| terms.max_wait[level]).min().unwrap_or(u64::MAX);
        if now.saturating_sub(self.served) >= max_wait {
            return terms.aside_max;
        }
        let turn = if window.was_last { terms.aside_max } else { 0 };
        if lower == 0 || self.owed < (terms.aside_min + turn) as i64 {
            return 0;
        }
        // While they run they go on earning: it takes longer than what they are owed now.
        let even = (self.owed * (lower + upper)).checked_div(upper).unwrap_or(i64::MAX);
        // Fibers that run for long between checkpoints earn them more than that at a time.
        let earned = (window.mine.min(1 << 32) * lower as u64).checked_div(upper as u64).unwrap_or(0);
        even.min(earned.clamp(terms.aside_max, terms.slice) as i64) as u64
    }
}

/// Which of so many seats of a lane below should have the CPU that the worker in `seat` leaves: the first that `wants` one,
/// from its own on, so that each of several leaves its CPU to another one, if there are as many.
pub(crate) fn whom_to_bring(seat: usize, seats: usize, wants: impl Fn(usize) -> bool) -> Option<usize> {
    (seat..seats).chain(0..seat.min(seats)).find(|&seat| wants(seat))
}

#[cfg(test)]
mod tests {
    use super::super::Weights;
    use super::*;
    use crate::policy::MAX_WAIT;

    const MS: u64 = 1_000_000;

    fn terms(weights: [u32; 5]) -> Terms {
        Terms::new(Weights::new(weights), [MAX_WAIT; 5], |time| time.as_nanos() as u64)
    }

    /// A CPU with a busy worker and a busy thread below, to which the kernel gives `kernel` of a
    /// thousand: what part of a second the latter gets, in thousandths, and the longest stretch.
    fn contend(terms: &Terms, kernel: u64, uses: bool) -> (u64, u64) {
        let mut aside = Aside::new();
        let (mut now, mut lower, mut longest, mut away) = (MS, 0, 0, 0);
        while now < 2000 * MS {
            let below = if uses { MS * kernel / 1000 } else { 0 };
            let window = Window {
                mine: MS - below,
                below: below + if uses { away } else { 0 },
                above: 0,
                aside: away,
                was_last: false,
            };
            lower += if uses { window.below } else { away };
            now += MS + away;
            away = aside.ask(terms, window, 0b00110, 0b11000, now);
            longest = longest.max(away);
        }
        (lower * 1000 / now, longest)
    }

    #[test]
    fn the_lanes_below_get_their_share_whatever_the_kernel_gives_them() {
        for kernel in [0, 3, 50, 97] {
            // The share of Low and Background beside High and Normal is 3 of 15.
            let (share, longest) = contend(&terms([16, 8, 4, 2, 1]), kernel, true);
            assert!((198..=202).contains(&share), "{kernel}: {share}");
            assert!(longest <= MS);
        }
        assert!(contend(&terms([16, 8, 4, 2, 1]), 300, true).0 >= 299, "more than the share is no debt");
    }

    /// Two CPUs, each with a busy worker and threads below, where a worker knows only what happened on both
    /// together, and of standing aside when it is over. What part of the time the threads below get, in thousandths, and
    /// for how long each worker stood aside.
    fn contend_for_two(terms: &Terms) -> (u64, [u64; 2]) {
        /// How long a worker runs before it asks.
        const BUSY: u64 = MS;
        let mut asides = [Aside::new(); 2];
        // Who is up, and until when things stay so.
        let (mut up, mut until) = ([true; 2], [BUSY, BUSY / 3]);
        let (mut now, mut lower, mut seen) = (0, 0, [(0, 0, 0); 2]);
        let (mut mine, mut away, mut since) = (0, 0, [0; 2]);
        let (mut last, mut stood) = (2, [0; 2]);
        while now < 3000 * MS {
            let next = until[0].min(until[1]);
            let working = up.iter().filter(|&&up| up).count() as u64;
            mine += working * (next - now);
            lower += (2 - working) * (next - now);
            now = next;
            let who = usize::from(until[1] == now);
            if up[who] {
                let (mine_then, lower_then, away_then) = seen[who];
                let window = Window {
                    mine: (mine - mine_then) / 2,
                    below: (lower - lower_then) / 2,
                    above: 0,
                    aside: (away - away_then) / 2,
                    was_last: last == who,
                };
                seen[who] = (mine, lower, away);
                let time = asides[who].ask(terms, window, 0b00001, 0b11110, now);
                up[who] = time == 0;
                last = if up[who] { last } else { who };
                since[who] = now;
                until[who] = now + if time == 0 { BUSY } else { time };
            } else {
                away += now - since[who];
                stood[who] += now - since[who];
                up[who] = true;
                until[who] = now + BUSY;
            }
        }
        (lower * 1000 / (mine + lower), stood)
    }

    #[test]
    fn what_happens_on_a_neighbours_cpu_is_not_counted_twice() {
        let (share, stood) = contend_for_two(&terms([16, 8, 4, 2, 1]));
        assert!((475..=495).contains(&share), "15 of 31 are due: {share}");
        assert!(stood[0] < 2 * stood[1] && stood[1] < 2 * stood[0], "they take turns: {stood:?}");
    }

    /// Two CPUs, a busy thread of each of three lanes for each, and a kernel that moves none of them by itself: those of the
    /// lower two lanes have all begun on the same CPU. What each lane gets, in thousandths.
    fn share_two_cpus(terms: &Terms, brings: bool) -> [u64; 3] {
        const STEP: u64 = 50_000;
        const LEVELS: [u32; 3] = [0b00001, 0b00110, 0b11000];
        let mut asides = [[Aside::new(); 2]; 2];
        let (mut had, mut left, mut seen) = ([[0; 2]; 3], [[0; 2]; 2], [[[0; 3]; 2]; 2]);
        let (mut cpu, mut away, mut last) = ([[0, 1], [1, 1], [1, 1]], [[0_u64; 2]; 3], [2, 2]);
        let (mut taken, mut asked) = ([[0; 2]; 2], [[0; 2]; 2]);
        for now in (1..80_000).map(|step| step * STEP) {
            for here in 0..2 {
                let wants = |&(lane, seat): &(usize, usize)| cpu[lane][seat] == here && away[lane][seat] == 0;
                let threads = (0..3).flat_map(|lane| [(lane, 0), (lane, 1)]).filter(wants);
                // Equals share it.
                if let Some((lane, seat)) = threads.min_by_key(|&(lane, seat)| (lane, had[lane][seat])) {
                    had[lane][seat] += STEP;
                }
            }
            let sum = |lane: usize| had[lane][0] + had[lane][1];
            for lane in 0..2 {
                for seat in 0..2 {
                    let above: u64 = (0..=lane).map(sum).sum();
                    if away[lane][seat] > 0 {
                        away[lane][seat] = away[lane][seat].saturating_sub(STEP);
                        if away[lane][seat] == 0 {
                            let time = now - asked[lane][seat];
                            left[lane][seat] +=
                                time.min((2 * time).saturating_sub(above - taken[lane][seat]));
                            asked[lane][seat] = now;
                        }
                    } else if now - asked[lane][seat] >= MS && had[lane][seat] > 0 {
                        let below = (lane + 1..3).map(sum).sum();
                        let clocks = [sum(lane), below, left[lane][0] + left[lane][1]];
                        let before = std::mem::replace(&mut seen[lane][seat], clocks);
                        let [mine, below, left] = std::array::from_fn(|k| (clocks[k] - before[k]) / 2);
                        let window =
                            Window { mine, below, above: 0, aside: left, was_last: last[lane] == seat };
                        let lower = (lane + 1..3).fold(0, |mask, lane| mask | LEVELS[lane]);
                        let time = asides[lane][seat].ask(terms, window, LEVELS[lane], lower, now);
                        asked[lane][seat] = now;
                        away[lane][seat] = time;
                        if time > 0 {
                            (last[lane], taken[lane][seat]) = (seat, above);
                            let next = |below: usize| whom_to_bring(seat, 2, |seat| away[below][seat] == 0);
                            let brought = (lane + 1..3).find_map(|below| Some((below, next(below)?)));
                            if let Some((below, seat_below)) = brought.filter(|_| brings) {
                                cpu[below][seat_below] = cpu[lane][seat];
                            }
                        }
                    }
                }
            }
        }
        let all: u64 = (0..3).map(|lane| had[lane][0] + had[lane][1]).sum();
        [0, 1, 2].map(|lane| (had[lane][0] + had[lane][1]) * 1000 / all)
    }

    #[test]
    fn the_shares_hold_wherever_the_kernel_has_put_the_threads() {
        let due = [16, 12, 3].map(|weight| weight * 1000 / 31);
        let off = |shares: [u64; 3]| (0..3).map(|lane| shares[lane].abs_diff(due[lane])).max();
        let (moved, unmoved) =
            (share_two_cpus(&terms([16, 8, 4, 2, 1]), true), share_two_cpus(&terms([16, 8, 4, 2, 1]), false));
        println!("{due:?} are due: {moved:?}; {unmoved:?} where nobody is brought");
        assert!(off(moved) <= Some(20), "{due:?} are due: {moved:?}");
        assert!(off(unmoved) > Some(20), "the model shows what it is about: {unmoved:?}");
    }

    #[test]
    fn a_cpu_is_left_to_the_nearest_seat_that_wants_it() {
        assert_eq!(whom_to_bring(1, 4, |_| true), Some(1));
        assert_eq!(whom_to_bring(1, 4, |seat| seat == 0), Some(0));
        assert_eq!(whom_to_bring(5, 4, |seat| seat == 3), Some(3));
        assert_eq!(whom_to_bring(0, 0, |_| true), None);
        assert_eq!(whom_to_bring(2, 4, |_| false), None);
    }

    #[test]
    fn time_that_they_do_not_use_costs_no_more_than_their_share() {
        let (wasted, _) = contend(&terms([16, 8, 4, 2, 1]), 0, false);
        assert!((150..=202).contains(&wasted), "{wasted}");
    }

    #[test]
    fn without_weight_they_have_a_turn_at_their_longest_wait() {
        let (share, longest) = contend(&terms([1, 1, 1, 0, 0]), 0, true);
        assert_eq!(longest, MS);
        assert!((15..=22).contains(&share), "one ms in 51: {share}");
    }

    #[test]
    fn a_worker_whose_lower_lanes_are_idle_stays() {
        let mut aside = Aside::new();
        let window = Window { mine: 1000 * MS, ..Window::default() };
        assert_eq!(aside.ask(&terms([1; 5]), window, 0b00110, 0, 5000 * MS), 0);
        assert_eq!(aside.ask(&terms([1; 5]), window, 0b00110, 0b10000, 5001 * MS), 10 * MS);
    }
}
