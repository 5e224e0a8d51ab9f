//! Plain objects and arrays with functions or symbols in them: `const tools = { twice: n => 2 * n }`.
//!
//! A structured clone refuses functions, and symbols. So when it does, what is refused is looked through: objects from which a function
//! can be reached through plain objects and arrays become nodes like functions, and their properties slots. All others stay
//! in the message. No object is on both sides: one in the message that had one of these in it would have been refused.

use super::engine::{self, Property, Which};
use super::pack::Packer;
use super::ship::Slot;
use crate::isolate::handle::{Handle, JsResult};
use rquickjs::qjs;
use std::collections::HashMap;

/// Objects that are looked through, at most: whoever sends more has its function refused. Picked from thin air.
const LOOKED_AT_MOST: usize = 10_000;

/// Those that are nodes.
#[derive(Default)]
pub(super) struct Objects<'a> {
    list: Vec<Object<'a>>,
    by_address: HashMap<usize, usize>,
}

/// One of them.
pub(super) struct Object<'a> {
    /// It keeps the address.
    _object: Handle<'a>,
    /// If it is an array.
    pub(super) length: Option<u32>,
    pub(super) properties: Vec<(Box<str>, Slot)>,
}

impl<'a> Objects<'a> {
    /// Its index, if it is one of these.
    pub(super) fn find(&self, object: &Handle<'a>) -> Option<usize> {
        if self.list.is_empty() { None } else { self.by_address.get(&address_of(object)?).copied() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Object<'a>> {
        self.list.iter()
    }

    fn add(&mut self, object: &Handle<'a>, length: Option<u32>) -> usize {
        let index = self.list.len();
        self.by_address.extend(address_of(object).map(|address| (address, index)));
        self.list.push(Object { _object: object.clone(), length, properties: Vec::new() });
        index
    }
}

fn address_of(value: &Handle<'_>) -> Option<usize> {
    // SAFETY: reading the pointer of an object.
    value.is_object().then(|| unsafe { qjs::JS_VALUE_GET_PTR(value.raw()).addr() })
}

/// An object that was looked at.
struct Seen<'a> {
    object: Handle<'a>,
    path: String,
    by: usize,
    length: Option<u32>,
    properties: Vec<(String, Handle<'a>)>,
    reaches_function: bool,
}

impl<'a> Packer<'_, 'a> {
    /// Makes nodes of the values that have functions in them. False: there are none.
    pub(super) fn open_objects(&mut self) -> JsResult<'a, bool> {
        let seen = self.look_through()?;
        let opened: Vec<(usize, Seen<'a>)> = seen
            .into_iter()
            .filter(|seen| seen.reaches_function)
            .map(|seen| (self.objects.add(&seen.object, seen.length), seen))
            .collect();
        let is_any = !opened.is_empty();
        for (index, seen) in opened {
            let mut properties = Vec::with_capacity(seen.properties.len());
            for (name, value) in seen.properties {
                let path = format!("{}.{name}", seen.path).into();
                properties.push((name.into_boxed_str(), self.slot_of(value, &path, seen.by)?));
            }
            self.objects.list[index].properties = properties;
        }
        Ok(is_any)
    }

    fn look_through(&self) -> JsResult<'a, Vec<Seen<'a>>> {
        let mut seen: Vec<Seen<'a>> = Vec::new();
        let mut by_address: HashMap<usize, usize> = HashMap::new();
        let mut waiting: Vec<(Handle<'a>, String, usize)> =
            self.values.iter().map(|value| (value.value.clone(), value.name.to_string(), value.by)).collect();
        while let Some((object, path, by)) = waiting.pop() {
            let Some(address) = address_of(&object) else { continue };
            if by_address.contains_key(&address) || self.objects.find(&object).is_some() {
                continue;
            }
            let Some((length, properties)) = self.parts(&object)? else { continue };
            if seen.len() >= LOOKED_AT_MOST {
                return Ok(Vec::new());
            }
            for (name, value) in &properties {
                if value.is_object() && !value.is_function() {
                    waiting.push((value.clone(), format!("{path}.{name}"), by));
                }
            }
            let reaches_function =
                properties.iter().any(|(_, value)| value.is_function() || value.is_symbol());
            by_address.insert(address, seen.len());
            seen.push(Seen { object, path, by, length, properties, reaches_function });
        }
        // From those with functions back to those that have them.
        let mut changed = true;
        while changed {
            changed = false;
            for index in (0..seen.len()).rev() {
                let reaches = |value: &Handle<'a>| {
                    let known = address_of(value).and_then(|address| by_address.get(&address));
                    self.objects.find(value).is_some()
                        || known.is_some_and(|&known| seen[known].reaches_function)
                };
                if !seen[index].reaches_function
                    && seen[index].properties.iter().any(|(_, value)| reaches(value))
                {
                    seen[index].reaches_function = true;
                    changed = true;
                }
            }
        }
        Ok(seen)
    }

    /// The properties of a plain object, an array, or what `import * as` gives. `None`: it is something else, or has getters.
    #[expect(clippy::type_complexity, reason = "used here only")]
    fn parts(&self, object: &Handle<'a>) -> JsResult<'a, Option<(Option<u32>, Vec<(String, Handle<'a>)>)>> {
        if !self.planner.facts.is_plain(object.raw()) {
            return Ok(None);
        }
        let length = if object.is_array() { u32::try_from(object.length()?).ok() } else { None };
        let mut parts = Vec::new();
        for (name, property) in engine::own_properties(object, Which::Enumerable)? {
            let Property::Value(value) = property else { return Ok(None) };
            parts.push((name, value));
        }
        Ok(Some((length, parts)))
    }
}
