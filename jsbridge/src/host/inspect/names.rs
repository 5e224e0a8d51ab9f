//! What an object is called: its constructor, a function's name, the text of an error, of a date and of a boxed value.

use super::text::quote;
use super::{Inspector, Title, number_text};
use crate::host::intrinsics::{self, Intrinsic};
use crate::isolate::handle::{Handle, JsResult};
use crate::isolate::look::{Class, Key, Property};
use std::ffi::CStr;

/// Prototypes that are looked at for a constructor. A longer chain is nobody's class.
const CHAIN_MAX: usize = 64;

impl Title {
    /// `[Foo]`, for what is not looked into.
    pub(super) fn when_too_deep(&self, class: Class) -> String {
        let fallback = match class {
            Class::Array => "Array",
            Class::Map => "Map",
            Class::Set => "Set",
            _ => "Object",
        };
        let name = self.prefix(fallback, "");
        let name = name.trim_end();
        if self.constructor.is_some() { format!("[{name}]") } else { name.to_owned() }
    }
}

impl<'a> Inspector<'a, '_> {
    /// The name of the first constructor in the chain of prototypes that the object is an instance of; `None` where
    /// there is no prototype. What lies behind a proxy in the chain is not looked at.
    pub(super) fn constructor_name(&self, value: &Handle<'a>) -> JsResult<'a, Option<String>> {
        let mut link = value.clone();
        let mut prototypes: Vec<Handle<'a>> = Vec::new();
        for _ in 0..CHAIN_MAX {
            if !link.is_object() || link.class() == Some(Class::Proxy) {
                break;
            }
            prototypes.push(link.clone());
            link = link.prototype()?;
        }
        if prototypes.len() == 1 {
            return Ok(None);
        }
        for link in &prototypes {
            let Some(constructor) = link.own_data(c"constructor")?.filter(Handle::is_function) else {
                continue;
            };
            if constructor.class() == Some(Class::Proxy) {
                continue;
            }
            let Some(prototype) = constructor.own_data(c"prototype")? else { continue };
            if !prototypes.iter().skip(1).any(|link| link.address() == prototype.address()) {
                continue;
            }
            if let Some(name) = self.own_name(&constructor)? {
                return Ok(Some(name));
            }
        }
        Ok(Some("Object".to_owned()))
    }

    /// The own `name` of a function, if it is a text and not empty.
    fn own_name(&self, function: &Handle<'a>) -> JsResult<'a, Option<String>> {
        match function.own_data(c"name")?.filter(Handle::is_string) {
            Some(name) => Ok(Some(name.text()?).filter(|name| !name.is_empty())),
            None => Ok(None),
        }
    }

    /// `[Function: f]`, `[class A extends B]`
    pub(super) fn function_name(
        &self,
        value: &Handle<'a>,
        class: Class,
        title: &Title,
    ) -> JsResult<'a, String> {
        if class == Class::Function && self.is_class(value)? {
            return self.class_name(value, title);
        }
        let kind = match class {
            Class::GeneratorFunction => "GeneratorFunction",
            Class::AsyncFunction => "AsyncFunction",
            Class::AsyncGeneratorFunction => "AsyncGeneratorFunction",
            _ => "Function",
        };
        let mut text = format!("[{kind}");
        if title.constructor.is_none() {
            text += " (null prototype)";
        }
        match self.own_name(value)? {
            Some(name) => text += &format!(": {name}]"),
            None => text += " (anonymous)]",
        }
        if let Some(constructor) = title.constructor.as_deref().filter(|name| *name != kind) {
            text += &format!(" {constructor}");
        }
        if !title.tag.is_empty() && !title.is(&title.tag) {
            text += &format!(" [{}]", title.tag);
        }
        Ok(text)
    }

    /// The `prototype` of a class cannot be replaced; that of a function can.
    fn is_class(&self, value: &Handle<'a>) -> JsResult<'a, bool> {
        let prototype = value.own_property(&self.scope.key(c"prototype")?)?;
        Ok(prototype.is_some_and(|found| !found.writable && matches!(found.property, Property::Data(_))))
    }

    fn class_name(&self, value: &Handle<'a>, title: &Title) -> JsResult<'a, String> {
        let name = self.own_name(value)?.unwrap_or_else(|| "(anonymous)".to_owned());
        let mut text = format!("[class {name}");
        if let Some(constructor) = title.constructor.as_deref().filter(|name| *name != "Function") {
            text += &format!(" [{constructor}]");
        }
        if !title.tag.is_empty() && !title.is(&title.tag) {
            text += &format!(" [{}]", title.tag);
        }
        let parent = value.prototype()?;
        if title.constructor.is_none() {
            text += " extends [null prototype]";
        } else if parent.is_function()
            && parent.class() != Some(Class::Proxy)
            && let Some(parent) = self.own_name(&parent)?
        {
            text += &format!(" extends {parent}");
        }
        Ok(text + "]")
    }

    /// `[Number: 3]`
    pub(super) fn boxed_text(
        &self,
        value: &Handle<'a>,
        class: Class,
        title: &Title,
        _keys: &[Key<'a>],
    ) -> JsResult<'a, String> {
        let (which, kind) = match class {
            Class::Number => (Intrinsic::NumberValueOf, "Number"),
            Class::String => (Intrinsic::StringValueOf, "String"),
            Class::Boolean => (Intrinsic::BooleanValueOf, "Boolean"),
            Class::Symbol => (Intrinsic::SymbolValueOf, "Symbol"),
            _ => (Intrinsic::BigIntValueOf, "BigInt"),
        };
        let inner = intrinsics::call(which, value, &[])?;
        let inner = match class {
            Class::String => quote(&inner.code_units()?),
            Class::Number => number_text(inner.to_number()?),
            Class::Symbol => format!("Symbol({})", inner.description()?),
            Class::BigInt => format!("{}n", inner.text()?),
            _ => inner.text()?,
        };
        let mut text = format!("[{kind}");
        match title.constructor.as_deref() {
            None => text += " (null prototype)",
            Some(name) if name != kind => text += &format!(" ({name})"),
            Some(_) => {}
        }
        text += &format!(": {inner}]");
        if !title.tag.is_empty() && !title.is(&title.tag) {
            text += &format!(" [{}]", title.tag);
        }
        Ok(text)
    }

    /// `TypeError: message` and the stack; `keys` gets those properties that are shown after it.
    pub(super) fn error_text(
        &self,
        value: &Handle<'a>,
        title: &Title,
        keys: &mut Vec<Key<'a>>,
    ) -> JsResult<'a, String> {
        let (name, message) = (part(value, c"name"), part(value, c"message"));
        let (name, message) = (name.unwrap_or_else(|| "Error".to_owned()), message.unwrap_or_default());
        let stack = part(value, c"stack").unwrap_or_default();
        let stack = stack.trim_end();
        let mut text = match (name.as_str(), message.as_str()) {
            (name, "") => self.with_class(name, title),
            ("", message) => message.to_owned(),
            (name, message) => format!("{}: {message}", self.with_class(name, title)),
        };
        // A script may have set a stack of its own, with the message in it.
        if stack.trim_start().starts_with("at ") || stack.trim_start().starts_with("--- ") {
            text += &format!("\n{stack}");
        } else if !stack.is_empty() {
            text = stack.to_owned();
        } else {
            text = format!("[{text}]");
        }
        self.choose_error_keys(value, keys, &text)?;
        Ok(text.replace('\n', &format!("\n{}", " ".repeat(self.indentation))))
    }

    /// `MyError` where the name says only `Error`; a name that a script has given stays.
    fn with_class(&self, name: &str, title: &Title) -> String {
        const BUILT_IN: [&str; 9] = [
            "Error",
            "EvalError",
            "RangeError",
            "ReferenceError",
            "SyntaxError",
            "TypeError",
            "URIError",
            "InternalError",
            "AggregateError",
        ];
        if title.is("DOMException") {
            return format!("DOMException [{name}]");
        }
        let prefix = title.prefix("Error", "");
        let prefix = prefix.trim_end();
        match () {
            () if !BUILT_IN.contains(&name) => name.to_owned(),
            () if prefix.contains(name) => prefix.to_owned(),
            () => format!("{prefix} [{name}]"),
        }
    }

    /// Without what the text says already; with the cause and the errors of an `AggregateError`, which are not
    /// enumerable.
    fn choose_error_keys(&self, value: &Handle<'a>, keys: &mut Vec<Key<'a>>, text: &str) -> JsResult<'a, ()> {
        if !self.options.hidden {
            for name in [c"name", c"message", c"stack"] {
                let said = part(value, name).is_some_and(|part| text.contains(part.trim_end()));
                let name = name.to_string_lossy();
                if said {
                    let mut others = Vec::new();
                    for key in keys.drain(..) {
                        if key.text()? != name {
                            others.push(key);
                        }
                    }
                    *keys = others;
                }
            }
        }
        for name in [c"cause", c"errors"] {
            let text = name.to_string_lossy();
            let mut listed = false;
            for key in keys.iter() {
                listed |= key.text()? == text;
            }
            let key = self.scope.key(name)?;
            let Some(found) = value.own_property(&key)?.filter(|_| !listed) else { continue };
            let shown = match &found.property {
                Property::Data(errors) => name == c"cause" || errors.is_array(),
                Property::Accessor { .. } => name == c"cause",
            };
            if shown {
                keys.push(key);
            }
        }
        Ok(())
    }
}

/// A part of an error as a text. What a getter throws is let go.
fn part(value: &Handle<'_>, name: &CStr) -> Option<String> {
    let part = value.get(name).ok()?;
    if part.is_undefined() || part.is_null() || part.is_object() { None } else { part.text().ok() }
}

/// As `toISOString` writes it.
pub(super) fn date_text(time: f64) -> String {
    if !time.is_finite() {
        return "Invalid Date".to_owned();
    }
    const DAY: i64 = 86_400_000;
    let time = time as i64;
    let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    // Years that begin in March, in eras of 400 of them.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        ..0 => format!("-{:06}", -year),
        _ => format!("+{year:06}"),
    };
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, milliseconds) = (rest / 1000 % 60, rest % 1000);
    format!("{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_iso_has_them() {
        let cases = [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000.0, "2000-02-29T00:00:00.000Z"),
            (-1.0, "1969-12-31T23:59:59.999Z"),
            (8.64e15, "+275760-09-13T00:00:00.000Z"),
            (-8.64e15, "-271821-04-20T00:00:00.000Z"),
            (-62_198_755_200_000.0, "-000001-01-01T00:00:00.000Z"),
            (f64::NAN, "Invalid Date"),
        ];
        for (time, text) in cases {
            assert_eq!(date_text(time), text);
        }
    }
}
