//! Compiled code, shared by all isolates of a bridge, and the cache of it.
//!
//! | struct        | field     | written by                              | read by              |
//! |---------------|-----------|-----------------------------------------|----------------------|
//! | [`Code`]      | `warned`  | whoever shows its warning, once         | the same             |
//! |               | others    | nobody                                  | everyone             |
//! | [`CodeCache`] | `texts`   | whoever holds the lock                  | the same             |
//! |               | counters  | everyone (relaxed: they are for people) | `stats`              |
//!
//! The lock is taken where an isolate meets a function for the first time; from then on the isolate's own table has it
//! (see [`table`](super::table)). It is not held while anything is compiled: two isolates that meet the same text at the
//! same time may both compile it, and one of the results is kept.

use super::facts::{Facts, facts};
use super::refusal::{Origin, Problem, refuse};
use super::text::{Form, Text, TextKey};
use crate::isolate::handle::{Handle, JsResult, Scope};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

/// Compiled code of one function text: immutable, shared by all isolates of a bridge.
pub(crate) struct Code {
    /// In this process.
    pub(super) id: u64,
    /// What the engine gave for it.
    pub(super) bytes: Arc<[u8]>,
    pub(super) form: Form,
    /// Variables that are sent along, in the order of the parameters.
    pub(super) captures: Box<[Box<str>]>,
    /// It gives a function that sets the captured variables later.
    pub(super) is_cyclic: bool,
    /// The function object may be used for many calls: nothing that runs can get hold of it.
    pub(super) is_anonymous: bool,
    is_class: bool,
    /// A name that the function got after it was made.
    pub(super) rename: Option<Box<str>>,
    name: Box<str>,
    place: String,
    #[cfg_attr(not(test), allow(dead_code, reason = "tests look at it"))]
    free: Box<[Box<str>]>,
    /// Captured variables that it writes to.
    written: Box<[Box<str>]>,
    warned: AtomicBool,
}

impl Code {
    /// It is a class: called with `new`.
    pub(crate) fn is_class(&self) -> bool {
        self.is_class
    }

    /// The names that it leaves free: globals of the isolate that runs it.
    #[cfg(test)]
    pub(crate) fn free_names(&self) -> impl Iterator<Item = &str> {
        self.free.iter().map(|name| &**name)
    }

    /// What to warn of, the first time: it writes to variables that are copies.
    pub(crate) fn take_warning(&self) -> Option<String> {
        if self.written.is_empty() || self.warned.swap(true, Ordering::Relaxed) {
            return None;
        }
        let names: Vec<String> = self.written.iter().map(|name| format!("'{name}'")).collect();
        let name = if self.name.is_empty() { "a function" } else { &self.name };
        Some(format!(
            "Deferred: {name} ({}) writes to {}, of which it has a copy: nobody else sees what is written",
            self.place,
            names.join(", ")
        ))
    }
}

/// Bounds and counts of a [`CodeCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeStats {
    /// Functions that were sent.
    pub(crate) sent: u64,
    /// Of those, how many had to be compiled.
    pub(crate) compiled: u64,
    /// Texts in the cache.
    pub(crate) texts: usize,
    /// Bytes that they take, nearly.
    pub(crate) bytes: usize,
    /// Texts that had to make room for others.
    pub(crate) evicted: u64,
}

/// Picked from thin air: a large program has some thousand functions, of which it sends some hundred.
const TEXTS_MOST: usize = 4096;
/// Picked from thin air: a tenth of what the isolates of a bridge take.
const BYTES_MOST: usize = 32 << 20;
/// Sets of captured variables for one text; more than a handful is a sign of a text that is made anew each time.
const VARIANTS_MOST: usize = 16;

/// So often is asked for the cache where somebody else has it, which takes a few microseconds. Who has it may be a Background
/// thread that the kernel has stopped: then a text is compiled as if it were not there.
const ASKS_MOST: u32 = 100;

/// The code of one bridge. Nobody waits for it: where another thread has it for long, nothing is found, and nothing kept.
pub(crate) struct CodeCache {
    /// In this process.
    pub(super) id: u64,
    /// None: nothing can be sent.
    pub(super) facts: Option<&'static Facts>,
    /// What an isolate that runs functions has on its global object.
    globals: HashSet<Box<str>>,
    texts: Mutex<Texts>,
    texts_most: usize,
    bytes_most: usize,
    /// Of `texts`, as they were when it was changed last.
    texts_count: AtomicUsize,
    texts_bytes: AtomicUsize,
    pub(super) sent: AtomicU64,
    compiled: AtomicU64,
    evicted: AtomicU64,
}

#[derive(Default)]
struct Texts {
    map: HashMap<TextKey, Entry>,
    bytes: usize,
    /// Goes up with each use.
    clock: u64,
}

struct Entry {
    text: Arc<Text>,
    variants: Vec<(Variant, Arc<Code>)>,
    bytes: usize,
    used: u64,
}

/// What a text is compiled with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) captures: Vec<Box<str>>,
    pub(super) is_cyclic: bool,
    pub(super) rename: Option<Box<str>>,
}

/// Numbers for caches and codes.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl CodeCache {
    /// An empty cache. `globals`: the names that functions find on the global object of the isolates that run them.
    pub(crate) fn new(globals: impl IntoIterator<Item = String>) -> CodeCache {
        CodeCache::bounded(globals, TEXTS_MOST, BYTES_MOST)
    }

    /// With other bounds, both of which may be passed by the one text that was used last.
    pub(crate) fn bounded(
        globals: impl IntoIterator<Item = String>,
        texts_most: usize,
        bytes_most: usize,
    ) -> CodeCache {
        CodeCache {
            id: next_id(),
            // Here, as the first call takes half a millisecond, and some stack.
            facts: facts(),
            globals: globals.into_iter().map(String::into_boxed_str).collect(),
            texts: Mutex::default(),
            texts_most,
            bytes_most,
            texts_count: AtomicUsize::new(0),
            texts_bytes: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            compiled: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// Counts, for people.
    pub(crate) fn stats(&self) -> CodeStats {
        CodeStats {
            sent: self.sent.load(Ordering::Relaxed),
            compiled: self.compiled.load(Ordering::Relaxed),
            texts: self.texts_count.load(Ordering::Relaxed),
            bytes: self.texts_bytes.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    /// For hosts: a text that is a function expression. It may use globals only.
    ///
    /// # Errors
    /// What to throw: a `TypeError` that says what is wrong with it.
    pub(crate) fn compile<'a>(&self, scope: Scope<'a>, name: &str, source: &str) -> JsResult<'a, Arc<Code>> {
        let facts = self.facts.ok_or_else(|| refuse(scope, &Problem::Engine, None))?;
        let key = TextKey {
            source: source.into(),
            file: name.into(),
            line: 1,
            column: 1,
            is_strict: false,
            first: None,
        };
        let text = self.text(scope, facts, key, None)?;
        let origin = Origin { file: name.to_owned(), line: 1, column: 1 };
        let problem = if !text.uses.has_function {
            Some(Problem::NotAFunction)
        } else if text.uses.outer_this {
            Some(Problem::Lexical("this", origin.of_name(source, "this")))
        } else {
            let unknown =
                text.uses.names.iter().filter(|(name, usage)| usage.needed && !self.is_global(name));
            let unknown: Vec<_> =
                unknown.map(|(name, _)| (name.clone(), origin.of_name(source, name))).collect();
            (!unknown.is_empty()).then_some(Problem::Unknown(unknown))
        };
        if let Some(problem) = problem {
            return Err(refuse(scope, &problem, None));
        }
        self.code(scope, &text, "", &Variant::default(), None)
    }

    /// The globals of the isolates that run functions.
    pub(super) fn global_names(&self) -> impl Iterator<Item = &str> {
        self.globals.iter().map(|name| &**name)
    }

    /// Is it a global of the isolates that run functions?
    pub(super) fn is_global(&self, name: &str) -> bool {
        self.globals.contains(name)
    }

    /// The text, compiled by itself: from the cache, or now.
    pub(super) fn text<'a>(
        &self,
        scope: Scope<'a>,
        facts: &Facts,
        key: TextKey,
        within: Option<&str>,
    ) -> JsResult<'a, Arc<Text>> {
        if let Some(text) = self.with(|texts| texts.find(&key).map(|entry| entry.text.clone())).flatten() {
            return Ok(text);
        }
        let text = Arc::new(Text::new(scope, facts, key, within)?);
        self.compiled.fetch_add(1, Ordering::Relaxed);
        let kept = self.with(|texts| {
            let text = texts.insert(text.clone());
            (text, self.make_room(texts))
        });
        // What had to make room is dropped outside of the lock.
        Ok(kept.map_or(text, |(text, _)| text))
    }

    /// The code of a text with these captures: from the cache, or now.
    pub(super) fn code<'a>(
        &self,
        scope: Scope<'a>,
        text: &Arc<Text>,
        name: &str,
        variant: &Variant,
        within: Option<&str>,
    ) -> JsResult<'a, Arc<Code>> {
        let find = |entry: &Entry| {
            entry.variants.iter().find(|(known, _)| known == variant).map(|(_, code)| code.clone())
        };
        if let Some(code) = self.with(|texts| texts.find(&text.key).and_then(|entry| find(entry))).flatten() {
            return Ok(code);
        }
        let names: Vec<&str> = variant.captures.iter().map(|name| &**name).collect();
        let bytes = text.compile_with(scope, &names, variant.is_cyclic, within)?;
        let code = Arc::new(Code::new(text, name, variant, bytes));
        let kept = self.with(|texts| {
            let size = code.size();
            let entry = texts.find(&text.key)?;
            if let Some(known) = find(entry) {
                return Some((known, Vec::new()));
            }
            if entry.variants.len() >= VARIANTS_MOST {
                return None;
            }
            entry.variants.push((variant.clone(), code.clone()));
            entry.bytes += size;
            texts.bytes += size;
            Some((code.clone(), self.make_room(texts)))
        });
        Ok(kept.flatten().map_or(code, |(code, _)| code))
    }

    /// Drops what is too much; what that was.
    fn make_room(&self, texts: &mut Texts) -> Vec<Entry> {
        let old = texts.make_room(self.texts_most, self.bytes_most);
        self.evicted.fetch_add(old.len() as u64, Ordering::Relaxed);
        self.texts_count.store(texts.map.len(), Ordering::Relaxed);
        self.texts_bytes.store(texts.bytes, Ordering::Relaxed);
        old
    }

    /// Calls with the texts; `None`: another thread has them.
    fn with<R>(&self, work: impl FnOnce(&mut Texts) -> R) -> Option<R> {
        let mut texts = (0..ASKS_MOST).find_map(|_| match self.texts.try_lock() {
            Ok(texts) => Some(texts),
            // What a panic could leave behind is a count that is a little off.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::hint::spin_loop();
                None
            }
        })?;
        Some(work(&mut texts))
    }

    /// Does something while somebody else has the texts.
    #[cfg(test)]
    pub(super) fn while_held<R>(&self, work: impl FnOnce() -> R) -> R {
        let _held = self.texts.lock();
        work()
    }
}

impl Texts {
    fn find(&mut self, key: &TextKey) -> Option<&mut Entry> {
        self.clock += 1;
        let clock = self.clock;
        let entry = self.map.get_mut(key)?;
        entry.used = clock;
        Some(entry)
    }

    /// The one that is kept: this, or one that somebody else has compiled meanwhile.
    fn insert(&mut self, text: Arc<Text>) -> Arc<Text> {
        if let Some(entry) = self.find(&text.key) {
            return entry.text.clone();
        }
        let bytes = text.size();
        self.bytes += bytes;
        let entry = Entry { text: text.clone(), variants: Vec::new(), bytes, used: self.clock };
        self.map.insert(text.key.clone(), entry);
        text
    }

    /// Takes out those that were not used for longest: a sixteenth at a time, as they have to be searched for.
    fn make_room(&mut self, texts_most: usize, bytes_most: usize) -> Vec<Entry> {
        let mut old = Vec::new();
        if self.map.len() <= texts_most && self.bytes <= bytes_most {
            return old;
        }
        let mut ages: Vec<(u64, TextKey)> =
            self.map.iter().map(|(key, entry)| (entry.used, key.clone())).collect();
        ages.sort_unstable_by_key(|(used, _)| *used);
        // The last is the one that was asked for now.
        ages.pop();
        for (index, (_, key)) in ages.iter().enumerate() {
            let is_enough = self.map.len() <= texts_most && self.bytes <= bytes_most;
            if is_enough && index >= ages.len() / 16 {
                break;
            }
            if let Some(entry) = self.map.remove(key) {
                self.bytes = self.bytes.saturating_sub(entry.bytes);
                old.push(entry);
            }
        }
        old
    }
}

impl Code {
    fn new(text: &Text, name: &str, variant: &Variant, bytes: Arc<[u8]>) -> Code {
        let TextKey { file, line, column, .. } = &text.key;
        let is_captured = |name: &str| variant.captures.iter().any(|captured| **captured == *name);
        let names = || text.uses.names.iter();
        Code {
            id: next_id(),
            bytes,
            form: text.form,
            captures: variant.captures.clone().into(),
            is_cyclic: variant.is_cyclic,
            is_anonymous: text.uses.is_anonymous,
            is_class: text.uses.is_class,
            rename: variant.rename.clone(),
            name: name.into(),
            place: format!("{file}:{line}:{column}"),
            free: names()
                .filter(|(name, _)| !is_captured(name))
                .map(|(name, _)| name.as_str().into())
                .collect(),
            written: names()
                .filter(|(name, usage)| usage.written && is_captured(name))
                .map(|(name, _)| name.as_str().into())
                .collect(),
            warned: AtomicBool::new(false),
        }
    }

    fn size(&self) -> usize {
        self.bytes.len() + 256
    }
}

/// The names of what an isolate has on its global object: from a sample of those that will run functions.
pub(crate) fn global_names<'a>(scope: Scope<'a>) -> JsResult<'a, Vec<String>> {
    let global: Handle<'a> = scope.global();
    super::engine::own_keys(&global, super::engine::Which::Named)
}
