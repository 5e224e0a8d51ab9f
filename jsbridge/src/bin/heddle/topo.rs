//! `heddle topo`: draws the machine as the scheduler sees it, or another one, as text, JSON or SVG.

use heddle_scheduler::numa::{Topology, draw};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: heddle topo [options]
Draws this machine: its nodes, caches, cores and CPUs, the distances between nodes, the CPU quota, what this process
may use of it all, and where each of these facts came from.

  --json                for scripts: one JSON object
  --svg FILE|-          for pages: an SVG drawing, into a file or to standard output

  --sysfs ROOT          another machine, whose / is (a copy) in this directory: sys/devices/system and what there is of proc
  --hwloc-xml FILE      another machine, as hwloc described it: `lstopo --of xml FILE`
  --synthetic STRING    a machine made up, in hwloc's notation: 'pack:2 [numa] l3:4 core:8 pu:2'
";

/// Why nothing was drawn.
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The machine cannot be read, or the drawing not written.
    Other(String),
}

enum Machine {
    This,
    Sysfs(PathBuf),
    Xml(PathBuf),
    Synthetic(String),
}

enum Drawing {
    Text,
    Json,
    Svg(Target),
}

enum Target {
    Output,
    File(PathBuf),
}

struct Command {
    machine: Machine,
    drawing: Drawing,
}

/// Does what the words after `heddle topo` say.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return print(USAGE);
    }
    let Command { machine, drawing } = parse(arguments).map_err(Failure::Usage)?;
    let machine = machine.read().map_err(|error| Failure::Other(error.to_string()))?;
    match drawing {
        Drawing::Text => print(&draw::text(&machine)),
        Drawing::Json => print(&draw::json(&machine)),
        Drawing::Svg(Target::Output) => print(&draw::svg(&machine)),
        Drawing::Svg(Target::File(path)) => std::fs::write(&path, draw::svg(&machine))
            .map_err(|error| Failure::Other(format!("{}: {error}", path.display()))),
    }
}

fn parse(arguments: Vec<OsString>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter().peekable();
    let (mut machine, mut drawing) = (None, None);
    while let Some(argument) = arguments.next() {
        let option = argument.to_string_lossy().into_owned();
        let mut value = |what: &str| {
            let value = arguments.next_if(|value| !value.to_string_lossy().starts_with("--"));
            value.filter(|value| !value.is_empty()).ok_or(format!("{option} needs {what}"))
        };
        match option.as_str() {
            "--json" => set(&mut drawing, Drawing::Json, "one drawing at a time: --json or --svg")?,
            "--svg" => {
                let path = value("a file, or - for standard output")?;
                let target = if path == "-" { Target::Output } else { Target::File(path.into()) };
                set(&mut drawing, Drawing::Svg(target), "one drawing at a time: --json or --svg")?;
            }
            "--sysfs" => set(&mut machine, Machine::Sysfs(value("a directory")?.into()), ONE_MACHINE)?,
            "--hwloc-xml" => set(&mut machine, Machine::Xml(value("a file")?.into()), ONE_MACHINE)?,
            "--synthetic" => {
                let text = value("a description like 'numa:2 core:4 pu:2'")?;
                set(&mut machine, Machine::Synthetic(text.to_string_lossy().into_owned()), ONE_MACHINE)?;
            }
            _ if option.starts_with('-') => return Err(format!("topo has no option {option}")),
            _ => return Err(format!("topo takes options only, not '{option}'")),
        }
    }
    Ok(Command { machine: machine.unwrap_or(Machine::This), drawing: drawing.unwrap_or(Drawing::Text) })
}

const ONE_MACHINE: &str = "one machine at a time: --sysfs, --hwloc-xml or --synthetic";

fn set<T>(place: &mut Option<T>, value: T, else_say: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(else_say.to_owned()),
    }
}

impl Machine {
    fn read(&self) -> heddle_scheduler::numa::Result<Topology> {
        match self {
            Machine::This => Topology::detect(),
            Machine::Sysfs(root) => Topology::from_sysfs(root),
            Machine::Xml(file) => Topology::from_hwloc_xml(file),
            Machine::Synthetic(description) => Topology::from_hwloc_synthetic(description),
        }
    }
}

/// Who reads no further (`heddle topo | head -1`) has what they wanted; a full disk is another matter.
fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
