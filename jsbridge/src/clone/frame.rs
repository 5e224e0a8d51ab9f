//! What is half written, and the path to it.

use super::format::part;
use crate::isolate::handle::{Handle, Scope};
use crate::isolate::layout::{Layout, Shape};
use rquickjs::qjs;
use std::fmt::Write as _;

/// Of a long path, so many steps at each end are shown.
const SHOWN: usize = 12;
/// Of a long key, so many characters.
const KEY_SHOWN: usize = 60;

/// An object whose parts are being written.
pub(super) struct Frame<'a> {
    /// Its index in the message.
    pub(super) index: usize,
    /// The memo has a reference.
    pub(super) object: qjs::JSValue,
    pub(super) parts: Parts<'a>,
    /// How many of the parts have been begun.
    pub(super) next: u32,
}

pub(super) enum Parts<'a> {
    /// Of a plain object, where the engine has them. No script's code has run since it was begun.
    Shaped { shape: Shape, count: u32 },
    /// Of an array, where the engine has them; likewise.
    Dense { values: *const qjs::JSValue, count: u32 },
    /// Own properties by their keys. `promised`: their number was written, and a value that is gone is `Absent`.
    Named { keys: Keys<'a>, promised: bool },
    /// Elements of an array whose number was written.
    Elements { count: u32 },
    /// Of a set, or of a map (each key is followed by its value).
    Listed { values: Vec<Handle<'a>>, map: bool },
    /// Of an error: its parts, then its properties.
    Error { values: Vec<(u8, Handle<'a>)>, keys: Option<Keys<'a>> },
}

/// Property keys, each with a reference.
pub(super) struct Keys<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) atoms: Vec<qjs::JSAtom>,
}

impl Drop for Keys<'_> {
    fn drop(&mut self) {
        for atom in &self.atoms {
            // SAFETY: we are inside; the references are ours.
            unsafe { qjs::JS_FreeAtom(self.scope.as_ptr(), *atom) };
        }
    }
}

impl<'a> Frame<'a> {
    /// The same, for the time after a script's code has run: nothing of what the engine has is relied on. To be called
    /// before it runs.
    pub(super) fn make_careful(&mut self, scope: Scope<'a>, layout: Layout) {
        match self.parts {
            Parts::Shaped { shape, count } => {
                let mut keys = Keys { scope, atoms: Vec::with_capacity(count as usize) };
                for index in 0..count {
                    // SAFETY: we are inside, and nothing has changed so far; the new reference is the list's.
                    unsafe {
                        let atom = layout.entry(shape, index).atom;
                        keys.atoms.push(qjs::JS_DupAtom(scope.as_ptr(), atom));
                    }
                }
                self.parts = Parts::Named { keys, promised: true };
            }
            Parts::Dense { count, .. } => self.parts = Parts::Elements { count },
            _ => {}
        }
    }

    /// The step to the part that was begun last.
    fn step(&self, scope: Scope<'a>, layout: Option<Layout>) -> String {
        let Some(current) = self.next.checked_sub(1) else { return String::new() };
        match &self.parts {
            Parts::Shaped { shape, .. } => match layout {
                // SAFETY: as for `make_careful`.
                Some(layout) => key_step(scope, unsafe { layout.entry(*shape, current).atom }),
                None => String::new(),
            },
            Parts::Dense { .. } | Parts::Elements { .. } => format!("[{current}]"),
            Parts::Named { keys, .. } => keys.step(current as usize),
            Parts::Listed { values, map: true } => {
                let (entry, is_value) = (current / 2, current % 2 == 1);
                match values.get(2 * entry as usize) {
                    Some(key) if is_value && !key.is_object() => {
                        let text = shortened(key.text().unwrap_or_default());
                        if key.is_string() { format!(".get({text:?})") } else { format!(".get({text})") }
                    }
                    _ if is_value => format!(".<value {entry}>"),
                    _ => format!(".<key {entry}>"),
                }
            }
            Parts::Listed { .. } => format!(".<element {current}>"),
            Parts::Error { values, keys } => match (values.get(current as usize), keys) {
                (Some((bit, _)), _) => {
                    let name = part::ALL.iter().find(|(known, _)| known == bit);
                    name.map_or_else(String::new, |(_, name)| format!(".{}", name.to_string_lossy()))
                }
                (None, Some(keys)) => keys.step(current as usize - values.len()),
                (None, None) => String::new(),
            },
        }
    }
}

impl Keys<'_> {
    fn step(&self, index: usize) -> String {
        self.atoms.get(index).map_or_else(String::new, |atom| key_step(self.scope, *atom))
    }
}

/// `.name`, `[3]` or `["some name"]`.
fn key_step(scope: Scope<'_>, atom: qjs::JSAtom) -> String {
    // SAFETY: we are inside; the atom is alive, and the value is the handle's.
    let key = unsafe { scope.check(qjs::JS_AtomToString(scope.as_ptr(), atom)) };
    let key = shortened(key.and_then(|key| key.text()).unwrap_or_default());
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if !key.is_empty() && key.chars().all(|c| c.is_ascii_digit()) {
        format!("[{key}]")
    } else if key.chars().all(is_name) && key.chars().next().is_some_and(|first| !first.is_ascii_digit()) {
        format!(".{key}")
    } else {
        format!("[{key:?}]")
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(KEY_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `result.items[3].onClick`
pub(super) fn path<'a>(
    root: String,
    frames: &[Frame<'a>],
    scope: Scope<'a>,
    layout: Option<Layout>,
) -> String {
    let mut path = root;
    for (depth, frame) in frames.iter().enumerate() {
        if frames.len() > 2 * SHOWN && (SHOWN..frames.len() - SHOWN).contains(&depth) {
            if depth == SHOWN {
                let _ = write!(path, "…({} more)…", frames.len() - 2 * SHOWN);
            }
            continue;
        }
        path.push_str(&frame.step(scope, layout));
    }
    path
}
