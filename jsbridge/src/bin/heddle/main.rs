//! `heddle`: runs JavaScript from the command line, and draws the machine it would run on (`topo`).
//!
//! | exit code | meaning                                                                       |
//! |-----------|-------------------------------------------------------------------------------|
//! | 0         | the script is done; the machine was drawn                                     |
//! | 1         | it threw, was ended by a limit, or could not be read; the reason is on stderr |
//! | 9         | the command line makes no sense                                               |
//! | 13        | the module waits for a promise that nothing is left to settle                 |
//! | 130       | interrupted, by the shell's count: the signal ends the process                |
//! | n         | the script called `heddle.exit(n)`                                            |
//!
//! 9 and 13 are Node's.

mod topo;
mod options;
mod files;
mod report;
mod run;

use options::USAGE;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 9;

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|verb| verb == "topo") {
        return draw(arguments.split_off(1));
    }
    // What follows `--` is the script's.
    let ours = || arguments.iter().take_while(|argument| *argument != "--");
    let asks = arguments.first().is_some_and(|verb| verb == "help");
    if asks || ours().any(|argument| argument == "--help" || argument == "-h") {
        print(USAGE);
        return ExitCode::SUCCESS;
    }
    if ours().any(|argument| argument == "--version") {
        print(concat!("heddle ", env!("CARGO_PKG_VERSION"), "\n"));
        return ExitCode::SUCCESS;
    }
    let text = |argument: OsString| {
        argument.into_string().map_err(|argument| format!("{} is not UTF-8", argument.display()))
    };
    let arguments: Result<Vec<String>, String> = arguments.into_iter().map(text).collect();
    let command = match arguments.and_then(|arguments| options::parse(arguments.into_iter())) {
        Ok(command) => command,
        Err(message) => return no_sense(&message, USAGE),
    };
    match run::run(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("heddle: {error}\n"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn draw(arguments: Vec<OsString>) -> ExitCode {
    match topo::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(topo::Failure::Usage(message)) => no_sense(&message, topo::USAGE),
        Err(topo::Failure::Other(message)) => {
            tell(&format!("heddle: {message}\n"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn no_sense(message: &str, usage: &str) -> ExitCode {
    tell(&format!("heddle: {message}\n\n{usage}\n"));
    ExitCode::from(EXIT_USAGE)
}

/// A closed pipe is no reason to fail.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The same for what is said aside.
pub(crate) fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
