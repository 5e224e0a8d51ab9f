//! What is inside an object: elements, entries, and properties.

use super::text::{Style, escape, is_plain_key, more, plural, quote};
use super::{Inside, Inspector};
use crate::host::intrinsics;
use crate::isolate::handle::{Handle, JsResult};
use crate::isolate::look::{Class, Found, Key, Property, Settled};

/// Of longer arrays the properties that are no elements are not looked for: their keys would have to be found among
/// those of the elements.
const SEARCHED: usize = 100_000;

impl<'a> Inspector<'a, '_> {
    /// The keys of the properties to be shown.
    pub(super) fn keys(&self, value: &Handle<'a>, class: Class) -> JsResult<'a, Vec<Key<'a>>> {
        let elements = match class {
            Class::Array => value.length()?,
            Class::TypedArray => value.view()?.map_or(0, |view| view.length()),
            _ => 0,
        };
        if elements > SEARCHED {
            return Ok(Vec::new());
        }
        let listed = matches!(class, Class::Array | Class::TypedArray | Class::String);
        let mut keys = value.own_keys(false)?;
        if !self.options.hidden {
            keys.retain(|key| key.enumerable);
        }
        if listed {
            let mut others = Vec::new();
            for key in keys {
                if !is_index(&key.text()?) {
                    others.push(key);
                }
            }
            return Ok(others);
        }
        Ok(keys)
    }

    /// What is inside, then the properties.
    pub(super) fn fill(
        &mut self,
        value: &Handle<'a>,
        level: usize,
        keys: Vec<Key<'a>>,
        inside: Inside,
        entries: &mut Vec<String>,
    ) -> JsResult<'a, ()> {
        match inside {
            Inside::Nothing => {}
            Inside::Elements => self.elements(value, level, entries)?,
            Inside::TypedElements => self.typed_elements(value, level, entries)?,
            Inside::Entries { map } => self.entries(value, map, level, entries)?,
            Inside::Promise => self.promise(value, level, entries)?,
            Inside::Bytes => self.bytes(value, entries),
            Inside::View => {
                for name in [c"byteLength", c"byteOffset", c"buffer"] {
                    let Ok(part) = value.get(name) else { continue };
                    self.indentation += 2;
                    let text = self.value(&part, level, false)?;
                    self.indentation -= 2;
                    entries.push(format!("{}: {text}", name.to_string_lossy()));
                }
            }
            Inside::Unknown => entries.push(self.style(Style::Special, "<items unknown>")),
        }
        for key in keys {
            if let Some(entry) = self.property(value, &key, level)? {
                entries.push(entry);
            }
        }
        Ok(())
    }

    fn elements(&mut self, value: &Handle<'a>, level: usize, entries: &mut Vec<String>) -> JsResult<'a, ()> {
        let length = value.length()?;
        let shown = length.min(self.options.max_array);
        for index in 0..shown {
            let key = self.scope.index_key(index as u32)?;
            let Some(found) = value.own_property(&key)? else {
                return self.elements_with_holes(value, index, shown, level, entries);
            };
            let text = self.found(&found, level)?;
            entries.push(text);
        }
        if length > shown {
            entries.push(more(length - shown, "item"));
        }
        Ok(())
    }

    /// From the first hole on; holes beside each other are one entry.
    fn elements_with_holes(
        &mut self,
        value: &Handle<'a>,
        first: usize,
        most: usize,
        level: usize,
        entries: &mut Vec<String>,
    ) -> JsResult<'a, ()> {
        let length = value.length()?;
        let mut next = first;
        let hole = |count: usize, inspector: &Self| {
            inspector.style(Style::Undefined, &format!("<{}>", plural(count, "empty item")))
        };
        for key in value.own_keys(false)? {
            let text = key.text()?;
            let (true, Ok(index)) = (is_index(&text), text.parse::<usize>()) else { break };
            if index < first {
                continue;
            }
            if entries.len() >= most {
                break;
            }
            if index > next {
                entries.push(hole(index - next, self));
                next = index;
                if entries.len() >= most {
                    break;
                }
            }
            let Some(found) = value.own_property(&key)? else { break };
            let text = self.found(&found, level)?;
            entries.push(text);
            next += 1;
        }
        let rest = length.saturating_sub(next);
        if rest > 0 {
            entries.push(if entries.len() < most { hole(rest, self) } else { more(rest, "item") });
        }
        Ok(())
    }

    fn typed_elements(
        &mut self,
        value: &Handle<'a>,
        level: usize,
        entries: &mut Vec<String>,
    ) -> JsResult<'a, ()> {
        let Some(view) = value.view()? else { return Ok(()) };
        let shown = view.length().min(self.options.max_array);
        for index in 0..shown {
            entries.push(self.primitive(&value.at(index as u32)?)?);
        }
        if view.length() > shown {
            entries.push(more(view.length() - shown, "item"));
        }
        if self.options.hidden {
            self.indentation += 2;
            let numbers = [
                ("BYTES_PER_ELEMENT", view.per_element),
                ("length", view.length()),
                ("byteLength", view.bytes),
                ("byteOffset", view.offset),
            ];
            for (name, number) in numbers {
                entries.push(format!("[{name}]: {}", self.style(Style::Number, &number.to_string())));
            }
            let buffer = self.value(&view.buffer, level, true)?;
            entries.push(format!("[buffer]: {buffer}"));
            self.indentation -= 2;
        }
        Ok(())
    }

    fn entries(
        &mut self,
        value: &Handle<'a>,
        map: bool,
        level: usize,
        entries: &mut Vec<String>,
    ) -> JsResult<'a, ()> {
        let (shown, size) = intrinsics::entries(value, map, self.options.max_array)?;
        self.indentation += 2;
        for entry in shown.chunks(if map { 2 } else { 1 }) {
            let mut texts = Vec::with_capacity(2);
            for part in entry {
                texts.push(self.value(part, level, false)?);
            }
            entries.push(texts.join(" => "));
        }
        self.indentation -= 2;
        if size > self.options.max_array {
            entries.push(more(size - self.options.max_array, "item"));
        }
        Ok(())
    }

    fn promise(&mut self, value: &Handle<'a>, level: usize, entries: &mut Vec<String>) -> JsResult<'a, ()> {
        let (mark, result) = match value.settled() {
            Settled::Pending => {
                entries.push(self.style(Style::Special, "<pending>"));
                return Ok(());
            }
            Settled::Fulfilled(result) => (String::new(), result),
            Settled::Rejected(reason) => (self.style(Style::Special, "<rejected>") + " ", reason),
        };
        self.indentation += 2;
        let text = self.value(&result, level, false)?;
        self.indentation -= 2;
        entries.push(mark + &text);
        Ok(())
    }

    fn bytes(&self, value: &Handle<'a>, entries: &mut Vec<String>) {
        let Some((bytes, size)) = value.buffer_bytes(self.options.max_array) else {
            entries.push(self.style(Style::Special, "(detached)"));
            entries.push(format!("byteLength: {}", self.style(Style::Number, "0")));
            return;
        };
        let mut text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        if size > bytes.len() {
            text = format!("{text} {}", more(size - bytes.len(), "byte"));
        }
        entries.push(format!("{}: <{text}>", self.style(Style::Special, "[Uint8Contents]")));
        entries.push(format!("byteLength: {}", self.style(Style::Number, &size.to_string())));
    }

    /// `key: value`
    fn property(&mut self, value: &Handle<'a>, key: &Key<'a>, level: usize) -> JsResult<'a, Option<String>> {
        let found = match value.own_property(key) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // A module's variable that has no value yet.
            Err(_) => return Ok(Some(format!("{}: <uninitialized>", self.key_name(key, true)?))),
        };
        let name = self.key_name(key, found.enumerable)?;
        Ok(Some(format!("{name}: {}", self.found(&found, level)?)))
    }

    /// A property that is not the object's own (an error's cause), or not enumerable.
    pub(super) fn key_name(&self, key: &Key<'a>, enumerable: bool) -> JsResult<'a, String> {
        let value = key.value()?;
        if value.is_symbol() {
            let mut name = String::new();
            let description: Vec<u16> = value.description()?.encode_utf16().collect();
            escape(&description, true, &mut name);
            return Ok(format!("[{}]", self.style(Style::Text, &format!("Symbol({name})"))));
        }
        let (text, units) = (value.text()?, value.code_units()?);
        Ok(if text == "__proto__" {
            "['__proto__']".to_owned()
        } else if !enumerable {
            let mut name = String::new();
            escape(&units, true, &mut name);
            format!("[{name}]")
        } else if is_plain_key(&text) {
            text
        } else {
            self.style(Style::Text, &quote(&units))
        })
    }

    fn found(&mut self, found: &Found<'a>, level: usize) -> JsResult<'a, String> {
        let accessor = match &found.property {
            Property::Data(value) => {
                self.indentation += 2;
                let text = self.value(value, level, false);
                self.indentation -= 2;
                return text;
            }
            Property::Accessor { get: true, set: true } => "[Getter/Setter]",
            Property::Accessor { get: true, set: false } => "[Getter]",
            Property::Accessor { get: false, set: true } => "[Setter]",
            Property::Accessor { get: false, set: false } => {
                return Ok(self.style(Style::Undefined, "undefined"));
            }
        };
        Ok(self.style(Style::Special, accessor))
    }

    /// Are so many elements all numbers?
    pub(super) fn are_numbers(&self, value: &Handle<'a>, count: usize) -> JsResult<'a, bool> {
        if value.class() == Some(Class::TypedArray) {
            return Ok(value.view()?.is_some_and(|view| view.length() >= count));
        }
        for index in 0..count {
            let found = value.own_property(&self.scope.index_key(index as u32)?)?;
            let number = match found.map(|found| found.property) {
                Some(Property::Data(value)) => value.is_number() || value.is_bigint(),
                _ => false,
            };
            if !number {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Is it the key of an element?
fn is_index(key: &str) -> bool {
    key.parse::<u32>().is_ok_and(|index| index != u32::MAX && (key == "0" || !key.starts_with(['0', '+'])))
}
