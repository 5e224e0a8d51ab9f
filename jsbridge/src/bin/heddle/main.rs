//! `heddle`: runs JavaScript from the command line, and draws the machine it would run on (`topo`).
//!
//! | exit code | meaning                                                                       |
//! |-----------|-------------------------------------------------------------------------------|
//! | 0         | the script returned; the machine was drawn                                    |
//! | 1         | it threw, was ended by a limit, or could not be read; the reason is on stderr |
//! | 9         | the command line makes no sense                                               |

mod topo;

use heddle_jsbridge::{Bridge, Error, Script, Value};
use heddle_scheduler::{Priority, Scheduler};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: heddle eval EXPRESSION [options]    evaluates, and prints the result
       heddle run FILE.js [options]        runs a script; prints its result, if it has one
       heddle topo [options]               draws this machine: see `heddle topo --help`

  --priority critical|high|normal|low|background    (normal)
  --time MILLISECONDS    ends the script when it has run for so long (no limit)
  --memory MIB           memory that the script may use (64)
  --stats                prints what the scheduler and the bridge did, on standard error
";

/// JavaScript recurses deeply; what is not touched costs nothing. 8 MiB is what a thread has.
const STACK_SIZE: usize = 8 << 20;

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 9;

struct Command {
    source: Source,
    priority: Priority,
    time: Duration,
    memory: Option<usize>,
    stats: bool,
}

enum Source {
    Expression(String),
    File(String),
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let verb = arguments.next().ok_or("what shall be done?")?;
    let make = match verb.as_str() {
        "eval" => Source::Expression,
        "run" => Source::File,
        _ => return Err(format!("there is no command '{verb}'")),
    };
    let mut source = None;
    let mut command = Command {
        source: Source::Expression(String::new()),
        priority: Priority::Normal,
        time: Duration::MAX,
        memory: None,
        stats: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--stats" => command.stats = true,
            "--priority" => command.priority = value()?.parse().map_err(|error| format!("{error}"))?,
            "--time" => command.time = Duration::from_millis(number(&argument, &value()?)?),
            "--memory" => {
                command.memory = Some(number::<usize>(&argument, &value()?)?.saturating_mul(1 << 20))
            }
            option if option.starts_with("--") => return Err(format!("there is no option {option}")),
            _ if source.is_some() => return Err(format!("one script at a time, not also '{argument}'")),
            _ => source = Some(argument),
        }
    }
    command.source = make(source.ok_or(format!("{verb} what?"))?);
    Ok(command)
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not '{text}'"))
}

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|verb| verb == "topo") {
        return draw(arguments.split_off(1));
    }
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print(USAGE);
        return ExitCode::SUCCESS;
    }
    let text = |argument: OsString| {
        argument.into_string().map_err(|argument| format!("{} is not UTF-8", argument.display()))
    };
    let arguments: Result<Vec<String>, String> = arguments.into_iter().map(text).collect();
    let command = match arguments.and_then(|arguments| parse(arguments.into_iter())) {
        Ok(command) => command,
        Err(message) => return no_sense(&message, USAGE),
    };
    match execute(&command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
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

/// `false`: the script failed, and that was reported.
fn execute(command: &Command) -> Result<bool, Box<dyn std::error::Error>> {
    let (name, source) = match &command.source {
        Source::Expression(source) => ("<eval>", source.clone()),
        Source::File(path) => {
            (path.as_str(), std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?)
        }
    };
    let scheduler = Scheduler::builder().stack_size(STACK_SIZE).build()?;
    let mut bridge = Bridge::builder(&scheduler).time(command.time);
    if let Some(memory) = command.memory {
        bridge = bridge.memory(memory);
    }
    let bridge = bridge.build()?;
    let result = bridge.eval(command.priority, Script::new(source.as_str()).name(name)).join();
    match &result {
        Ok(Value::Undefined) if matches!(command.source, Source::File(_)) => {}
        Ok(value) => print(&format!("{value}\n")),
        Err(error) => tell(&report(error, name, &source)),
    }
    if command.stats {
        tell(&format!("{}\n{}\n", bridge.stats(), scheduler.stats()));
    }
    Ok(result.is_ok())
}

/// A closed pipe is no reason to fail.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The same for what is said aside.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The place, the line with a mark under the column, the error, and where it came from.
fn report(error: &Error, name: &str, source: &str) -> String {
    let mut report = String::new();
    if let Some(place) = error.location() {
        report += &format!("{place}\n");
        let line = source.lines().nth(place.line as usize - 1).filter(|_| place.script == name);
        if let Some(line) = line {
            // Tabs stay tabs, so that the mark stands under its character.
            let before = line.chars().take((place.column as usize).saturating_sub(1));
            let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            report += &format!("{line}\n{indent}^\n");
        }
    }
    report += &match () {
        () if error.is_timeout() => {
            "heddle: the script ran for as long as --time lets it, and was ended\n".to_owned()
        }
        () if error.is_out_of_memory() => {
            "heddle: the script needed more memory than --memory lets it have\n".to_owned()
        }
        () if error.is_exception() => format!("Uncaught {error}\n"),
        () => format!("heddle: {error}\n"),
    };
    if let Some(stack) = error.js_stack() {
        report += &format!("{stack}\n");
    }
    report
}
