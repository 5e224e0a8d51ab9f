//! What one isolate knows: the functions that it has sent, by the address of their code, and the code that it has run.
//!
//! **Addresses do not come back.** An entry for an address holds the code that is there (the code alone: no closure, so
//! nothing that a script would expect to be freed). As long as the entry is in the table, no other code can be at that
//! address; and the reference goes with the entry.
//!
//! Both tables are bounded, and emptied when they are full: a script that makes functions without end (`new Function` in
//! a loop) has each of them once anyway.

use super::facts::CodeAddress;
use super::natives::Paths;
use super::plan::Plan;
use crate::isolate::handle::{Handle, Scope};
use crate::isolate::kept::Kept;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Picked from thin air; at some 500 bytes each, not counting the code.
const ENTRIES_MOST: usize = 1024;

/// See the module's documentation. Belongs to the thread in the isolate.
#[derive(Default)]
pub(super) struct Table {
    sent: RefCell<Map<CodeAddress, Sent>>,
    received: RefCell<Map<u64, Received>>,
    readers: RefCell<HashMap<Box<str>, Kept>>,
    /// Of the engine's own things, once somebody has asked.
    paths: RefCell<Option<Paths>>,
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// A function that was sent.
struct Sent {
    /// Of the cache that the plan is from.
    cache: u64,
    plan: Arc<Plan>,
    /// The code.
    hold: Kept,
}

/// Code that was received.
struct Received {
    script: Kept,
    /// What the script gave, if that can be used again.
    function: Option<Kept>,
}

/// Addresses and numbers are spread well enough by a multiplication.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

impl Table {
    /// The plan for the code at this address, from this cache.
    pub(super) fn plan(&self, address: CodeAddress, cache: u64) -> Option<Arc<Plan>> {
        self.with_plan(address, cache, Arc::clone)
    }

    /// Looks at the plan.
    pub(super) fn with_plan<R>(
        &self,
        address: CodeAddress,
        cache: u64,
        look: impl FnOnce(&Arc<Plan>) -> R,
    ) -> Option<R> {
        let sent = self.sent.borrow();
        sent.get(&address).filter(|sent| sent.cache == cache).map(|sent| look(&sent.plan))
    }

    /// Remembers a plan. `code` is what is at the address.
    pub(super) fn add_plan(&self, address: CodeAddress, cache: u64, plan: Arc<Plan>, code: Handle<'_>) {
        let scope = code.scope;
        let full = self.sent.borrow().len() >= ENTRIES_MOST;
        let mut old = if full { std::mem::take(&mut *self.sent.borrow_mut()) } else { Map::default() };
        let entry = Sent { cache, plan, hold: scope.keep(code) };
        old.extend(self.sent.borrow_mut().insert(address, entry).map(|sent| (address, sent)));
        for (_, sent) in old {
            drop(scope.release(sent.hold));
        }
    }

    /// The function of this code, if it can be used again; else the script that gives one.
    pub(super) fn received<'a>(&self, scope: Scope<'a>, id: u64) -> Option<Known<'a>> {
        let received = self.received.borrow();
        let known = received.get(&id)?;
        Some(match &known.function {
            Some(function) => Known::Function(scope.kept(function)),
            None => Known::Script(scope.kept(&known.script)),
        })
    }

    /// Remembers a script.
    pub(super) fn add_script(&self, id: u64, script: &Handle<'_>) {
        let scope = script.scope;
        let full = self.received.borrow().len() >= ENTRIES_MOST;
        let mut old = if full { std::mem::take(&mut *self.received.borrow_mut()) } else { Map::default() };
        let entry = Received { script: scope.keep(script.clone()), function: None };
        old.extend(self.received.borrow_mut().insert(id, entry).map(|received| (id, received)));
        for (_, received) in old {
            drop(scope.release(received.script));
            if let Some(function) = received.function {
                drop(scope.release(function));
            }
        }
    }

    /// Remembers what a script gave. It must be remembered itself.
    pub(super) fn add_function(&self, id: u64, function: &Handle<'_>) {
        let kept = function.scope.keep(function.clone());
        let mut received = self.received.borrow_mut();
        let old = match received.get_mut(&id) {
            Some(known) => known.function.replace(kept),
            None => Some(kept),
        };
        drop(received);
        if let Some(old) = old {
            drop(function.scope.release(old));
        }
    }

    /// Were the paths of the engine's own things looked for?
    pub(super) fn has_paths(&self) -> bool {
        self.paths.borrow().is_some()
    }

    /// They were found.
    pub(super) fn set_paths(&self, paths: Paths) {
        *self.paths.borrow_mut() = Some(paths);
    }

    /// One more was found.
    pub(super) fn add_path(&self, address: usize, path: Box<str>) {
        if let Some(paths) = self.paths.borrow_mut().as_mut()
            && paths.len() < ENTRIES_MOST
        {
            paths.insert(address, path);
        }
    }

    /// The path of what was at this address.
    pub(super) fn path(&self, address: usize) -> Option<Box<str>> {
        self.paths.borrow().as_ref()?.get(&address).cloned()
    }

    /// The function that reads a global name, if it was made.
    pub(super) fn reader<'a>(&self, scope: Scope<'a>, text: &str) -> Option<Handle<'a>> {
        self.readers.borrow().get(text).map(|kept| scope.kept(kept))
    }

    /// Remembers one.
    pub(super) fn add_reader(&self, text: &str, reader: &Handle<'_>) {
        let scope = reader.scope;
        let full = self.readers.borrow().len() >= ENTRIES_MOST;
        let old = if full { std::mem::take(&mut *self.readers.borrow_mut()) } else { HashMap::new() };
        let before = self.readers.borrow_mut().insert(text.into(), scope.keep(reader.clone()));
        for kept in old.into_values().chain(before) {
            drop(scope.release(kept));
        }
    }
}

/// What is known of a code.
pub(super) enum Known<'a> {
    Function(Handle<'a>),
    Script(Handle<'a>),
}
