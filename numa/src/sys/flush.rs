//! Driving cache lines out of all caches, where an ordinary program may.

/// Drives the line of that value out. `false`: there is no way to, here.
#[cfg(target_arch = "x86_64")]
pub(crate) fn flush_line<T>(value: &T) -> bool {
    // SAFETY: every x86-64 processor has the instruction, and the address is a reference's; contents do not change.
    unsafe { std::arch::x86_64::_mm_clflush(std::ptr::from_ref(value).cast()) };
    true
}

/// Waits until that is done.
#[cfg(target_arch = "x86_64")]
pub(crate) fn flush_fence() {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { std::arch::x86_64::_mm_mfence() };
}

/// Drives the line of that value out. `false`: there is no way to, here.
#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
pub(crate) fn flush_line<T>(value: &T) -> bool {
    // SAFETY: Linux allows the instruction to programs, and the address is a reference's; contents do not change.
    unsafe { std::arch::asm!("dc civac, {0}", in(reg) std::ptr::from_ref(value), options(nostack)) };
    true
}

/// Waits until that is done.
#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
pub(crate) fn flush_fence() {
    // SAFETY: a barrier.
    unsafe { std::arch::asm!("dsb sy", options(nostack)) };
}

/// Drives the line of that value out. `false`: there is no way to, here.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_os = "linux"))))]
pub(crate) fn flush_line<T>(_value: &T) -> bool {
    false
}

/// Waits until that is done.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_os = "linux"))))]
pub(crate) fn flush_fence() {}
