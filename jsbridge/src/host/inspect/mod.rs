//! Values as `console.log` shows them: what a user of Node knows from `util.inspect`.
//!
//! Looking runs as little of the script as Node's does: no getter of a property, no trap of a proxy, no `toString` or
//! `toJSON`. What runs are the getters of `Symbol.toStringTag`, and of an error's `name`, `message` and `stack`;
//! what those throw is let go. Node's `util.inspect.custom` is not called.
//!
//! Everything is bounded: the depth by the options and by the stack that is left, arrays and strings by the options, and
//! all of it together by [`MOST`]: what is past that is shown as if it were too deep.
//!
//! | file       | what it has                                             |
//! |------------|---------------------------------------------------------|
//! | `mod.rs`   | which parts an object is shown with                     |
//! | `contents` | what is inside: elements, entries, properties           |
//! | `names`    | what comes before: constructors, functions, errors      |
//! | `text`     | quotes, colours, lines and columns                      |

mod text;
mod names;
mod contents;

pub(crate) use text::{quote, width};

use super::intrinsics::{self, Intrinsic};
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::look::{Class, Key, WellKnown};
use crate::value::Value;
use text::{Columns, Parts, Style, more};

/// How values are shown.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Levels below the first; `None`: all.
    pub(crate) depth: Option<i64>,
    pub(crate) colors: bool,
    /// What is not enumerable too.
    pub(crate) hidden: bool,
    /// Columns of a line.
    pub(crate) break_length: usize,
    pub(crate) max_array: usize,
    pub(crate) max_string: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            depth: Some(2),
            colors: false,
            hidden: false,
            break_length: 80,
            max_array: 100,
            max_string: 10_000,
        }
    }
}

/// Bytes of text after which nothing more is looked into. Picked: nobody reads so much, and a few of them fit beside an
/// isolate.
const MOST: usize = 1 << 20;

/// Stack that one more level may need: the frames of this module, and the engine's below them.
const STACK_FOR_LEVEL: usize = 14 << 10;
/// The same where a built-in method is called, which the engine refuses below the scripts' part.
const STACK_FOR_CALL: usize = 2 << 10;

/// Shows a value.
///
/// # Errors
/// There is no memory; or the script was told to end.
pub(crate) fn inspect<'a>(value: &Handle<'a>, options: &Options) -> JsResult<'a, String> {
    let mut inspector = Inspector {
        scope: value.scope,
        options,
        depth: options.depth,
        seen: Vec::new(),
        circular: Vec::new(),
        indentation: 0,
        deepest: 0,
        written: 0,
    };
    inspector.value(value, 0, false)
}

/// One inspection.
struct Inspector<'a, 'o> {
    scope: Scope<'a>,
    options: &'o Options,
    /// Of the options, or less when too much has been written.
    depth: Option<i64>,
    /// The objects that we are in, outermost first.
    seen: Vec<usize>,
    /// Those that were met again inside themselves; the numbers are their places, from 1.
    circular: Vec<usize>,
    indentation: usize,
    /// The level of the object that was opened last.
    deepest: usize,
    written: usize,
}

/// An object's name and tag: `Foo [bar]`.
struct Title {
    /// Of the constructor; `None`: there is no prototype.
    constructor: Option<String>,
    /// What `Symbol.toStringTag` says, if that is shown.
    tag: String,
}

impl Title {
    /// `Foo(3) [tag] `, with a space at the end.
    fn prefix(&self, fallback: &str, size: &str) -> String {
        let Title { constructor, tag } = self;
        match constructor {
            None if !tag.is_empty() && fallback != tag => {
                format!("[{fallback}{size}: null prototype] [{tag}] ")
            }
            None => format!("[{fallback}{size}: null prototype] "),
            Some(name) if !tag.is_empty() && name != tag => format!("{name}{size} [{tag}] "),
            Some(name) => format!("{name}{size} "),
        }
    }

    fn is(&self, name: &str) -> bool {
        self.constructor.as_deref() == Some(name)
    }
}

/// How an object is shown, decided by its class.
enum Shape {
    /// All of it.
    Done(String),
    /// Braces, with `base` before, around `inside` and the properties.
    Braces { base: String, open: String, close: &'static str, inside: Inside },
}

/// What is shown before the properties.
enum Inside {
    Nothing,
    Elements,
    TypedElements,
    Entries { map: bool },
    Promise,
    Bytes,
    View,
    Unknown,
}

impl<'a> Inspector<'a, '_> {
    fn value(&mut self, value: &Handle<'a>, level: usize, in_view: bool) -> JsResult<'a, String> {
        let text =
            if value.is_object() { self.object(value, level, in_view) } else { self.primitive(value) }?;
        self.written += text.len();
        if self.written > MOST {
            self.depth = Some(-1);
        }
        Ok(text)
    }

    fn primitive(&self, value: &Handle<'a>) -> JsResult<'a, String> {
        Ok(if value.is_string() {
            self.string(value)?
        } else if value.is_number() {
            self.style(Style::Number, &number_text(value.to_number()?))
        } else if value.is_bigint() {
            self.style(Style::Number, &format!("{}n", value.text()?))
        } else if value.is_symbol() {
            self.style(Style::Text, &format!("Symbol({})", value.description()?))
        } else if value.is_null() {
            self.style(Style::Null, "null")
        } else if value.is_undefined() {
            self.style(Style::Undefined, "undefined")
        } else {
            self.style(Style::Number, &value.text()?)
        })
    }

    /// In quotes. Long ones are cut off, and stand on as many lines as they have.
    fn string(&self, value: &Handle<'a>) -> JsResult<'a, String> {
        /// Shorter ones stay on one line.
        const LINE_MIN: usize = 16;
        let units = value.code_units()?;
        let most = if self.written > MOST { 0 } else { self.options.max_string };
        let shown = &units[..units.len().min(most)];
        let rest = units.len() - shown.len();
        let trailer = if rest > 0 { more(rest, "character") } else { String::new() };
        let room = self.options.break_length.saturating_sub(self.indentation + 4);
        let text = if shown.len() > LINE_MIN && shown.len() > room {
            let lines = shown.split_inclusive(|&unit| unit == u16::from(b'\n'));
            let lines: Vec<String> = lines.map(|line| self.style(Style::Text, &quote(line))).collect();
            lines.join(&format!(" +\n{}", " ".repeat(self.indentation + 2)))
        } else {
            self.style(Style::Text, &quote(shown))
        };
        Ok(text + &trailer)
    }

    fn object(&mut self, value: &Handle<'a>, level: usize, in_view: bool) -> JsResult<'a, String> {
        let value = &value.without_proxies();
        if !value.is_object() {
            return Ok(self.style(Style::Special, "<Revoked Proxy>"));
        }
        if self.seen.contains(&value.address()) {
            let index =
                self.circular.iter().position(|known| *known == value.address()).unwrap_or_else(|| {
                    self.circular.push(value.address());
                    self.circular.len() - 1
                });
            return Ok(self.style(Style::Special, &format!("[Circular *{}]", index + 1)));
        }
        let class = value.class().unwrap_or(Class::Other);
        let title = self.title(value)?;
        let too_deep = self.is_too_deep(class, level);
        let mut keys = self.keys(value, class)?;
        let shape = self.shape(value, class, &title, &mut keys, too_deep, in_view)?;
        let Shape::Braces { base, open, close, inside } = shape else {
            let Shape::Done(text) = shape else { unreachable!("there are two") };
            return Ok(text);
        };
        if too_deep {
            return Ok(self.style(Style::Special, &title.when_too_deep(class)));
        }
        self.contents(
            value,
            level,
            keys,
            Parts { base, open, close, entries: Vec::new(), columns: None },
            inside,
        )
    }

    fn is_too_deep(&self, class: Class, level: usize) -> bool {
        let calls = matches!(class, Class::Map | Class::Set);
        self.depth.is_some_and(|depth| level as i64 > depth)
            || self.scope.stack_left().host < STACK_FOR_LEVEL
            || (calls && !self.may_call())
    }

    /// Is there stack for a built-in method?
    fn may_call(&self) -> bool {
        self.scope.stack_left().scripts >= STACK_FOR_CALL
    }

    /// The inside of an object, and all of it put together.
    fn contents(
        &mut self,
        value: &Handle<'a>,
        level: usize,
        keys: Vec<Key<'a>>,
        mut parts: Parts,
        inside: Inside,
    ) -> JsResult<'a, String> {
        let level = level + 1;
        self.seen.push(value.address());
        self.deepest = level;
        let listed = matches!(inside, Inside::Elements | Inside::TypedElements);
        let indentation = self.indentation;
        let filled = self.fill(value, level, keys, inside, &mut parts.entries);
        self.indentation = indentation;
        self.seen.pop();
        filled?;
        if let Some(index) = self.circular.iter().position(|known| *known == value.address()) {
            let reference = self.style(Style::Special, &format!("<ref *{}>", index + 1));
            parts.base =
                if parts.base.is_empty() { reference } else { format!("{reference} {}", parts.base) };
        }
        if listed {
            parts.columns = Some(Columns {
                numbers: self.are_numbers(value, parts.entries.len())?,
                more: self.options.max_array < parts.entries.len(),
            });
        }
        Ok(self.put_together(parts, level))
    }

    /// Decides what of the object is shown, by its class.
    fn shape(
        &mut self,
        value: &Handle<'a>,
        class: Class,
        title: &Title,
        keys: &mut Vec<Key<'a>>,
        too_deep: bool,
        in_view: bool,
    ) -> JsResult<'a, Shape> {
        let braces = |open: String, inside: Inside| {
            Ok(Shape::Braces { base: String::new(), open, close: "}", inside })
        };
        let named = |fallback: &str| format!("{}{{", title.prefix(fallback, ""));
        let based = |keys: &[Key<'a>], base: String, style: Option<Style>, inspector: &Self| {
            if !keys.is_empty() {
                return Ok(Shape::Braces { base, open: "{".to_owned(), close: "}", inside: Inside::Nothing });
            }
            Ok(Shape::Done(style.map_or_else(|| base.clone(), |style| inspector.style(style, &base))))
        };
        match class {
            Class::Array => {
                let length = value.length()?;
                let plain = title.is("Array") && title.tag.is_empty();
                let prefix =
                    if plain { String::new() } else { title.prefix("Array", &format!("({length})")) };
                if length == 0 && keys.is_empty() {
                    return Ok(Shape::Done(format!("{prefix}[]")));
                }
                let open = format!("{prefix}[");
                Ok(Shape::Braces { base: String::new(), open, close: "]", inside: Inside::Elements })
            }
            Class::TypedArray => {
                let length = value.view()?.map_or(0, |view| view.length());
                let prefix = title.prefix("TypedArray", &format!("({length})"));
                if length == 0 && keys.is_empty() {
                    return Ok(Shape::Done(format!("{prefix}[]")));
                }
                let open = format!("{prefix}[");
                Ok(Shape::Braces { base: String::new(), open, close: "]", inside: Inside::TypedElements })
            }
            Class::Map | Class::Set => {
                let (map, fallback) = (class == Class::Map, if class == Class::Map { "Map" } else { "Set" });
                if !self.may_call() {
                    return braces(named(fallback), Inside::Nothing);
                }
                let (_, size) = intrinsics::entries(value, map, 0)?;
                let prefix = title.prefix(fallback, &format!("({size})"));
                if size == 0 && keys.is_empty() {
                    return Ok(Shape::Done(format!("{prefix}{{}}")));
                }
                braces(format!("{prefix}{{"), Inside::Entries { map })
            }
            Class::Function
            | Class::GeneratorFunction
            | Class::AsyncFunction
            | Class::AsyncGeneratorFunction
            | Class::Native => {
                let base = self.function_name(value, class, title)?;
                based(keys, base, Some(Style::Special), self)
            }
            Class::RegExp => {
                let text = intrinsics::call(Intrinsic::RegExpToString, value, &[])?.text()?;
                let base = with_prefix(title, "RegExp", text);
                if too_deep {
                    return Ok(Shape::Done(self.style(Style::RegExp, &base)));
                }
                based(keys, base, Some(Style::RegExp), self)
            }
            Class::Date => {
                let time = intrinsics::call(Intrinsic::DateGetTime, value, &[])?.to_number()?;
                based(keys, with_prefix(title, "Date", names::date_text(time)), Some(Style::Date), self)
            }
            Class::Error | Class::DomException => {
                let base = self.error_text(value, title, keys)?;
                based(keys, base, None, self)
            }
            Class::ArrayBuffer | Class::SharedArrayBuffer => {
                let fallback = if class == Class::ArrayBuffer { "ArrayBuffer" } else { "SharedArrayBuffer" };
                if in_view && keys.is_empty() {
                    let size = value.buffer_bytes(0).map_or(0, |(_, size)| size);
                    let size = self.style(Style::Number, &size.to_string());
                    return Ok(Shape::Done(format!(
                        "{}{{ byteLength: {size} }}",
                        title.prefix(fallback, "")
                    )));
                }
                braces(named(fallback), Inside::Bytes)
            }
            Class::DataView => braces(named("DataView"), Inside::View),
            Class::Promise => braces(named("Promise"), Inside::Promise),
            Class::WeakSet => braces(named("WeakSet"), Inside::Unknown),
            Class::WeakMap => braces(named("WeakMap"), Inside::Unknown),
            Class::Module => braces(named("Module"), Inside::Nothing),
            Class::Number | Class::String | Class::Boolean | Class::Symbol | Class::BigInt => {
                let base = self.boxed_text(value, class, title, keys)?;
                let style = match class {
                    Class::String | Class::Symbol => Style::Text,
                    _ => Style::Number,
                };
                based(keys, base, Some(style), self)
            }
            Class::WeakRef | Class::Arguments | Class::Proxy | Class::Other => {
                let open = match class {
                    Class::Arguments if title.is("Object") => "[Arguments] {".to_owned(),
                    _ if title.is("Object") && title.tag.is_empty() => "{".to_owned(),
                    _ => named("Object"),
                };
                if keys.is_empty() {
                    return Ok(Shape::Done(format!("{open}}}")));
                }
                braces(open, Inside::Nothing)
            }
        }
    }

    /// The constructor's name, and the tag.
    fn title(&self, value: &Handle<'a>) -> JsResult<'a, Title> {
        let constructor = self.constructor_name(value)?;
        let key = self.scope.well_known(WellKnown::ToStringTag)?;
        let tag = match value.get_key(&key) {
            Ok(tag) if tag.is_string() => tag.text()?,
            _ => String::new(),
        };
        // An own enumerable one is shown with the properties.
        let own = !tag.is_empty() && value.own_property(&key)?.is_some_and(|found| found.enumerable);
        Ok(Title { constructor, tag: if own { String::new() } else { tag } })
    }
}

fn with_prefix(title: &Title, class: &str, text: String) -> String {
    let prefix = title.prefix(class, "");
    if prefix.strip_suffix(' ') == Some(class) { text } else { prefix + &text }
}

/// As JavaScript writes it, but -0 with its sign.
pub(crate) fn number_text(number: f64) -> String {
    if number == 0.0 && number.is_sign_negative() {
        "-0".to_owned()
    } else {
        Value::Number(number).to_string()
    }
}
