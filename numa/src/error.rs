//! The one error type of this crate: opaque, with predicates, and a message that says what to do.
//!
//! Callers ask a question (`is_not_allowed()`), they do not match on variants; so a new cause is not a breaking
//! change. The message names the thing refused, the reason, and the way out. The operating system's own error
//! number stays readable through [`Error::raw_os_error`].

use std::fmt;
use std::io;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something about the machine could not be learned or done.
///
/// ```
/// let error = "0-x".parse::<heddle_numa::CpuSet>().unwrap_err();
/// assert!(error.is_invalid_input());
/// assert!(error.to_string().contains("0-x"));
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    os: Option<Os>,
}

/// What is kept of an `io::Error`, which can neither be cloned nor cross an unwind.
#[derive(Clone)]
struct Os {
    number: Option<i32>,
    reason: String,
}

/// The questions a caller may ask of an error; one predicate each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text or an argument that makes no sense.
    Invalid,
    /// A CPU, node, group or file that does not exist.
    NotFound,
    /// It exists, but this process may not use it (cpuset, taskset).
    NotAllowed,
    /// The kernel refused the call itself (seccomp, missing capability).
    Denied,
    /// This system, or this build, cannot do it at all.
    Unsupported,
    /// No memory or no address space left.
    OutOfMemory,
    /// Anything else the system said.
    System,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into(), os: None }))
    }

    /// An error whose reason is the operating system's: the kind follows from `os` where it says enough.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has raw calls here"))]
    pub(crate) fn system(message: impl Into<String>, os: io::Error) -> Self {
        let kind = match os.kind() {
            io::ErrorKind::PermissionDenied => Kind::Denied,
            io::ErrorKind::Unsupported => Kind::Unsupported,
            io::ErrorKind::OutOfMemory => Kind::OutOfMemory,
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::InvalidInput => Kind::Invalid,
            _ => Kind::System,
        };
        let os = Os { number: os.raw_os_error(), reason: os.to_string() };
        Error(Box::new(Inner { kind, message: message.into(), os: Some(os) }))
    }

    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has raw calls here"))]
    pub(crate) fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The argument or the text makes no sense: correct it.
    pub fn is_invalid_input(&self) -> bool {
        self.0.kind == Kind::Invalid
    }

    /// The CPU, node, group or file does not exist on this machine (or in this fixture).
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// It exists, but the cpuset or the affinity mask keeps it from this process.
    pub fn is_not_allowed(&self) -> bool {
        self.0.kind == Kind::NotAllowed
    }

    /// The kernel refused the call (a seccomp filter, a missing capability).
    pub fn is_permission_denied(&self) -> bool {
        self.0.kind == Kind::Denied
    }

    /// This system or this build cannot do it: another kernel, or libhwloc at build time, is needed.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// Memory, address space or the number of mappings ran out.
    pub fn is_out_of_memory(&self) -> bool {
        self.0.kind == Kind::OutOfMemory
    }

    /// The operating system's error number, where the reason was the operating system's.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.os.as_ref().and_then(|os| os.number)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.os {
            Some(os) => write!(f, " ({})", os.reason),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

// The reason is part of the message, so `source` stays empty: a chain printer would say it twice.
impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answers_exactly_one_predicate_and_carries_the_system_reason() {
        let error = Error::system("mbind refused", io::Error::from_raw_os_error(1));
        let answers = [
            error.is_invalid_input(),
            error.is_not_found(),
            error.is_not_allowed(),
            error.is_permission_denied(),
            error.is_unsupported(),
            error.is_out_of_memory(),
        ];
        assert_eq!(answers.iter().filter(|yes| **yes).count(), 1);
        assert_eq!(error.raw_os_error(), Some(1));
        assert!(error.to_string().starts_with("mbind refused ("));
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
