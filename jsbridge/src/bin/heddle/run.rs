//! `heddle run` and `heddle eval`.

use crate::files::Files;
use crate::options::{Command, Source};
use crate::report::{Text, report};
use crate::{print, tell};
use heddle_jsbridge::{Bridge, Error, Script, Value};
use heddle_scheduler::Scheduler;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// JavaScript recurses deeply; what is not touched costs nothing. 8 MiB is what a thread has.
const STACK_SIZE: usize = 8 << 20;

const DONE: u8 = 0;
const FAILED: u8 = 1;
/// As Node has it.
const WAITS_FOR_EVER: u8 = 13;

/// What is to be run, read.
struct Program {
    name: String,
    source: String,
    script: Script,
}

impl Program {
    fn read(source: &Source, files: &Files) -> Result<Program, Box<dyn std::error::Error + Send + Sync>> {
        let (name, source, is_module) = match source {
            Source::Expression(code) => ("<eval>".to_owned(), code.clone(), None),
            Source::Code(code) => ("[eval]".to_owned(), code.clone(), Some(false)),
            Source::Input => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| format!("standard input: {error}"))?;
                ("[stdin]".to_owned(), text, Some(false))
            }
            Source::File(path) => {
                let name = files.full_name(path)?;
                let source = std::fs::read_to_string(&name).map_err(|error| format!("{path}: {error}"))?;
                (name, source, Some(path.ends_with(".mjs")))
            }
        };
        let script = Script::new(shebang_free(&source)).name(&name);
        let script = match is_module {
            None => script,
            Some(true) => script.module(),
            Some(false) => script.script_or_module(),
        };
        Ok(Program { name, source, script })
    }
}

/// A first line for the shell is a comment; lines keep their numbers.
fn shebang_free(source: &str) -> String {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    source.strip_prefix("#!").map_or_else(|| source.to_owned(), |rest| format!("//{rest}"))
}

/// Runs what the command line asks for; the exit code.
pub(crate) fn run(command: Command) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let files = Files::new();
    let program = Program::read(&command.source, &files)?;
    let mut scheduler = Scheduler::builder().stack_size(STACK_SIZE);
    if let Some(workers) = command.workers {
        scheduler = scheduler.workers(workers);
    }
    let scheduler = scheduler.build()?;
    let end = Arc::new(End::default());
    let main = Arc::new(Text { name: program.name, source: program.source });
    let mut bridge = Bridge::builder(&scheduler)
        .time(command.time)
        .modules(files)
        .arguments(command.arguments)
        .on_uncaught({
            let (main, end) = (main.clone(), end.clone());
            // As in Node: what nothing catches ends the program.
            move |error| {
                let code = error.exit_code().unwrap_or_else(|| {
                    tell(&report(error, &main));
                    i32::from(FAILED)
                });
                end.early(code)
            }
        });
    if let Some(memory) = command.memory {
        bridge = bridge.memory(memory);
    }
    let bridge = bridge.build()?;
    let realm = bridge.realm_with(command.priority)?;
    let stats = || {
        if command.stats {
            tell(&format!("{}\n{}\n", bridge.stats(), scheduler.stats()));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if let Some(code) = end.wait() {
                stats();
                std::process::exit(code);
            }
        });
        let result = realm.eval(program.script);
        let closed = realm.close();
        let show = matches!(command.source, Source::Expression(_));
        let mut code = finish(&result.join(), show, &main);
        if code == DONE
            && let Err(error) = closed.join()
        {
            code = finish(&Err(error), false, &main);
        }
        end.regular();
        stats();
        Ok(code)
    })
}

/// How the program ends: early, where nothing catches an error or the script says so, or when all is done. Whichever is
/// first, for good.
#[derive(Default)]
struct End {
    how: Mutex<Option<Ended>>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Early(i32),
    Regular,
}

impl End {
    /// Called where a script runs, which does not go on. Whoever waits prints what is to be printed, and ends the process.
    fn early(&self, code: i32) -> ! {
        if self.set(Ended::Early(code)) == Ended::Regular {
            std::process::exit(code);
        }
        loop {
            std::thread::park();
        }
    }

    /// Does not return if it ends early.
    fn regular(&self) {
        while self.set(Ended::Regular) != Ended::Regular {
            std::thread::park();
        }
    }

    /// The first one counts, and is returned.
    fn set(&self, ended: Ended) -> Ended {
        let mut how = self.how.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *how.get_or_insert(ended);
        self.changed.notify_all();
        first
    }

    /// The exit code, if it ends early.
    fn wait(&self) -> Option<i32> {
        let how = self.how.lock().unwrap_or_else(PoisonError::into_inner);
        let how = self.changed.wait_while(how, |how| how.is_none()).unwrap_or_else(PoisonError::into_inner);
        match *how {
            Some(Ended::Early(code)) => Some(code),
            _ => None,
        }
    }
}

/// Prints a result or an error; the exit code.
fn finish(result: &Result<Value, Error>, show: bool, main: &Text) -> u8 {
    match result {
        Ok(value) => {
            if show {
                print(&format!("{value}\n"));
            }
            DONE
        }
        Err(error) => match error.exit_code() {
            Some(code) => code as u8,
            None => {
                tell(&report(error, main));
                if error.is_pending() { WAITS_FOR_EVER } else { FAILED }
            }
        },
    }
}
