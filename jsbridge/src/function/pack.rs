//! Takes a function apart: what it captures, and what *that* captures.
//!
//! | a value that is            | goes                                                                                |
//! |----------------------------|-------------------------------------------------------------------------------------|
//! | a function of a script     | as a node of a graph, known by its object, with slots for its own variables         |
//! | the engine's own, a symbol that each isolate has | as its path ([`natives`](super::natives))                     |
//! | a plain object or an array with functions in it | as a node too ([`objects`](super::objects))                    |
//! | anything else              | in one message, so that what was shared is shared again                             |
//!
//! One that uses itself, or two that use each other, are nodes with edges back. They cannot be made one after the other: one
//! of each cycle is made first, with variables that are set when the others are there.
//!
//! What is refused, because no copy could do the same: see [`Problem`].

use super::captured::{self, Values};
use super::code::{Code, Variant};
use super::engine::{self, Property, Which};
use super::facts::Cell;
use super::natives;
use super::objects::Objects;
use super::plan::{From, Members, OwnName, Plan, Planned, Planner, Read};
use super::refusal::{Problem, refuse};
use super::ship::{Cargo, Packed, PackedObject, Shipment, Slot, has_itself};
use crate::isolate::handle::{Handle, JsResult};
use rquickjs::qjs;
use std::sync::Arc;

/// A function that is being packed.
struct Draft<'a> {
    function: Handle<'a>,
    plan: Arc<Plan>,
    /// What the names of the plan have.
    slots: Vec<Slot>,
    /// Names that only the caller knows, and what they have.
    extra: Vec<(Arc<str>, Slot)>,
    properties: Vec<(Box<str>, Slot)>,
}

/// A value, and the variable of which function has it.
pub(super) struct Value<'a> {
    pub(super) value: Handle<'a>,
    pub(super) name: Arc<str>,
    pub(super) by: usize,
}

/// A captured variable that was met.
struct Shared {
    cell: Cell,
    by: usize,
    is_written: bool,
    slot: Slot,
}

/// A variable of a script that was met.
struct OfScript {
    name: Arc<str>,
    by: usize,
    is_written: bool,
}

/// See the module's documentation.
pub(super) struct Packer<'c, 'a> {
    pub(super) planner: Planner<'c, 'a>,
    given: Vec<(Arc<str>, Handle<'a>)>,
    drafts: Vec<Draft<'a>>,
    pub(super) values: Vec<Value<'a>>,
    pub(super) objects: Objects<'a>,
    natives: Vec<Box<str>>,
    shared: Vec<Shared>,
    of_script: Vec<OfScript>,
}

impl<'c, 'a> Packer<'c, 'a> {
    pub(super) fn new(planner: Planner<'c, 'a>, given: Vec<(Arc<str>, Handle<'a>)>) -> Packer<'c, 'a> {
        Packer {
            planner,
            given,
            drafts: Vec::new(),
            values: Vec::new(),
            objects: Objects::default(),
            natives: Vec::new(),
            shared: Vec::new(),
            of_script: Vec::new(),
        }
    }

    pub(super) fn pack(mut self, function: &Handle<'a>) -> JsResult<'a, Shipment> {
        if let Some(problem) = self.problem_of(function) {
            return Err(refuse(self.planner.scope, &problem, None));
        }
        self.add_function(function, None)?;
        let mut filled = 0;
        loop {
            // Grows while we go through it.
            while filled < self.drafts.len() {
                self.fill(filled)?;
                filled += 1;
            }
            match self.write_values()? {
                Ok(values) => return self.finish(values),
                // Objects with functions in them: they bring more functions.
                Err(_) if self.open_objects()? => {}
                Err(why) => return Err(self.refuse_value(why)),
            }
        }
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
            extra: Vec::new(),
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
        let mut slots = Vec::with_capacity(plan.slots.len());
        let is_first = by == 0;
        for planned in &plan.slots {
            let given = if is_first { self.given(&planned.name) } else { None };
            let slot = match given {
                Some(value) => self.slot_of(value, &planned.name, by)?,
                None => self.outer_slot(&plan, planned, &members, &function, by)?,
            };
            slots.push(slot);
        }
        self.drafts[by].slots = slots;
        self.fill_given(&plan, by)?;
        // Somebody may ask for them: it has itself, or it is a variable of another, or has variables that have it.
        if !is_first || !plan.text.uses.is_anonymous || !plan.slots.is_empty() {
            self.fill_properties(&plan, &function, by)?;
        }
        Ok(())
    }

    fn given(&self, name: &str) -> Option<Handle<'a>> {
        self.given.iter().find(|(given, _)| **given == *name).map(|(_, value)| value.clone())
    }

    /// Names that only the caller knows: those that nobody else does, globals that it replaces, and all of them for
    /// an `eval`.
    fn fill_given(&mut self, plan: &Plan, by: usize) -> JsResult<'a, ()> {
        let source = &plan.text.key.source;
        let is_first = by == 0;
        let has_eval = plan.eval_reach.is_some() && is_first;
        for (name, value) in self.given.clone() {
            let is_used = plan.text.uses.names.contains_key(&*name)
                && (is_first || plan.missing.iter().any(|missing| **missing == *name));
            if (is_used || has_eval) && !plan.slots.iter().any(|slot| *slot.name == *name) {
                let slot = self.slot_of(value, &name, by)?;
                self.drafts[by].extra.push((name, slot));
            }
        }
        let extra = &self.drafts[by].extra;
        let is_known = |name: &String| {
            extra.iter().any(|(known, _)| **known == **name)
                || plan.slots.iter().any(|slot| *slot.name == **name)
        };
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
        planned: &Planned,
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
                return self.slot_of(base, name, by);
            }
            From::Script => {
                if let Some(known) = self.of_script.iter_mut().find(|known| known.name == *name) {
                    known.is_written |= planned.is_written;
                    if known.is_written && known.by != by {
                        return Err(self.refuse(&Problem::Shared(name.to_string(), place()), by));
                    }
                } else {
                    let is_written = planned.is_written;
                    self.of_script.push(OfScript { name: name.clone(), by, is_written });
                }
                if planned.is_written && self.planner.is_constant(name)? {
                    return Err(self.refuse(&Problem::AssignsConstant(name.to_string(), place()), by));
                }
                return match self.planner.read_global(name)? {
                    Read::Value(value) => self.slot_of(value, name, by),
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
        let slot = self.slot_of(value, name, by)?;
        self.shared.push(Shared { cell, by, is_written: planned.is_written, slot });
        Ok(slot)
    }

    /// Puts a value where it belongs.
    pub(super) fn slot_of(&mut self, value: Handle<'a>, name: &Arc<str>, by: usize) -> JsResult<'a, Slot> {
        let facts = self.planner.facts;
        if facts.has_code(value.raw()) {
            if let Some(path) = natives::host_path(&self.planner, &value)? {
                return Ok(self.native_slot(path));
            }
            return Ok(Slot::Function(self.add_function(&value, Some(name))?));
        }
        if value.is_object() {
            if let Some(known) = self.objects.find(&value) {
                return Ok(Slot::Object(known));
            }
            if let Some(path) = natives::path_of(self.planner.cache, facts, self.planner.table, &value)? {
                return Ok(self.native_slot(path));
            }
            let named = || (name.to_string(), self.place(by, name));
            if let Some(kind) = self.kind_of(&value) {
                let (name, place) = named();
                return Err(self.refuse(&Problem::CapturedNative(name, place, kind), by));
            }
            if value.is_promise() {
                let (name, place) = named();
                return Err(self.refuse(&Problem::Promise(name, place), by));
            }
        }
        if value.is_symbol()
            && let Some(path) = natives::symbol_path(&value)?
        {
            return Ok(self.native_slot(path));
        }
        self.values.push(Value { value, name: name.clone(), by });
        Ok(Slot::Value(self.values.len() - 1))
    }

    fn native_slot(&mut self, path: Box<str>) -> Slot {
        let known = self.natives.iter().position(|known| *known == path);
        Slot::Native(known.unwrap_or_else(|| {
            self.natives.push(path);
            self.natives.len() - 1
        }))
    }

    /// Where a function uses a name.
    fn place(&self, by: usize, name: &str) -> String {
        let plan = &self.drafts[by].plan;
        plan.origin.of_name(&plan.text.key.source, name)
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
            let path = format!("{}.{name}", plan.name).into();
            properties.push((name.into(), self.slot_of(value, &path, by)?));
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

    /// The message with all values; or why there is none.
    fn write_values(&self) -> JsResult<'a, Result<Option<Values>, String>> {
        // Those that are objects of ours by now are no values any more.
        let kept: Vec<&Value<'a>> =
            self.values.iter().filter(|value| self.objects.find(&value.value).is_none()).collect();
        if kept.is_empty() {
            return Ok(Ok(None));
        }
        let values: Vec<Handle<'a>> = kept.iter().map(|value| value.value.clone()).collect();
        match captured::write(self.planner.scope, &values, &|index| kept[index].name.to_string()) {
            Ok(values) => Ok(Ok(Some(values))),
            Err(captured::Failure::Refused(why)) => Ok(Err(why)),
            Err(captured::Failure::Thrown(thrown)) => Err(thrown),
        }
    }

    /// The code of a function, and its slots in the order of the code's parameters.
    fn code_of(
        &self,
        draft: &Draft<'a>,
        is_cyclic: bool,
        within: Option<&str>,
    ) -> JsResult<'a, (Arc<Code>, Vec<Slot>)> {
        let (plan, cache, scope) = (&draft.plan, self.planner.cache, self.planner.scope);
        if draft.extra.is_empty() {
            return Ok((plan.code(cache, scope, is_cyclic, within)?, draft.slots.clone()));
        }
        let own = plan.slots.iter().map(|slot| &slot.name).zip(draft.slots.iter().copied());
        let mut all: Vec<(&Arc<str>, Slot)> = own.collect();
        all.extend(draft.extra.iter().map(|(name, slot)| (name, *slot)));
        all.sort_by(|a, b| a.0.cmp(b.0));
        let captures = all.iter().map(|(name, _)| (***name).into()).collect();
        let variant = Variant { captures, is_cyclic, rename: plan.rename.clone() };
        let code = cache.code(scope, &plan.text, &plan.name, &variant, within)?;
        Ok((code, all.into_iter().map(|(_, slot)| slot).collect()))
    }

    fn refuse_value(&self, why: String) -> Handle<'a> {
        match self.values.iter().find(|value| is_about(&why, &value.name)) {
            Some(Value { name, by, .. }) => {
                let problem = Problem::Value(name.to_string(), self.place(*by, name), why);
                self.refuse(&problem, *by)
            }
            None => refuse(self.planner.scope, &Problem::Value(String::new(), String::new(), why), None),
        }
    }

    fn finish(self, values: Option<Values>) -> JsResult<'a, Shipment> {
        // Values that became objects leave gaps.
        let mut count = 0;
        let places: Vec<Slot> = self
            .values
            .iter()
            .map(|value| match self.objects.find(&value.value) {
                Some(object) => Slot::Object(object),
                None => {
                    count += 1;
                    Slot::Value(count - 1)
                }
            })
            .collect();
        let settle = |slot: Slot| if let Slot::Value(index) = slot { places[index] } else { slot };
        let settle_all = |slots: &[(Box<str>, Slot)]| {
            slots.iter().map(|(name, slot)| (name.clone(), settle(*slot))).collect::<Vec<_>>()
        };
        let (order, is_late) = order(&self.drafts);
        let mut functions = Vec::with_capacity(self.drafts.len());
        for (index, draft) in self.drafts.iter().enumerate() {
            let within = (index > 0).then_some(&*draft.plan.name);
            let (code, slots) = self.code_of(draft, is_late[index], within)?;
            let slots = slots.into_iter().map(settle).collect();
            functions.push(Packed { code, slots, properties: settle_all(&draft.properties) });
        }
        let code = functions[0].code.clone();
        if let [only] = &functions[..]
            && only.slots.is_empty()
            && only.properties.is_empty()
        {
            return Ok(Shipment::from_code(code));
        }
        let objects = self
            .objects
            .iter()
            .map(|object| PackedObject { length: object.length, properties: settle_all(&object.properties) });
        let objects = objects.collect();
        let cargo = Cargo { functions, order, objects, natives: self.natives.clone(), values };
        Ok(Shipment { code, cargo: Some(Box::new(cargo)) })
    }
}

/// Does the sentence begin with the variable, or a path in it?
fn is_about(sentence: &str, name: &str) -> bool {
    sentence.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '[', '(']))
}

/// In what order functions can be made, and which of them get their variables later, as they are the first of a cycle.
fn order(drafts: &[Draft<'_>]) -> (Vec<usize>, Vec<bool>) {
    let needs = |index: usize| {
        let draft = &drafts[index];
        let slots = draft.slots.iter().chain(draft.extra.iter().map(|(_, slot)| slot));
        slots.filter_map(|slot| if let Slot::Function(function) = slot { Some(*function) } else { None })
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
