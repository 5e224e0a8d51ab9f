//! Objects of the host's classes (`AbortSignal`, `Event`, `TextDecoder`, ...), which the standard does not clone. To the engine
//! they are plain objects with private fields; so those who make the classes give a function that knows them.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Kept;
use rquickjs::qjs;
use std::cell::RefCell;

/// One isolate's functions: few, and none before a script has touched such a class.
#[derive(Default)]
struct Tests(RefCell<Vec<Kept>>);

/// `test(value)` is the name of the host's class that made the value, or undefined. It runs no code of a script's.
pub(crate) fn refuse_what<'a>(scope: Scope<'a>, test: Handle<'a>) {
    let kept = scope.keep(test);
    scope.note::<Tests>().0.borrow_mut().push(kept);
}

/// The name of the host's class that made this object.
pub(super) fn class_of<'a>(scope: Scope<'a>, object: qjs::JSValue) -> JsResult<'a, Option<String>> {
    let tests = scope.note::<Tests>();
    let test = |index: usize| tests.0.borrow().get(index).map(|kept| scope.kept(kept));
    let mut index = 0;
    while let Some(test) = test(index) {
        // SAFETY: we are inside; the object lives, and the new reference is the handle's.
        let object = unsafe { scope.own(qjs::JS_DupValue(scope.as_ptr(), object)) };
        let name = test.call(&scope.undefined(), &[&object])?;
        if name.is_string() {
            return name.text().map(Some);
        }
        index += 1;
    }
    Ok(None)
}
