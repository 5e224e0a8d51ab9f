//! Which names a compiled text leaves free.
//!
//! A name that is declared in no function around is looked up on the global object, by an instruction of its own with
//! the name in it. Compiled by itself, as the only thing in a script, a function has all the names of its former
//! surroundings in such instructions. So they are found by going through the code: nothing is parsed a second time, and
//! what the engine would do is what is seen.

use super::bytecode::{Atom, Function, Listing, Malformed};
use super::facts::Facts;
use super::opcodes;
use std::collections::BTreeMap;

/// How a free name is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// It must be there, or the function throws.
    pub(super) needed: bool,
    pub(super) written: bool,
}

/// What a compiled text tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) names: BTreeMap<String, Use>,
    /// There is a function in it.
    pub(super) has_function: bool,
    /// A direct call of `eval`, which sees all names around it.
    pub(super) has_eval: bool,
    /// `this` of what is around it.
    pub(super) outer_this: bool,
    pub(super) is_class: bool,
    /// `super` in a method, which goes by the object that it is written in.
    pub(super) has_super: bool,
    /// Nothing that runs can get hold of the function object itself.
    pub(super) is_anonymous: bool,
    /// Where the function's first instruction with a place is written.
    pub(super) first: Option<(i32, i32)>,
}

/// What the operand of `special_object` means.
const IMPORT_META: u8 = 6;
/// What one of `throw_error` means.
const READ_ONLY: u8 = 0;
/// `arguments` (two kinds), the function itself, `new.target`.
const LAST_OF_FUNCTION: u8 = 3;

/// Scans a script that is one function expression, or an object with one method, whose text is `body`.
pub(super) fn scan(listing: &Listing<'_>, facts: &Facts, body: &str) -> Result<Uses, Malformed> {
    let mut uses = Uses::default();
    for function in &listing.functions {
        scan_names(function, listing, facts, &mut uses)?;
    }
    // The function has the whole text; for a class that is its constructor.
    let inside = listing.functions.iter().skip(1).filter(|function| function.parent == 0);
    let whole = inside.clone().find(|function| function.source == body.as_bytes());
    let (Some(script), Some(function)) = (listing.functions.first(), whole.or_else(|| inside.clone().next()))
    else {
        return Ok(uses);
    };
    uses.has_function = true;
    let is_this = |atom: &Atom| listing.text(*atom, &facts.known) == "this";
    uses.outer_this = script.locals.iter().any(is_this) || has(script, opcodes::PUSH_THIS)?;
    uses.is_class = has(script, opcodes::DEFINE_CLASS)? || has(script, opcodes::DEFINE_CLASS_COMPUTED)?;
    uses.has_super = function.flags.needs_home_object;
    let others = inside.count() > 1;
    uses.is_anonymous = !uses.is_class && !others && !uses.has_eval && !knows_itself(function)?;
    uses.first = first_of(function, uses.is_class);
    Ok(uses)
}

/// A place by which a function is found again. That of a class is its constructor's, which may have no code of its own.
fn first_of(function: &Function<'_>, is_class: bool) -> Option<(i32, i32)> {
    if is_class { Some((function.place.line, function.place.column)) } else { function.first }
}

fn scan_names(
    function: &Function<'_>,
    listing: &Listing<'_>,
    facts: &Facts,
    uses: &mut Uses,
) -> Result<(), Malformed> {
    for instruction in function.instructions() {
        let instruction = instruction?;
        let (needed, written) = match instruction.number {
            opcodes::GET_VAR | opcodes::DELETE_VAR => (true, false),
            opcodes::GET_VAR_UNDEF => (false, false),
            opcodes::PUT_VAR | opcodes::MAKE_VAR_REF => (true, true),
            opcodes::EVAL | opcodes::APPLY_EVAL => {
                uses.has_eval = true;
                continue;
            }
            _ => continue,
        };
        let name = listing.text(instruction.atom(facts.own_atoms), &facts.known);
        if !uses.names.contains_key(name) {
            uses.names.insert(name.to_owned(), Use::default());
        }
        if let Some(known) = uses.names.get_mut(name) {
            known.needed |= needed;
            known.written |= written;
        }
    }
    Ok(())
}

fn has(function: &Function<'_>, number: u8) -> Result<bool, Malformed> {
    for instruction in function.instructions() {
        if instruction?.number == number {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Can its body get at the function object, or is that one more object that it has given away?
fn knows_itself(function: &Function<'_>) -> Result<bool, Malformed> {
    if function.flags.is_generator {
        return Ok(true);
    }
    for instruction in function.instructions() {
        let instruction = instruction?;
        if instruction.number == opcodes::SPECIAL_OBJECT
            && instruction.bytes.get(1).is_some_and(|&kind| kind <= LAST_OF_FUNCTION)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is known of a live function's code, from its serialized form.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    pub(super) source: String,
    pub(super) file: String,
    pub(super) line: i32,
    pub(super) column: i32,
    /// As in [`Uses::first`].
    pub(super) first: Option<(i32, i32)>,
    /// The name in its code; one that it got later is not here.
    pub(super) name: String,
    pub(super) is_strict: bool,
    pub(super) has_prototype: bool,
    pub(super) is_class: bool,
    pub(super) has_super: bool,
    pub(super) has_eval: bool,
    pub(super) has_import_meta: bool,
    /// It looks for its own name among the global ones.
    pub(super) has_global_name: bool,
    /// Constants that it assigns to, those of its own included.
    pub(super) constants: Vec<String>,
    /// Captured variables, by index.
    pub(super) captured: Vec<Captured>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) name: String,
    pub(super) is_const: bool,
}

/// Reads what a live function's code tells.
pub(super) fn scan_live(listing: &Listing<'_>, facts: &Facts) -> Result<Live, Malformed> {
    let function = listing.functions.first().ok_or(Malformed)?;
    let text = |atom: Atom| listing.text(atom, &facts.known).to_owned();
    let mut live = Live {
        source: String::from_utf8_lossy(function.source).into_owned(),
        file: function.place.file.map(text).unwrap_or_default(),
        line: function.place.line,
        column: function.place.column,
        name: function.name.map(text).unwrap_or_default(),
        is_strict: function.flags.is_strict,
        has_prototype: function.flags.has_prototype,
        is_class: has(function, opcodes::CHECK_CTOR)? || has(function, opcodes::INIT_CTOR)?,
        has_super: function.flags.needs_home_object,
        ..Live::default()
    };
    live.first = first_of(function, live.is_class);
    live.captured = function
        .outer
        .iter()
        .map(|outer| Captured { name: text(outer.name), is_const: outer.is_const })
        .collect();
    for function in &listing.functions {
        for instruction in function.instructions() {
            let instruction = instruction?;
            match instruction.number {
                opcodes::EVAL | opcodes::APPLY_EVAL => live.has_eval = true,
                opcodes::SPECIAL_OBJECT if instruction.bytes.get(1) == Some(&IMPORT_META) => {
                    live.has_import_meta = true;
                }
                opcodes::GET_VAR_UNDEF..=opcodes::PUT_VAR | opcodes::MAKE_VAR_REF => {
                    let name = listing.text(instruction.atom(facts.own_atoms), &facts.known);
                    live.has_global_name |= name == live.name;
                }
                // The operand after the name says why it throws.
                opcodes::THROW_ERROR if instruction.bytes.get(5) == Some(&READ_ONLY) => {
                    live.constants.push(text(instruction.atom(facts.own_atoms)));
                }
                _ => {}
            }
        }
    }
    Ok(live)
}
