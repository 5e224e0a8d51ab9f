//! What the command line says.

use heddle_scheduler::Priority;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: heddle run FILE [arguments]     runs a module (.mjs) or a script (.js); - reads standard input
       heddle run -e CODE [arguments]  runs the code
       heddle eval EXPRESSION          evaluates, and prints the result
       heddle topo [options]           draws this machine: see `heddle topo --help`

  --workers N          threads that run fibers (one for each CPU)
  --priority LEVEL     critical, high, normal, low or background (normal)
  --time MILLISECONDS  ends the script when it has run for so long (no limit)
  --memory MIB         memory that the script may use (64)
  --stats              prints what the scheduler and the bridge did, on standard error
  --version, --help

Options may stand before or after FILE. What else follows is in heddle.args; after `--` everything is.

exit codes: 0 done, 1 an error nobody caught, or a limit, 9 the command line makes no sense, 13 the module waits for
what never comes, 130 interrupted (Ctrl-C); heddle.exit(n) ends with n
";

pub(crate) struct Command {
    pub(crate) source: Source,
    pub(crate) arguments: Vec<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) priority: Priority,
    pub(crate) time: Duration,
    pub(crate) memory: Option<usize>,
    pub(crate) stats: bool,
}

/// What is run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Its result is printed.
    Expression(String),
    Code(String),
    File(String),
    Input,
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let verb = arguments.next().ok_or("what shall be done?")?;
    if verb != "eval" && verb != "run" {
        let is_file = std::path::Path::new(&verb).is_file();
        let hint = if is_file { format!("; to run that file: heddle run {verb}") } else { String::new() };
        return Err(format!("there is no command '{verb}'{hint}"));
    }
    let mut source = None;
    let mut command = Command {
        source: Source::Input,
        arguments: Vec::new(),
        workers: None,
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
            "--workers" => command.workers = Some(positive(&argument, &value()?)?),
            "--time" => command.time = Duration::from_millis(positive(&argument, &value()?)? as u64),
            "--memory" => command.memory = Some(positive(&argument, &value()?)?.saturating_mul(1 << 20)),
            "-e" | "--eval" if verb == "run" && source.is_none() => source = Some(Source::Code(value()?)),
            "--" => {
                command.arguments.extend(arguments);
                break;
            }
            "-" if verb == "run" && source.is_none() => source = Some(Source::Input),
            option if option.starts_with('-') && option.len() > 1 && source.is_none() && verb == "run" => {
                return Err(format!("there is no option {option}"));
            }
            option if option.starts_with("--") => {
                return Err(format!(
                    "there is no option {option}; arguments of the script that begin with - come after --"
                ));
            }
            _ if source.is_none() && verb == "run" => source = Some(Source::File(argument)),
            _ if source.is_none() => source = Some(Source::Expression(argument)),
            _ if verb == "eval" => return Err(format!("one expression at a time, not also '{argument}'")),
            _ => command.arguments.push(argument),
        }
    }
    command.source = source.ok_or(format!("{verb} what?"))?;
    Ok(command)
}

fn positive(option: &str, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err(format!("{option} 0: there would be nothing to run with")),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("{option} needs a number, not '{text}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_stand_anywhere_and_the_rest_is_for_the_script() {
        let command = parsed("run --workers 3 a.mjs one --stats two -- --three --stats").unwrap();
        assert_eq!(command.source, Source::File("a.mjs".to_owned()));
        assert_eq!(command.arguments, ["one", "two", "--three", "--stats"]);
        assert!(command.stats && command.workers == Some(3));
    }

    #[test]
    fn the_code_may_be_on_the_command_line_or_on_standard_input() {
        assert_eq!(parsed("run -e 1+1 x").unwrap().source, Source::Code("1+1".to_owned()));
        assert_eq!(parsed("run --eval x").unwrap().source, Source::Code("x".to_owned()));
        assert_eq!(parsed("run - x").unwrap().source, Source::Input);
        assert_eq!(parsed("eval 1").unwrap().source, Source::Expression("1".to_owned()));
    }

    #[test]
    fn a_file_without_a_command_is_told_the_command() {
        let file = std::env::current_exe().unwrap();
        let message = parse([file.to_str().unwrap().to_owned()].into_iter()).err().unwrap();
        assert!(message.contains("heddle run "), "{message}");
        assert!(!parsed("nonsense").err().unwrap().contains("heddle run"));
    }

    #[test]
    fn nonsense_is_an_error() {
        for line in [
            "",
            "run",
            "run a --workers 0",
            "run a --time soon",
            "run -x a",
            "run a --loud",
            "eval 1 2",
            "run -e",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
