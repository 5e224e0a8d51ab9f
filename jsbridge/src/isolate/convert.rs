//! What leaves an isolate: copies of values, texts, and what was thrown as an [`Error`].

use super::handle::{Handle, JsResult, Scope};
use crate::error::{Error, Thrown};
#[cfg(test)]
use crate::value::Value;
use rquickjs::qjs;
use std::cell::Cell;

/// What to say of a value whose `toString` throws.
const UNSPEAKABLE: &str = "(a value that has no text)";

/// How the host shows what was thrown; a layer above this one knows.
pub(crate) type Show = for<'a> fn(&Handle<'a>) -> Option<String>;

#[derive(Default)]
struct Shown(Cell<Option<Show>>);

impl Scope<'_> {
    /// From now on errors that leave have what this makes of them as [`Error::details`].
    pub(crate) fn show_errors_with(self, show: Show) {
        self.note::<Shown>().0.set(Some(show));
    }
}

impl<'a> Handle<'a> {
    /// `JSON.stringify(this)`: also undefined, for what JSON has no text for.
    fn stringify(&self) -> JsResult<'a, Handle<'a>> {
        let nothing = qjs::JS_UNDEFINED;
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_JSONStringify(self.context(), self.raw(), nothing, nothing)) }
    }

    /// A copy that can leave the isolate. May run `toJSON` methods and getters.
    #[cfg(test)]
    pub(crate) fn to_value(&self) -> Result<Value, Error> {
        let value = self.raw();
        // SAFETY: reading tags, and what they say is there.
        unsafe {
            Ok(if qjs::JS_IsUndefined(value) {
                Value::Undefined
            } else if qjs::JS_IsNull(value) {
                Value::Null
            } else if qjs::JS_IsBool(value) {
                Value::Bool(qjs::JS_VALUE_GET_BOOL(value))
            } else if qjs::JS_IsInt(value) {
                Value::Number(f64::from(qjs::JS_VALUE_GET_INT(value)))
            } else if qjs::JS_IsNumber(value) {
                Value::Number(qjs::JS_VALUE_GET_FLOAT64(value))
            } else if qjs::JS_IsString(value) {
                Value::String(self.text()?)
            } else if qjs::JS_IsBigInt(value) {
                Value::BigInt(self.text()?)
            } else if qjs::JS_IsSymbol(value) {
                return Err(Error::conversion("a symbol"));
            } else {
                let json = self.stringify()?;
                if json.is_undefined() {
                    return Err(Error::conversion("a function, or an object that JSON leaves out"));
                }
                Value::Json(json.text()?)
            })
        }
    }

    /// As `console.log` shows it: strings as they are, errors with their stack, objects as JSON.
    pub(crate) fn display(&self) -> JsResult<'a, String> {
        if self.is_error() {
            return Ok(self.describe_error().to_string_with_stack());
        }
        if self.is_object() && !self.is_function() {
            // What JSON cannot write (cycles, BigInts) is shown as `String()` has it.
            if let Ok(json) = self.stringify()
                && !json.is_undefined()
            {
                return json.text();
            }
        }
        // SAFETY: reading a tag.
        if unsafe { qjs::JS_IsSymbol(self.raw()) } {
            return Ok(format!("Symbol({})", self.get(c"description")?.text()?));
        }
        self.text()
    }

    /// The parts of a JavaScript error. Getters may run, and what they throw is let go.
    fn describe_error(&self) -> Thrown {
        let part = |name| match self.get(name) {
            Ok(part) if !part.is_undefined() => part.text().unwrap_or_default(),
            _ => String::new(),
        };
        let name = part(c"name");
        let name = if name.is_empty() { "Error".to_owned() } else { name };
        let stack = part(c"stack").trim_end().to_owned();
        Thrown { name, message: part(c"message"), stack, shown: String::new() }
    }

    /// A `DOMException`, or another object with the name and the message of an error.
    fn is_like_error(&self) -> bool {
        let is_text = |name| self.get(name).is_ok_and(|part| part.is_string());
        self.is_object() && is_text(c"name") && is_text(c"message")
    }

    fn describe(&self) -> Thrown {
        if self.is_error() || self.is_like_error() {
            return self.describe_error();
        }
        let message = self.display().unwrap_or_else(|_| UNSPEAKABLE.to_owned());
        Thrown { message, ..Thrown::default() }
    }

    /// This was thrown.
    pub(crate) fn into_error(self) -> Error {
        let memory = &self.scope.state.memory;
        // With no memory left there may be none for an error either: then null is thrown.
        if memory.was_refused() && self.is_null() {
            return Error::out_of_memory(memory.limit());
        }
        if let Some(code) = self.scope.exit_code() {
            return Error::exited(code);
        }
        let mut thrown = self.describe();
        if let Some(show) = self.scope.note::<Shown>().0.get() {
            thrown.shown = show(&self).unwrap_or_default();
        }
        if memory.was_refused()
            && thrown.name == "InternalError"
            && thrown.message.starts_with("out of memory")
        {
            return Error::out_of_memory(memory.limit());
        }
        Error::thrown(thrown)
    }
}

impl From<Handle<'_>> for Error {
    fn from(thrown: Handle<'_>) -> Error {
        thrown.into_error()
    }
}

impl Thrown {
    /// As an uncaught error is shown.
    fn to_string_with_stack(&self) -> String {
        if self.stack.is_empty() { self.to_string() } else { format!("{self}\n{}", self.stack) }
    }
}
