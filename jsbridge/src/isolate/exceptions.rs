//! Errors that the DOM's standards name, the one that ends a script, and arrays of bytes.

use super::handle::{Handle, JsResult, Scope};
use super::look::Class;
use rquickjs::qjs;
use std::cell::Cell;
use std::ffi::{CStr, CString};

#[derive(Default)]
struct Exit(Cell<Option<i32>>);

impl<'a> Scope<'a> {
    /// A new `DOMException`, to be thrown. Messages are cut off at 255 bytes.
    pub(crate) fn dom_exception(self, name: &CStr, message: &str) -> Handle<'a> {
        let shown: String = message.chars().filter(|&c| c != '\0').collect();
        let text = CString::new(shown).unwrap_or_default();
        // SAFETY: we are inside; the format takes one string.
        unsafe { qjs::JS_ThrowDOMException(self.as_ptr(), name.as_ptr(), c"%s".as_ptr(), text.as_ptr()) };
        self.take_exception()
    }

    /// Ends the script: what is returned, thrown, is caught by no `catch` and passes no `finally`.
    pub(crate) fn exit(self, code: i32) -> Handle<'a> {
        self.note::<Exit>().0.set(Some(code));
        let error = self.type_error("the script has ended itself");
        // SAFETY: we are inside; it is an error.
        unsafe { qjs::JS_SetUncatchableError(self.as_ptr(), error.raw()) };
        error
    }

    /// What the script has ended itself with, if it has.
    pub(crate) fn exit_code(self) -> Option<i32> {
        self.note::<Exit>().0.get()
    }

    /// A `Uint8Array` with a copy of these bytes.
    pub(crate) fn bytes(self, bytes: &[u8]) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe {
            self.check(qjs::JS_NewUint8ArrayCopy(self.as_ptr(), bytes.as_ptr(), bytes.len() as qjs::size_t))
        }
    }
}

impl<'a> Handle<'a> {
    /// A copy of what a buffer, or a view of one, shows; `None` if it is neither, or detached.
    pub(crate) fn to_bytes(&self) -> JsResult<'a, Option<Vec<u8>>> {
        let (buffer, offset, length) = match self.class() {
            Some(Class::ArrayBuffer | Class::SharedArrayBuffer) => (self.clone(), 0, usize::MAX),
            Some(Class::TypedArray) => match self.view()? {
                Some(view) => (view.buffer, view.offset, view.bytes),
                None => return Ok(None),
            },
            Some(Class::DataView) => {
                let (offset, length) = (self.get(c"byteOffset")?, self.get(c"byteLength")?);
                (self.get(c"buffer")?, offset.to_number()? as usize, length.to_number()? as usize)
            }
            _ => return Ok(None),
        };
        let Some((mut bytes, _)) = buffer.buffer_bytes(offset.saturating_add(length)) else {
            return Ok(None);
        };
        Ok(Some(bytes.split_off(offset.min(bytes.len()))))
    }

    /// Copies bytes to the beginning of a `Uint8Array`, as many as fit; `None` if it is none, or detached.
    pub(crate) fn write_bytes(&self, fill: impl FnOnce(&mut [u8]) -> usize) -> JsResult<'a, Option<usize>> {
        let Some(view) = self.view()?.filter(|view| view.per_element == 1) else { return Ok(None) };
        let mut size: qjs::size_t = 0;
        // SAFETY: we are inside; the bytes are the buffer's while no script runs, which `fill` cannot make one do, and
        // the view's part is bounded by the buffer's size. A shared buffer may be written to by others meanwhile: bytes
        // are all that is read here.
        unsafe {
            let bytes = qjs::JS_GetArrayBuffer(self.context(), &mut size, view.buffer.raw());
            let size = size as usize;
            if bytes.is_null() || view.offset > size {
                if qjs::JS_HasException(self.context()) {
                    drop(self.scope.take_exception());
                }
                return Ok(Some(0));
            }
            let length = view.bytes.min(size - view.offset);
            Ok(Some(fill(std::slice::from_raw_parts_mut(bytes.add(view.offset), length))))
        }
    }
}
