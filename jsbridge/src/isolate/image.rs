//! A picture of a new engine, of which isolates are copied.
//!
//! The engine takes a million instructions to make its 1,100 built-ins, and each isolate's are the same. So two engines
//! are made once in a process, and compared word by word:
//!
//! | a word of the two                                 | in the picture                                         |
//! |---------------------------------------------------|--------------------------------------------------------|
//! | is the same                                       | that word                                              |
//! | points to the same place of the same block        | a pointer to that place of the copy                    |
//! | points to the same place of the isolate's `State` | a pointer to that place of the copy's `State`          |
//! | is the hash of a shape, or belongs to their table | made anew, as it depends on where the prototype is     |
//! | is what random numbers begin with                 | new random bits                                        |
//! | is in a small block that nobody has, or padding   | zero                                                   |
//! | is anything else                                  | there is no picture: every isolate is made by the engine |
//!
//! ```text
//!   two engines:  [block] [block]     [block]  ...        each block where the allocator had room
//!   the picture:  |header|block|header|block|header|...   pointers are offsets from its beginning
//!   a copy:       the same, one block of the allocator's, plus the address of its beginning
//! ```
//!
//! A copy's blocks are known to its [`Memory`] like all others; the engine gives them back one by one, and the
//! memory that they are in goes with the isolate.
//!
//! What time it was is no part of it: `performance` is made in each isolate.

use super::Isolate;
use super::intrinsics::Taken;
use super::memory::{HEADER, Memory};
use super::population::Population;
use super::state::State;
use super::structures;
use crate::error::Error;
use crate::limits::Limits;
use rquickjs::qjs;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

const WORD: usize = size_of::<u64>();
/// Of each block in a picture; the allocator's is no greater.
const ALIGNMENT: usize = 16;

/// Of a runtime: the list of all that it collects; where the stack was at the last entry; and the table of shapes.
const COLLECTED: usize = 1152;
const STACK: std::ops::Range<usize> = 1240..1256;
const SHAPE_BITS: usize = 1452;
const SHAPE_SIZE: usize = 1456;
const SHAPE_COUNT: usize = 1460;
const SHAPE_TABLE: usize = 1464;
/// Of a context: what random numbers begin with, and in half a word what hashes of scripts' values begin with. The other
/// half is the counter of [`tune`](super::tune).
const RANDOM: usize = 536;
const SEED: usize = 544;
/// Of a shape: is it in the table, with its hash in the upper half; the next of its row; its prototype.
const SHAPE_STATE: usize = 16;
const SHAPE_PROPERTIES: usize = 32;
const SHAPE_NEXT: usize = 40;
const SHAPE_PROTOTYPE: usize = 48;
/// Before each thing that the engine collects: what kind it is, beside a mark.
const KIND: usize = 5;
const MARK: u8 = 1 << 7;
/// The engine's pages of small blocks: a page's header; in it the size of its blocks, how many are taken, how many there
/// are, and the first that is free. A free one has the number of the next.
const PAGE_HEADER: usize = 40;
const PAGE_KIND: usize = 32;
const PAGE_TAKEN: usize = 34;
const PAGE_BLOCKS: usize = 36;
const PAGE_FREE: usize = 38;
const PAGE_SIZE: usize = 4096;
const NO_MORE: u16 = u16::MAX;

/// See the module.
pub(super) struct Image {
    words: Box<[u64]>,
    /// Words that are offsets in the picture, and pointers in a copy.
    pointers: Box<[u32]>,
    /// The same, of the state.
    owners: Box<[u32]>,
    shapes: Box<[HashedShape]>,
    /// The engine's count of bits of a hash that say which row a shape is in.
    shape_bits: u32,
    /// Offsets of parts of the picture.
    shape_table: usize,
    runtime: usize,
    context: usize,
    /// Values, with offsets for pointers.
    intrinsics: Taken,
    /// What the blocks count for.
    used: usize,
}

// SAFETY: what looks like pointers in it are offsets.
unsafe impl Send for Image {}

// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Image {}

/// A shape in the engine's table. Its hash is `rest + factor * (hash of the prototype's address)`, as each property is
/// hashed by adding and multiplying.
struct HashedShape {
    offset: u32,
    rest: u32,
    factor: u32,
}

/// What a copy is.
pub(super) struct Copied {
    pub(super) runtime: NonNull<qjs::JSRuntime>,
    pub(super) context: NonNull<qjs::JSContext>,
    pub(super) intrinsics: Taken,
}

/// The engine's multiplier for hashes.
const GOLDEN: u32 = 0x61c8_8647;

/// The engine's hash of a shape without properties.
fn hash_of_prototype(address: u64) -> u32 {
    let low = 1_u32.wrapping_add(address as u32).wrapping_mul(GOLDEN);
    low.wrapping_add((address >> 32) as u32).wrapping_mul(GOLDEN)
}

impl Image {
    /// The process's picture; `None`: there is none, each isolate is made by the engine.
    pub(super) fn get() -> Option<&'static Image> {
        static IMAGE: OnceLock<Option<Image>> = OnceLock::new();
        if let Some(image) = IMAGE.get() {
            return image.as_ref();
        }
        // What fails for want of memory is tried again.
        let image = Image::make().ok()?;
        IMAGE.get_or_init(|| image).as_ref()
    }

    fn make() -> Result<Option<Image>, Error> {
        // For a sanitizer, the engine asks for its small blocks one by one, and they are to be freed one by one.
        if cfg!(feature = "sanitizer") || !structures::hold() {
            return Ok(None);
        }
        let population = Arc::new(Population::new(1));
        // In one place, so that the engine finds its stack at the same address.
        let [first, second] = [(); 2].map(|()| Isolate::pristine(Limits::DEFAULT, population.house()));
        let (first, second) = (first?, second?);
        // SAFETY: both are alive, whole, and nobody is inside.
        Ok(unsafe { compare(&Side::of(&first), &Side::of(&second)) })
    }

    /// A copy, in this memory, for this state.
    ///
    /// # Errors
    /// There was no memory.
    ///
    /// # Safety
    /// The memory is new, and part of the state; both outlive the engine, and stay where they are.
    pub(super) unsafe fn copy(&self, state: NonNull<State>) -> Result<Copied, ()> {
        // SAFETY: the caller's promise.
        let memory: &Memory = unsafe { &state.as_ref().memory };
        let Some(copy) = memory.take_chunk(self.words.len() * WORD, self.used) else { return Err(()) };
        let base = copy.addr().get() as u64;
        // SAFETY: the chunk has room for all words, and all indices and offsets are inside.
        unsafe {
            let words = copy.cast::<u64>();
            words.copy_from_nonoverlapping(NonNull::from(&*self.words).cast(), self.words.len());
            for &index in &self.pointers {
                let word = words.add(index as usize);
                word.write(word.read() + base);
            }
            for &index in &self.owners {
                let word = words.add(index as usize);
                word.write(word.read() + state.addr().get() as u64);
            }
            self.hash_shapes(copy);
            // Two lots of random bits: neither says anything about the other.
            let random = || RandomState::new().hash_one(base);
            let context = copy.add(self.context);
            context.add(RANDOM).cast::<u64>().write(random() | 1);
            context.add(SEED).cast::<u32>().write(random() as u32);
            memory.begin_ring(copy);
            Ok(Copied {
                runtime: copy.add(self.runtime).cast(),
                context: context.cast(),
                intrinsics: self.intrinsics.map(|value| match value_kind(value) {
                    Pointed::Yes(tag, offset) => qjs::JS_MKPTR(tag, copy.add(offset).as_ptr().cast()),
                    Pointed::No => value,
                }),
            })
        }
    }

    /// Puts the shapes into the table, with the hashes that they have at their new address.
    ///
    /// # Safety
    /// It points to a copy, whose pointers are right.
    #[inline]
    unsafe fn hash_shapes(&self, copy: NonNull<u8>) {
        // SAFETY: the caller's promise; the table has a row for each value of so many bits, and is empty.
        unsafe {
            let table = copy.add(self.shape_table).cast::<u64>();
            for shape in &self.shapes {
                let place = copy.add(shape.offset as usize);
                let prototype = place.add(SHAPE_PROTOTYPE).cast::<u64>().read();
                let hash = shape.rest.wrapping_add(shape.factor.wrapping_mul(hash_of_prototype(prototype)));
                place.add(SHAPE_STATE + 4).cast::<u32>().write(hash);
                let row = table.add((hash >> (32 - self.shape_bits)) as usize);
                place.add(SHAPE_NEXT).cast::<u64>().write(row.read());
                row.write(place.addr().get() as u64);
            }
        }
    }
}

/// Does a value have a pointer?
enum Pointed {
    /// Its tag, and the pointer or offset.
    Yes(i32, usize),
    No,
}

fn value_kind(value: qjs::JSValue) -> Pointed {
    // SAFETY: reading a tag, and the pointer that is there with it.
    unsafe {
        if qjs::JS_VALUE_HAS_REF_COUNT(value) {
            Pointed::Yes(qjs::JS_VALUE_GET_TAG(value), qjs::JS_VALUE_GET_PTR(value).addr())
        } else {
            Pointed::No
        }
    }
}

/// A block of an engine that is looked at.
struct Block {
    address: usize,
    size: usize,
    /// In the picture.
    offset: usize,
}

/// One of the two engines.
struct Side {
    /// In the order in which they are in the ring.
    blocks: Vec<Block>,
    /// Indices of them, by address.
    by_address: Vec<usize>,
    runtime: usize,
    context: usize,
    state: usize,
    intrinsics: Taken,
    used: usize,
}

/// # Safety
/// There are so many bytes of a living block.
unsafe fn read<T: Copy>(address: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::with_exposed_provenance::<T>(address).read() }
}

impl Side {
    /// # Safety
    /// The isolate is alive, and nobody is inside.
    unsafe fn of(isolate: &Isolate) -> Side {
        let memory = &isolate.state().memory;
        let mut end = 0;
        // SAFETY: the caller's promise.
        let blocks: Vec<Block> = unsafe { memory.blocks() }
            .into_iter()
            .map(|(address, size)| {
                let block = Block { address, size, offset: end };
                end = (end + size).next_multiple_of(ALIGNMENT);
                block
            })
            .collect();
        let mut by_address: Vec<usize> = (0..blocks.len()).collect();
        by_address.sort_unstable_by_key(|index| blocks[*index].address);
        Side {
            blocks,
            by_address,
            runtime: isolate.runtime.as_ptr().expose_provenance(),
            context: isolate.context.as_ptr().expose_provenance(),
            state: isolate.state.as_ptr().expose_provenance(),
            intrinsics: isolate.state().intrinsics.all().copied().unwrap_or([qjs::JS_UNDEFINED; _]),
            used: memory.used(),
        }
    }

    /// Where in the picture that address is.
    fn offset(&self, address: usize) -> Option<usize> {
        let after = self.by_address.partition_point(|index| self.blocks[*index].address <= address);
        let block = &self.blocks[self.by_address[after.checked_sub(1)?]];
        // Just behind a block is an end of it; the next block begins later, with a header of the allocator's.
        (address <= block.address + block.size).then(|| block.offset + (address - block.address))
    }

    /// The same, of a place in the state.
    fn offset_in_state(&self, address: usize) -> Option<usize> {
        address.checked_sub(self.state).filter(|offset| *offset < size_of::<State>())
    }

    /// Addresses of all shapes in the engine's table; `None`: it does not look like one.
    ///
    /// # Safety
    /// As for [`of`](Self::of).
    unsafe fn shapes(&self) -> Option<Vec<usize>> {
        // SAFETY: the caller's promise; nothing is read that is not in a block.
        unsafe {
            let (table, size) = self.shape_table()?;
            let count: u32 = read(self.runtime + SHAPE_COUNT);
            let mut shapes = Vec::new();
            for row in 0..size {
                let mut shape: usize = read(table + WORD * row);
                while shape != 0 {
                    self.offset(shape)?;
                    if shapes.len() as u32 == count {
                        return None;
                    }
                    shapes.push(shape);
                    shape = read(shape + SHAPE_NEXT);
                }
            }
            (shapes.len() as u32 == count).then_some(shapes)
        }
    }

    /// The shapes that are not in the table. What they have for a hash was never written, or is that of a shape that they
    /// were copied from.
    ///
    /// # Safety
    /// As for [`of`](Self::of).
    unsafe fn shapes_apart(&self) -> Option<Vec<usize>> {
        // SAFETY: the caller's promise; nothing is read that is not in a block.
        unsafe {
            let hashed = self.shapes()?;
            let kind = |thing: usize| read::<u8>(thing - KIND) & !MARK;
            let kind_of_shapes = kind(*hashed.first()?);
            if hashed.iter().any(|shape| kind(*shape) != kind_of_shapes) {
                return None;
            }
            let (head, mut apart, mut in_table) = (self.runtime + COLLECTED, Vec::new(), 0);
            let mut thing: usize = read(head);
            while thing != head {
                self.offset(thing)?;
                if kind(thing) == kind_of_shapes {
                    match read::<u8>(thing + SHAPE_STATE) {
                        0 => apart.push(thing),
                        _ => in_table += 1,
                    }
                }
                thing = read(thing);
            }
            (in_table == hashed.len()).then_some(apart)
        }
    }

    /// The table's address, and how many rows it has.
    ///
    /// # Safety
    /// As for [`of`](Self::of).
    unsafe fn shape_table(&self) -> Option<(usize, usize)> {
        // SAFETY: the caller's promise.
        unsafe {
            let (bits, size): (u32, u32) = (read(self.runtime + SHAPE_BITS), read(self.runtime + SHAPE_SIZE));
            let table: usize = read(self.runtime + SHAPE_TABLE);
            let last = self.offset(table + WORD * (size as usize - 1))?;
            let is_one =
                bits < 32 && 1 << bits == size && last - self.offset(table)? == WORD * (size as usize - 1);
            is_one.then_some((table, size as usize))
        }
    }

    /// What nobody has of a page of small blocks: addresses, and how many bytes. Nothing if the block is no page; `None` if
    /// it looks like one and is not.
    ///
    /// # Safety
    /// As for [`of`](Self::of).
    unsafe fn free_small(&self, block: &Block, free: &mut Vec<(usize, usize)>) -> Option<()> {
        let page = block.address + HEADER;
        let size = block.size - HEADER;
        if !(PAGE_SIZE - 512..=PAGE_SIZE).contains(&size) {
            return Some(());
        }
        // SAFETY: the caller's promise; nothing is read that is not in the block.
        unsafe {
            let [taken, blocks, mut next]: [u16; 3] =
                [read(page + PAGE_TAKEN), read(page + PAGE_BLOCKS), read(page + PAGE_FREE)];
            let kind: u8 = read(page + PAGE_KIND);
            if blocks == 0 || !(size - PAGE_HEADER).is_multiple_of(usize::from(blocks)) || taken > blocks {
                return None;
            }
            let each = (size - PAGE_HEADER) / usize::from(blocks);
            if each < 2 * WORD || (PAGE_SIZE - PAGE_HEADER) / each != usize::from(blocks) {
                return None;
            }
            for _ in taken..blocks {
                if next >= blocks {
                    return None;
                }
                let small = page + PAGE_HEADER + each * usize::from(next);
                if read::<u8>(small + 2) != kind {
                    return None;
                }
                free.push((small + 4, each - 4));
                next = read(small);
            }
            (next == NO_MORE).then_some(())
        }
    }
}

/// Which words are none of the picture's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Zero in the picture; a copy makes it anew where that is needed.
    All,
    /// The upper half is; of the lower half both have the same.
    Upper,
    /// The other way round.
    Lower,
}

/// The picture of two engines that are alike; `None`: they are not.
///
/// # Safety
/// Both are alive, and nobody is inside.
unsafe fn compare(first: &Side, second: &Side) -> Option<Image> {
    // SAFETY: the caller's promise; nothing is read that is not in a block.
    unsafe {
        let alike = first.blocks.len() == second.blocks.len()
            && first.used == second.used
            && first.blocks.iter().zip(&second.blocks).all(|(one, other)| one.size == other.size)
            && first.offset(first.runtime) == second.offset(second.runtime)
            && first.offset(first.context) == second.offset(second.context);
        if !alike {
            return None;
        }
        let apart = apart(first, second)?;
        let last = first.blocks.last()?;
        let length = (last.offset + last.size).next_multiple_of(ALIGNMENT);
        let mut image = Image {
            words: vec![0; length / WORD].into_boxed_slice(),
            pointers: Box::default(),
            owners: Box::default(),
            shapes: hashed_shapes(first, second)?,
            shape_bits: read(first.runtime + SHAPE_BITS),
            shape_table: first.offset(first.shape_table()?.0)?,
            runtime: first.offset(first.runtime)?,
            context: first.offset(first.context)?,
            intrinsics: first.intrinsics,
            used: first.used,
        };
        let (mut pointers, mut owners) = (Vec::new(), Vec::new());
        for (one, other) in first.blocks.iter().zip(&second.blocks) {
            for inside in (0..one.size).step_by(WORD) {
                let index = (one.offset + inside) / WORD;
                let [mut a, mut b] =
                    [one, other].map(|block| read_word(block.address + inside, block.size - inside));
                match apart.get(&index) {
                    None => {}
                    Some(Apart::All) => continue,
                    Some(Apart::Upper) => (a, b) = (a & u64::from(u32::MAX), b & u64::from(u32::MAX)),
                    Some(Apart::Lower) => (a, b) = (a >> 32 << 32, b >> 32 << 32),
                }
                image.words[index] = if a == b {
                    a
                } else if let Some(offset) = same(first.offset(a as usize), second.offset(b as usize)) {
                    pointers.push(index as u32);
                    offset
                } else {
                    owners.push(index as u32);
                    same(first.offset_in_state(a as usize), second.offset_in_state(b as usize))?
                };
            }
        }
        for (one, other) in image.intrinsics.iter_mut().zip(second.intrinsics) {
            if let (Pointed::Yes(tag, a), Pointed::Yes(_, b)) = (value_kind(*one), value_kind(other)) {
                let offset = same(first.offset(a), second.offset(b))?;
                *one = qjs::JS_MKPTR(tag, std::ptr::without_provenance_mut(offset as usize));
            }
        }
        image.pointers = pointers.into_boxed_slice();
        image.owners = owners.into_boxed_slice();
        Some(image)
    }
}

fn same(first: Option<usize>, second: Option<usize>) -> Option<u64> {
    first.filter(|_| first == second).map(|offset| offset as u64)
}

/// A word, or what there is of it at the end of a block.
///
/// # Safety
/// There are so many bytes, or a word if there are more.
unsafe fn read_word(address: usize, left: usize) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        if left >= WORD {
            return read(address);
        }
        let mut bytes = [0; WORD];
        (0..left).for_each(|index| bytes[index] = read(address + index));
        u64::from_ne_bytes(bytes)
    }
}

/// The words of the picture that are not to be compared, or not whole.
///
/// # Safety
/// As for [`compare`].
unsafe fn apart(first: &Side, second: &Side) -> Option<HashMap<usize, Apart>> {
    let mut apart = HashMap::new();
    // SAFETY: the caller's promise.
    unsafe {
        let word = |address: usize| first.offset(address).map(|offset| offset / WORD);
        for (at, how) in [(RANDOM, Apart::All), (SEED, Apart::Lower)] {
            apart.insert(word(first.context + at)?, how);
        }
        for at in STACK.step_by(WORD) {
            apart.insert(word(first.runtime + at)?, Apart::All);
        }
        let (table, rows) = first.shape_table()?;
        for row in 0..rows {
            apart.insert(word(table + WORD * row)?, Apart::All);
        }
        for shape in first.shapes()? {
            apart.insert(word(shape + SHAPE_STATE)?, Apart::Upper);
            apart.insert(word(shape + SHAPE_NEXT)?, Apart::All);
        }
        for shape in first.shapes_apart()? {
            for at in [SHAPE_STATE, SHAPE_NEXT] {
                apart.insert(word(shape + at)?, Apart::All);
            }
        }
        let [mut free, mut other] = [Vec::new(), Vec::new()];
        for (one, two) in first.blocks.iter().zip(&second.blocks) {
            apart.insert((one.offset + HEADER) / WORD - 1, Apart::All);
            first.free_small(one, &mut free)?;
            second.free_small(two, &mut other)?;
        }
        let places = |side: &Side, free: &[(usize, usize)]| -> Option<Vec<(usize, usize)>> {
            free.iter().map(|(address, size)| Some((side.offset(*address)?, *size))).collect()
        };
        let free = places(first, &free)?;
        if free != places(second, &other)? {
            return None;
        }
        for (offset, size) in free {
            // The number of the next and the size are in the lower half of the first word.
            apart.insert(offset / WORD, Apart::Upper);
            for inside in (4..size).step_by(WORD) {
                apart.insert((offset + inside) / WORD, Apart::All);
            }
        }
    }
    Some(apart)
}

/// The shapes of the table, and how their hashes are made; `None`: not as we think.
///
/// # Safety
/// As for [`compare`].
unsafe fn hashed_shapes(first: &Side, second: &Side) -> Option<Box<[HashedShape]>> {
    // SAFETY: the caller's promise.
    unsafe {
        let facts = |shape: usize| -> (u32, u32, u32) {
            let (hash, count) = (read(shape + SHAPE_STATE + 4), read(shape + SHAPE_PROPERTIES));
            (hash, count, hash_of_prototype(read(shape + SHAPE_PROTOTYPE)))
        };
        let others: HashMap<usize, usize> = second
            .shapes()?
            .into_iter()
            .map(|shape| Some((second.offset(shape)?, shape)))
            .collect::<Option<_>>()?;
        let shapes = first.shapes()?;
        if shapes.len() != others.len() {
            return None;
        }
        let mut hashed = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let offset = first.offset(shape)?;
            let (hash, count, prototype) = facts(shape);
            // Each property is two numbers.
            let factor = GOLDEN.wrapping_pow(2 * count);
            let rest = hash.wrapping_sub(factor.wrapping_mul(prototype));
            let (other_hash, other_count, other_prototype) = facts(*others.get(&offset)?);
            let is_right =
                count == other_count && other_hash == rest.wrapping_add(factor.wrapping_mul(other_prototype));
            if !is_right {
                return None;
            }
            hashed.push(HashedShape { offset: offset as u32, rest, factor });
        }
        // In the order of the table, so that a copy at the same address is the same.
        hashed.reverse();
        Some(hashed.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::isolate::enter::StackTop;
    use crate::isolate::handle::CStrSource;

    fn population() -> Arc<Population> {
        Arc::new(Population::new(1))
    }

    fn copy(image: &Image) -> Isolate {
        Isolate::copied(image, Limits::DEFAULT, population().house()).unwrap()
    }

    #[test]
    fn a_picture_can_be_taken_of_this_engine() {
        assert!(Image::get().is_some() || cfg!(feature = "sanitizer"), "isolates would take 80 us more each");
    }

    #[test]
    fn a_copy_is_what_the_engine_makes() {
        let made = Isolate::pristine(Limits::DEFAULT, population().house()).unwrap();
        let Some(image) = Image::get() else { return };
        let copies = [copy(image), copy(image)];
        // SAFETY: all are alive, and nobody is inside.
        unsafe {
            let [first, second] = [&copies[0], &copies[1]].map(|copy| Side::of(copy));
            assert!(compare(&Side::of(&made), &first).is_some());
            let again = compare(&first, &second).unwrap();
            assert!(again.words == image.words);
            for at in [RANDOM, SEED] {
                assert_ne!(read::<u32>(first.context + at), read::<u32>(second.context + at));
            }
        }
    }

    #[test]
    fn an_engine_that_has_changed_makes_no_picture() {
        let [one, mut other] =
            [(); 2].map(|()| Isolate::pristine(Limits::DEFAULT, population().house()).unwrap());
        // SAFETY: both are alive, and nobody is inside.
        let has_picture = |other: &Isolate| unsafe { compare(&Side::of(&one), &Side::of(other)).is_some() };
        assert_eq!(has_picture(&other), Image::get().is_some());
        other.furnish(|scope| Ok(scope.global().set(c"more", scope.number(1.0))?)).unwrap();
        assert!(!has_picture(&other));
    }

    #[test]
    fn what_came_with_a_picture_may_be_freed_and_grow() {
        let mut isolate = Isolate::new(Limits::DEFAULT, population().house()).unwrap();
        let source = "const {keys} = Object; \
                      for (const name of Object.getOwnPropertyNames(globalThis)) \
                          if (name.length > 4 && name !== 'globalThis') delete globalThis[name]; \
                      let all = {}; for (let i = 0; i < 20000; i++) all['a' + i] = i; \
                      keys(all).length";
        let result: Result<f64, Error> = isolate.enter(StackTop::here(256 << 10), |scope| {
            Ok(scope.eval(c"test.js", &CStrSource::new(source))?.to_number()?)
        });
        assert_eq!(result.unwrap(), 20_000.0);
        isolate.collect();
    }
}
