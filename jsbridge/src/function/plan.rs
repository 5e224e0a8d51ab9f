//! What has to be done to send a function, found out once for its code: where each name that it uses comes from.
//!
//! | a free name of the text that is                                       | comes from                             |
//! |-----------------------------------------------------------------------|----------------------------------------|
//! | a captured variable of the function                                   | its cell, [`From::Outer`]              |
//! | a captured variable of a method of the class                          | that one's cell, [`From::Member`]      |
//! | the base of the class                                                 | the prototype of the class, [`From::Base`] |
//! | declared by `let`, `const` or `class` in a script of this isolate     | reading it, [`From::Script`]           |
//! | a global property here, and none where functions run                  | the same                               |
//! | a global where functions run                                          | there; it is not sent                  |
//! | none of these, and only asked for (`typeof name`)                     | nowhere, here as there                 |
//! | none of these                                                         | the function is refused                |

use super::bytecode::Listing;
use super::code::{Code, CodeCache, Variant};
use super::engine::{self, Property, Script, Which};
use super::facts::{Cell, CodeAddress, Facts};
use super::refusal::{Origin, Problem, refuse};
use super::scan::{self, Live};
use super::table::Table;
use super::text::{Text, TextKey};
use super::tokens;
use crate::isolate::handle::{Handle, JsResult, Scope};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// See the module's documentation.
pub(super) struct Plan {
    pub(super) text: Arc<Text>,
    pub(super) origin: Origin,
    /// The function's name, as it was when the plan was made.
    pub(super) name: Box<str>,
    pub(super) rename: Option<Box<str>>,
    /// Names that are sent along, sorted.
    pub(super) slots: Vec<Planned>,
    /// Names that must be given by the caller, as nobody knows them.
    pub(super) missing: Vec<String>,
    /// Where it finds its own name, which must have the function.
    pub(super) own_name: Option<OwnName>,
    /// It calls `eval`, which may use all of these.
    pub(super) eval_reach: Option<Vec<String>>,
    /// The code, where nothing is sent along.
    pub(super) plain: Option<Arc<Code>>,
    /// The code with parameters for `slots`, once it was asked for: not in a cycle, and the first of one.
    codes: [OnceLock<Arc<Code>>; 2],
    /// Of the class: a class has no plain functions' prototypes, and late captures come too late for its base.
    pub(super) is_class: bool,
    pub(super) has_prototype: bool,
    /// It depends on more than the code: must be made anew each time.
    pub(super) is_fleeting: bool,
}

impl Plan {
    /// The code with parameters for what the plan sends.
    pub(super) fn code<'a>(
        &self,
        cache: &CodeCache,
        scope: Scope<'a>,
        is_cyclic: bool,
        within: Option<&str>,
    ) -> JsResult<'a, Arc<Code>> {
        let known = &self.codes[usize::from(is_cyclic)];
        if let Some(code) = known.get() {
            return Ok(code.clone());
        }
        let captures = self.slots.iter().map(|slot| (*slot.name).into()).collect();
        let variant = Variant { captures, is_cyclic, rename: self.rename.clone() };
        let code = cache.code(scope, &self.text, &self.name, &variant, within)?;
        Ok(known.get_or_init(|| code).clone())
    }
}

/// What a function's own name is, where it was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnName {
    /// A captured variable, by index.
    Outer(usize),
    Global,
}

/// A name that is sent along.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) name: Arc<str>,
    pub(super) from: From,
    pub(super) is_written: bool,
}

/// Where a name's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A captured variable, by index.
    Outer(usize),
    Member,
    Base,
    Script,
}

/// Makes plans.
pub(super) struct Planner<'c, 'a> {
    pub(super) cache: &'c CodeCache,
    pub(super) facts: &'static Facts,
    pub(super) scope: Scope<'a>,
    pub(super) table: &'a Table,
}

impl<'a> Planner<'_, 'a> {
    /// The plan for a function that has code.
    pub(super) fn plan(&self, function: &Handle<'a>, within: Option<&str>) -> JsResult<'a, Arc<Plan>> {
        if !self.facts.has_captures() {
            let live = self.read_blind(function)?;
            return Ok(Arc::new(self.make(function, live, within)?));
        }
        // SAFETY: the function has code, and is alive.
        let address = unsafe { self.facts.code_of(function.raw()) };
        if let Some(plan) = self.table.plan(address, self.cache.id) {
            return Ok(plan);
        }
        let live = self.read(address, within)?;
        let plan = Arc::new(self.make(function, live, within)?);
        if !plan.is_fleeting {
            // SAFETY: the function has this code, and is alive; the new reference is the handle's.
            let code = unsafe {
                let context = self.scope.as_ptr();
                self.scope.own(rquickjs::qjs::JS_DupValue(context, address.as_value()))
            };
            self.table.add_plan(address, self.cache.id, plan.clone(), code);
        }
        Ok(plan)
    }

    /// What a live function's code tells.
    fn read(&self, address: CodeAddress, within: Option<&str>) -> JsResult<'a, Live> {
        let bytes = engine::serialize(self.scope, address.as_value())?;
        let listing = Listing::read(&bytes, self.facts.own_atoms);
        let live = listing.and_then(|listing| scan::scan_live(&listing, self.facts));
        live.map_err(|_| refuse(self.scope, &Problem::Engine, within))
    }

    /// What can be known of a function without looking at its code: the text.
    fn read_blind(&self, function: &Handle<'a>) -> JsResult<'a, Live> {
        let (source, file, line, column) = engine::describe(function)?;
        let is_class = tokens::is_class(&source);
        Ok(Live { source, file, line, column, is_class, ..Live::default() })
    }

    fn make(&self, function: &Handle<'a>, live: Live, within: Option<&str>) -> JsResult<'a, Plan> {
        let origin = Origin { file: live.file.clone(), line: live.line, column: live.column };
        let refused = |problem: Problem| refuse(self.scope, &problem, within);
        self.check_surroundings(&live, &origin).map_err(refused)?;
        let key = TextKey {
            source: live.source.as_str().into(),
            file: live.file.as_str().into(),
            line: live.line,
            column: live.column,
            is_strict: live.is_strict,
            first: live.first,
        };
        let text = self.cache.text(self.scope, self.facts, key, within)?;
        let uses = &text.uses;
        if uses.outer_this {
            return Err(refused(Problem::Lexical("this", origin.of_name(&live.source, "this"))));
        }
        if uses.has_super && !live.is_class {
            return Err(refused(Problem::Lexical("super", origin.of_name(&live.source, "super"))));
        }
        let name = engine::plain_name(function);
        let rename = (!name.is_empty() && name != live.name).then(|| name.as_str().into());
        let mut plan = Plan {
            name: name.into(),
            rename,
            slots: Vec::new(),
            missing: Vec::new(),
            own_name: None,
            eval_reach: None,
            plain: None,
            codes: Default::default(),
            is_class: live.is_class,
            has_prototype: live.has_prototype,
            is_fleeting: false,
            origin,
            text: text.clone(),
        };
        let members = if live.is_class { self.members(function, &live)? } else { Members::default() };
        for (name, usage) in &uses.names {
            let captured = live.captured.iter().position(|captured| captured.name == *name);
            let (from, is_const) = if let Some(index) = captured {
                (Some(From::Outer(index)), live.captured[index].is_const)
            } else if let Some(member) = members.find(name) {
                (Some(From::Member), member.is_const)
            } else if live.is_class && self.is_base(function, &live, name)? {
                (Some(From::Base), false)
            } else {
                let is_const = live.constants.contains(name);
                let from = if is_const { None } else { self.global(name, &mut plan, usage.needed)? };
                (from, is_const)
            };
            if usage.written && is_const {
                let place = plan.origin.of_name(&live.source, name);
                return Err(refused(Problem::AssignsConstant(name.clone(), place)));
            }
            if let Some(from) = from {
                plan.slots.push(Planned { name: name.as_str().into(), from, is_written: usage.written });
            }
        }
        if uses.has_eval {
            // `this`, `new.target` and parts of the engine's are no variables.
            let is_variable = |name: &&str| {
                !name.starts_with('<')
                    && !name.contains('.')
                    && !["this", "arguments", &live.name].contains(name)
            };
            let own = live.captured.iter().map(|captured| captured.name.as_str());
            let all: BTreeSet<&str> = own.chain(members.names()).filter(is_variable).collect();
            plan.eval_reach = Some(all.into_iter().map(str::to_owned).collect());
        }
        if !live.name.is_empty() && !uses.names.contains_key(&live.name) {
            let captured = live.captured.iter().position(|captured| captured.name == live.name);
            let global = live.has_global_name.then_some(OwnName::Global);
            plan.own_name = captured.map(OwnName::Outer).or(global);
        }
        let needs_nothing = plan.slots.is_empty() && plan.missing.is_empty();
        if needs_nothing && plan.eval_reach.as_ref().is_none_or(Vec::is_empty) {
            let variant = Variant { rename: plan.rename.clone(), ..Variant::default() };
            plan.plain = Some(self.cache.code(self.scope, &text, &plan.name, &variant, within)?);
        }
        Ok(plan)
    }

    /// Is this name what the class extends? A native class is there by its own name.
    fn is_base(&self, class: &Handle<'a>, live: &Live, name: &str) -> JsResult<'a, bool> {
        if tokens::heritage(&live.source) != Some(name) {
            return Ok(false);
        }
        Ok(!self.cache.is_global(name) || self.facts.has_code(engine::prototype_of(class)?.raw()))
    }

    /// Things of the function around it that no variable is.
    fn check_surroundings(&self, live: &Live, origin: &Origin) -> Result<(), Problem> {
        let place = |name: &str| origin.of_name(&live.source, name);
        let has = |name: &str| live.captured.iter().any(|captured| captured.name == name);
        let is_arrow = live.has_eval && tokens::is_arrow(&live.source);
        let is_method = live.has_eval && !live.is_class && tokens::looks_like_method(&live.source);
        if is_arrow && has("this") {
            return Err(Problem::EvalInArrow);
        }
        if is_method && (has("<home_object>") || live.has_super) {
            return Err(Problem::EvalInMethod);
        }
        // A call of `eval` captures all that is around it, also what a function has of its own.
        let has_own = live.has_eval && !is_arrow;
        // `super` looks at `this` too, and says more.
        if !has_own && (has("this.active_func") || has("<home_object>")) {
            return Err(Problem::Lexical("super", place("super")));
        }
        for captured in &live.captured {
            return Err(match captured.name.as_str() {
                "this" | "arguments" | "new.target" if has_own => continue,
                "this" => Problem::Lexical("this", place("this")),
                "arguments" => Problem::Lexical("arguments", place("arguments")),
                "new.target" => Problem::Lexical("new.target", place("new")),
                "<with>" => Problem::Dynamic("a `with` statement"),
                "<var>" | "<arg_var>" => Problem::Dynamic("a function that calls `eval`"),
                name if name.starts_with('#') && !live.is_class => {
                    let name = name.trim_end_matches("<set>");
                    Problem::Private(name.to_owned(), place(name))
                }
                _ => continue,
            });
        }
        if live.has_super && !live.is_class {
            return Err(Problem::Lexical("super", place("super")));
        }
        if live.has_import_meta {
            return Err(Problem::ImportMeta(place("import")));
        }
        Ok(())
    }

    /// A name that no function around declares.
    fn global(&self, name: &str, plan: &mut Plan, is_needed: bool) -> JsResult<'a, Option<From>> {
        // `arguments` and `eval` are no variables.
        if name == "eval" && self.cache.is_global(name) {
            return Ok(None);
        }
        let is_there = self.cache.is_global(name);
        let property = engine::own_property(&self.scope.global(), name)?;
        let here = match &property {
            // Reading it runs a getter, of the host's in all likelihood.
            Some(Property::Accessor(..)) if is_there => return Ok(None),
            Some(Property::Value(value)) if is_there => {
                let read = self.read_global(name)?;
                let is_declared = match &read {
                    Read::Value(read) => !engine::is_same(read, value) || self.is_of_script(value),
                    Read::Uninitialized => true,
                    Read::Unknown => false,
                };
                if !is_declared {
                    return Ok(None);
                }
                read
            }
            None if is_there => return Ok(None),
            _ => self.read_global(name)?,
        };
        Ok(match here {
            Read::Value(_) | Read::Uninitialized => Some(From::Script),
            Read::Unknown => {
                // Somebody may declare it later.
                plan.is_fleeting = true;
                if is_needed {
                    plan.missing.push(name.to_owned());
                }
                None
            }
        })
    }

    /// Is it a function that a script has defined, and not one of ours? Those are in files called `heddle:...`.
    pub(super) fn is_of_script(&self, value: &Handle<'a>) -> bool {
        if !self.facts.has_code(value.raw()) {
            return false;
        }
        if !self.facts.has_captures() {
            return true;
        }
        // SAFETY: the function has code, and is alive.
        let address = unsafe { self.facts.code_of(value.raw()) };
        self.read(address, None).is_ok_and(|live| !live.file.starts_with("heddle:"))
    }

    /// Is there a plan for the code of this function?
    pub(super) fn was_sent(&self, function: &Handle<'a>) -> bool {
        if !self.facts.has_captures() {
            return false;
        }
        // SAFETY: the function has code, and is alive.
        let address = unsafe { self.facts.code_of(function.raw()) };
        self.table.with_plan(address, self.cache.id, |_| ()).is_some()
    }

    /// Reads a global name, as a script would.
    pub(super) fn read_global(&self, name: &str) -> JsResult<'a, Read<'a>> {
        let nothing = self.scope.undefined();
        match self.reader(&format!("()=>{name}"))?.call(&nothing, &[]) {
            Ok(value) => Ok(Read::Value(value)),
            // A name that nobody has declared may be asked for its type; one that is declared below may not.
            Err(_) => match self.reader(&format!("()=>typeof {name}"))?.call(&nothing, &[]) {
                Ok(_) => Ok(Read::Unknown),
                Err(_) => Ok(Read::Uninitialized),
            },
        }
    }

    /// Is a script's variable, which is there, a constant? It is assigned what it has.
    pub(super) fn is_constant(&self, name: &str) -> JsResult<'a, bool> {
        let nothing = self.scope.undefined();
        Ok(self.reader(&format!("()=>{{{name}={name}}}"))?.call(&nothing, &[]).is_err())
    }

    fn reader(&self, text: &str) -> JsResult<'a, Handle<'a>> {
        if let Some(reader) = self.table.reader(self.scope, text) {
            return Ok(reader);
        }
        let script = Script { text: text.to_owned(), file: "heddle:names", line: 1, is_strict: false };
        let reader = engine::eval(self.scope, &script)?;
        self.table.add_reader(text, &reader);
        Ok(reader)
    }

    /// The captured variables of all functions that a class is made of.
    pub(super) fn class_members(&self, class: &Handle<'a>) -> JsResult<'a, Members<'a>> {
        // SAFETY: classes have code, and this one is alive.
        let address = unsafe { self.facts.code_of(class.raw()) };
        let live = self.read(address, None)?;
        self.members(class, &live)
    }

    fn members(&self, class: &Handle<'a>, live: &Live) -> JsResult<'a, Members<'a>> {
        let mut members = Members::default();
        if !self.facts.has_captures() {
            return Ok(members);
        }
        let mut seen: Vec<Handle<'a>> = vec![class.clone()];
        let mut holders = vec![class.clone()];
        if let Some(Property::Value(prototype)) = engine::own_property(class, "prototype")? {
            holders.push(prototype);
        }
        let mut waiting: Vec<Handle<'a>> = vec![class.clone()];
        for holder in &holders {
            for (_, property) in engine::own_properties(holder, Which::All)? {
                match property {
                    Property::Value(value) => waiting.push(value),
                    Property::Accessor(getter, setter) => waiting.extend([getter, setter]),
                }
            }
        }
        while let Some(function) = waiting.pop() {
            let is_known = seen.iter().skip(1).any(|seen| engine::is_same(seen, &function));
            if is_known || !self.facts.has_code(function.raw()) {
                continue;
            }
            // SAFETY: the function has code, and is alive.
            let address = unsafe { self.facts.code_of(function.raw()) };
            let own = self.read(address, None)?;
            // Something that was put there later is no part of the class's text.
            if own.file != live.file || !live.source.contains(&own.source) {
                continue;
            }
            for (index, captured) in own.captured.iter().enumerate() {
                // SAFETY: as above; its code has more captured variables than this index.
                let Some(cell) = (unsafe { self.facts.cell_of(function.raw(), index) }) else { continue };
                if captured.name.starts_with(['#', '<']) {
                    // Private methods, and what initializes fields.
                    // SAFETY: the function that has the cell is alive; the new reference is the handle's.
                    waiting.push(unsafe {
                        let value = rquickjs::qjs::JS_DupValue(self.scope.as_ptr(), cell.value());
                        self.scope.own(value)
                    });
                } else {
                    members.add(&captured.name, captured.is_const, cell, &function);
                }
            }
            seen.push(function);
        }
        Ok(members)
    }
}

/// What a global name has.
pub(super) enum Read<'a> {
    Value(Handle<'a>),
    Uninitialized,
    Unknown,
}

/// Captured variables of the functions of a class.
#[derive(Default)]
pub(super) struct Members<'a>(Vec<Member<'a>>);

pub(super) struct Member<'a> {
    name: String,
    is_const: bool,
    pub(super) cell: Cell,
    /// It keeps the cell alive.
    _function: Handle<'a>,
    /// Functions of the class mean different variables by it.
    is_ambiguous: bool,
}

impl<'a> Members<'a> {
    fn add(&mut self, name: &str, is_const: bool, cell: Cell, function: &Handle<'a>) {
        if let Some(known) = self.0.iter_mut().find(|member| member.name == name) {
            known.is_ambiguous |= known.cell != cell;
            return;
        }
        let function = function.clone();
        let name = name.to_owned();
        self.0.push(Member { name, is_const, cell, _function: function, is_ambiguous: false });
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|member| member.name.as_str())
    }

    pub(super) fn find(&self, name: &str) -> Option<&Member<'a>> {
        self.0.iter().find(|member| member.name == name && !member.is_ambiguous)
    }
}
