//! What is known of the engine beyond its documented functions, and was found true in this process.
//!
//! | fact                                   | if it is not so                                              |
//! |----------------------------------------|--------------------------------------------------------------|
//! | the version of serialized code, and the table of instructions | no function can be sent               |
//! | where a function object has its code and its captured variables | functions with captured variables are refused, by name |
//!
//! Both are tried once per process, on functions whose code and variables are known, in an engine made for that. The
//! version of the engine is asked first: addresses are followed only in the one whose layout they are from.

use super::bytecode::{Atom, Listing, Malformed};
use super::opcodes;
use rquickjs::qjs;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::OnceLock;

/// The engine whose layout the offsets are from.
const ENGINE: &CStr = c"0.16.2";

/// Of a function object: its code, the cells of its captured variables, the object that `super` looks at.
const FUNCTION_CODE: usize = 48;
const FUNCTION_CELLS: usize = 56;
/// Of a cell: the address of the value.
const CELL_VALUE: usize = 24;

/// What was found.
pub(super) struct Facts {
    /// The number that the engine gives the first name of a stream; those below are its own.
    pub(super) own_atoms: u32,
    /// The engine's own names, by number.
    pub(super) known: Vec<String>,
    classes: Classes,
    /// Captured variables can be read.
    captures: bool,
}

/// Numbers of the classes of functions that have code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Classes {
    plain: u32,
    generator: u32,
    asynchronous: u32,
    async_generator: u32,
    bound: u32,
    object: u32,
    array: u32,
    namespace: u32,
}

/// The facts. `None`: this is not the engine that we know.
pub(super) fn facts() -> Option<&'static Facts> {
    static FACTS: OnceLock<Option<Facts>> = OnceLock::new();
    FACTS.get_or_init(|| Trial::new()?.run().ok()).as_ref()
}

/// The same where captured variables cannot be read.
#[cfg(test)]
pub(super) fn facts_without_captures() -> Option<&'static Facts> {
    static FACTS: OnceLock<Option<Facts>> = OnceLock::new();
    let make = || Some(Facts { captures: false, ..Trial::new()?.run().ok()? });
    FACTS.get_or_init(make).as_ref()
}

/// The code of a function, by its address. It says nothing of whether that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CodeAddress(*mut c_void);

impl CodeAddress {
    /// The code as a value of the engine's own kind, which can be written and held, but must not reach a script.
    pub(super) fn as_value(self) -> qjs::JSValue {
        qjs::JS_MKPTR(qjs::JS_TAG_FUNCTION_BYTECODE, self.0)
    }
}

/// The cell of a captured variable, by its address: closures that share a variable have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell(*mut c_void);

impl Facts {
    /// Is it a function that a script has defined? Not one of the host, not bound, not a proxy.
    pub(super) fn has_code(&self, value: qjs::JSValue) -> bool {
        // SAFETY: reading the tag, and the class of an object.
        let class = unsafe {
            if !qjs::JS_IsObject(value) {
                return false;
            }
            qjs::JS_GetClassID(value)
        };
        let Classes { plain, generator, asynchronous, async_generator, .. } = self.classes;
        [plain, generator, asynchronous, async_generator].contains(&class)
    }

    /// Is it an object of no particular class, an array, or what `import * as` gives?
    pub(super) fn is_plain(&self, value: qjs::JSValue) -> bool {
        let Classes { object, array, namespace, .. } = self.classes;
        // SAFETY: reading the tag, and the class of an object.
        unsafe { qjs::JS_IsObject(value) && [object, array, namespace].contains(&qjs::JS_GetClassID(value)) }
    }

    /// Is it a function that `bind` has made?
    pub(super) fn is_bound(&self, value: qjs::JSValue) -> bool {
        // SAFETY: reading the tag, and the class of an object.
        unsafe { qjs::JS_IsObject(value) && qjs::JS_GetClassID(value) == self.classes.bound }
    }

    /// Can captured variables be read?
    pub(super) fn has_captures(&self) -> bool {
        self.captures
    }

    /// The code of a function.
    ///
    /// # Safety
    /// [`has_code`](Self::has_code) and [`has_captures`](Self::has_captures) have said yes, and the function is alive.
    pub(super) unsafe fn code_of(&self, function: qjs::JSValue) -> CodeAddress {
        // SAFETY: the caller's promise, and what was tried: a function object has this pointer there.
        unsafe { CodeAddress(pointer_at(qjs::JS_VALUE_GET_PTR(function), FUNCTION_CODE)) }
    }

    /// The cell of a function's captured variable; `None` while its module is being linked.
    ///
    /// # Safety
    /// As for [`code_of`](Self::code_of), and its code has more than `index` captured variables.
    pub(super) unsafe fn cell_of(&self, function: qjs::JSValue, index: usize) -> Option<Cell> {
        // SAFETY: the caller's promise, and what was tried: a function that captures has an array of pointers there.
        unsafe {
            let cells = pointer_at(qjs::JS_VALUE_GET_PTR(function), FUNCTION_CELLS);
            if cells.is_null() {
                return None;
            }
            let cell = pointer_at(cells, index * size_of::<*mut c_void>());
            if cell.is_null() { None } else { Some(Cell(cell)) }
        }
    }
}

impl Cell {
    /// The variable's value, without a reference of its own. The tag is that of no value if the variable is declared
    /// and not initialized.
    ///
    /// # Safety
    /// A function that has the cell is alive.
    pub(super) unsafe fn value(self) -> qjs::JSValue {
        // SAFETY: the caller's promise, and what was tried: a cell has the address of a value there.
        unsafe { pointer_at(self.0, CELL_VALUE).cast::<qjs::JSValue>().read() }
    }
}

/// # Safety
/// There is a pointer at that place.
unsafe fn pointer_at(base: *mut c_void, offset: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { base.cast::<u8>().add(offset).cast::<*mut c_void>().read() }
}

/// An engine of our own, to try things in.
struct Trial {
    runtime: *mut qjs::JSRuntime,
    context: *mut qjs::JSContext,
}

impl Drop for Trial {
    fn drop(&mut self) {
        // SAFETY: they are ours, and nothing of them is in use.
        unsafe {
            qjs::JS_FreeContext(self.context);
            qjs::JS_FreeRuntime(self.runtime);
        }
    }
}

/// A value of the trial's engine.
struct Value<'t>(&'t Trial, qjs::JSValue);

impl Drop for Value<'_> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { qjs::JS_FreeValue(self.0.context, self.1) };
    }
}

impl Trial {
    fn new() -> Option<Trial> {
        // SAFETY: each pointer is checked before it is used.
        unsafe {
            if CStr::from_ptr(qjs::JS_GetVersion()) != ENGINE {
                return None;
            }
            let runtime = qjs::JS_NewRuntime();
            if runtime.is_null() {
                return None;
            }
            // The scripts below need little, and we may be on any stack.
            qjs::JS_SetMaxStackSize(runtime, 0);
            let context = qjs::JS_NewContext(runtime);
            if context.is_null() {
                qjs::JS_FreeRuntime(runtime);
                return None;
            }
            Some(Trial { runtime, context })
        }
    }

    fn run(&self) -> Result<Facts, Malformed> {
        let own_atoms = self.count_known_atoms()?;
        let known = self.known_atoms(own_atoms)?;
        let mut facts = Facts { own_atoms, known, classes: self.classes()?, captures: false };
        self.check_listings(&facts)?;
        facts.captures = cfg!(target_pointer_width = "64") && self.check_captures(&mut facts).is_ok();
        Ok(facts)
    }

    fn eval(&self, source: &CStr, flags: u32) -> Result<Value<'_>, Malformed> {
        let length = source.count_bytes() as qjs::size_t;
        // SAFETY: the context is alive; the text ends with a zero byte.
        let value =
            unsafe { qjs::JS_Eval(self.context, source.as_ptr(), length, c"trial".as_ptr(), flags as i32) };
        let value = Value(self, value);
        // SAFETY: reading a tag.
        if unsafe { qjs::JS_IsException(value.1) } { Err(Malformed) } else { Ok(value) }
    }

    /// The serialized form of code.
    fn write(&self, code: qjs::JSValue) -> Result<Vec<u8>, Malformed> {
        let mut length: qjs::size_t = 0;
        // SAFETY: the context is alive; the bytes are copied before they are freed.
        unsafe {
            let bytes =
                qjs::JS_WriteObject(self.context, &mut length, code, qjs::JS_WRITE_OBJ_BYTECODE as i32);
            if bytes.is_null() {
                return Err(Malformed);
            }
            let copy = std::slice::from_raw_parts(bytes, length as usize).to_vec();
            qjs::js_free(self.context, bytes.cast());
            Ok(copy)
        }
    }

    fn compile(&self, source: &CStr) -> Result<Vec<u8>, Malformed> {
        let code = self.eval(source, qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY)?;
        self.write(code.1)
    }

    /// The only name in this script is new to the engine, so it gets the first number that is not the engine's.
    fn count_known_atoms(&self) -> Result<u32, Malformed> {
        let code = self.compile(c"heddle_trial_name")?;
        let listing = Listing::read(&code, Atom::LIMIT)?;
        if listing.atoms.first().is_none_or(|name| name != "heddle_trial_name") {
            return Err(Malformed);
        }
        for instruction in listing.functions[0].instructions() {
            let instruction = instruction?;
            if let (opcodes::GET_VAR, Atom::Known(number)) =
                (instruction.number, instruction.atom(Atom::LIMIT))
            {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn known_atoms(&self, count: u32) -> Result<Vec<String>, Malformed> {
        let mut known = vec![String::new()];
        for number in 1..count {
            let mut length: qjs::size_t = 0;
            // SAFETY: the context is alive, and numbers below the count are the engine's own names. The text is
            // copied before it is freed.
            unsafe {
                let text = qjs::JS_AtomToCStringLen(self.context, &mut length, number);
                if text.is_null() {
                    return Err(Malformed);
                }
                let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
                known.push(String::from_utf8_lossy(bytes).into_owned());
                qjs::JS_FreeCString(self.context, text);
            }
        }
        Ok(known)
    }

    fn classes(&self) -> Result<Classes, Malformed> {
        let class_of = |source| {
            let value = self.eval(source, qjs::JS_EVAL_TYPE_GLOBAL)?;
            // SAFETY: reading the class of an object, which all of these are.
            Ok(unsafe { qjs::JS_GetClassID(value.1) })
        };
        let classes = Classes {
            plain: class_of(c"(() => 1)")?,
            generator: class_of(c"(function* () {})")?,
            asynchronous: class_of(c"(async () => 1)")?,
            async_generator: class_of(c"(async function* () {})")?,
            bound: class_of(c"(function () {}).bind(1)")?,
            object: class_of(c"({})")?,
            array: class_of(c"[]")?,
            namespace: self.namespace_class()?,
        };
        // All that is no code of a script's must have other classes.
        for other in [c"Math.max", c"(function () {}).bind(1)", c"new Proxy(() => 1, {})", c"({})"] {
            let other = class_of(other)?;
            let Classes { plain, generator, asynchronous, async_generator, .. } = classes;
            if [plain, generator, asynchronous, async_generator].contains(&other) {
                return Err(Malformed);
            }
        }
        Ok(classes)
    }

    /// The class of what `import * as` gives.
    fn namespace_class(&self) -> Result<u32, Malformed> {
        let flags = qjs::JS_EVAL_TYPE_MODULE | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
        let module = self.eval(c"export const a = 1", flags)?;
        // SAFETY: the context is alive; what was compiled is a module, whose value points to it, and which the context
        // keeps. Running it takes the reference over.
        let (done, namespace) = unsafe {
            let definition = qjs::JS_VALUE_GET_PTR(module.1).cast();
            let value = std::mem::ManuallyDrop::new(module).1;
            let done = Value(self, qjs::JS_EvalFunction(self.context, value));
            (done, Value(self, qjs::JS_GetModuleNamespace(self.context, definition)))
        };
        // SAFETY: reading tags, and the class of an object.
        unsafe {
            if qjs::JS_IsException(done.1) || !qjs::JS_IsObject(namespace.1) {
                return Err(Malformed);
            }
            Ok(qjs::JS_GetClassID(namespace.1))
        }
    }

    /// Functions whose names are known, among them one with every kind of operand, are listed as they should be.
    fn check_listings(&self, facts: &Facts) -> Result<(), Malformed> {
        const SAMPLES: [(&CStr, &[&str]); 5] = [
            (c"(a => a + 1)", &[]),
            (c"(function f(a, b = q1) { typeof q2; q3 = 1; return f(a, b, Math) })", &["q1", "q2", "q3", "Math"]),
            (
                c"(async function* (x) { for await (const y of q1) { yield* y?.z(x ** 2n, `a${q2}b`, ...x) } \
                  try { label: for (;;) { switch (x) { case 1.5: break label; default: continue label } } } \
                  catch ({ e }) { delete e[0]; throw e } finally { x.y ??= q3 } })",
                &["q1", "q2", "q3"],
            ),
            (
                c"(class A extends q1 { #p = q2; static s = q3; static { q4 } get [q5]() { return super.x } \
                  m() { return #p in this ? new.target : this.#p } })",
                &["q1", "q2", "q3", "q4", "q5"],
            ),
            (
                c"(o => { with (o) { q1; q2 = 1; (() => q3)() } eval('1'); return /a/g.test(String.raw`x`) })",
                &["q1", "q2", "q3", "String", "eval"],
            ),
        ];
        for (source, expected) in SAMPLES {
            let code = self.compile(source)?;
            let listing = Listing::read(&code, facts.own_atoms)?;
            let mut found: Vec<&str> = Vec::new();
            for function in &listing.functions {
                for instruction in function.instructions() {
                    let instruction = instruction?;
                    if let opcodes::GET_VAR_UNDEF..=opcodes::PUT_VAR | opcodes::MAKE_VAR_REF =
                        instruction.number
                    {
                        found.push(listing.text(instruction.atom(facts.own_atoms), &facts.known));
                    }
                }
            }
            found.sort_unstable();
            found.dedup();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            if found != expected {
                return Err(Malformed);
            }
        }
        Ok(())
    }

    /// Are a function's code and variables where they should be?
    fn check_captures(&self, facts: &mut Facts) -> Result<(), Malformed> {
        const MAKE: &CStr = c"((probe, second) => { let third = 'three'; \
            return [() => [probe, third], () => [probe, third, second], () => 1] })";
        let make = self.eval(MAKE, qjs::JS_EVAL_TYPE_GLOBAL)?;
        let number = |number| qjs::JS_MKVAL(qjs::JS_TAG_INT, number);
        let call = |first, second| {
            let mut arguments = [number(first), number(second)];
            // SAFETY: the context is alive; numbers are no references.
            let value =
                unsafe { qjs::JS_Call(self.context, make.1, qjs::JS_UNDEFINED, 2, arguments.as_mut_ptr()) };
            Value(self, value)
        };
        let element = |array: &Value<'_>, index| {
            // SAFETY: the context and the array are alive.
            Value(self, unsafe { qjs::JS_GetPropertyUint32(self.context, array.1, index) })
        };
        let (once, again) = (call(123_456_789, -7), call(55, 8));
        let functions = [element(&once, 0), element(&once, 1), element(&again, 0), element(&once, 2)];
        let expect = |truth: bool| if truth { Ok(()) } else { Err(Malformed) };
        for function in &functions {
            expect(facts.has_code(function.1))?;
        }
        // Closures of one text share their code, others do not. So what is read there is a pointer to code, before
        // anything is read through it.
        // SAFETY: a function object is longer than that, in the one version of the engine that comes here.
        let codes = functions.each_ref().map(|function| unsafe { facts.code_of(function.1) });
        expect(codes[0] == codes[2] && codes[0] != codes[1] && codes[3] != codes[0])?;
        // SAFETY: as above; only compared.
        let cells = unsafe { pointer_at(qjs::JS_VALUE_GET_PTR(functions[3].1), FUNCTION_CELLS) };
        expect(cells.is_null())?;
        for (index, names) in [(0, &["probe", "third"][..]), (1, &["probe", "third", "second"])] {
            let code = self.write(codes[index].as_value())?;
            let listing = Listing::read(&code, facts.own_atoms)?;
            let outer = listing.functions[0].outer.iter();
            expect(outer.map(|outer| listing.text(outer.name, &facts.known)).eq(names.iter().copied()))?;
        }
        // SAFETY: the code of these has so many variables, as its listing says.
        let (first, same, third, other, second) = unsafe {
            let cell = |function: usize, index| facts.cell_of(functions[function].1, index).ok_or(Malformed);
            (cell(0, 0)?, cell(1, 0)?, cell(0, 1)?, cell(2, 0)?, cell(1, 2)?)
        };
        expect(first == same && first != other && first != third)?;
        // SAFETY: the functions that have these cells are alive.
        let (first, third, other, second) =
            unsafe { (first.value(), third.value(), other.value(), second.value()) };
        let is_number = |value, expected| {
            // SAFETY: reading a tag, and the number that it says is there.
            unsafe { qjs::JS_IsInt(value) && qjs::JS_VALUE_GET_INT(value) == expected }
        };
        expect(is_number(first, 123_456_789) && is_number(other, 55) && is_number(second, -7))?;
        // SAFETY: reading a tag.
        expect(unsafe { qjs::JS_IsString(third) })
    }
}

// SAFETY: an address that is compared, and followed only by callers who promise that the function is alive.
unsafe impl Send for CodeAddress {}

/// A null address, for tables.
impl Default for CodeAddress {
    fn default() -> Self {
        CodeAddress(ptr::null_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_is_the_engine_that_we_know() {
        let facts = facts().expect("the table of instructions fits");
        assert!(facts.has_captures());
        assert_eq!(facts.known[..4], ["", "null", "false", "true"].map(String::from));
        assert!(facts.known.iter().any(|name| name == "globalThis"));
    }
}
