//! A picture of a new engine, of which isolates are copied.
//!
//! The engine takes a million instructions to make its 1,100 built-ins, and each isolate's are the same; so are the objects
//! that it makes when they are first used, and that are made to be sealed. So two engines are made once in a process,
//! and compared word by word:
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
//! Pages of small blocks are shorter in the picture: see [`blocks`](super::blocks).
//!
//! A copy's blocks are known to its [`Memory`] like all others; the engine gives them back one by one, and the
//! memory that they are in goes with the isolate.
//!
//! What time it was is no part of it: `performance` is made in each isolate.

use super::Isolate;
use super::blocks::{
    SHAPE_BITS, SHAPE_NEXT, SHAPE_PROPERTIES, SHAPE_PROTOTYPE, SHAPE_STATE, STACK, Side, WORD, read,
};
use super::intrinsics::Taken;
use super::memory::{ALIGNMENT, HEADER, Memory};
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

/// Of a context: what random numbers begin with, and in half a word what hashes of scripts' values begin with. The other
/// half is the counter of [`tune`](super::tune).
const RANDOM: usize = 536;
const SEED: usize = 544;

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
        let sides = unsafe { Side::of(&first).zip(Side::of(&second)) };
        // SAFETY: as above.
        Ok(sides.and_then(|(first, second)| unsafe { compare(&first, &second) }))
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
            used: first.blocks.iter().map(|block| block.size).sum(),
        };
        let (mut pointers, mut owners) = (Vec::new(), Vec::new());
        for (one, other) in first.blocks.iter().zip(&second.blocks) {
            image.words[one.offset / WORD] = one.size as u64;
            for inside in (WORD..one.size).step_by(WORD) {
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
        // Shapes that are not in the table may be put there ([`shapes`](super::shapes)), whatever their hash; but not all into one row.
        for shape in first.shapes_apart()? {
            let offset = first.offset(shape)?;
            let hash = (offset as u32).wrapping_mul(GOLDEN);
            image.words[(offset + SHAPE_STATE) / WORD] = u64::from(hash) << 32;
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
        for block in &first.blocks {
            apart.insert((block.offset + HEADER) / WORD - 1, Apart::All);
        }
        let places = |side: &Side| -> Option<Vec<(usize, usize)>> {
            side.free.iter().map(|(address, size)| Some((side.offset(*address)?, *size))).collect()
        };
        let free = places(first)?;
        if free != places(second)? {
            return None;
        }
        for (offset, size) in free {
            // The number of the next and the kind are in the lower half of the first word.
            apart.insert(offset / WORD, Apart::Upper);
            for inside in (WORD..size).step_by(WORD) {
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
            let [first, second] = [&copies[0], &copies[1]].map(|copy| Side::of(copy).unwrap());
            assert!(compare(&Side::of(&made).unwrap(), &first).is_some());
            let again = compare(&first, &second).unwrap();
            assert!(again.words == image.words);
            for at in [RANDOM, SEED] {
                assert_ne!(read::<u32>(first.context + at), read::<u32>(second.context + at));
            }
        }
    }

    #[test]
    fn an_engine_that_has_changed_makes_no_picture() {
        let has_picture = |more: bool| {
            let [one, mut other] =
                [(); 2].map(|()| Isolate::pristine(Limits::DEFAULT, population().house()).unwrap());
            if more {
                other.furnish(|scope| Ok(scope.global().set(c"more", scope.number(1.0))?)).unwrap();
            }
            // SAFETY: both are alive, and nobody is inside.
            unsafe {
                let sides = Side::of(&one).zip(Side::of(&other));
                sides.is_some_and(|(one, other)| compare(&one, &other).is_some())
            }
        };
        assert_eq!(has_picture(false), Image::get().is_some());
        assert!(!has_picture(true));
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
