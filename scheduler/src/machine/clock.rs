//! A clock cheap enough for the dispatch path: the processor's cycle counter where it runs at one
//! rate on all CPUs, else the system's monotonic clock. Ticks mean nothing by themselves;
//! [`nanos`] turns a difference of them into time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The moment the clock was first asked for, in both currencies.
struct Anchor {
    instant: Instant,
    ticks: u64,
    counter: bool,
}

fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| {
        let (instant, ticks) = both();
        Anchor { instant, ticks, counter: counter::is_steady() }
    })
}

/// The same moment in both currencies. The system may take the CPU away between the two readings: so of some pairs the one
/// is taken in which they were nearest.
fn both() -> (Instant, u64) {
    let pair = |_| {
        let (before, instant, after) = (counter::read(), Instant::now(), counter::read());
        (after.wrapping_sub(before), (instant, before.wrapping_add(after.wrapping_sub(before) / 2)))
    };
    (0..8).map(pair).min_by_key(|&(apart, _)| apart).expect("there are some").1
}

/// Makes the first reading, so that later ones are compared with something.
pub(crate) fn prepare() {
    anchor();
}

/// The time now, in ticks.
#[inline]
pub(crate) fn ticks() -> u64 {
    if counter::ALWAYS || anchor().counter { counter::read() } else { system_ticks() }
}

fn system_ticks() -> u64 {
    anchor().instant.elapsed().as_nanos() as u64
}

/// How long a difference of ticks is, in nanoseconds.
pub(crate) fn nanos(ticks: u64) -> u64 {
    (ticks as f64 * nanos_per_tick()) as u64
}

/// How many ticks a time takes.
pub(crate) fn ticks_in(time: Duration) -> u64 {
    (time.as_nanos() as f64 / nanos_per_tick()) as u64
}

fn nanos_per_tick() -> f64 {
    let anchor = anchor();
    if !counter::ALWAYS && !anchor.counter {
        return 1.0;
    }
    counter::nanos_per_tick().unwrap_or_else(|| {
        static RATE: OnceLock<f64> = OnceLock::new();
        *RATE.get_or_init(|| {
            // Half a millisecond of comparison, once, gives four digits.
            while anchor.instant.elapsed() < Duration::from_micros(500) {
                std::hint::spin_loop();
            }
            let (instant, ticks) = both();
            let nanos = (instant - anchor.instant).as_nanos();
            nanos as f64 / ticks.saturating_sub(anchor.ticks).max(1) as f64
        })
    })
}

#[cfg(target_arch = "x86_64")]
mod counter {
    pub(super) const ALWAYS: bool = false;

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

    pub(super) fn nanos_per_tick() -> Option<f64> {
        None
    }
}

#[cfg(target_arch = "aarch64")]
mod counter {
    pub(super) const ALWAYS: bool = true;

    #[inline]
    pub(super) fn read() -> u64 {
        let ticks: u64;
        // SAFETY: the virtual counter is readable from user mode on every system we build for.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
        ticks
    }

    pub(super) fn is_steady() -> bool {
        true
    }

    pub(super) fn nanos_per_tick() -> Option<f64> {
        let hertz: u64;
        // SAFETY: as above.
        unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) hertz, options(nomem, nostack)) };
        (hertz > 0).then(|| 1e9 / hertz as f64)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod counter {
    pub(super) const ALWAYS: bool = false;

    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn is_steady() -> bool {
        false
    }

    pub(super) fn nanos_per_tick() -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_convert_to_time_and_back() {
        let begin = Instant::now();
        let first = ticks();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        let end = Instant::now();
        let measured = nanos(ticks() - first) as f64;
        // However long the system let others run between two of these.
        let (least, most) = ((end - begun).as_nanos() as f64, begin.elapsed().as_nanos() as f64);
        assert!((0.9 * least..1.1 * most).contains(&measured), "{measured} ns by ticks, {least} to {most}");
        let there_and_back = nanos(ticks_in(Duration::from_secs(1))) as f64;
        assert!((there_and_back - 1e9).abs() < 1e4, "{there_and_back}");
    }
}
