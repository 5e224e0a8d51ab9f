//! `console`: `log`, `info`, `debug`, `warn` and `error`.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use std::io::Write;
use std::sync::Arc;

/// Which of the console's functions was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConsoleLevel {
    /// `console.log`
    Log,
    /// `console.info`
    Info,
    /// `console.debug`
    Debug,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

const FUNCTIONS: [(ConsoleLevel, &std::ffi::CStr); 5] = [
    (ConsoleLevel::Log, c"log"),
    (ConsoleLevel::Info, c"info"),
    (ConsoleLevel::Debug, c"debug"),
    (ConsoleLevel::Warn, c"warn"),
    (ConsoleLevel::Error, c"error"),
];

type Sink = dyn Fn(ConsoleLevel, &str) + Send + Sync;

/// Where a console's lines go.
#[derive(Clone)]
pub(crate) struct Console(Arc<Sink>);

impl Console {
    pub(crate) fn new(sink: impl Fn(ConsoleLevel, &str) + Send + Sync + 'static) -> Console {
        Console(Arc::new(sink))
    }

    /// Warnings and errors to standard error, the others to standard output.
    pub(crate) fn standard() -> Console {
        // A closed pipe is no reason to fail.
        Console::new(|level, line| {
            let _ = match level {
                ConsoleLevel::Warn | ConsoleLevel::Error => writeln!(std::io::stderr(), "{line}"),
                _ => writeln!(std::io::stdout(), "{line}"),
            };
        })
    }

    /// Puts `console` on the global object. The isolate was made with a `Console`.
    pub(crate) fn install(scope: Scope<'_>) -> JsResult<'_, ()> {
        let console = scope.new_object()?;
        for (variant, (_, name)) in FUNCTIONS.iter().enumerate() {
            console.set(name, scope.new_function::<WriteLine>(name, variant as u8)?)?;
        }
        scope.global().set(c"console", console)
    }
}

/// `console.log(...)`: the arguments with spaces between.
struct WriteLine;

impl Native for WriteLine {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let mut line = String::new();
        for (index, argument) in call.from(0).enumerate() {
            if index > 0 {
                line.push(' ');
            }
            line.push_str(&argument.display()?);
        }
        if let Some(Console(sink)) = scope.host::<Console>()
            && let Some((level, _)) = FUNCTIONS.get(usize::from(call.variant))
        {
            sink(*level, &line);
        }
        Ok(scope.undefined())
    }
}
