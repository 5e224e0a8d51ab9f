//! Functions that have arrived.
//!
//! The script of a code is read once per isolate; running it gives a function, a new one each time. A function whose body
//! cannot get hold of the function object (see [`scan`](super::scan)) is not told apart from a new one by anybody, so the
//! same is given each time: the caller calls it, and lets no script have it.

use super::captured;
use super::code::Code;
use super::engine::{self, Property, Which};
use super::natives;
use super::refusal::{Problem, refuse};
use super::ship::{Cargo, Packed, PackedObject, Shipment, Slot};
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

/// What is there so far of a cargo.
struct Hold<'a> {
    scope: Scope<'a>,
    values: Vec<Handle<'a>>,
    objects: Vec<Handle<'a>>,
    natives: Vec<Handle<'a>>,
    functions: Vec<Option<Handle<'a>>>,
}

impl<'a> Hold<'a> {
    /// What a variable has; nothing yet, if that is a function that is made later.
    fn get(&self, slot: Slot) -> Handle<'a> {
        let found = match slot {
            Slot::Value(index) => self.values.get(index).cloned(),
            Slot::Object(index) => self.objects.get(index).cloned(),
            Slot::Native(index) => self.natives.get(index).cloned(),
            Slot::Function(index) => self.functions.get(index).cloned().flatten(),
        };
        found.unwrap_or_else(|| self.scope.undefined())
    }

    fn all(&self, slots: &[Slot]) -> Vec<Handle<'a>> {
        slots.iter().map(|slot| self.get(*slot)).collect()
    }

    /// Sets the properties of the objects: of those that have this function, or all.
    fn fill(&self, objects: &[PackedObject], only: Option<usize>) -> JsResult<'a, ()> {
        for (packed, object) in objects.iter().zip(&self.objects) {
            for (name, slot) in &packed.properties {
                if only.is_none_or(|index| *slot == Slot::Function(index)) {
                    engine::define(object, name, self.get(*slot))?;
                }
            }
        }
        Ok(())
    }
}

/// Functions that capture, and what they capture.
fn unpack<'a>(scope: Scope<'a>, cargo: Cargo) -> JsResult<'a, Handle<'a>> {
    let mut hold = Hold {
        scope,
        values: match cargo.values {
            Some(values) => captured::read(scope, values)?,
            None => Vec::new(),
        },
        objects: Vec::with_capacity(cargo.objects.len()),
        natives: Vec::with_capacity(cargo.natives.len()),
        functions: vec![None; cargo.functions.len()],
    };
    for path in &cargo.natives {
        let Some(native) = natives::resolve(scope, path)? else {
            return Err(refuse(scope, &Problem::Gone(path.to_string()), None));
        };
        hold.natives.push(native);
    }
    // All are there before their properties are, as they may have each other. The order of properties is kept: those that
    // wait for functions get their places now.
    for packed in &cargo.objects {
        hold.objects.push(match packed.length {
            Some(length) => {
                let array = scope.new_array()?;
                array.set(c"length", scope.number(f64::from(length)))?;
                array
            }
            None => scope.new_object()?,
        });
    }
    hold.fill(&cargo.objects, None)?;
    let mut late: Vec<(usize, Handle<'a>)> = Vec::new();
    for &index in &cargo.order {
        let (function, setter) = make(&hold, &cargo.functions[index])?;
        late.extend(setter.map(|setter| (index, setter)));
        hold.functions[index] = Some(function);
        hold.fill(&cargo.objects, Some(index))?;
    }
    for (index, setter) in late {
        let variables = hold.all(&cargo.functions[index].slots);
        setter.call(&scope.undefined(), &variables.iter().collect::<Vec<_>>())?;
    }
    for (index, packed) in cargo.functions.iter().enumerate() {
        let function = hold.get(Slot::Function(index));
        for (name, slot) in &packed.properties {
            engine::define(&function, name, hold.get(*slot))?;
        }
    }
    Ok(hold.get(Slot::Function(0)))
}

/// Makes one, and if it is the first of a cycle what sets its variables.
fn make<'a>(hold: &Hold<'a>, packed: &Packed) -> JsResult<'a, (Handle<'a>, Option<Handle<'a>>)> {
    let (scope, code) = (hold.scope, &packed.code);
    if code.captures.is_empty() {
        // A new one each time: it may get properties, and others may compare it.
        let table: &Table = scope.note();
        let script = match table.received(scope, code.id) {
            Some(Known::Script(script)) => script,
            _ => load(scope, table, code)?,
        };
        return Ok((named(take_out(engine::run(script)?, code)?, code)?, None));
    }
    let variables = hold.all(&packed.slots);
    let given = maker(scope, code)?.call(&scope.undefined(), &variables.iter().collect::<Vec<_>>())?;
    if !code.is_cyclic {
        return Ok((named(take_out(given, code)?, code)?, None));
    }
    let setter = given.at(1)?;
    Ok((named(take_out(given.at(0)?, code)?, code)?, Some(setter)))
}
