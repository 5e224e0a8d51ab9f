//! The fiber of a Deferred: takes an isolate, calls the function there, lets happen what it waits for, and sends the
//! outcome back.

use super::work::{Asked, Failure, Outcome, Task, Work};
use crate::bridge::Shared;
use crate::clone;
use crate::error::Error;
use crate::function::Shipment;
use crate::host;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::pool::{Ticket, Want};
use crate::realm::Local;
use crate::realm::events::write_one;
use heddle_scheduler::FiberBuilder;
use std::sync::Arc;

/// Makes a fiber for it. A detached one goes on when its maker's time is up.
pub(crate) fn spawn(bridge: &Arc<Shared>, work: &Arc<Work>, detached: bool) {
    let mut fiber = bridge.spawner.fiber();
    // Most scripts wait for what they make; one that goes on is asked by the engine soon, and others learn of the fiber then.
    if work.is_scripts() {
        fiber = fiber.unannounced();
    }
    if detached {
        fiber = fiber.independent();
    }
    start(bridge, work, None, fiber);
}

/// The same, for work that had to wait for an isolate, and has a place now. Who makes that fiber has nothing to do with the
/// work but that it gave its place back.
pub(crate) fn spawn_with(bridge: &Arc<Shared>, work: &Arc<Work>, place: Option<Ticket<Arc<Work>>>) {
    start(bridge, work, place, bridge.spawner.fiber().independent());
}

fn start(bridge: &Arc<Shared>, work: &Arc<Work>, place: Option<Ticket<Arc<Work>>>, fiber: FiberBuilder<'_>) {
    let priority = work.priority();
    let mut fiber = fiber.priority(priority);
    if let Some(name) = &work.about.name {
        fiber = fiber.name(name.clone());
    }
    if let Some(node) = work.about.node {
        fiber = fiber.on(node);
    }
    if let Some(due) = work.about.due {
        fiber = fiber.deadline(due);
    }
    let asked = work.asks_for_a_fiber();
    let (bridge, unrun) = (bridge.clone(), Unrun(Some((work.clone(), asked))));
    let fiber = fiber.go(move || {
        let top = StackTop::here(bridge.stack_size);
        run(&bridge, unrun.into_work(), place, top);
    });
    if work.is_second(asked) {
        work.finish(Err(Failure::Other(why_unrun(work, || Error::refused(fiber)))));
    } else {
        work.has_fiber(fiber, priority);
    }
}

fn why_unrun(work: &Work, why: impl FnOnce() -> Error) -> Error {
    if work.is_overdue() { Error::overdue() } else { why() }
}

/// A fiber that has not started. If it never does, its Deferred learns of that.
struct Unrun(Option<(Arc<Work>, Asked)>);

impl Unrun {
    fn into_work(mut self) -> Option<Arc<Work>> {
        self.0.take().map(|(work, _)| work)
    }
}

impl Drop for Unrun {
    fn drop(&mut self) {
        if let Some((work, asked)) = self.0.take()
            && work.is_second(asked)
        {
            work.finish(Err(Failure::Other(why_unrun(&work, || Error::not_started(None)))));
        }
    }
}

fn run(bridge: &Arc<Shared>, work: Option<Arc<Work>>, place: Option<Ticket<Arc<Work>>>, top: StackTop) {
    let Some(work) = work.filter(|work| !work.is_settled()) else { return };
    let want = Want {
        realm: work.about.realm,
        level: work.priority(),
        isolated: work.about.isolated,
        depth: work.about.depth,
        node: work.about.node.map(|node| node.0 as usize),
    };
    let mut lease = match bridge.pool.lease_or_park(&want, work.clone(), place) {
        Ok(Some((lease, _))) => lease,
        // It will be given to `spawn` again.
        Ok(None) => return,
        Err((error, _)) => return work.finish(Err(Failure::Other(error))),
    };
    let Some(task) = work.begin() else { return };
    let outcome = lease.enter(top, |scope| Ok(perform(bridge, scope, &work, task)));
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) | Err(error) => {
            let error = if error.is_cancelled() && work.is_overdue() { Error::overdue() } else { error };
            Err(Failure::Other(error))
        }
    };
    bridge.counters.had_memory(lease.memory_most());
    bridge.counters.late(lease.take_late());
    // Before anybody is told: the next one finds it warm.
    drop(lease);
    work.finish(outcome);
}

/// Calls the function, and makes copies of what comes of it.
fn perform(bridge: &Arc<Shared>, scope: Scope<'_>, work: &Arc<Work>, task: Task) -> Result<Outcome, Error> {
    let local = Local::of(scope);
    local.begin(bridge, work.about.realm, work.priority(), Some(work.clone()));
    // Who evaluates a script learns of all that it leaves unhandled.
    let is_script = matches!(task, Task::Script(_));
    let mut outcome = call(bridge, scope, local, task);
    if is_script && matches!(outcome, Ok(Ok(_)) | Err(_)) {
        outcome = scope.check_rejections().and(outcome);
    }
    bridge.report_rejections(scope, work.about.name.as_deref());
    local.end(scope);
    // Its groups and counters are not the next one's.
    host::console::forget(scope);
    // A promise's handlers may have gone on.
    if let Some(code) = scope.exit_code() {
        return Err(Error::exited(code));
    }
    match outcome? {
        Ok(message) => Ok(Ok(message)),
        Err(thrown) => failure(scope, thrown),
    }
}

/// The error inside is what the function threw.
fn call<'a>(
    bridge: &Arc<Shared>,
    scope: Scope<'a>,
    local: &Local,
    task: Task,
) -> Result<JsResult<'a, clone::Message>, Error> {
    let value = match begin(bridge, scope, task) {
        Ok(value) => value,
        Err(thrown) => return Ok(Err(thrown)),
    };
    let value = match local.settle(scope, value)? {
        Ok(value) => value,
        Err(thrown) => return Ok(Err(thrown)),
    };
    Ok(write_one(scope, value, "result"))
}

fn begin<'a>(bridge: &Arc<Shared>, scope: Scope<'a>, task: Task) -> JsResult<'a, Handle<'a>> {
    let (function, arguments) = match task {
        Task::Call { function, arguments } => {
            (function, arguments.map_or(Ok(Vec::new()), |message| clone::read(scope, message))?)
        }
        Task::Source { function, arguments } => {
            let code = match function.code.get() {
                Some(code) => code.clone(),
                None => {
                    let code = bridge.codes().compile(scope, &function.name, &function.text)?;
                    function.code.get_or_init(|| code).clone()
                }
            };
            let arguments = arguments.map(|message| clone::read_one(scope, message)).transpose()?;
            let arguments = match arguments {
                Some(list) if list.is_array() => list.to_vec()?,
                Some(single) => vec![single],
                None => Vec::new(),
            };
            (Shipment::from_code(code), arguments)
        }
        Task::Script(script) => {
            if let Some(arguments) = &bridge.arguments {
                host::program::install(scope, arguments)?;
            }
            let value = script.eval(scope)?;
            return if script.is_module() { scope.only_settles(value) } else { Ok(value) };
        }
    };
    let is_class = function.code().is_class();
    let function = function.receive(scope)?;
    let arguments: Vec<&Handle<'_>> = arguments.iter().collect();
    if is_class { function.construct(&arguments) } else { function.call(&scope.undefined(), &arguments) }
}

/// A copy of what was thrown.
fn failure<'a>(scope: Scope<'a>, thrown: Handle<'a>) -> Result<Outcome, Error> {
    let error = thrown.clone().into_error();
    if error.is_out_of_memory() {
        return Err(error);
    }
    Ok(Err(match write_one(scope, thrown, "error") {
        Ok(message) => Failure::Thrown(message, error),
        // It cannot leave: what comes instead says so.
        Err(refusal) => match write_one(scope, refusal, "error") {
            Ok(message) => Failure::Thrown(message, error),
            Err(_) => Failure::Other(error),
        },
    }))
}
