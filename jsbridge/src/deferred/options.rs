//! What a script gives to `new Deferred(fn, options)`.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Name;
use heddle_scheduler::{NodeId, Priority};
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// As many arguments as the engine passes to a function.
const ELEMENTS_MOST: usize = 65_535;

/// The names of the priorities, the most urgent first.
const LEVELS: [&str; 5] = ["critical", "high", "normal", "low", "background"];

/// The options, in the order in which they are read.
const NAMES: [&CStr; 10] = [
    c"args",
    c"priority",
    c"timeout",
    c"signal",
    c"capture",
    c"transfer",
    c"node",
    c"name",
    c"isolated",
    c"detached",
];

/// The same, as the engine has them.
pub(crate) struct Names([Name; NAMES.len()]);

/// The options of one Deferred.
#[derive(Default)]
pub(super) struct Options<'a> {
    pub(super) arguments: Vec<Handle<'a>>,
    pub(super) transfer: Vec<Handle<'a>>,
    pub(super) priority: Option<Priority>,
    pub(super) due: Option<Instant>,
    pub(super) signal: Option<Handle<'a>>,
    pub(super) capture: Option<Handle<'a>>,
    pub(super) node: Option<NodeId>,
    pub(super) name: Option<Handle<'a>>,
    pub(super) isolated: bool,
    pub(super) detached: bool,
}

/// Why there are no options.
pub(super) enum Trouble<'a> {
    /// This one makes no sense.
    Refused(&'static str, Handle<'a>),
    /// By a getter.
    Thrown(Handle<'a>),
}

impl<'a> From<Handle<'a>> for Trouble<'a> {
    fn from(thrown: Handle<'a>) -> Self {
        Trouble::Thrown(thrown)
    }
}

fn refused<'a, T>(option: &'static str, value: Handle<'a>) -> Result<T, Trouble<'a>> {
    Err(Trouble::Refused(option, value))
}

impl Names {
    pub(super) fn new(scope: Scope<'_>) -> JsResult<'_, Names> {
        let mut names = Vec::with_capacity(NAMES.len());
        for name in NAMES {
            names.push(scope.name(name)?);
        }
        Ok(Names(std::array::from_fn(|index| names[index])))
    }
}

impl<'a> Options<'a> {
    /// Reads them. Getters may run.
    pub(super) fn read(names: &Names, given: &Handle<'a>) -> Result<Options<'a>, Trouble<'a>> {
        if given.is_undefined() {
            return Ok(Options::default());
        }
        if !given.is_object() || given.is_function() {
            return refused("options", given.clone());
        }
        let mut values = Vec::with_capacity(NAMES.len());
        for name in names.0 {
            values.push(Some(given.get_by(name)?).filter(|value| !value.is_undefined()));
        }
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        let mut options = Options::default();
        let arguments = next();
        if let Some(priority) = next() {
            match level_named(&priority) {
                Some(level) => options.priority = Some(level),
                None => return refused("priority", priority),
            }
        }
        if let Some(timeout) = next() {
            match timeout.to_number().ok().filter(|&number| timeout.is_number() && number >= 0.0) {
                Some(f64::INFINITY) => {}
                Some(milliseconds) => {
                    let timeout = Duration::from_secs_f64((milliseconds / 1000.0).min(1e9));
                    options.due = Instant::now().checked_add(timeout);
                }
                None => return refused("timeout", timeout),
            }
        }
        options.signal = next();
        if let Some(signal) = options.signal.take_if(|signal| !signal.is_object()) {
            return refused("signal", signal);
        }
        options.capture = next();
        if let Some(capture) = options.capture.take_if(|capture| !capture.is_object()) {
            return refused("capture", capture);
        }
        let transfer = next();
        if let Some(node) = next() {
            match node.to_number().ok().filter(|&n| node.is_number() && n >= 0.0 && n.fract() == 0.0) {
                Some(number) => options.node = Some(NodeId(number as u32)),
                None => return refused("node", node),
            }
        }
        options.name = next();
        if let Some(name) = options.name.take_if(|name| !name.is_string()) {
            return refused("name", name);
        }
        options.isolated = next().is_some_and(|value| value.is_truthy());
        options.detached = next().is_some_and(|value| value.is_truthy());
        options.arguments = elements("args", arguments)?;
        options.transfer = elements("transfer", transfer)?;
        Ok(options)
    }
}

fn level_named(name: &Handle<'_>) -> Option<Priority> {
    let name = Some(name).filter(|name| name.is_string())?.text().ok()?;
    LEVELS.iter().position(|level| *level == name).map(|level| Priority::ALL[level])
}

/// What is in a list.
fn elements<'a>(option: &'static str, list: Option<Handle<'a>>) -> Result<Vec<Handle<'a>>, Trouble<'a>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if !list.is_array() {
        return refused(option, list);
    }
    // Scripts can claim any length, and each element is the host's memory.
    let length = list.length()?;
    if length > ELEMENTS_MOST {
        return Err(Trouble::Thrown(list.scope.range_error(&format!(
            "Deferred: the option '{option}' has {length} elements, and may have {ELEMENTS_MOST}; send an array as one of them"
        ))));
    }
    (0..length as u32).map(|index| list.at(index).map_err(Trouble::Thrown)).collect()
}
