//! `console`, as users of Node know it.
//!
//! | file     | what it has                                              |
//! |----------|----------------------------------------------------------|
//! | `mod.rs` | where lines go, and the functions                        |
//! | `format` | `%s %d %i %f %j %o %O %c %%`, and arguments side by side |
//! | `table`  | `console.table`                                          |
//! | `notes`  | counters, timers and groups                              |
//!
//! What a console remembers (labels, groups) is bounded: it is the host's memory, not the script's.

pub(crate) mod format;
mod notes;
mod table;

use super::inspect::{Options, inspect};
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::table::Entry;
use format::format;
use notes::Notes;
use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

/// Which of the console's functions was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConsoleLevel {
    /// `console.log`, and all functions that are not named below.
    Log,
    /// `console.info`
    Info,
    /// `console.debug`
    Debug,
    /// `console.warn` and `console.assert`
    Warn,
    /// `console.error` and `console.trace`
    Error,
}

type Sink = dyn Fn(ConsoleLevel, &str) + Send + Sync;

/// Where a console's lines go.
#[derive(Clone)]
pub(crate) struct Console {
    sink: Arc<Sink>,
    /// Colours for the ordinary levels, and for warnings and errors.
    colors: (bool, bool),
}

impl Console {
    pub(crate) fn new(sink: impl Fn(ConsoleLevel, &str) + Send + Sync + 'static) -> Console {
        Console { sink: Arc::new(sink), colors: (false, false) }
    }

    /// Warnings and errors to standard error, the others to standard output. In colours where that is a terminal and
    /// the environment has no `NO_COLOR`, and the terminal is not a dumb one.
    pub(crate) fn standard() -> Console {
        // A closed pipe is no reason to fail.
        let console = Console::new(|level, line| {
            let _ = match level {
                ConsoleLevel::Warn | ConsoleLevel::Error => writeln!(std::io::stderr(), "{line}"),
                _ => writeln!(std::io::stdout(), "{line}"),
            };
        });
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        let colors = (wanted && std::io::stdout().is_terminal(), wanted && std::io::stderr().is_terminal());
        Console { colors, ..console }
    }

    /// How values are shown at this level.
    fn options(&self, level: ConsoleLevel) -> Options {
        let colors = match level {
            ConsoleLevel::Warn | ConsoleLevel::Error => self.colors.1,
            _ => self.colors.0,
        };
        Options { colors, ..Options::default() }
    }

    /// Writes a line of the host's.
    pub(crate) fn write_line(&self, level: ConsoleLevel, line: &str) {
        (self.sink)(level, line);
    }

    /// Makes this the console of the isolate.
    pub(crate) fn install<'a>(&self, scope: Scope<'a>) -> JsResult<'a, ()> {
        *scope.note::<Installed>().console.borrow_mut() = Some(self.clone());
        scope.global().define_table(&GLOBAL)
    }
}

/// Forgets the groups, counters and timers of what ran in the isolate.
pub(crate) fn forget(scope: Scope<'_>) {
    *scope.note::<Installed>().notes.borrow_mut() = Notes::default();
}

/// An isolate's console, and what it remembers.
#[derive(Default)]
struct Installed {
    console: RefCell<Option<Console>>,
    notes: RefCell<Notes>,
}

static GLOBAL: [Entry; 1] = [Entry::object(c"console", &FUNCTIONS)];

static FUNCTIONS: [Entry; 20] = [
    Entry::listed::<Console>(c"log", 0, Function::Log as u8),
    Entry::listed::<Console>(c"info", 0, Function::Info as u8),
    Entry::listed::<Console>(c"debug", 0, Function::Debug as u8),
    Entry::listed::<Console>(c"warn", 0, Function::Warn as u8),
    Entry::listed::<Console>(c"error", 0, Function::Error as u8),
    Entry::listed::<Console>(c"dirxml", 0, Function::Log as u8),
    Entry::listed::<Console>(c"dir", 0, Function::Dir as u8),
    Entry::listed::<Console>(c"trace", 0, Function::Trace as u8),
    Entry::listed::<Console>(c"assert", 0, Function::Assert as u8),
    Entry::listed::<Console>(c"table", 1, Function::Table as u8),
    Entry::listed::<Console>(c"count", 0, Function::Count as u8),
    Entry::listed::<Console>(c"countReset", 0, Function::CountReset as u8),
    Entry::listed::<Console>(c"time", 0, Function::Time as u8),
    Entry::listed::<Console>(c"timeLog", 0, Function::TimeLog as u8),
    Entry::listed::<Console>(c"timeEnd", 0, Function::TimeEnd as u8),
    Entry::listed::<Console>(c"group", 0, Function::Group as u8),
    Entry::listed::<Console>(c"groupCollapsed", 0, Function::Group as u8),
    Entry::listed::<Console>(c"groupEnd", 0, Function::GroupEnd as u8),
    Entry::listed::<Console>(c"clear", 0, Function::Clear as u8),
    Entry::listed::<Console>(c"timeStamp", 0, Function::Clear as u8),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Log,
    Info,
    Debug,
    Warn,
    Error,
    Dir,
    Trace,
    Assert,
    Table,
    Count,
    CountReset,
    Time,
    TimeLog,
    TimeEnd,
    Group,
    GroupEnd,
    /// Nothing: there is no screen to be cleared.
    Clear,
}

impl Function {
    const ALL: [Function; 17] = [
        Function::Log,
        Function::Info,
        Function::Debug,
        Function::Warn,
        Function::Error,
        Function::Dir,
        Function::Trace,
        Function::Assert,
        Function::Table,
        Function::Count,
        Function::CountReset,
        Function::Time,
        Function::TimeLog,
        Function::TimeEnd,
        Function::Group,
        Function::GroupEnd,
        Function::Clear,
    ];

    fn level(self) -> ConsoleLevel {
        match self {
            Function::Info => ConsoleLevel::Info,
            Function::Debug => ConsoleLevel::Debug,
            Function::Warn | Function::Assert => ConsoleLevel::Warn,
            Function::Error | Function::Trace => ConsoleLevel::Error,
            _ => ConsoleLevel::Log,
        }
    }
}

impl Native for Console {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let installed = scope.note::<Installed>();
        let console = installed.console.borrow().clone();
        let function = Function::ALL.get(usize::from(call.variant)).copied();
        if let (Some(console), Some(function)) = (console, function) {
            let writer = Writer { scope, console, notes: &installed.notes, level: function.level() };
            writer.run(function, call.from(0).collect())?;
        }
        Ok(scope.undefined())
    }
}

/// One call.
struct Writer<'a> {
    scope: Scope<'a>,
    console: Console,
    notes: &'a RefCell<Notes>,
    level: ConsoleLevel,
}

impl<'a> Writer<'a> {
    fn run(&self, function: Function, arguments: Vec<Handle<'a>>) -> JsResult<'a, ()> {
        let options = self.console.options(self.level);
        match function {
            Function::Log | Function::Info | Function::Debug | Function::Warn | Function::Error => {
                self.write(self.level, &format(&arguments, &options)?);
            }
            Function::Dir => self.dir(&arguments, options)?,
            Function::Trace => self.trace(&arguments, &options)?,
            Function::Assert => self.assert(arguments, &options)?,
            Function::Table => {
                let text = table::table(&arguments, &options)?;
                self.write(self.level, &text);
            }
            Function::Count => {
                let line = self.notes.borrow_mut().count(self.label(&arguments)?);
                self.tell(line);
            }
            Function::CountReset => {
                let line = self.notes.borrow_mut().reset(&self.label(&arguments)?);
                self.tell(line);
            }
            Function::Time => {
                let line = self.notes.borrow_mut().begin(self.label(&arguments)?);
                self.tell(line);
            }
            Function::TimeLog | Function::TimeEnd => self.time(function, &arguments, &options)?,
            Function::Group => {
                if !arguments.is_empty() {
                    self.write(self.level, &format(&arguments, &options)?);
                }
                self.notes.borrow_mut().open_group();
            }
            Function::GroupEnd => self.notes.borrow_mut().close_group(),
            Function::Clear => {}
        }
        Ok(())
    }

    /// Each line of a text is indented as its group is.
    fn write(&self, level: ConsoleLevel, text: &str) {
        let indentation = self.notes.borrow().indentation();
        if indentation == 0 {
            return (self.console.sink)(level, text);
        }
        let indentation = " ".repeat(indentation);
        (self.console.sink)(
            level,
            &format!("{indentation}{}", text.replace('\n', &format!("\n{indentation}"))),
        );
    }

    /// A line of a note, or what is wrong with its label.
    fn tell(&self, note: Result<Option<String>, String>) {
        match note {
            Ok(None) => {}
            Ok(Some(line)) => self.write(self.level, &line),
            Err(warning) => self.write(ConsoleLevel::Warn, &format!("Warning: {warning}")),
        }
    }

    fn label(&self, arguments: &[Handle<'a>]) -> JsResult<'a, String> {
        match arguments.first().filter(|label| !label.is_undefined()) {
            Some(label) => label.text(),
            None => Ok("default".to_owned()),
        }
    }

    fn time(&self, function: Function, arguments: &[Handle<'a>], options: &Options) -> JsResult<'a, ()> {
        let label = self.label(arguments)?;
        let end = function == Function::TimeEnd;
        let line = self.notes.borrow_mut().elapsed(&label, end);
        let rest = arguments.get(1..).filter(|rest| !end && !rest.is_empty());
        self.tell(match (line, rest) {
            (Ok(Some(line)), Some(rest)) => Ok(Some(format!("{line} {}", format(rest, options)?))),
            (line, _) => line,
        });
        Ok(())
    }

    /// `console.dir(value, { depth, colors, showHidden, breakLength, maxArrayLength, maxStringLength })`
    fn dir(&self, arguments: &[Handle<'a>], mut options: Options) -> JsResult<'a, ()> {
        let nothing = self.scope.undefined();
        let value = arguments.first().unwrap_or(&nothing);
        if let Some(wanted) = arguments.get(1).filter(|wanted| wanted.is_object()) {
            let limit = |name, default: usize| -> JsResult<'a, usize> {
                let limit = wanted.get(name)?;
                Ok(match () {
                    () if limit.is_null() => usize::MAX,
                    // What is negative is none; a float that is too large, or infinite, becomes the largest.
                    () if limit.is_number() => limit.to_number()? as usize,
                    () => default,
                })
            };
            let depth = wanted.get(c"depth")?;
            options.depth = match () {
                () if depth.is_null() => None,
                () if depth.is_number() => {
                    Some(depth.to_number()?).filter(|d| d.is_finite()).map(|d| d as i64)
                }
                () => options.depth,
            };
            options.hidden = wanted.get(c"showHidden")?.is_truthy();
            let colors = wanted.get(c"colors")?;
            options.colors = if colors.is_undefined() { options.colors } else { colors.is_truthy() };
            options.break_length = limit(c"breakLength", options.break_length)?;
            options.max_array = limit(c"maxArrayLength", options.max_array)?;
            options.max_string = limit(c"maxStringLength", options.max_string)?;
        }
        self.write(self.level, &inspect(value, &options)?);
        Ok(())
    }

    fn trace(&self, arguments: &[Handle<'a>], options: &Options) -> JsResult<'a, ()> {
        let text = format(arguments, options)?;
        let stack = self.scope.type_error("").get(c"stack")?.text()?;
        let places: Vec<&str> =
            stack.trim_end().lines().skip_while(|place| place.ends_with("(native)")).collect();
        let title = if text.is_empty() { "Trace".to_owned() } else { format!("Trace: {text}") };
        self.write(self.level, [&[title.as_str()], places.as_slice()].concat().join("\n").as_str());
        Ok(())
    }

    fn assert(&self, mut arguments: Vec<Handle<'a>>, options: &Options) -> JsResult<'a, ()> {
        if arguments.first().is_some_and(Handle::is_truthy) {
            return Ok(());
        }
        if !arguments.is_empty() {
            arguments.remove(0);
        }
        let text = match arguments.first() {
            None => "Assertion failed".to_owned(),
            Some(_) => format!("Assertion failed: {}", format(&arguments, options)?),
        };
        self.write(self.level, &text);
        Ok(())
    }
}
