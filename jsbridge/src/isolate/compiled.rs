//! Scripts of ours as the engine's bytecode: compiled once, read by every isolate.
//!
//! The engine does not verify bytecode: what it reads must be what it wrote. So a [`Compiled`] is made by
//! [`Scope::compile`] alone, and its bytes are never shown.

use super::handle::{CStrSource, Handle, JsResult, Scope};
use rquickjs::qjs;
use std::ffi::CStr;

/// A compiled global script.
pub(crate) struct Compiled(Box<[u8]>);

impl Compiled {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> Scope<'a> {
    /// Compiles a global script, in strict mode. Lines are kept for stacks; the text only where functions are asked for theirs.
    pub(crate) fn compile(
        self,
        name: &CStr,
        source: &CStrSource,
        keeps_text: bool,
    ) -> JsResult<'a, Compiled> {
        let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY | qjs::JS_EVAL_FLAG_STRICT;
        let script = self.eval_with(name, source, flags as i32)?;
        let strip = if keeps_text { 0 } else { qjs::JS_WRITE_OBJ_STRIP_SOURCE };
        let how = qjs::JS_WRITE_OBJ_BYTECODE | strip;
        let mut length: qjs::size_t = 0;
        // SAFETY: we are inside; the bytes are copied before they are freed.
        unsafe {
            let bytes = qjs::JS_WriteObject(self.as_ptr(), &mut length, script.raw(), how as i32);
            if bytes.is_null() {
                return Err(self.take_exception());
            }
            let compiled = Compiled(std::slice::from_raw_parts(bytes, length as usize).into());
            qjs::js_free(self.as_ptr(), bytes.cast());
            Ok(compiled)
        }
    }

    /// Runs a compiled script; its result is that of its last statement.
    pub(crate) fn run(self, script: &Compiled) -> JsResult<'a, Handle<'a>> {
        let (bytes, length) = (script.0.as_ptr(), script.0.len() as qjs::size_t);
        let how = qjs::JS_READ_OBJ_BYTECODE as i32;
        // SAFETY: we are inside; the bytes are what this engine wrote. `JS_EvalFunction` takes the reference over, and
        // what it returns is ours.
        unsafe {
            let script = self.check(qjs::JS_ReadObject(self.as_ptr(), bytes, length, how))?;
            self.check(qjs::JS_EvalFunction(self.as_ptr(), script.into_raw()))
        }
    }
}
