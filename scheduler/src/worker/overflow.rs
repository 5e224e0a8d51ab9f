//! A stack overflow is caught on the guard page, reported, and ends the process, as Rust does for
//! threads: the fiber was stopped in the middle of an instruction, so nothing it held can be trusted.

#[cfg(unix)]
pub(crate) use unix::install;

/// Elsewhere the system's own report has to do.
#[cfg(not(unix))]
pub(crate) fn install() {}

#[cfg(unix)]
mod unix {
    use super::super::current;
    use crate::fiber::FiberId;
    use crate::priority::Priority;
    use std::fmt::Write;
    use std::sync::Once;
    use std::sync::atomic::{AtomicPtr, Ordering};

    /// What handled the signals before us.
    static BEFORE: [AtomicPtr<libc::sigaction>; 2] =
        [AtomicPtr::new(std::ptr::null_mut()), AtomicPtr::new(std::ptr::null_mut())];
    const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

    /// Handles the signals of an overflow, in all threads that have an alternate signal stack (Rust
    /// gives one to every thread it starts).
    pub(crate) fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            for (signal, before) in SIGNALS.into_iter().zip(&BEFORE) {
                // SAFETY: both structs are complete; the handler uses only what a signal handler may.
                unsafe {
                    let mut old: libc::sigaction = std::mem::zeroed();
                    libc::sigaction(signal, std::ptr::null(), &mut old);
                    // ORDERING: Release pairs with the acquire in the handler.
                    before.store(Box::into_raw(Box::new(old)), Ordering::Release);
                    let mut new: libc::sigaction = std::mem::zeroed();
                    new.sa_sigaction = handle as *const () as usize;
                    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                    libc::sigaction(signal, &new, std::ptr::null_mut());
                }
            }
        });
    }

    /// What the report of an overflow says.
    struct Overflown<'a> {
        id: FiberId,
        name: &'a str,
        priority: Priority,
        stack_size: usize,
    }

    /// The fiber in whose guard `address` is, if it runs on this thread. Safe to call in a signal
    /// handler: it reads memory and calls nothing.
    fn overflown<'a>(address: usize) -> Option<Overflown<'a>> {
        let worker = current::worker()?;
        let carrier = worker.current()?;
        let fiber = carrier.fiber()?;
        if !carrier.guard.contains(&address) {
            return None;
        }
        // SAFETY: the header of a fiber that runs is alive.
        let header = unsafe { &*fiber.as_ptr() };
        Some(Overflown {
            id: header.id,
            name: header
                .extras
                .as_ref()
                .and_then(|extras| extras.name.as_ref())
                .map_or("unnamed", |name| name.as_str()),
            priority: fiber.priority(),
            stack_size: worker.shared.stacks.size(),
        })
    }

    /// Text without allocation.
    struct Line {
        bytes: [u8; 512],
        used: usize,
    }

    impl Write for Line {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let room = self.bytes.len() - self.used;
            let fits = &text.as_bytes()[..text.len().min(room)];
            self.bytes[self.used..self.used + fits.len()].copy_from_slice(fits);
            self.used += fits.len();
            Ok(())
        }
    }

    unsafe extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        // SAFETY: the kernel passes a complete siginfo.
        let address = unsafe { (*info).si_addr() } as usize;
        if let Some(fiber) = overflown(address) {
            let mut line = Line { bytes: [0; 512], used: 0 };
            let _ = writeln!(
                line,
                "\nheddle: fiber {} '{}' (priority {}) overflowed its stack of {} KiB; give fibers more with \
                 Builder::stack_size. The process ends, since the fiber stopped in the middle of an instruction.",
                fiber.id,
                fiber.name,
                fiber.priority,
                fiber.stack_size / 1024
            );
            // SAFETY: writing bytes we own to standard error, and ending the process.
            unsafe {
                libc::write(2, line.bytes.as_ptr().cast(), line.used);
                libc::abort();
            }
        }
        pass_on(signal, info, context);
    }

    /// Not ours: does what would have happened without us.
    fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        let index = usize::from(signal == SIGNALS[1]);
        // ORDERING: Acquire pairs with the release in `install`.
        let before = BEFORE[index].load(Ordering::Acquire);
        // SAFETY: `before` is what sigaction(2) reported, and is never freed.
        unsafe {
            match before.as_ref() {
                Some(before)
                    if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN =>
                {
                    type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
                    let handler: Handler = std::mem::transmute(before.sa_sigaction);
                    handler(signal, info, context);
                }
                _ => {
                    // The instruction is repeated when we return, and ends the process.
                    libc::signal(signal, libc::SIG_DFL);
                }
            }
        }
    }
}
