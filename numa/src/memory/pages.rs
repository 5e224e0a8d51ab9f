//! A run of whole pages: what the kernel's memory policy can be applied to.

use crate::sys;

/// Whole pages, by address. Policy never touches a neighbour's page unless asked for by [`Pages::touching`].
///
/// It is only a range of numbers: it borrows nothing, and the memory may be gone when it is used. The calls that take
/// it change where pages live or report it, never their content, so a stale range is an error and not a danger.
///
/// ```
/// use heddle_numa::memory::Pages;
/// let buffer = vec![0u8; 1 << 20];
/// assert!(Pages::inside(&buffer).bytes() <= 1 << 20);
/// assert!(Pages::touching(&buffer[..]).bytes() >= 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    start: usize,
    bytes: usize,
}

impl Pages {
    /// The pages that lie entirely inside the slice.
    pub fn inside<T>(values: &[T]) -> Pages {
        let page = sys::page_size();
        let range = values.as_ptr_range();
        let (start, end) = (range.start as usize, range.end as usize);
        let start = start.checked_next_multiple_of(page).unwrap_or(end);
        let end = end / page * page;
        Pages { start, bytes: end.saturating_sub(start) }
    }

    /// Every page that holds some of the value, shared with neighbours at both ends.
    pub fn touching<T: ?Sized>(value: &T) -> Pages {
        Self::around(std::ptr::from_ref(value).cast::<u8>(), size_of_val(value))
    }

    /// Every page that holds some of these bytes, at an address that need not be readable (a stack, a guard).
    pub fn around(start: *const u8, bytes: usize) -> Pages {
        let page = sys::page_size();
        let (first, end) = (start as usize / page * page, (start as usize).saturating_add(bytes));
        let end =
            if bytes == 0 { first } else { end.checked_next_multiple_of(page).unwrap_or(end / page * page) };
        Pages { start: first, bytes: end - first }
    }

    /// The address of the first page.
    pub fn start(self) -> usize {
        self.start
    }

    /// The length in bytes: a multiple of the page size.
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// How many pages.
    pub fn len(self) -> usize {
        self.bytes / sys::page_size()
    }

    /// Whether there is no whole page.
    pub fn is_empty(self) -> bool {
        self.bytes == 0
    }

    /// The size of a page of this system, in bytes.
    pub fn page_size() -> usize {
        sys::page_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_never_reaches_a_neighbour_and_touching_never_misses_a_byte() {
        let page = sys::page_size();
        let buffer = vec![0u8; 8 * page];
        for (from, to) in
            [(0, 8 * page), (1, 8 * page - 1), (page / 2, page), (7, 9), (5, 5), (page - 1, 3 * page + 1)]
        {
            let part = &buffer[from..to];
            let (first, end) = (part.as_ptr() as usize, part.as_ptr() as usize + part.len());
            let inside = Pages::inside(part);
            assert!(inside.is_empty() || (inside.start >= first && inside.start + inside.bytes <= end));
            let touching = Pages::touching(part);
            assert!(touching.start <= first && touching.start + touching.bytes >= end || part.is_empty());
            assert_eq!((touching.start % page, touching.bytes % page, inside.bytes % page), (0, 0, 0));
            assert!(touching.len() <= inside.len() + 2);
        }
    }

    #[test]
    fn the_end_of_the_address_space_does_not_overflow() {
        let pages = Pages::around(usize::MAX as *const u8, 100);
        assert_eq!(pages.bytes() % sys::page_size(), 0);
        assert!(Pages::around(std::ptr::null(), 0).is_empty());
    }
}
