//! The engine's table of shapes, into which we put some back.
//!
//! A shape in the table may be many objects', so the engine changes none that is in it: it takes it out first, or, to add a property to
//! one that has a single owner, gives it another hash and count. So of a shape in the table some words tell whether it is as
//! it was, and nobody has to go through the names of its properties.
//!
//! But the engine takes a shape out when it makes a property that was to be made later, and never puts one back. Those of
//! built-in objects are nearly all like that. [`put_back`] does, by what the engine does itself:
//!
//! ```text
//!   runtime   bits (size = 1 << bits)   count   table -> [ first, first, ... ]     a shape is in the list hash >> (32 - bits)
//!   shape     is hashed   hash   next
//! ```
//!
//! The hash of a shape that was taken out says nothing about its properties any more. That is no harm: with it the engine finds a
//! shape, and then compares all properties; so at worst it does not find this one.

use super::structures::{Shape, at};
use rquickjs::qjs;
use std::ffi::c_void;
use std::ptr::NonNull;

/// Of a runtime.
const BITS: usize = 1452;
const SIZE: usize = 1456;
const COUNT: usize = 1460;
const TABLE: usize = 1464;
/// What is behind that is the host's, which we know.
const OPAQUE: usize = 1472;

/// Of a shape.
const IS_HASHED: usize = 16;
const HASH: usize = 20;
const NEXT: usize = 40;

/// Makes a shape one of the table, if it is not.
///
/// # Safety
/// The shape is one of the runtime's, and alive; nobody else uses the runtime, and its [table is known](is_known).
pub(super) unsafe fn put_back(runtime: NonNull<qjs::JSRuntime>, shape: Shape) {
    let (runtime, shape) = (runtime.cast::<u8>(), shape.address());
    // SAFETY: the caller's promise. The engine takes it out again by the same hash.
    unsafe {
        if at::<u8>(shape, IS_HASHED) != 0 {
            return;
        }
        let list = list_of(runtime, at(shape, HASH));
        shape.add(NEXT).cast::<Option<NonNull<u8>>>().write(list.read());
        list.write(Some(shape));
        shape.add(IS_HASHED).write(1);
        let count = runtime.add(COUNT).cast::<i32>();
        count.write(count.read() + 1);
    }
}

/// The list for shapes with that hash.
///
/// # Safety
/// As for [`put_back`].
unsafe fn list_of(runtime: NonNull<u8>, hash: u32) -> NonNull<Option<NonNull<u8>>> {
    // SAFETY: the caller's promise; there are `1 << bits` lists.
    unsafe {
        let (bits, table): (i32, NonNull<Option<NonNull<u8>>>) = (at(runtime, BITS), at(runtime, TABLE));
        table.add((hash >> (32 - bits)) as usize)
    }
}

/// Is the table where it should be? All of it is looked at: each shape says that it is in it, and is in the list of its hash.
///
/// # Safety
/// The runtime is alive, and nobody else uses it. If this is another version of the engine, these are some other words inside
/// the runtime, of which none is followed before the host's pointer was found beside them.
pub(super) unsafe fn is_known(runtime: NonNull<qjs::JSRuntime>) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let opaque = qjs::JS_GetRuntimeOpaque(runtime.as_ptr());
        let runtime = runtime.cast::<u8>();
        let (bits, size, count): (i32, i32, i32) = (at(runtime, BITS), at(runtime, SIZE), at(runtime, COUNT));
        let is_place = !opaque.is_null()
            && at::<*mut c_void>(runtime, OPAQUE) == opaque
            && (1..31).contains(&bits)
            && size == 1 << bits
            && (1..4 * size).contains(&count);
        is_place && {
            let table: NonNull<Option<NonNull<u8>>> = at(runtime, TABLE);
            let mut found = 0;
            let all_right = (0..size as usize).all(|index| {
                let list = table.add(index);
                let mut next = list.read();
                while let Some(shape) = next {
                    found += 1;
                    if found > count
                        || at::<u8>(shape, IS_HASHED) != 1
                        || list_of(runtime, at(shape, HASH)) != list
                    {
                        return false;
                    }
                    next = at(shape, NEXT);
                }
                true
            });
            all_right && found == count
        }
    }
}
