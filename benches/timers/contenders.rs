//! What keeps timers in order: the scheduler's wheel, an ordered map, and a heap.

use crate::wheel::{Key, Wheel};
use std::collections::BTreeMap;

/// Each is asked in the same way, through calls that are compiled for each.
pub(crate) trait Timers {
    type Key;
    fn new() -> Self;
    fn set(&mut self, due: u64, item: u32) -> Self::Key;
    fn clear(&mut self, key: Self::Key);
    fn take_due(&mut self, now: u64, due: &mut Vec<u32>);
    fn next_due(&mut self) -> Option<u64>;
}

impl Timers for Wheel<u32> {
    type Key = Key;

    fn new() -> Self {
        Wheel::new()
    }

    fn set(&mut self, due: u64, item: u32) -> Key {
        Wheel::set(self, due, item)
    }

    fn clear(&mut self, key: Key) {
        Wheel::clear(self, key);
    }

    fn take_due(&mut self, now: u64, due: &mut Vec<u32>) {
        Wheel::take_due(self, now, due);
    }

    fn next_due(&mut self) -> Option<u64> {
        Wheel::next_due(self)
    }
}

/// The standard library's ordered map.
pub(crate) struct Map {
    entries: BTreeMap<(u64, u64), u32>,
    next: u64,
}

impl Timers for Map {
    type Key = (u64, u64);

    fn new() -> Self {
        Map { entries: BTreeMap::new(), next: 0 }
    }

    fn set(&mut self, due: u64, item: u32) -> (u64, u64) {
        self.next += 1;
        self.entries.insert((due, self.next), item);
        (due, self.next)
    }

    fn clear(&mut self, key: (u64, u64)) {
        self.entries.remove(&key);
    }

    fn take_due(&mut self, now: u64, due: &mut Vec<u32>) {
        while let Some(first) = self.entries.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
    }

    fn next_due(&mut self) -> Option<u64> {
        self.entries.first_key_value().map(|(&(due, _), _)| due)
    }
}

/// A heap of four children a node. `places` says where each entry is, so that any can be cleared.
pub(crate) struct Heap {
    /// Due time, sequence, entry.
    nodes: Vec<(u64, u64, u32)>,
    places: Vec<u32>,
    items: Vec<u32>,
    free: Vec<u32>,
    next: u64,
}

impl Heap {
    fn put(&mut self, at: usize, node: (u64, u64, u32)) {
        self.nodes[at] = node;
        self.places[node.2 as usize] = at as u32;
    }

    fn rise(&mut self, mut at: usize) {
        let node = self.nodes[at];
        while at > 0 && node < self.nodes[(at - 1) / 4] {
            self.put(at, self.nodes[(at - 1) / 4]);
            at = (at - 1) / 4;
        }
        self.put(at, node);
    }

    fn sink(&mut self, mut at: usize) {
        let node = self.nodes[at];
        loop {
            let children = 4 * at + 1..(4 * at + 5).min(self.nodes.len());
            let Some(least) = children.min_by_key(|&child| self.nodes[child]) else { break };
            if node <= self.nodes[least] {
                break;
            }
            self.put(at, self.nodes[least]);
            at = least;
        }
        self.put(at, node);
    }

    fn remove(&mut self, at: usize) -> u32 {
        let gone = self.nodes[at].2;
        let last = self.nodes.pop().expect("there is one");
        if at < self.nodes.len() {
            self.put(at, last);
            self.rise(at);
            self.sink(self.places[last.2 as usize] as usize);
        }
        self.free.push(gone);
        gone
    }
}

impl Timers for Heap {
    type Key = u32;

    fn new() -> Self {
        Heap { nodes: Vec::new(), places: Vec::new(), items: Vec::new(), free: Vec::new(), next: 0 }
    }

    fn set(&mut self, due: u64, item: u32) -> u32 {
        let entry = self.free.pop().unwrap_or_else(|| {
            self.places.push(0);
            self.items.push(0);
            self.places.len() as u32 - 1
        });
        self.items[entry as usize] = item;
        self.next += 1;
        self.nodes.push((due, self.next, entry));
        self.rise(self.nodes.len() - 1);
        entry
    }

    fn clear(&mut self, key: u32) {
        self.remove(self.places[key as usize] as usize);
    }

    fn take_due(&mut self, now: u64, due: &mut Vec<u32>) {
        while let Some(&(when, _, _)) = self.nodes.first()
            && when <= now
        {
            let entry = self.remove(0);
            due.push(self.items[entry as usize]);
        }
    }

    fn next_due(&mut self) -> Option<u64> {
        self.nodes.first().map(|&(due, _, _)| due)
    }
}
