//! Functions on their way: taken apart here, put together there.
//!
//! A function takes along what it captures, and what *that* captures: functions are nodes of a graph, and all other
//! values go in one message, so that what was shared is shared again. A function is known by its object, so one that uses
//! itself, or two that use each other, are nodes with edges back. They cannot be made one after the other: one of each
//! cycle is made first, with variables that are set when the others are there.
//!
//! What is refused, because no copy could do the same: see [`Problem`].

use super::captured::{self, Values};
use super::code::{Code, CodeCache, Variant};
use super::engine::{self, Property, Which};
use super::facts::{Cell, Facts};
use super::plan::{From, Members, OwnName, Plan, Planner, Read};
use super::refusal::{Problem, refuse};
use super::table::Table;
use crate::isolate::handle::{Handle, JsResult};
use rquickjs::qjs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What crosses to another isolate in order to call the function there.
pub(crate) struct Shipment {
    pub(super) code: Arc<Code>,
    /// Where it takes something along.
    pub(super) cargo: Option<Box<Cargo>>,
}

pub(super) struct Cargo {
    /// The first is the function itself.
    pub(super) functions: Vec<Packed>,
    /// In what order they can be made.
    pub(super) order: Vec<usize>,
    /// The values of captured variables that are no functions.
    pub(super) values: Option<Values>,
}

pub(super) struct Packed {
    pub(super) code: Arc<Code>,
    /// One for each of the code's captures.
    pub(super) slots: Vec<Slot>,
    /// Properties that were put on the function.
    pub(super) properties: Vec<(Box<str>, Slot)>,
}

/// What a variable has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// By index in the message.
    Value(usize),
    /// By index among the functions.
    Function(usize),
}

impl Shipment {
    /// For code of a host, which captures nothing.
    pub(crate) fn from_code(code: Arc<Code>) -> Shipment {
        Shipment { code, cargo: None }
    }

    /// The code of the function itself.
    pub(crate) fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// What to warn of, of all functions that are sent; each code warns once.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        match &self.cargo {
            None => Vec::new(),
            Some(cargo) => cargo.functions.iter().filter_map(|packed| packed.code.take_warning()).collect(),
        }
    }
}

impl CodeCache {
    /// A function value of this isolate. `capture`: an object with values for names that it uses, which go before
    /// those of its own variables.
    ///
    /// # Errors
    /// The `TypeError` to throw, or what a getter of `capture` threw.
    pub(crate) fn ship<'a>(
        &self,
        function: &Handle<'a>,
        capture: Option<&Handle<'a>>,
    ) -> JsResult<'a, Shipment> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let scope = function.scope;
        let Some(facts) = self.facts else { return Err(refuse(scope, &Problem::Engine, None)) };
        let table: &Table = scope.note();
        if capture.is_none()
            && let Some(code) = known(facts, table, function, self.id)
        {
            return Ok(Shipment::from_code(code));
        }
        let planner = Planner { cache: self, facts, scope, table };
        let given = match capture {
            Some(capture) => given(capture)?,
            None => Vec::new(),
        };
        Packer { planner, given, drafts: Vec::new(), values: Vec::new(), shared: Vec::new() }.pack(function)
    }
}

/// A function that takes nothing along and was sent before.
fn known(facts: &Facts, table: &Table, function: &Handle<'_>, cache: u64) -> Option<Arc<Code>> {
    if !facts.has_captures() || !facts.has_code(function.raw()) {
        return None;
    }
    // SAFETY: the function has code, and is alive.
    let address = unsafe { facts.code_of(function.raw()) };
    table.with_plan(address, cache, |plan| {
        let is_itself = |own_name| match own_name {
            OwnName::Outer(index) => has_itself(facts, function, index),
            OwnName::Global => false,
        };
        let is_same = plan.own_name.is_none_or(is_itself) && plan.text.uses.is_anonymous;
        plan.plain.as_ref().filter(|_| is_same).cloned()
    })?
}

/// Does the captured variable have the function itself?
fn has_itself(facts: &Facts, function: &Handle<'_>, index: usize) -> bool {
    // SAFETY: the function has code with so many captured variables, and is alive; so is its cell.
    unsafe {
        let Some(cell) = facts.cell_of(function.raw(), index) else { return false };
        let value = cell.value();
        qjs::JS_IsObject(value) && qjs::JS_VALUE_GET_PTR(value) == qjs::JS_VALUE_GET_PTR(function.raw())
    }
}

/// The names and values of `capture`.
fn given<'a>(capture: &Handle<'a>) -> JsResult<'a, Vec<(String, Handle<'a>)>> {
    let mut given = Vec::new();
    if !capture.is_object() {
        return Err(capture.scope.type_error("Deferred: `capture` must be an object of names and values"));
    }
    for name in engine::own_keys(capture, Which::Enumerable)? {
        let value = engine::get(capture, &name)?;
        given.push((name, value));
    }
    Ok(given)
}

/// A function that is being packed.
struct Draft<'a> {
    function: Handle<'a>,
    plan: Arc<Plan>,
    /// Names and what they have, sorted by name.
    slots: Vec<(Box<str>, Slot)>,
    properties: Vec<(Box<str>, Slot)>,
}

/// A value, the variable that has it, and where that is used.
struct Value<'a> {
    value: Handle<'a>,
    name: String,
    place: String,
    by: usize,
}

/// A captured variable that was met.
struct Shared {
    cell: Cell,
    by: usize,
    is_written: bool,
    slot: Slot,
}

struct Packer<'c, 'a> {
    planner: Planner<'c, 'a>,
    given: Vec<(String, Handle<'a>)>,
    drafts: Vec<Draft<'a>>,
    values: Vec<Value<'a>>,
    shared: Vec<Shared>,
}

impl<'a> Packer<'_, 'a> {
    fn pack(mut self, function: &Handle<'a>) -> JsResult<'a, Shipment> {
        if let Some(problem) = self.problem_of(function) {
            return Err(refuse(self.planner.scope, &problem, None));
        }
        self.add_function(function, None)?;
        // Grows while we go through it.
        let mut index = 0;
        while index < self.drafts.len() {
            self.fill(index)?;
            index += 1;
        }
        self.finish()
    }

    /// Why this is no function that can be sent, if it is not.
    fn problem_of(&self, value: &Handle<'a>) -> Option<Problem> {
        if self.planner.facts.has_code(value.raw()) {
            return None;
        }
        Some(match self.kind_of(value) {
            None => Problem::NotAFunction,
            Some("a Proxy") => Problem::Proxy,
            Some("a bound function") => Problem::Bound,
            Some(_) => Problem::Native(engine::plain_name(value)),
        })
    }

    /// What kind of function it is, if it is one that no script has defined.
    fn kind_of(&self, value: &Handle<'a>) -> Option<&'static str> {
        // SAFETY: reading the class of what it points to.
        if unsafe { qjs::JS_IsProxy(value.raw()) } && value.is_function() {
            Some("a Proxy")
        } else if self.planner.facts.is_bound(value.raw()) {
            Some("a bound function")
        } else if value.is_function() {
            Some("a native function")
        } else {
            None
        }
    }

    /// The index of a function, which is added if it is new.
    fn add_function(&mut self, function: &Handle<'a>, within: Option<&str>) -> JsResult<'a, usize> {
        if let Some(known) = self.drafts.iter().position(|draft| engine::is_same(&draft.function, function)) {
            return Ok(known);
        }
        let plan = self.planner.plan(function, within)?;
        self.drafts.push(Draft {
            function: function.clone(),
            plan,
            slots: Vec::new(),
            properties: Vec::new(),
        });
        Ok(self.drafts.len() - 1)
    }

    fn refuse(&self, problem: &Problem, by: usize) -> Handle<'a> {
        let name = if by == 0 { None } else { Some(&*self.drafts[by].plan.name) };
        refuse(self.planner.scope, problem, name)
    }

    /// Finds out what the names of a function have.
    fn fill(&mut self, by: usize) -> JsResult<'a, ()> {
        let (plan, function) = (self.drafts[by].plan.clone(), self.drafts[by].function.clone());
        let facts = self.planner.facts;
        let is_itself = match plan.own_name {
            None => true,
            Some(OwnName::Outer(index)) => has_itself(facts, &function, index),
            Some(OwnName::Global) => match self.planner.read_global(&plan.name)? {
                Read::Value(value) => engine::is_same(&value, &function),
                _ => false,
            },
        };
        if !is_itself {
            return Err(self.refuse(&Problem::Renamed(plan.name.to_string()), by));
        }
        let members = if plan.slots.iter().any(|slot| slot.from == From::Member) {
            self.planner.class_members(&function)?
        } else {
            Members::default()
        };
        let mut slots: Vec<(Box<str>, Slot)> = Vec::new();
        let is_first = by == 0;
        for planned in &plan.slots {
            let place = plan.origin.of_name(&plan.text.key.source, &planned.name);
            let given = if is_first { self.given(&planned.name) } else { None };
            let slot = match given {
                Some(value) => self.slot_of(value, &planned.name, &place, by)?,
                None => self.outer_slot(&plan, planned, &members, &function, by)?,
            };
            slots.push((planned.name.clone(), slot));
        }
        self.fill_given(&plan, &mut slots, by)?;
        slots.sort_by(|a, b| a.0.cmp(&b.0));
        self.drafts[by].slots = slots;
        // Somebody may ask for them: it has itself, or it is a variable of another, or has variables that have it.
        if !is_first || !plan.text.uses.is_anonymous || !plan.slots.is_empty() {
            self.fill_properties(&plan, &function, by)?;
        }
        Ok(())
    }

    fn given(&self, name: &str) -> Option<Handle<'a>> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone())
    }

    /// Names that only the caller knows: those that nobody else does, globals that it replaces, and all of them for
    /// an `eval`.
    fn fill_given(&mut self, plan: &Plan, slots: &mut Vec<(Box<str>, Slot)>, by: usize) -> JsResult<'a, ()> {
        let source = &plan.text.key.source;
        let is_first = by == 0;
        let has_eval = plan.eval_reach.is_some() && is_first;
        for (name, value) in self.given.clone() {
            let is_used =
                plan.text.uses.names.contains_key(&name) && (is_first || plan.missing.contains(&name));
            if (is_used || has_eval) && !slots.iter().any(|(known, _)| **known == *name) {
                let place = plan.origin.of_name(source, &name);
                let slot = self.slot_of(value, &name, &place, by)?;
                slots.push((name.into(), slot));
            }
        }
        let is_known = |name: &String| slots.iter().any(|(known, _)| **known == **name);
        let unknown: Vec<(String, String)> = plan
            .missing
            .iter()
            .filter(|name| !is_known(name))
            .map(|name| (name.clone(), plan.origin.of_name(source, name)))
            .collect();
        if !unknown.is_empty() {
            let can_read = self.planner.facts.has_captures();
            let problem = if can_read { Problem::Unknown(unknown) } else { Problem::Unreadable(unknown) };
            return Err(self.refuse(&problem, by));
        }
        if let Some(reach) = &plan.eval_reach {
            let out_of_hand: Vec<String> = reach.iter().filter(|name| !is_known(name)).cloned().collect();
            if !out_of_hand.is_empty() || !self.planner.facts.has_captures() {
                return Err(self.refuse(&Problem::Eval(out_of_hand), by));
            }
        }
        Ok(())
    }

    /// What a variable around the function has.
    fn outer_slot(
        &mut self,
        plan: &Plan,
        planned: &super::plan::Planned,
        members: &Members<'a>,
        function: &Handle<'a>,
        by: usize,
    ) -> JsResult<'a, Slot> {
        let scope = self.planner.scope;
        let name = &planned.name;
        let place = || plan.origin.of_name(&plan.text.key.source, name);
        let unknown = || Problem::Unknown(vec![(name.to_string(), place())]);
        let uninitialized = || Problem::Uninitialized(name.to_string(), place());
        let cell = match planned.from {
            // SAFETY: the function has code with so many captured variables, and is alive.
            From::Outer(index) => unsafe { self.planner.facts.cell_of(function.raw(), index) },
            From::Member => members.find(name).map(|member| member.cell),
            From::Base => {
                let base = engine::prototype_of(function)?;
                return self.slot_of(base, name, &place(), by);
            }
            From::Script => {
                return match self.planner.read_global(name)? {
                    Read::Value(value) => self.slot_of(value, name, &place(), by),
                    Read::Uninitialized => Err(self.refuse(&uninitialized(), by)),
                    Read::Unknown => Err(self.refuse(&unknown(), by)),
                };
            }
        };
        let Some(cell) = cell else { return Err(self.refuse(&unknown(), by)) };
        if let Some(known) = self.shared.iter_mut().find(|shared| shared.cell == cell) {
            let is_written = known.is_written || planned.is_written;
            known.is_written = is_written;
            let (slot, other) = (known.slot, known.by);
            if is_written && other != by {
                return Err(self.refuse(&Problem::Shared(name.to_string(), place()), by));
            }
            return Ok(slot);
        }
        // SAFETY: the function that has the cell is alive, or the class that has its functions; reading a tag.
        let value = unsafe {
            let value = cell.value();
            if qjs::JS_VALUE_GET_TAG(value) == qjs::JS_TAG_UNINITIALIZED {
                return Err(self.refuse(&uninitialized(), by));
            }
            scope.own(qjs::JS_DupValue(scope.as_ptr(), value))
        };
        let slot = self.slot_of(value, name, &place(), by)?;
        self.shared.push(Shared { cell, by, is_written: planned.is_written, slot });
        Ok(slot)
    }

    /// Puts a value where it belongs: among the functions, or into the message.
    fn slot_of(&mut self, value: Handle<'a>, name: &str, place: &str, by: usize) -> JsResult<'a, Slot> {
        if self.planner.facts.has_code(value.raw()) {
            return Ok(Slot::Function(self.add_function(&value, Some(name))?));
        }
        let (name, place) = (name.to_owned(), place.to_owned());
        if let Some(kind) = self.kind_of(&value) {
            return Err(self.refuse(&Problem::CapturedNative(name, place, kind), by));
        }
        if value.is_promise() {
            return Err(self.refuse(&Problem::Promise(name, place), by));
        }
        self.values.push(Value { value, name, place, by });
        Ok(Slot::Value(self.values.len() - 1))
    }

    /// Properties that were put on a function that somebody can ask for them.
    fn fill_properties(&mut self, plan: &Plan, function: &Handle<'a>, by: usize) -> JsResult<'a, ()> {
        if plan.is_class {
            // A class is made anew from its text, with its static fields.
            return Ok(());
        }
        let mut properties = Vec::new();
        for (name, property) in engine::own_properties(function, Which::Enumerable)? {
            let Property::Value(value) = property else { continue };
            let path = format!("{}.{name}", plan.name);
            properties.push((name.into(), self.slot_of(value, &path, "", by)?));
        }
        self.drafts[by].properties = properties;
        if plan.has_prototype
            && let Some(Property::Value(prototype)) = engine::own_property(function, "prototype")?
            && prototype.is_object()
            && engine::own_keys(&prototype, Which::All)?.len() > 1
        {
            return Err(self.refuse(&Problem::Prototype(plan.name.to_string()), by));
        }
        Ok(())
    }

    fn finish(self) -> JsResult<'a, Shipment> {
        let scope = self.planner.scope;
        let (order, is_late) = order(&self.drafts);
        let mut functions = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let variant = Variant {
                captures: draft.slots.iter().map(|(name, _)| name.clone()).collect(),
                is_cyclic: is_late[index],
                rename: draft.plan.rename.clone(),
            };
            let (plan, within) = (&draft.plan, (index > 0).then_some(&*draft.plan.name));
            let code = self.planner.cache.code(scope, &plan.text, &plan.name, &variant, within)?;
            let slots = draft.slots.iter().map(|(_, slot)| *slot).collect();
            functions.push(Packed { code, slots, properties: draft.properties.clone() });
        }
        let code = functions[0].code.clone();
        if let [only] = &functions[..]
            && only.slots.is_empty()
            && only.properties.is_empty()
        {
            return Ok(Shipment::from_code(code));
        }
        let values = if self.values.is_empty() { None } else { Some(self.write_values()?) };
        Ok(Shipment { code, cargo: Some(Box::new(Cargo { functions, order, values })) })
    }

    fn write_values(&self) -> JsResult<'a, Values> {
        let scope = self.planner.scope;
        let values: Vec<Handle<'a>> = self.values.iter().map(|value| value.value.clone()).collect();
        captured::write(scope, &values, &|index| self.values[index].name.clone()).map_err(|failure| {
            let why = match failure {
                captured::Failure::Thrown(thrown) => return thrown,
                captured::Failure::Refused(why) => why,
            };
            match self.values.iter().find(|value| is_about(&why, &value.name)) {
                Some(Value { name, place, by, .. }) => {
                    let why = Problem::Value(name.clone(), place.clone(), why);
                    self.refuse(&why, *by)
                }
                None => refuse(scope, &Problem::Value(String::new(), String::new(), why), None),
            }
        })
    }
}

/// Does the sentence begin with the variable, or a path in it?
fn is_about(sentence: &str, name: &str) -> bool {
    sentence.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '[', '(']))
}

/// In what order functions can be made, and which of them get their variables later, as they are the first of a cycle.
fn order(drafts: &[Draft<'_>]) -> (Vec<usize>, Vec<bool>) {
    let needs = |index: usize| {
        drafts[index].slots.iter().filter_map(|(_, slot)| match slot {
            Slot::Function(function) => Some(*function),
            Slot::Value(_) => None,
        })
    };
    let (mut made, mut is_late) = (vec![false; drafts.len()], vec![false; drafts.len()]);
    let mut order = Vec::with_capacity(drafts.len());
    while order.len() < drafts.len() {
        let waiting = |made: &[bool]| (0..drafts.len()).filter(|&index| !made[index]).collect::<Vec<_>>();
        let ready = waiting(&made).into_iter().find(|&index| needs(index).all(|other| made[other]));
        let next = ready.or_else(|| {
            // Of a cycle. A class that extends another needs that at once; other functions need theirs when they are called.
            let rank = |index: &usize| {
                let plan = &drafts[*index].plan;
                let base = plan.slots.iter().any(|slot| slot.from == From::Base);
                u8::from(plan.is_class) + u8::from(base)
            };
            let first = waiting(&made).into_iter().min_by_key(rank)?;
            is_late[first] = true;
            Some(first)
        });
        let Some(next) = next else { break };
        made[next] = true;
        order.push(next);
    }
    (order, is_late)
}
