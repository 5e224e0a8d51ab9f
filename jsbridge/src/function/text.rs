//! A function's text: compiled by itself, to see what it needs, and with parameters for the variables that it captures.
//!
//! ```text
//!   nothing captured      captures a and b                 and is in a cycle of functions that use each other
//!   (                     ((a,b)=>(                        ((a,b)=>[(
//!          SRC                   SRC                              SRC
//!   )                     ))                               ),($0,$1)=>{a=$0;b=$1}])
//! ```
//!
//! A method or a getter is in braces, `({` SRC `})`, where the text alone is no expression. What is before SRC is on a
//! line of its own, numbered one less, and SRC begins in its own column: so stacks have the true places. A first
//! compilation shows how far the engine's place of a function is from where its text begins, as the two are not the same
//! for methods and classes.

use super::bytecode::Listing;
use super::engine::{self, Script};
use super::facts::Facts;
use super::refusal::{Problem, refuse};
use super::scan::{self, Uses};
use super::tokens;
use crate::isolate::handle::{JsResult, Scope};
use std::sync::Arc;

/// What a text is an instance of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A function, an arrow function, a class: an expression.
    Expression,
    /// Something that is written in an object: a method, a getter, a setter.
    Method,
}

/// A text and where it is from: all that its code depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextKey {
    pub(super) source: Arc<str>,
    pub(super) file: Arc<str>,
    pub(super) line: i32,
    pub(super) column: i32,
    pub(super) is_strict: bool,
    /// The place of the function's first instruction, where it is known from a live function.
    pub(super) first: Option<(i32, i32)>,
}

/// A text that was compiled by itself.
pub(super) struct Text {
    pub(super) key: TextKey,
    pub(super) form: Form,
    pub(super) uses: Uses,
    /// What is compiled: the source, but for the key of a method.
    body: Arc<str>,
    /// Where the text begins, by the engine's counting.
    line: i32,
    column: i32,
    /// The serialized code of the text without parameters.
    pub(super) code: Arc<[u8]>,
}

/// Columns from here on are not kept, in texts that are one long line: the spaces would cost too much.
const COLUMN_MOST: i32 = 1 << 16;

impl Text {
    /// Compiles. `within` is for messages.
    pub(super) fn new<'a>(
        scope: Scope<'a>,
        facts: &Facts,
        key: TextKey,
        within: Option<&str>,
    ) -> JsResult<'a, Text> {
        let refused = |problem: &Problem| refuse(scope, problem, within);
        if key.source.len() > engine::text_most(scope) {
            return Err(refused(&Problem::TooLong(key.source.len(), engine::text_most(scope))));
        }
        let compiled = compile_first(scope, &key);
        let (form, body, code) =
            compiled.map_err(|thrown| refused(&Problem::Text(engine::message_of(&thrown))))?;
        let mut text = Text {
            form,
            body,
            line: key.line,
            column: key.column,
            uses: Uses::default(),
            code: code.into(),
            key,
        };
        text.uses = text.scan(facts).ok_or_else(|| refused(&Problem::Engine))?;
        if let (Some(wanted), Some(found)) = (text.key.first, text.uses.first)
            && wanted != found
        {
            text.line = text.line.saturating_add(wanted.0.saturating_sub(found.0)).max(1);
            let shift = if text.is_on_first_line(found) { wanted.1.saturating_sub(found.1) } else { 0 };
            text.column = text.column.saturating_add(shift).max(1);
            text.code = engine::compile(scope, &text.script(&[], false))?.into();
        }
        Ok(text)
    }

    fn is_on_first_line(&self, place: (i32, i32)) -> bool {
        place.0 == self.key.line
    }

    fn scan(&self, facts: &Facts) -> Option<Uses> {
        let listing = Listing::read(&self.code, facts.own_atoms).ok()?;
        scan::scan(&listing, facts, &self.body).ok()
    }

    /// The code with parameters for captured variables.
    pub(super) fn compile_with<'a>(
        &self,
        scope: Scope<'a>,
        captures: &[&str],
        is_cyclic: bool,
        within: Option<&str>,
    ) -> JsResult<'a, Arc<[u8]>> {
        if captures.is_empty() {
            return Ok(self.code.clone());
        }
        let code = engine::compile(scope, &self.script(captures, is_cyclic));
        let refused = |thrown| refuse(scope, &Problem::Text(engine::message_of(&thrown)), within);
        Ok(code.map_err(refused)?.into())
    }

    fn script(&self, captures: &[&str], is_cyclic: bool) -> Script<'_> {
        let parts = Parts { form: self.form, captures, is_cyclic };
        parts.script(&self.body, &self.key, self.line, self.column)
    }

    /// Bytes that it takes in a cache, nearly.
    pub(super) fn size(&self) -> usize {
        let names: usize = self.uses.names.keys().map(|name| name.len() + 64).sum();
        self.key.source.len() + self.body.len() + self.code.len() + names + 256
    }
}

/// What is around a text.
struct Parts<'t> {
    form: Form,
    captures: &'t [&'t str],
    is_cyclic: bool,
}

impl Parts<'_> {
    fn script<'k>(&self, body: &str, key: &'k TextKey, line: i32, column: i32) -> Script<'k> {
        let (open, close) = match self.form {
            Form::Expression => ("(", ")"),
            Form::Method => ("({", "})"),
        };
        let mut text = String::with_capacity(body.len() + 64);
        if !self.captures.is_empty() {
            text.push('(');
            text.push_str(&format!("({})=>", self.captures.join(",")));
            text.push_str(if self.is_cyclic { "[" } else { "" });
        }
        text.push_str(open);
        // The line before, or the one before that if it would have the number zero.
        let first = if line == 1 { -1 } else { line - 1 };
        text.push_str(if line == 1 { "\n\n" } else { "\n" });
        let spaces = if column < COLUMN_MOST { column - 1 } else { 0 };
        text.extend(std::iter::repeat_n(' ', spaces.max(0) as usize));
        text.push_str(body);
        // A line of its own, as the text may end in a comment.
        text.push('\n');
        text.push_str(close);
        if !self.captures.is_empty() {
            text.push_str(&self.late_part());
            text.push(')');
        }
        Script { text, file: &key.file, line: first, is_strict: key.is_strict }
    }

    /// What sets the variables when all functions of a cycle are there. Its parameters are named as no variable is.
    fn late_part(&self) -> String {
        if !self.is_cyclic {
            return String::new();
        }
        let mut prefix = "$".to_owned();
        while self.captures.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('$');
        }
        let parameters: Vec<String> =
            (0..self.captures.len()).map(|index| format!("{prefix}{index}")).collect();
        let sets: Vec<String> =
            self.captures.iter().zip(&parameters).map(|(name, value)| format!("{name}={value}")).collect();
        format!(",({})=>{{{}}}]", parameters.join(","), sets.join(";"))
    }
}

/// As an expression, or else as a part of an object. An error is what is wrong with the text.
fn compile_first<'a>(scope: Scope<'a>, key: &TextKey) -> JsResult<'a, (Form, Arc<str>, Vec<u8>)> {
    let compile = |form, body: &str| {
        let parts = Parts { form, captures: &[], is_cyclic: false };
        engine::compile(scope, &parts.script(body, key, key.line.max(1), key.column.max(1)))
    };
    let as_expression = match compile(Form::Expression, &key.source) {
        Ok(code) => return Ok((Form::Expression, key.source.clone(), code)),
        Err(thrown) => thrown,
    };
    let plain = tokens::without_static(&key.source);
    let body: Arc<str> = match tokens::without_computed_key(&plain) {
        Some(body) => body.into(),
        None => plain.into(),
    };
    match compile(Form::Method, &body) {
        Ok(code) => Ok((Form::Method, body, code)),
        // The first says more, unless the text could only be a method.
        Err(thrown) => Err(if tokens::looks_like_method(&key.source) { thrown } else { as_expression }),
    }
}
