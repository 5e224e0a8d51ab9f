//! Why a function cannot be sent, in words: what it is, where, and what to do instead.

use super::tokens;
use crate::isolate::handle::{Handle, Scope};

/// The beginning of each message.
const PREFIX: &str = "Deferred: Function not serializable";

/// Where a function is written, to tell where in it something is.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) file: String,
    pub(super) line: i32,
    pub(super) column: i32,
}

impl Origin {
    /// `file:line:column` of a byte of the function's text.
    fn place(&self, text: &str, at: usize) -> String {
        let (line, column) = tokens::place_of(text, at, self.line, self.column);
        format!("{}:{line}:{column}", self.file)
    }

    /// ` (file:line:column)` of a name's first use, or nothing.
    pub(super) fn of_name(&self, text: &str, name: &str) -> String {
        let at = if name.starts_with('#') {
            tokens::find_private(text, name)
        } else {
            tokens::find_use(text, name)
        };
        at.map(|at| format!(" ({})", self.place(text, at))).unwrap_or_default()
    }
}

/// What is wrong with a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotAFunction,
    Proxy,
    Bound,
    /// With its name.
    Native(String),
    /// Names that nobody knows there, and where they are.
    Unknown(Vec<(String, String)>),
    /// Captured variables, where they cannot be read.
    Unreadable(Vec<(String, String)>),
    /// Things of the function around it: `this`, `arguments`, `super`, `new.target`; and where.
    Lexical(&'static str, String),
    Private(String, String),
    ImportMeta(String),
    /// `with`, or `eval` in a function around it: names may mean anything.
    Dynamic(&'static str),
    /// It calls `eval`, and these variables are around it.
    Eval(Vec<String>),
    EvalInArrow,
    EvalInMethod,
    /// A variable before its declaration.
    Uninitialized(String, String),
    AssignsConstant(String, String),
    Promise(String, String),
    /// A captured function that is no function of a script's: the variable, where, what it is.
    CapturedNative(String, String, &'static str),
    /// A variable that is written to, and that another function uses too.
    Shared(String, String),
    /// Its name means another value now.
    Renamed(String),
    /// Methods were put on its prototype.
    Prototype(String),
    /// A captured value that cannot be copied: the variable, where, and why.
    Value(String, String, String),
    /// A thing of the engine's own that is not there, where the function is to run: its path.
    Gone(String),
    /// Its text cannot be compiled by itself, and why.
    Text(String),
    /// Its length in bytes, and the most that there may be.
    TooLong(usize, usize),
    /// The engine is not the one that this was built for.
    Engine,
}

/// `'a' (x.js:1:2), 'b' and 'c'`
fn list(names: &[(String, String)]) -> String {
    let shown: Vec<String> = names.iter().map(|(name, place)| format!("'{name}'{place}")).collect();
    match &shown[..] {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

fn hint(names: &[(String, String)]) -> String {
    let (verb, named) = if names.len() == 1 { ("it", "it") } else { ("them", "them") };
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    format!("pass {verb} in `args`, or name {named} in `capture: {{ {} }}`", names.join(", "))
}

impl Problem {
    fn text(&self) -> String {
        match self {
            Problem::NotAFunction => "it is not a function".to_owned(),
            Problem::Proxy => "it is a Proxy; pass the function inside of it".to_owned(),
            Problem::Bound => {
                "it is a bound function; pass the function itself, and what it was bound to in `args`".to_owned()
            }
            Problem::Native(name) if name.is_empty() => {
                "it is a native function; wrap it in one that calls it".to_owned()
            }
            Problem::Native(name) => {
                format!("'{name}' is a native function; wrap it in one that calls it: `(...args) => {name}(...args)`")
            }
            Problem::Unknown(names) => {
                let what = if names.len() == 1 {
                    "is neither a variable that can be sent along nor a global there"
                } else {
                    "are neither variables that can be sent along nor globals there"
                };
                format!("{} {what}; {}", list(names), hint(names))
            }
            Problem::Unreadable(names) => format!(
                "{} cannot be read from outside, as this engine is not the one whose layout is known; {}",
                list(names),
                hint(names)
            ),
            Problem::Lexical("super", place) => {
                format!("it uses `super`{place}, which belongs to the object that it is a method of; pass a class")
            }
            Problem::Lexical(what, place) => format!(
                "it uses the `{what}` of the function around it{place}; pass what it needs of that in `args`"
            ),
            Problem::Private(name, place) => {
                format!("it uses the private name '{name}'{place} of a class that it is only a part of; pass the class")
            }
            Problem::ImportMeta(place) => {
                format!("it uses `import.meta`{place}; pass what it needs of that in `args`")
            }
            Problem::Dynamic(what) => format!(
                "it is inside of {what}, where a name may mean anything; move it out, or pass it as `new Function`"
            ),
            Problem::Eval(names) => {
                let names: Vec<_> = names.iter().map(|name| (name.clone(), String::new())).collect();
                format!(
                    "it calls `eval`, which may use the variables around it ({}); name those that it uses in \
                     `capture`, and move it out of the reach of others",
                    list(&names)
                )
            }
            Problem::EvalInArrow => {
                "it is an arrow function that calls `eval`, which may use the `this` around it; make it a `function`"
                    .to_owned()
            }
            Problem::EvalInMethod => {
                "it is a method that calls `eval`, which may use the `super` of its object; make it a `function`".to_owned()
            }
            Problem::Uninitialized(name, place) => {
                format!("'{name}'{place} is not initialized yet; make the Deferred after its declaration")
            }
            Problem::AssignsConstant(name, place) => format!("it assigns to the constant '{name}'{place}"),
            Problem::Promise(name, place) => {
                format!("'{name}'{place} is a Promise, which settles here only; await it first, and use its value")
            }
            Problem::CapturedNative(name, place, what) => {
                format!("'{name}'{place} is {what}; use it inside by its own name, or wrap it in a function")
            }
            Problem::Shared(name, place) => format!(
                "'{name}'{place} is written to, and used by more than one of the functions that are sent, which \
                 would have copies of their own; put it in an object: `{{ {name} }}`"
            ),
            Problem::Renamed(name) => {
                format!("'{name}' means another value by now than the function of that name; give it another name")
            }
            Problem::Prototype(name) => {
                format!("'{name}' has a prototype with methods of its own; make it a `class`")
            }
            Problem::Value(name, place, why) => format!("of the captured variable '{name}'{place}, {why}"),
            Problem::Gone(path) => format!("it uses `{path}`, which somebody has removed where it is to run"),
            Problem::Text(why) => format!("its text cannot be compiled by itself ({why})"),
            Problem::TooLong(length, most) => format!(
                "its text has {length} bytes, and may have {most} in an isolate with this limit of memory"
            ),
            Problem::Engine => "this engine is not the one whose code is known".to_owned(),
        }
    }
}

/// The error to throw. `within` says in which of the functions that are sent along the problem is.
pub(super) fn refuse<'a>(scope: Scope<'a>, problem: &Problem, within: Option<&str>) -> Handle<'a> {
    let within = within.map(|name| format!("in '{name}', which it uses: ")).unwrap_or_default();
    scope.type_error(&format!("{PREFIX}: {within}{}", problem.text()))
}
