//! Preludes: the parts of ours that are written in JavaScript.
//!
//! A prelude is one function expression. It is compiled once in the life of the process, by whichever isolate needs it
//! first, and the bytecode is read by the others, which takes a fifth of the time (a test prints what it measures). An
//! isolate that needs it *instantiates* it: the function is called with natives of ours, and what it returns are its
//! exports, which the isolate may keep.
//!
//! Scripts may have changed the built-in objects before: `Array.prototype.push = evil`. So preludes use syntax and
//! private fields instead of methods where they can, and take the rest as arguments.

use super::compiled::Compiled;
use super::handle::{CStrSource, Handle, JsResult, Scope};
use super::kept::Kept;
use std::cell::RefCell;
use std::ffi::CStr;
use std::sync::OnceLock;

/// One prelude, a static.
///
/// ```text
/// static DOUBLE: Prelude = Prelude::new(c"heddle:double", include_str!("js/double.js"));
/// let double = DOUBLE.instantiate(scope, &[])?;
/// ```
pub(crate) struct Prelude {
    /// What stacks call it: `heddle:` and a word.
    name: &'static CStr,
    source: &'static str,
    /// Its functions have their texts: they can be sent to other isolates.
    keeps_text: bool,
    compiled: OnceLock<Compiled>,
}

/// What preludes gave in one isolate.
#[derive(Default)]
struct Exports(RefCell<Vec<(&'static CStr, Kept)>>);

impl Prelude {
    pub(crate) const fn new(name: &'static CStr, source: &'static str) -> Prelude {
        Prelude { name, source, keeps_text: false, compiled: OnceLock::new() }
    }

    /// One with functions that are sent to other isolates.
    pub(crate) const fn with_text(name: &'static CStr, source: &'static str) -> Prelude {
        Prelude { name, source, keeps_text: true, compiled: OnceLock::new() }
    }

    /// Calls the prelude's function, and returns what it returns.
    ///
    /// # Errors
    /// What it throws; or there is too little memory or stack.
    pub(crate) fn instantiate<'a>(
        &'static self,
        scope: Scope<'a>,
        arguments: &[&Handle<'a>],
    ) -> JsResult<'a, Handle<'a>> {
        let function = scope.run(self.compiled(scope)?)?;
        function.call(&scope.undefined(), arguments)
    }

    /// What `make`, which instantiates it, gave when this was first called in the isolate.
    ///
    /// # Errors
    /// Those of `make`, which is then called the next time.
    pub(crate) fn once<'a>(
        &'static self,
        scope: Scope<'a>,
        make: impl FnOnce(&'static Prelude) -> JsResult<'a, Handle<'a>>,
    ) -> JsResult<'a, Handle<'a>> {
        let exports = scope.note::<Exports>();
        if let Some((_, kept)) = exports.0.borrow().iter().find(|(name, _)| *name == self.name) {
            return Ok(scope.kept(kept));
        }
        let made = make(self)?;
        exports.0.borrow_mut().push((self.name, scope.keep(made.clone())));
        Ok(made)
    }

    fn compiled<'a>(&'static self, scope: Scope<'a>) -> JsResult<'a, &'static Compiled> {
        // Not `get_or_init`: an isolate without memory fails, and another may be at it meanwhile, suspended.
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let compiled = scope.compile(self.name, &CStrSource::new(self.source), self.keeps_text)?;
        Ok(self.compiled.get_or_init(|| compiled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::inside;
    use std::time::Instant;

    static DOUBLE: Prelude =
        Prelude::new(c"heddle:double", "(function (factor) { return (n) => n * factor; })");
    static WRONG: Prelude = Prelude::new(c"heddle:wrong", "(function () {\n  null.x; })");

    #[test]
    fn a_prelude_is_instantiated_in_any_isolate_with_its_arguments() {
        for factor in [2.0, 3.0] {
            inside(|scope| {
                let function = DOUBLE.instantiate(scope, &[&scope.number(factor)])?;
                let result = function.call(&scope.undefined(), &[&scope.number(21.0)])?;
                assert_eq!(result.to_number()?, 21.0 * factor);
                Ok(())
            });
        }
    }

    #[test]
    fn what_is_kept_is_made_once_in_an_isolate_and_again_where_that_failed() {
        for _ in 0..2 {
            inside(|scope| {
                assert!(DOUBLE.once(scope, |_| Err(scope.type_error("not yet"))).is_err());
                let made = DOUBLE.once(scope, |prelude| prelude.instantiate(scope, &[&scope.number(2.0)]))?;
                WRONG.once(scope, |_| scope.new_object())?;
                let known = DOUBLE.once(scope, |_| panic!("it is made already"))?;
                assert_eq!(known.address(), made.address());
                Ok(())
            });
        }
    }

    #[test]
    fn what_a_prelude_throws_has_its_name_and_line() {
        let error = inside(|scope| Ok(WRONG.instantiate(scope, &[]).map(drop).unwrap_err().into_error()));
        let place = error.location().unwrap();
        assert_eq!((place.script.as_str(), place.line), ("heddle:wrong", 2));
    }

    #[test]
    fn compiling_once_pays() {
        let source: String =
            (0..100).map(|n| format!("function f{n}(a) {{ return a.b + {n}; }}\n")).collect();
        let source = Box::leak(format!("(function () {{ {source} return f7; }})").into_boxed_str());
        let prelude: &'static Prelude = Box::leak(Box::new(Prelude::new(c"heddle:many", source)));
        let mut times = Vec::new();
        for _ in 0..3 {
            times.push(inside(|scope| {
                let begun = Instant::now();
                prelude.instantiate(scope, &[])?;
                Ok(begun.elapsed())
            }));
        }
        println!("instantiated, first and after: {times:?}, {} bytes", prelude.compiled.get().unwrap().len());
    }
}
