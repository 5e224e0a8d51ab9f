//! What the class's script (`host/js/deferred.js`) calls.

use super::options::{Names, Options, Trouble};
use super::run;
use super::work::{About, Reply, Stage, Task, Work};
use crate::clone;
use crate::host::lazy::Globals;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::pledge::{Pledge, Pledges};
use crate::isolate::prelude::Prelude;
use crate::realm::Local;
use crate::realm::events::{Class, write_one};
use crate::realm::pending::{Pending, Settling, Ticket};
use crate::stats::Ended;
use heddle_scheduler::Priority;
use std::ffi::CStr;
use std::sync::Arc;

type Function = for<'a> fn(Scope<'a>, &'a Local, Call<'a, '_>) -> JsResult<'a, Handle<'a>>;

const FUNCTIONS: [(&CStr, Function); 13] = [
    (c"start", start),
    (c"cancel", cancel),
    (c"stage", stage),
    (c"getPriority", get_priority),
    (c"setPriority", set_priority),
    (c"working", working),
    (c"workName", work_name),
    (c"progress", progress),
    (c"workPriority", work_priority),
    (c"setWorkPriority", set_work_priority),
    (c"giveWay", give_way),
    (c"workSignal", work_signal),
    (c"cpus", cpus),
];

static SCRIPT: Prelude = Prelude::with_text(c"heddle:deferred", include_str!("../host/js/deferred.js"));

/// The global `Deferred`.
pub(crate) struct DeferredGlobal;

impl Globals for DeferredGlobal {
    const NAMES: &'static [&'static CStr] = &[c"Deferred"];

    fn make<'a>(scope: Scope<'a>, _which: usize) -> JsResult<'a, Handle<'a>> {
        make_class(scope)
    }
}

struct Natives;

impl Native for Natives {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        FUNCTIONS[usize::from(call.variant)].1(scope, Local::of(scope), call)
    }
}

fn make_class(scope: Scope<'_>) -> JsResult<'_, Handle<'_>> {
    let natives = scope.new_object()?;
    for (variant, (name, _)) in FUNCTIONS.iter().enumerate() {
        natives.set(name, scope.new_function::<Natives>(name, variant as u8)?)?;
    }
    let pledges = Pledges::get(scope);
    if pledges.is_some() {
        natives.set(c"Pledge", scope.new_constructor::<Pledge>(c"Pledge")?)?;
    }
    let made = SCRIPT.instantiate(scope, &[&natives])?;
    let local = Local::of(scope);
    let keep = |name| made.get(name).map(|function| scope.keep(function));
    // Made twice, the first one stays.
    if local.class.get().is_none() {
        let options = Names::new(scope)?;
        let class = Class {
            tell: keep(c"tell")?,
            origin: keep(c"origin")?,
            failure: keep(c"failure")?,
            follow: keep(c"follow")?,
            refuse: keep(c"refuse")?,
            remember: keep(c"remember")?,
            pair: pledges.map(|known| known.pair(scope)).transpose()?,
            options,
        };
        let _first = local.class.set(class);
    }
    made.get(c"Deferred")
}

/// `start(object, resolve, reject, function, options)`: the number of its ticket. A pledge has no `resolve` and `reject`.
fn start<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    let (Some(bridge), Some(realm), Some(class)) = (local.bridge(), local.realm(), local.class.get()) else {
        return Err(no_bridge(scope));
    };
    let refuse = |option, value: Handle<'a>| {
        let option = scope.string(option)?;
        let error = scope.kept(&class.refuse).call(&scope.undefined(), &[&option, &value])?;
        JsResult::<Handle<'a>>::Err(error)
    };
    let function = call.argument(3);
    if !function.is_function() {
        return refuse("fn", function);
    }
    let options = match Options::read(&class.options, &call.argument(4)) {
        Ok(options) => options,
        Err(Trouble::Refused(option, value)) => return refuse(option, value),
        Err(Trouble::Thrown(thrown)) => return Err(thrown),
    };
    let (object, resolve) = (call.argument(0), call.argument(1));
    let functions = (!resolve.is_undefined()).then(|| [resolve, call.argument(2)]);
    let level = options.priority.unwrap_or(local.priority());
    if let Some(signal) = &options.signal {
        if !signal.get(c"addEventListener")?.is_function() {
            return refuse("signal", signal.clone());
        }
        if signal.get(c"aborted")?.is_truthy() {
            local.settle_promise(scope, &object, functions, &Err(signal.get(c"reason")?))?;
            return Ok(scope.number(Ticket::NOWHERE.to_number(level as u8)));
        }
    }
    let shipped = bridge.codes().ship(&function, options.capture.as_ref())?;
    for warning in shipped.take_warnings() {
        bridge.warn(&warning);
    }
    let arguments = if options.arguments.is_empty() && options.transfer.is_empty() {
        None
    } else {
        Some(clone::write(scope, &options.arguments, &options.transfer, &|index| format!("args[{index}]"))?)
    };
    // The script may have changed how errors are made, and make Deferreds there: so before the ticket is drawn.
    let made_at = if bridge.traces { Some(local.traces().here(scope)?) } else { None };
    let name = match &options.name {
        Some(name) => {
            scope.kept(&class.remember).call(&scope.undefined(), &[&object, name])?;
            Some(name.text()?)
        }
        None => None,
    };
    let leave = match &options.signal {
        Some(signal) => {
            let leave = scope.kept(&class.follow).call(&scope.undefined(), &[&object, signal])?;
            Some(scope.keep(leave))
        }
        None => None,
    };
    let about = About {
        name,
        realm,
        depth: local.work().map_or(0, |work| work.about.depth + 1),
        isolated: options.isolated,
        node: options.node,
        due: options.due,
    };
    let mailbox = local.mailbox();
    let ticket = local.pending().borrow_mut().next();
    let task = Task::Call { function: shipped, arguments };
    let work = Arc::new(Work::new(level, about, task, Reply::Isolate { mailbox, ticket }, &bridge.counters));
    let timer = work.about.due.map(|due| local.timers().borrow_mut().set_timeout(due, ticket));
    local.pending().borrow_mut().insert(Pending {
        work: work.clone(),
        object: scope.keep(object),
        settling: match functions {
            None => Settling::Pledge,
            Some([resolve, reject]) => {
                Settling::Functions { resolve: scope.keep(resolve), reject: scope.keep(reject) }
            }
        },
        leave,
        made_at,
        timer,
        detached: options.detached,
    });
    run::spawn(&bridge, &work, options.detached);
    Ok(scope.number(ticket.to_number(level as u8)))
}

fn no_bridge(scope: Scope<'_>) -> Handle<'_> {
    scope.type_error("Deferred: there is no bridge here that could run it")
}

fn level_of(number: f64) -> Priority {
    Priority::ALL.get(number as usize).copied().unwrap_or_default()
}

/// The pending Deferred that the first argument names.
fn named(local: &Local, call: Call<'_, '_>) -> Option<(Ticket, Arc<Work>)> {
    let ticket = call.argument(0);
    if !ticket.is_number() {
        return None;
    }
    let pending = local.pending().borrow();
    let ticket = pending.find(ticket.to_number().ok()?)?;
    pending.get(ticket).map(|pending| (ticket, pending.work.clone()))
}

/// `cancel(ticket, reason)`: true if it was pending, and is rejected now.
fn cancel<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    let ended = match named(local, call) {
        Some((ticket, work)) if work.end(Ended::Cancelled) => {
            local.resolve(scope, ticket, Err(call.argument(1)))?;
            true
        }
        // Its outcome is on the way.
        _ => false,
    };
    Ok(scope.boolean(ended))
}

fn stage<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    match named(local, call).map(|(_, work)| work.stage()) {
        Some(Stage::Queued) => scope.string("queued"),
        Some(Stage::Running) => scope.string("running"),
        Some(Stage::Settled) | None => Ok(scope.undefined()),
    }
}

fn get_priority<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    Ok(match named(local, call) {
        Some((_, work)) => scope.number(f64::from(work.priority() as u8)),
        None => scope.undefined(),
    })
}

fn set_priority<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    let level = level_of(call.argument(1).to_number()?);
    if let Some((_, work)) = named(local, call) {
        work.set_priority(level);
        if let Some(bridge) = local.bridge() {
            bridge.relevel(&work);
        }
    }
    Ok(scope.undefined())
}

fn working<'a>(scope: Scope<'a>, local: &'a Local, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    Ok(scope.boolean(local.work().is_some()))
}

fn work_name<'a>(scope: Scope<'a>, local: &'a Local, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    match local.work().and_then(|work| work.about.name.clone()) {
        Some(name) => scope.string(&name),
        None => Ok(scope.undefined()),
    }
}

fn progress<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    if let Some(work) = local.work() {
        work.progress(write_one(scope, call.argument(0), "progress")?);
    }
    Ok(scope.undefined())
}

fn work_priority<'a>(scope: Scope<'a>, local: &'a Local, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    Ok(scope.number(f64::from(local.priority() as u8)))
}

fn set_work_priority<'a>(scope: Scope<'a>, local: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    let level = level_of(call.argument(0).to_number()?);
    if let Some(work) = local.work() {
        work.set_priority(level);
    }
    Ok(scope.undefined())
}

/// `giveWay(always)`: lets others run; without `always` only more urgent ones.
fn give_way<'a>(scope: Scope<'a>, _: &'a Local, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    scope.give_way(call.argument(0).is_truthy());
    Ok(scope.undefined())
}

fn work_signal<'a>(scope: Scope<'a>, local: &'a Local, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    local.signal(scope)
}

fn cpus<'a>(scope: Scope<'a>, local: &'a Local, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
    Ok(scope.number(local.bridge().map_or(1, |bridge| bridge.cpus) as f64))
}
