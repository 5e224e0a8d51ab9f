//! A clock for the engine's questions, of which there are half a million a second: the processor's cycle counter
//! where it runs at one rate (8 ns), else the system's monotonic clock. Ticks mean nothing by themselves.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

struct Rate {
    counter: bool,
    nanos_per_tick: f64,
    since: Instant,
}

fn rate() -> &'static Rate {
    static RATE: OnceLock<Rate> = OnceLock::new();
    RATE.get_or_init(|| {
        let (since, first) = both();
        let nanos_per_tick = if counter::is_steady() {
            // Once in a process: half a millisecond of comparison gives four digits.
            while since.elapsed() < Duration::from_micros(500) {
                std::hint::spin_loop();
            }
            let (until, last) = both();
            (until - since).as_nanos() as f64 / last.wrapping_sub(first).max(1) as f64
        } else {
            1.0
        };
        Rate { counter: counter::is_steady(), nanos_per_tick, since }
    })
}

/// The same moment by both. The system may take the CPU away between the two readings, and a rate that is wrong for that would
/// be wrong for as long as the process lives: so of some pairs the one is taken in which they were nearest.
fn both() -> (Instant, u64) {
    let pair = |_| {
        let (before, moment, after) = (counter::read(), Instant::now(), counter::read());
        (after.wrapping_sub(before), (moment, before.wrapping_add(after.wrapping_sub(before) / 2)))
    };
    (0..8).map(pair).min_by_key(|&(apart, _)| apart).expect("there are some").1
}

/// The time now.
#[inline]
pub(super) fn ticks() -> u64 {
    let rate = rate();
    if rate.counter { counter::read() } else { rate.since.elapsed().as_nanos() as u64 }
}

/// How long a difference of ticks is.
pub(super) fn nanos(ticks: u64) -> u64 {
    (ticks as f64 * rate().nanos_per_tick) as u64
}

/// How many ticks a time takes.
pub(super) fn ticks_in(nanos: u64) -> u64 {
    (nanos as f64 / rate().nanos_per_tick) as u64
}

#[cfg(target_arch = "x86_64")]
mod counter {
    #[inline]
    pub(super) fn read() -> u64 {
        // SAFETY: RDTSC has no preconditions in user mode on any system we build for.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    /// Does it tick at one rate in all power states (CPUID 8000_0007h, EDX bit 8)?
    pub(super) fn is_steady() -> bool {
        use core::arch::x86_64::__cpuid;
        __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn is_steady() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_convert_to_time_and_back() {
        assert!((nanos(ticks_in(1_000_000_000)) as f64 - 1e9).abs() < 1e4);
        assert_eq!((nanos(0), ticks_in(0), ticks_in(u64::MAX) > 0), (0, 0, true));
        let first = ticks();
        while ticks() == first {}
        assert!(ticks() > first);
    }
}
