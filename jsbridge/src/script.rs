//! What hosts evaluate.

use crate::isolate::handle::{CStrSource, Handle, JsResult, Scope};
use std::ffi::CString;

/// A script: its text and its name. Made from a string.
#[derive(Clone, Debug)]
pub struct Script {
    source: String,
    name: CString,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Script,
    Module,
    Either,
}

impl Script {
    /// A script called `<eval>`.
    pub fn new(source: impl Into<String>) -> Script {
        Script { source: source.into(), name: c"<eval>".to_owned(), kind: Kind::Script }
    }

    /// What it is called in stacks: the name of its file. What follows a zero byte is cut off.
    pub fn name(mut self, name: &str) -> Script {
        let name = name.split('\0').next().unwrap_or_default();
        self.name = CString::new(name).unwrap_or_default();
        self
    }
}

impl Script {
    /// It is an ES module, called by its name in the imports of others; its result is undefined, when all that it imports
    /// is evaluated.
    ///
    /// ```
    /// use heddle_jsbridge::{Bridge, Script, Value};
    /// use heddle_scheduler::{Priority, Scheduler};
    ///
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let bridge = Bridge::builder(&scheduler).build()?;
    /// let module = Script::new("export const x = await 1; if (this !== undefined) throw 'sloppy';").module();
    /// assert_eq!(bridge.eval(Priority::Normal, module).join()?, Value::Undefined);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn module(mut self) -> Script {
        self.kind = Kind::Module;
        self
    }

    /// It is a script, or a module if it cannot be a script. Its result is undefined.
    pub fn script_or_module(mut self) -> Script {
        self.kind = Kind::Either;
        self
    }

    /// What its last statement comes to.
    pub(crate) fn eval<'a>(&self, scope: Scope<'a>) -> JsResult<'a, Handle<'a>> {
        match self.kind {
            Kind::Script => scope.eval(&self.name, &CStrSource::new(&self.source)),
            Kind::Module => scope.eval_module(&self.name.to_string_lossy(), &self.source),
            Kind::Either => scope.eval_either(&self.name, &self.source),
        }
    }

    /// The same in a main realm: a script may `await` at its top level.
    pub(crate) fn eval_in_realm<'a>(&self, scope: Scope<'a>) -> JsResult<'a, Handle<'a>> {
        match self.kind {
            Kind::Script => scope.eval_async(&self.name, &CStrSource::new(&self.source)),
            Kind::Module | Kind::Either => self.eval(scope),
        }
    }

    pub(crate) fn is_module(&self) -> bool {
        self.kind == Kind::Module
    }
}

impl<T: Into<String>> From<T> for Script {
    fn from(source: T) -> Script {
        Script::new(source)
    }
}
