//! Functions on their way: taken apart here, put together there.
//!
//! A function that was sent before from this isolate, and takes nothing along, is found by the address of its code.
//! All others are taken apart by [`pack`](super::pack).

use super::captured::Values;
use super::code::{Code, CodeCache};
use super::engine::{self, Which};
use super::facts::Facts;
use super::pack::Packer;
use super::plan::{OwnName, Planner};
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
    /// Objects that have functions in them, which a message cannot have.
    pub(super) objects: Vec<PackedObject>,
    /// Paths of things of the engine's own.
    pub(super) natives: Vec<Box<str>>,
    /// All other values.
    pub(super) values: Option<Values>,
}

/// A plain object or an array.
pub(super) struct PackedObject {
    /// Its length, if it is an array.
    pub(super) length: Option<u32>,
    pub(super) properties: Vec<(Box<str>, Slot)>,
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
    /// By index among the objects.
    Object(usize),
    /// By index among the paths.
    Native(usize),
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
        Packer::new(planner, given).pack(function)
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
pub(super) fn has_itself(facts: &Facts, function: &Handle<'_>, index: usize) -> bool {
    // SAFETY: the function has code with so many captured variables, and is alive; so is its cell.
    unsafe {
        let Some(cell) = facts.cell_of(function.raw(), index) else { return false };
        let value = cell.value();
        qjs::JS_IsObject(value) && qjs::JS_VALUE_GET_PTR(value) == qjs::JS_VALUE_GET_PTR(function.raw())
    }
}

/// The names and values of `capture`.
fn given<'a>(capture: &Handle<'a>) -> JsResult<'a, Vec<(Arc<str>, Handle<'a>)>> {
    let mut given = Vec::new();
    if !capture.is_object() {
        return Err(capture.scope.type_error("Deferred: `capture` must be an object of names and values"));
    }
    for name in engine::own_keys(capture, Which::Enumerable)? {
        let value = engine::get(capture, &name)?;
        given.push((name.into(), value));
    }
    Ok(given)
}
