//! Things of the engine's own, which are in every isolate: `Math.cos`, `Array.prototype`, `JSON`. They are not copied: their
//! path goes along, and there the thing of that path is taken.
//!
//! A path begins with a global of the isolates that run functions, and goes on through at most two properties. What a script
//! has put there is not taken for the engine's: a function must be native and have the property's name for its own, an
//! object must have such functions only.
//!
//! Symbols of the language, and those of the registry (`Symbol.for`), are in every isolate, too: their paths are what stands in brackets,
//! `[Symbol.iterator]` and `[for key]`.

use super::code::CodeCache;
use super::engine::{self, Property, Which};
use super::facts::Facts;
use super::plan::Planner;
use super::table::Table;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::look::WellKnown;
use rquickjs::qjs;
use std::collections::HashMap;

/// Paths, by the address of what is there. An address may be another thing's by now, so it is looked whether it is.
pub(super) type Paths = HashMap<usize, Box<str>>;

/// Before the key of a symbol of the registry.
const REGISTERED: &str = "[for ";

/// The path of a symbol; `None`: it is in this isolate only.
pub(super) fn symbol_path<'a>(symbol: &Handle<'a>) -> JsResult<'a, Option<Box<str>>> {
    if let Some(known) = symbol.well_known()? {
        return Ok(Some(known.path().into()));
    }
    let key = symbol.description()?;
    // One that is in no registry has the same description as one that is.
    let registered = symbol.scope.registered_symbol(&key)?;
    let is_same = registered.is_some_and(|registered| registered.address() == symbol.address());
    Ok(is_same.then(|| format!("{REGISTERED}{key}]").into()))
}

/// The symbol of a path; `None`: it is another path.
fn symbol_at<'a>(scope: Scope<'a>, path: &str) -> JsResult<'a, Option<Handle<'a>>> {
    if let Some(key) = path.strip_prefix(REGISTERED).and_then(|rest| rest.strip_suffix(']')) {
        return scope.registered_symbol(key);
    }
    match WellKnown::ALL.into_iter().find(|known| known.path() == path) {
        Some(known) => scope.well_known(known)?.value().map(Some),
        None => Ok(None),
    }
}

/// The path of a thing of the engine's own.
pub(super) fn path_of<'a>(
    cache: &CodeCache,
    facts: &Facts,
    table: &Table,
    value: &Handle<'a>,
) -> JsResult<'a, Option<Box<str>>> {
    let scope = value.scope;
    if !table.has_paths() {
        table.set_paths(find_objects(scope, cache)?);
    }
    let address = address_of(value);
    if value.is_function() {
        return match table.path(address) {
            Some(path) if is_at(&path, value)? => Ok(Some(path)),
            _ => {
                let path = find_function(cache, facts, value)?;
                if let Some(path) = &path {
                    table.add_path(address, path.clone());
                }
                Ok(path)
            }
        };
    }
    let Some(path) = table.path(address) else { return Ok(None) };
    let is_ours = is_at(&path, value)? && (path.contains('.') || has_natives(facts, value)?);
    Ok(is_ours.then_some(path))
}

fn is_at<'a>(path: &str, value: &Handle<'a>) -> JsResult<'a, bool> {
    Ok(resolve(value.scope, path)?.is_some_and(|found| engine::is_same(&found, value)))
}

/// What is at a path, if nothing but plain properties leads there. A global may have a getter: those of the host are made
/// when they are first asked for.
pub(super) fn resolve<'a>(scope: Scope<'a>, path: &str) -> JsResult<'a, Option<Handle<'a>>> {
    if path.starts_with('[') {
        return symbol_at(scope, path);
    }
    let global = scope.global();
    let mut found = global.clone();
    for (depth, name) in path.split('.').enumerate() {
        if !found.is_object() {
            return Ok(None);
        }
        found = match engine::own_property(&found, name)? {
            Some(Property::Value(value)) => value,
            Some(Property::Accessor(..)) if depth == 0 => engine::get(&global, name)?,
            _ => return Ok(None),
        };
    }
    Ok(Some(found))
}

/// The name of a global function that the host has written in JavaScript: it is there by that name.
pub(super) fn host_path<'a>(
    planner: &Planner<'_, 'a>,
    function: &Handle<'a>,
) -> JsResult<'a, Option<Box<str>>> {
    if planner.was_sent(function) {
        return Ok(None);
    }
    let name = engine::plain_name(function);
    if !planner.cache.is_global(&name) || planner.is_of_script(function) {
        return Ok(None);
    }
    let found = part(&function.scope.global(), &name)?;
    Ok(found.is_some_and(|found| engine::is_same(&found, function)).then(|| name.into()))
}

fn address_of(value: &Handle<'_>) -> usize {
    // SAFETY: reading the pointer of a value that has one, as objects have.
    unsafe { if value.is_object() { qjs::JS_VALUE_GET_PTR(value.raw()).addr() } else { 0 } }
}

/// Is it a native function that has this name?
fn is_native(facts: &Facts, value: &Handle<'_>, name: &str) -> bool {
    // SAFETY: reading the class of what it points to.
    let is_proxy = unsafe { qjs::JS_IsProxy(value.raw()) };
    value.is_function()
        && !is_proxy
        && !facts.has_code(value.raw())
        && !facts.is_bound(value.raw())
        && engine::plain_name(value) == name
}

/// Does an object have functions, and only native ones with their names?
fn has_natives<'a>(facts: &Facts, object: &Handle<'a>) -> JsResult<'a, bool> {
    if engine::is_same(object, &object.scope.global()) {
        return Ok(true);
    }
    let mut has_any = false;
    for (name, property) in engine::own_properties(object, Which::Named)? {
        let Property::Value(value) = property else { continue };
        if value.is_function() {
            if !is_native(facts, &value, &name) {
                return Ok(false);
            }
            has_any = true;
        }
    }
    Ok(has_any)
}

/// The own property of this name, if it is an object or a function.
fn part<'a>(object: &Handle<'a>, name: &str) -> JsResult<'a, Option<Handle<'a>>> {
    Ok(match engine::own_property(object, name)? {
        Some(Property::Value(value)) if value.is_object() => Some(value),
        _ => None,
    })
}

/// Names that a path may begin with, in an order that is the same each time.
fn roots(cache: &CodeCache) -> Vec<&str> {
    let mut names: Vec<&str> = cache.global_names().filter(|name| !name.contains('.')).collect();
    names.sort_unstable();
    names
}

/// All that may be the engine's own and is no function: looking at functions would make them, which the engine does
/// when they are asked for.
fn find_objects<'a>(scope: Scope<'a>, cache: &CodeCache) -> JsResult<'a, Paths> {
    let global = scope.global();
    let mut paths = Paths::new();
    paths.insert(address_of(&global), "globalThis".into());
    for root in roots(cache) {
        let Some(value) = part(&global, root)? else { continue };
        if !value.is_function() {
            paths.entry(address_of(&value)).or_insert_with(|| root.into());
        } else if let Some(prototype) = part(&value, "prototype")? {
            paths.entry(address_of(&prototype)).or_insert_with(|| format!("{root}.prototype").into());
        }
    }
    Ok(paths)
}

/// Where a native function is: among those that have its name.
fn find_function<'a>(
    cache: &CodeCache,
    facts: &Facts,
    function: &Handle<'a>,
) -> JsResult<'a, Option<Box<str>>> {
    let name = engine::plain_name(function);
    if name.is_empty() || name.contains('.') || !is_native(facts, function, &name) {
        return Ok(None);
    }
    let is_it = |found: Option<Handle<'a>>| found.is_some_and(|found| engine::is_same(&found, function));
    let global = function.scope.global();
    if cache.is_global(&name) && is_it(part(&global, &name)?) {
        return Ok(Some(name.into()));
    }
    for root in roots(cache) {
        let Some(value) = part(&global, root)? else { continue };
        if facts.has_code(value.raw()) || engine::is_same(&value, &global) {
            continue;
        }
        if is_it(part(&value, &name)?) {
            return Ok(Some(format!("{root}.{name}").into()));
        }
        if value.is_function()
            && let Some(prototype) = part(&value, "prototype")?
            && is_it(part(&prototype, &name)?)
        {
            return Ok(Some(format!("{root}.prototype.{name}").into()));
        }
    }
    Ok(None)
}
