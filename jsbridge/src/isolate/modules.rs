//! ES modules: the engine's questions about them, answered by the host's [`ModuleLoader`].
//!
//! ```text
//!   import './b.mjs'  ->  normalize(base, specifier)  ->  full name  -- known to the context? --> that module
//!                                                                    -- else load(full name) --> source, compiled
//! ```
//!
//! A context has each module once, whoever imports it; imports may be cyclic; a module with `await` at its top level
//! makes those wait that import it. All of that is the engine's. The module that asked is known to `normalize` only, so
//! that call leaves a note for errors of `load`, which follows at once.

use super::handle::{CStrSource, Handle, JsResult, Scope};
use super::native::scope_of;
use crate::loader::ModuleLoader;
use rquickjs::qjs;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// This isolate's loader, and who asked last.
#[derive(Default)]
struct Modules {
    loader: RefCell<Option<Arc<dyn ModuleLoader>>>,
    asked: RefCell<(String, String)>,
}

impl<'a> Scope<'a> {
    /// From now on modules come from this loader; `None`: from nowhere.
    pub(crate) fn load_modules_from(self, loader: Option<Arc<dyn ModuleLoader>>) {
        *self.note::<Modules>().loader.borrow_mut() = loader;
        // SAFETY: the runtime is alive; the functions find all they need in the context.
        unsafe {
            let (normalize, load, check) =
                (Some(normalize as _), Some(load as _), Some(check_attributes as _));
            qjs::JS_SetModuleLoaderFunc2(self.runtime(), normalize, load, check, ptr::null_mut());
        }
    }

    /// Evaluates a module that nobody imports: the main one. The result is a promise, which is fulfilled when the module
    /// and all that it imports are evaluated; pending while one of them waits.
    ///
    /// # Errors
    /// It cannot be compiled, or what it imports cannot be found. (What it throws rejects the promise.)
    pub(crate) fn eval_module(self, name: &str, source: &str) -> JsResult<'a, Handle<'a>> {
        let module = self.compile_module(name, source, true)?;
        // SAFETY: we are inside; the engine takes the reference over, and the result is ours.
        unsafe { self.check(qjs::JS_EvalFunction(self.as_ptr(), module.into_raw())) }
    }

    /// Evaluates a script; or the same text as a module, if it is none: it has `import`, `export` or an `await` at its
    /// top level. The result is undefined, or a promise of it.
    pub(crate) fn eval_either(self, name: &CStr, source: &str) -> JsResult<'a, Handle<'a>> {
        let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
        match self.eval_with(name, &CStrSource::new(source), flags as i32) {
            // SAFETY: we are inside; the engine takes the reference over, and the result is ours.
            // The value of its last statement is nobody's, and need not be one that can leave.
            Ok(script) => unsafe {
                self.check(qjs::JS_EvalFunction(self.as_ptr(), script.into_raw())).map(|_| self.undefined())
            },
            Err(as_script) => match self.compile_module(&name.to_string_lossy(), source, true) {
                // SAFETY: as above.
                Ok(module) => unsafe { self.check(qjs::JS_EvalFunction(self.as_ptr(), module.into_raw())) },
                Err(as_module) => {
                    let begins = |line: &str| line.starts_with("import") || line.starts_with("export");
                    Err(if source.lines().any(begins) { as_module } else { as_script })
                }
            },
        }
    }

    fn compile_module(self, name: &str, source: &str, main: bool) -> JsResult<'a, Handle<'a>> {
        let Ok(name_text) = CString::new(name) else {
            return Err(self.type_error("a module's name cannot contain a zero byte"));
        };
        let flags = qjs::JS_EVAL_TYPE_MODULE | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
        let module = self.eval_with(&name_text, &CStrSource::new(source), flags as i32)?;
        // SAFETY: we are inside; what was compiled is a module, which lives as long as its context.
        let meta = unsafe {
            let definition = qjs::JS_VALUE_GET_PTR(module.raw()).cast::<qjs::JSModuleDef>();
            self.check(qjs::JS_GetImportMeta(self.as_ptr(), definition))?
        };
        let loader = self.note::<Modules>().loader.borrow().clone();
        let about = loader.map(|loader| loader.meta(name));
        let url = about.as_ref().map_or(name, |about| about.url.as_str());
        meta.set(c"url", self.string(url)?)?;
        meta.set(c"main", self.boolean(main))?;
        if let Some(filename) = about.and_then(|about| about.filename) {
            let directory = std::path::Path::new(&filename).parent().map(|parent| parent.to_string_lossy());
            meta.set(c"dirname", self.string(&directory.unwrap_or_default())?)?;
            meta.set(c"filename", self.string(&filename)?)?;
        }
        Ok(module)
    }

    /// The full name of what `base` asks for.
    fn normalize(self, base: &str, specifier: &str) -> JsResult<'a, CString> {
        let modules = self.note::<Modules>();
        let Some(loader) = modules.loader.borrow().clone() else {
            return Err(self.type_error(&format!(
                "cannot import '{specifier}' from {base}: scripts have no modules here; the host gives them some \
                 with a ModuleLoader"
            )));
        };
        let name = loader
            .resolve(base, specifier)
            .map_err(|error| self.type_error(&format!("cannot import '{specifier}' from {base}: {error}")))?;
        *modules.asked.borrow_mut() = (base.to_owned(), specifier.to_owned());
        CString::new(name).map_err(|_| self.type_error("a module's name cannot contain a zero byte"))
    }

    fn load_module(self, name: &str, json: bool) -> JsResult<'a, NonNull<qjs::JSModuleDef>> {
        let modules = self.note::<Modules>();
        let loader = modules.loader.borrow().clone();
        let (base, specifier) = modules.asked.take();
        let explain =
            |error: &dyn std::fmt::Display| format!("cannot import '{specifier}' from {base}: {error}");
        let Some(loader) = loader else {
            return Err(self.type_error(&explain(&"there are no modules here")));
        };
        if name.ends_with(".json") && !json {
            let advice = "JSON is imported with an attribute: import data from '...' with { type: 'json' }";
            return Err(self.type_error(&explain(&advice)));
        }
        let source = loader.load(name).map_err(|error| self.type_error(&explain(&error)))?;
        let module = if json {
            return self.json_module(name, &source);
        } else {
            self.compile_module(name, &source, false)?
        };
        // SAFETY: what was compiled is a module. The context holds it; the handle's reference is given back.
        let definition = unsafe { qjs::JS_VALUE_GET_PTR(module.raw()).cast::<qjs::JSModuleDef>() };
        NonNull::new(definition).ok_or_else(|| self.undefined())
    }

    /// A module whose `default` is what the JSON says.
    fn json_module(self, name: &str, source: &str) -> JsResult<'a, NonNull<qjs::JSModuleDef>> {
        let Ok(name_text) = CString::new(name) else {
            return Err(self.type_error("a module's name cannot contain a zero byte"));
        };
        let text = CStrSource::new(source.strip_prefix('\u{feff}').unwrap_or(source));
        let value = self.parse_json(&text, &name_text)?;
        // SAFETY: we are inside; the engine takes the value's reference over, also where it fails.
        unsafe {
            let module = qjs::JS_NewCModule(self.as_ptr(), name_text.as_ptr(), Some(fill_json));
            let Some(module) = NonNull::new(module) else { return Err(self.take_exception()) };
            if qjs::JS_AddModuleExport(self.as_ptr(), module.as_ptr(), c"default".as_ptr()) < 0
                || qjs::JS_SetModulePrivateValue(self.as_ptr(), module.as_ptr(), value.into_raw()) < 0
            {
                return Err(self.take_exception());
            }
            Ok(module)
        }
    }

    fn parse_json(self, text: &CStrSource, name: &CStr) -> JsResult<'a, Handle<'a>> {
        let bytes = text.as_bytes();
        // SAFETY: we are inside; the text ends with a zero byte that is not counted; the reference is ours.
        unsafe {
            let length = (bytes.len() - 1) as qjs::size_t;
            self.check(qjs::JS_ParseJSON(self.as_ptr(), bytes.as_ptr().cast(), length, name.as_ptr()))
        }
    }
}

/// Runs the host's code; a panic must not unwind through the engine. `None`: an exception is pending.
fn guarded<'a, R>(scope: Scope<'a>, code: impl FnOnce() -> JsResult<'a, R>) -> Option<R> {
    let thrown = match catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(result)) => return Some(result),
        Ok(Err(thrown)) => thrown,
        Err(_) => scope.type_error("a module loader of the host panicked"),
    };
    // SAFETY: we are inside; the engine takes the reference over.
    unsafe { qjs::JS_Throw(scope.as_ptr(), thrown.into_raw()) };
    None
}

/// What a C string of the engine's says.
///
/// # Safety
/// It is null or ends with a zero byte, and lives for the call.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The engine asks for the full name of a module; it frees the text.
unsafe extern "C" fn normalize(
    context: *mut qjs::JSContext,
    base: *const c_char,
    specifier: *const c_char,
    _opaque: *mut c_void,
) -> *mut c_char {
    // SAFETY: called from inside, with texts that live for the call.
    unsafe {
        let Some(scope) = scope_of(context) else { return ptr::null_mut() };
        let (base, specifier) = (text_of(base), text_of(specifier));
        let name = guarded(scope, || scope.normalize(&base, &specifier));
        name.map_or(ptr::null_mut(), |name| qjs::js_strdup(context, name.as_ptr()))
    }
}

/// The engine asks for a module that it does not know.
unsafe extern "C" fn load(
    context: *mut qjs::JSContext,
    name: *const c_char,
    _opaque: *mut c_void,
    attributes: qjs::JSValue,
) -> *mut qjs::JSModuleDef {
    // SAFETY: called from inside, with a text and a value that live for the call.
    unsafe {
        let Some(scope) = scope_of(context) else { return ptr::null_mut() };
        let (name, attributes) = (text_of(name), scope.own(qjs::JS_DupValue(context, attributes)));
        let module = guarded(scope, || scope.load_module(&name, attributes.is_object()));
        module.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// The engine asks whether it may import with these attributes: those of `with { type: 'json' }`. Not zero: no.
unsafe extern "C" fn check_attributes(
    context: *mut qjs::JSContext,
    _opaque: *mut c_void,
    attributes: qjs::JSValue,
) -> c_int {
    // SAFETY: called from inside, with a value that lives for the call.
    unsafe {
        let Some(scope) = scope_of(context) else { return -1 };
        let attributes = scope.own(qjs::JS_DupValue(context, attributes));
        let checked = guarded(scope, || {
            for key in attributes.own_keys(false)? {
                let (key, value) = (key.text()?, attributes.get_key(&key)?.text()?);
                if key != "type" || value != "json" {
                    let message = format!(
                        "imports have no attribute {key}: '{value}'; there is type: 'json', and for JavaScript none"
                    );
                    return Err(scope.type_error(&message));
                }
            }
            Ok(())
        });
        if checked.is_some() { 0 } else { -1 }
    }
}

/// The engine links a JSON module.
unsafe extern "C" fn fill_json(context: *mut qjs::JSContext, module: *mut qjs::JSModuleDef) -> c_int {
    // SAFETY: called from inside; the value is the module's, and the new reference is taken over.
    unsafe {
        let value = qjs::JS_GetModulePrivateValue(context, module);
        qjs::JS_SetModuleExport(context, module, c"default".as_ptr(), value)
    }
}
