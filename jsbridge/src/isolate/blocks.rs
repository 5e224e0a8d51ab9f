//! The blocks of an engine that was just made, for the [picture](super::image) of it: where they are, what is free in
//! them, and the shapes.
//!
//! The engine has its small blocks in pages, one list of pages for each of 31 sizes, so that a third of what a new one takes
//! is room in them. In the picture each page ends a few blocks after the last that is taken ([`SPARE`]): scripts that need more of a
//! size have a page more, and others have not.
//!
//! What is read here are places of the engine's that it promises nobody; each is looked at before it is believed, and where it is not as
//! we think there is no picture.

use super::Isolate;
use super::intrinsics::Taken;
use super::memory::{ALIGNMENT, HEADER};
use super::state::State;
use rquickjs::qjs;

pub(super) const WORD: usize = size_of::<u64>();

/// Of a runtime: the list of all that it collects; where the stack was at the last entry; and the table of shapes.
const COLLECTED: usize = 1152;
pub(super) const STACK: std::ops::Range<usize> = 1240..1256;
pub(super) const SHAPE_BITS: usize = 1452;
const SHAPE_SIZE: usize = 1456;
const SHAPE_COUNT: usize = 1460;
const SHAPE_TABLE: usize = 1464;
/// Of a shape: is it in the table, with its hash in the upper half; the next of its row; its prototype.
pub(super) const SHAPE_STATE: usize = 16;
pub(super) const SHAPE_PROPERTIES: usize = 32;
pub(super) const SHAPE_NEXT: usize = 40;
pub(super) const SHAPE_PROTOTYPE: usize = 48;
/// Before each thing that the engine collects: what kind it is, beside a mark.
const KIND: usize = 5;
const MARK: u8 = 1 << 7;
/// Of a runtime: the lists of its pages of small blocks, by the size of the blocks.
const PAGES: usize = 72;
const SIZES: usize = 31;
/// Of a page: its place in the list; the size of its blocks; how many are taken, how many there are, and the first that is
/// free. A free one has the number of the next. The blocks are behind that.
const PAGE_LINK: usize = 16;
const PAGE_KIND: usize = 32;
const PAGE_TAKEN: usize = 34;
const PAGE_BLOCKS: usize = 36;
const PAGE_FREE: usize = 38;
const PAGE_HEADER: usize = 40;
/// So many blocks of a size are left free in each of its pages, if it has them. What [furnishing](super::Isolate::furnish) and
/// sealing take (a test sees to it that they need no page more), some for every script, and one of those sizes that scripts
/// seldom need: each is memory of every isolate.
const SPARE: [usize; SIZES] = {
    let mut spare = [1; SIZES];
    (spare[3], spare[4], spare[5], spare[6], spare[7], spare[8]) = (36, 4, 24, 40, 8, 38);
    (spare[9], spare[10], spare[13], spare[25]) = (2, 3, 2, 3);
    spare
};
const NO_MORE: u16 = u16::MAX;

/// A block of an engine that is looked at.
pub(super) struct Block {
    pub(super) address: usize,
    pub(super) size: usize,
    /// In the picture.
    pub(super) offset: usize,
}

/// One of the two engines.
pub(super) struct Side {
    /// In the order in which they are in the ring.
    pub(super) blocks: Vec<Block>,
    /// Indices of them, by address.
    by_address: Vec<usize>,
    pub(super) runtime: usize,
    pub(super) context: usize,
    state: usize,
    pub(super) intrinsics: Taken,
    /// Small blocks that nobody has: where, and how many bytes.
    pub(super) free: Vec<(usize, usize)>,
}

/// # Safety
/// There are so many bytes of a living block.
unsafe fn write<T>(address: usize, value: T) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::with_exposed_provenance_mut::<T>(address).write(value) }
}

/// # Safety
/// There are so many bytes of a living block.
pub(super) unsafe fn read<T: Copy>(address: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::with_exposed_provenance::<T>(address).read() }
}

impl Side {
    /// An engine as it is to be in a picture; its pages are cut. `None`: it is not as we think.
    ///
    /// # Safety
    /// The isolate is alive, and nobody is inside.
    pub(super) unsafe fn of(isolate: &Isolate) -> Option<Side> {
        let memory = &isolate.state().memory;
        // SAFETY: the caller's promise.
        let blocks: Vec<Block> = unsafe { memory.blocks() }
            .into_iter()
            .map(|(address, size)| Block { address, size, offset: 0 })
            .collect();
        let mut by_address: Vec<usize> = (0..blocks.len()).collect();
        by_address.sort_unstable_by_key(|index| blocks[*index].address);
        let mut side = Side {
            blocks,
            by_address,
            runtime: isolate.runtime.as_ptr().expose_provenance(),
            context: isolate.context.as_ptr().expose_provenance(),
            state: isolate.state.as_ptr().expose_provenance(),
            intrinsics: isolate.state().intrinsics.all().copied().unwrap_or([qjs::JS_UNDEFINED; _]),
            free: Vec::new(),
        };
        // SAFETY: the caller's promise.
        unsafe { side.cut_pages()? };
        let mut end = 0;
        for block in &mut side.blocks {
            block.offset = end;
            end = (end + block.size).next_multiple_of(ALIGNMENT);
        }
        Some(side)
    }

    /// The index of the block that has an address, and how far behind its beginning that is.
    fn block_at(&self, address: usize) -> Option<(usize, usize)> {
        let after = self.by_address.partition_point(|index| self.blocks[*index].address <= address);
        let index = self.by_address[after.checked_sub(1)?];
        let inside = address - self.blocks[index].address;
        // Just behind a block is an end of it; the next block begins later, with a header of the allocator's.
        (inside <= self.blocks[index].size).then_some((index, inside))
    }

    /// Where in the picture that address is.
    pub(super) fn offset(&self, address: usize) -> Option<usize> {
        self.block_at(address).map(|(index, inside)| self.blocks[index].offset + inside)
    }

    /// The same, of a place in the state.
    pub(super) fn offset_in_state(&self, address: usize) -> Option<usize> {
        address.checked_sub(self.state).filter(|offset| *offset < size_of::<State>())
    }

    /// Addresses of all shapes in the engine's table; `None`: it does not look like one.
    ///
    /// # Safety
    /// As for [`of`](Self::of).
    pub(super) unsafe fn shapes(&self) -> Option<Vec<usize>> {
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
    pub(super) unsafe fn shapes_apart(&self) -> Option<Vec<usize>> {
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
    pub(super) unsafe fn shape_table(&self) -> Option<(usize, usize)> {
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

    /// Cuts all pages of small blocks, and writes down what is free in them.
    ///
    /// # Safety
    /// As for [`of`](Self::of).
    unsafe fn cut_pages(&mut self) -> Option<()> {
        for (size, spare) in SPARE.into_iter().enumerate() {
            let head = self.runtime + PAGES + 2 * WORD * size;
            // SAFETY: the caller's promise; nothing is read that is not in a block.
            unsafe {
                let mut link: usize = read(head);
                while link != head {
                    let (index, inside) = self.block_at(link.checked_sub(PAGE_LINK)?)?;
                    if inside != HEADER {
                        return None;
                    }
                    self.cut_page(index, spare)?;
                    link = read(link);
                }
            }
        }
        Some(())
    }

    /// # Safety
    /// As for [`of`](Self::of); the block is a page, if the engine's pages are what we think.
    unsafe fn cut_page(&mut self, index: usize, spare: usize) -> Option<()> {
        let page = self.blocks[index].address + HEADER;
        let size = self.blocks[index].size - HEADER;
        // SAFETY: the caller's promise; nothing is read and written that is not in the block.
        unsafe {
            let [taken, blocks, mut next]: [u16; 3] =
                [read(page + PAGE_TAKEN), read(page + PAGE_BLOCKS), read(page + PAGE_FREE)];
            let kind: u8 = read(page + PAGE_KIND);
            let count = usize::from(blocks);
            if count == 0 || !(size - PAGE_HEADER).is_multiple_of(count) || taken == 0 || taken > blocks {
                return None;
            }
            let each = (size - PAGE_HEADER) / count;
            let small = |number: u16| page + PAGE_HEADER + each * usize::from(number);
            // Free ones in the order in which the engine will take them.
            let mut free = Vec::with_capacity(usize::from(blocks - taken));
            for _ in taken..blocks {
                if next >= blocks || free.contains(&next) || read::<u8>(small(next) + 2) != kind {
                    return None;
                }
                free.push(next);
                next = read(small(next));
            }
            if next != NO_MORE {
                return None;
            }
            let mut end = (0..blocks).rev().find(|number| !free.contains(number))? + 1;
            let mut left = free.iter().filter(|number| **number < end).count();
            while left < spare && end < blocks {
                (left, end) = (left + 1, end + 1);
            }
            free.retain(|number| *number < end);
            if end < blocks {
                let nexts = free.iter().skip(1).copied().chain([NO_MORE]);
                free.iter().zip(nexts).for_each(|(number, next)| write(small(*number), next));
                write(page + PAGE_FREE, free.first().copied().unwrap_or(NO_MORE));
                write(page + PAGE_BLOCKS, end);
                self.blocks[index].size = HEADER + PAGE_HEADER + each * usize::from(end);
            }
            self.free.extend(free.iter().map(|number| (small(*number), each)));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::console::Console;
    use crate::isolate::image::Image;
    use crate::isolate::population::Population;
    use crate::limits::Limits;
    use std::sync::Arc;

    /// For whoever changes what every isolate has, or takes another engine: `cargo test measure_room -- --nocapture` shows of
    /// each size how many are free in the picture, and how many then.
    #[test]
    fn measure_room_for_what_every_isolate_has() {
        let limits = Limits { stack: 128 << 10, ..Limits::DEFAULT };
        let mut isolate = Isolate::new(limits, Arc::new(Population::new(1)).house()).unwrap();
        // SAFETY: it is alive, and nobody is inside.
        let rooms = |isolate: &Isolate| unsafe { rooms(isolate) };
        let picture = rooms(&isolate);
        isolate.furnish(|scope| Ok(crate::host::furnish(scope, &Console::new(|_, _| {}))?)).unwrap();
        isolate.seal().unwrap();
        for (size, (before, now)) in picture.iter().zip(rooms(&isolate)).enumerate() {
            println!("size {size}: {before:?}; furnished and sealed: {now:?}");
            assert_eq!(
                before.pages, now.pages,
                "{} of the size {size} are not enough: see `SPARE`",
                before.free
            );
        }
    }

    /// Of one size.
    #[derive(Debug, Default)]
    struct Room {
        taken: u16,
        free: u16,
        pages: usize,
    }

    /// # Safety
    /// As for [`Side::of`].
    unsafe fn rooms(isolate: &Isolate) -> Vec<Room> {
        let runtime = isolate.runtime.as_ptr().expose_provenance();
        let of_size = |size: usize| {
            let (head, mut room) = (runtime + PAGES + 2 * WORD * size, Room::default());
            // SAFETY: the caller's promise. Where there is a picture, the engine's pages are what we think.
            unsafe {
                let mut link: usize = if Image::get().is_some() { read(head) } else { head };
                while link != head {
                    let [taken, blocks]: [u16; 2] = read(link - PAGE_LINK + PAGE_TAKEN);
                    room.taken += taken;
                    room.free += blocks - taken;
                    room.pages += 1;
                    link = read(link);
                }
            }
            room
        };
        (0..SIZES).map(of_size).collect()
    }
}
