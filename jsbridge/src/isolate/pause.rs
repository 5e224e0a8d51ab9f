//! Long work of the host's inside an isolate: it gives way as scripts do, and ends when its script must.

use super::handle::{JsResult, Scope};
use rquickjs::qjs;

impl<'a> Scope<'a> {
    /// Gives the CPU to whoever is more urgent. To be called now and then in loops whose length a script decides.
    ///
    /// # Errors
    /// The script must end; what is to be thrown, no `catch` sees.
    pub(crate) fn may_go_on(self) -> JsResult<'a, ()> {
        if self.state.watch.may_go_on(self.state.resident.population()) {
            return Ok(());
        }
        // SAFETY: we are inside; the text has no placeholders.
        unsafe { qjs::JS_ThrowInternalError(self.as_ptr(), c"interrupted".as_ptr()) };
        let thrown = self.take_exception();
        // SAFETY: we are inside.
        unsafe { qjs::JS_SetUncatchableError(self.as_ptr(), thrown.raw()) };
        Err(thrown)
    }

    /// Bytes that the isolate may have allocated at once.
    pub(crate) fn memory_limit(self) -> usize {
        self.state.memory.limit()
    }

    /// See [`Memory::fail_after`](super::memory::Memory::fail_after).
    #[cfg(test)]
    pub(crate) fn fail_after(self, count: Option<usize>) {
        self.state.memory.fail_after(count);
    }
}
