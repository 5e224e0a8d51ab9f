//! Functions that have arrived.
//!
//! The script of a code is read once per isolate; running it gives a function, a new one each time. A function whose body
//! cannot get hold of the function object (see [`scan`](super::scan)) is not told apart from a new one by anybody, so the
//! same is given each time: the caller calls it, and lets no script have it.

use super::captured;
use super::code::Code;
use super::engine::{self, Property, Which};
use super::refusal::{Problem, refuse};
use super::ship::{Cargo, Packed, Shipment, Slot};
use super::table::{Known, Table};
use super::text::Form;
use crate::isolate::handle::{Handle, JsResult, Scope};

impl Shipment {
    /// The function as a value of the isolate that is to run it. It is to be called, not to be given to a script.
    ///
    /// # Errors
    /// What to throw: there is no memory, or a class has thrown where it is defined.
    pub(crate) fn receive<'a>(self, scope: Scope<'a>) -> JsResult<'a, Handle<'a>> {
        match self.cargo {
            None => plain(scope, &self.code),
            Some(cargo) => unpack(scope, *cargo),
        }
    }
}

/// A function that captures nothing.
fn plain<'a>(scope: Scope<'a>, code: &Code) -> JsResult<'a, Handle<'a>> {
    let table: &Table = scope.note();
    let script = match table.received(scope, code.id) {
        Some(Known::Function(function)) => return Ok(function),
        Some(Known::Script(script)) => script,
        None => load(scope, table, code)?,
    };
    let function = named(take_out(engine::run(script)?, code)?, code)?;
    if !function.is_function() {
        return Err(refuse(scope, &Problem::NotAFunction, None));
    }
    if code.is_anonymous {
        table.add_function(code.id, &function);
    }
    Ok(function)
}

fn load<'a>(scope: Scope<'a>, table: &Table, code: &Code) -> JsResult<'a, Handle<'a>> {
    // SAFETY: the bytes of a code are those of a compilation in this process.
    let script = unsafe { engine::load(scope, &code.bytes)? };
    table.add_script(code.id, &script);
    Ok(script)
}

/// The function that makes a function that captures: an arrow function of ours, which no script sees.
fn maker<'a>(scope: Scope<'a>, code: &Code) -> JsResult<'a, Handle<'a>> {
    let table: &Table = scope.note();
    let script = match table.received(scope, code.id) {
        Some(Known::Function(maker)) => return Ok(maker),
        Some(Known::Script(script)) => script,
        None => load(scope, table, code)?,
    };
    let maker = engine::run(script)?;
    table.add_function(code.id, &maker);
    Ok(maker)
}

/// The function in what a script gave: itself, or the only property.
fn take_out<'a>(made: Handle<'a>, code: &Code) -> JsResult<'a, Handle<'a>> {
    if code.form == Form::Expression {
        return Ok(made);
    }
    let scope = made.scope;
    Ok(match engine::own_properties(&made, Which::Named)?.pop() {
        Some((_, Property::Value(value))) => value,
        Some((_, Property::Accessor(getter, setter))) => {
            if getter.is_undefined() {
                setter
            } else {
                getter
            }
        }
        None => scope.undefined(),
    })
}

fn named<'a>(function: Handle<'a>, code: &Code) -> JsResult<'a, Handle<'a>> {
    if let Some(name) = &code.rename {
        let name = function.scope.string(name)?;
        engine::define_hidden(&function, "name", name)?;
    }
    Ok(function)
}

/// Functions that capture, and the values that they capture.
fn unpack<'a>(scope: Scope<'a>, cargo: Cargo) -> JsResult<'a, Handle<'a>> {
    let values = match cargo.values {
        Some(values) => captured::read(scope, values)?,
        None => Vec::new(),
    };
    let mut made: Vec<Option<Handle<'a>>> = vec![None; cargo.functions.len()];
    let mut late: Vec<(usize, Handle<'a>)> = Vec::new();
    for &index in &cargo.order {
        let packed = &cargo.functions[index];
        let (function, setter) = make(scope, packed, &values, &made)?;
        late.extend(setter.map(|setter| (index, setter)));
        made[index] = Some(function);
    }
    for (index, setter) in late {
        let variables = variables(scope, &cargo.functions[index].slots, &values, &made);
        setter.call(&scope.undefined(), &variables.iter().collect::<Vec<_>>())?;
    }
    for (packed, function) in cargo.functions.iter().zip(&made) {
        let Some(function) = function else { continue };
        for (name, slot) in &packed.properties {
            engine::define(function, name, variable(scope, *slot, &values, &made))?;
        }
    }
    Ok(made.swap_remove(0).unwrap_or_else(|| scope.undefined()))
}

/// Makes one, and if it is the first of a cycle what sets its variables.
fn make<'a>(
    scope: Scope<'a>,
    packed: &Packed,
    values: &[Handle<'a>],
    made: &[Option<Handle<'a>>],
) -> JsResult<'a, (Handle<'a>, Option<Handle<'a>>)> {
    let code = &packed.code;
    if code.captures.is_empty() {
        // A new one each time: it may get properties, and others may compare it.
        let table: &Table = scope.note();
        let script = match table.received(scope, code.id) {
            Some(Known::Script(script)) => script,
            _ => load(scope, table, code)?,
        };
        return Ok((named(take_out(engine::run(script)?, code)?, code)?, None));
    }
    let variables = variables(scope, &packed.slots, values, made);
    let given = maker(scope, code)?.call(&scope.undefined(), &variables.iter().collect::<Vec<_>>())?;
    if !code.is_cyclic {
        return Ok((named(take_out(given, code)?, code)?, None));
    }
    let setter = given.at(1)?;
    Ok((named(take_out(given.at(0)?, code)?, code)?, Some(setter)))
}

fn variables<'a>(
    scope: Scope<'a>,
    slots: &[Slot],
    values: &[Handle<'a>],
    made: &[Option<Handle<'a>>],
) -> Vec<Handle<'a>> {
    slots.iter().map(|slot| variable(scope, *slot, values, made)).collect()
}

/// What a variable has; nothing yet, if that is a function that is made later.
fn variable<'a>(
    scope: Scope<'a>,
    slot: Slot,
    values: &[Handle<'a>],
    made: &[Option<Handle<'a>>],
) -> Handle<'a> {
    let found = match slot {
        Slot::Value(index) => values.get(index).cloned(),
        Slot::Function(index) => made.get(index).cloned().flatten(),
    };
    found.unwrap_or_else(|| scope.undefined())
}
