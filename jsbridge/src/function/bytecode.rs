//! Reads the engine's serialized code: a function, and those that are written in it.
//!
//! ```text
//!   version  checksum  atoms                 function
//!   1 byte   4 bytes   count, then strings   header, locals, closure variables, constants (and with them the
//!                                            functions inside), instructions, places, source text
//! ```
//!
//! It reads what the engine of this process has just written, so errors are not expected. It relies on nothing for
//! that: each read is checked against the end, each index against its table, and the reader does not recurse, as it
//! may run on the last 32 KiB of a script's stack. What it gives is only *looked at*: what an isolate runs are the
//! engine's own bytes.

use super::opcodes::{self, Operand};

/// The stream is not what the engine of this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A name, as instructions have it: the number of one that the engine knows from its birth, or one of the stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Atom {
    /// No name, or an integer.
    None,
    /// By the engine's number.
    Known(u32),
    /// An index into [`Listing::atoms`].
    Own(u32),
}

/// A variable of an enclosing function that a function uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) name: Atom,
    pub(super) is_const: bool,
}

/// One function.
#[derive(Debug, Default)]
pub(super) struct Function<'b> {
    /// The function that it is written in, by index; its own index for the outermost.
    pub(super) parent: usize,
    pub(super) flags: Flags,
    pub(super) name: Option<Atom>,
    /// Of arguments and local variables.
    pub(super) locals: Vec<Atom>,
    pub(super) outer: Vec<Outer>,
    pub(super) code: &'b [u8],
    pub(super) place: Place,
    /// Where the first of its instructions that has a place is written.
    pub(super) first: Option<(i32, i32)>,
    pub(super) source: &'b [u8],
}

/// Where a function is written. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) file: Option<Atom>,
    pub(super) line: i32,
    pub(super) column: i32,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// Can be called with `new`, and is no class.
    pub(super) has_prototype: bool,
    pub(super) needs_home_object: bool,
    pub(super) is_generator: bool,
    pub(super) is_strict: bool,
}

/// A stream that was read.
#[derive(Debug)]
pub(super) struct Listing<'b> {
    pub(super) atoms: Vec<String>,
    /// The outermost is the first; each comes before those that are written in it.
    pub(super) functions: Vec<Function<'b>>,
}

/// One instruction: its number, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction<'b> {
    pub(super) number: u8,
    pub(super) bytes: &'b [u8],
}

const TAG_FUNCTION: u8 = 12;

impl<'b> Listing<'b> {
    /// Reads all of `bytes`. `own_atoms` is the number that the engine gives the first name of a stream.
    pub(super) fn read(bytes: &'b [u8], own_atoms: u32) -> Result<Listing<'b>, Malformed> {
        let mut reader = Reader { rest: bytes, own_atoms };
        if reader.byte()? != opcodes::VERSION {
            return Err(Malformed);
        }
        reader.take(4)?;
        let mut atoms = Vec::new();
        for _ in 0..reader.leb()? {
            // Kinds from 0x80 on are for streams without code.
            if reader.byte()? & 0x80 != 0 {
                return Err(Malformed);
            }
            atoms.push(reader.string()?);
        }
        let mut listing = Listing { atoms, functions: Vec::new() };
        listing.read_functions(&mut reader)?;
        if reader.rest.is_empty() { Ok(listing) } else { Err(Malformed) }
    }

    fn read_functions(&mut self, reader: &mut Reader<'b>) -> Result<(), Malformed> {
        if reader.byte()? != TAG_FUNCTION {
            return Err(Malformed);
        }
        /// A function whose constants are being read.
        struct Open {
            index: usize,
            constants: u32,
            code: u32,
            has_places: bool,
        }
        let mut open: Vec<Open> = Vec::new();
        let mut begins = true;
        loop {
            if begins {
                let parent = open.last().map(|open| open.index);
                let index = self.functions.len();
                let (function, header) = reader.header(parent.unwrap_or(index))?;
                self.functions.push(function);
                open.push(Open {
                    index,
                    constants: header.constants,
                    code: header.code,
                    has_places: header.has_places,
                });
                begins = false;
            }
            let Some(top) = open.last_mut() else { return Ok(()) };
            if top.constants > 0 {
                top.constants -= 1;
                begins = reader.constant()?;
                continue;
            }
            let function = &mut self.functions[top.index];
            function.code = reader.take(top.code as usize)?;
            if top.has_places {
                reader.places(function)?;
            }
            open.pop();
        }
    }

    /// The text of a name; `known` has those of the engine.
    pub(super) fn text<'t>(&'t self, atom: Atom, known: &'t [String]) -> &'t str {
        match atom {
            Atom::None => "",
            Atom::Known(number) => known.get(number as usize).map_or("", String::as_str),
            Atom::Own(index) => self.atoms.get(index as usize).map_or("", String::as_str),
        }
    }
}

impl<'b> Function<'b> {
    /// Goes through its instructions. An error comes last.
    pub(super) fn instructions(&self) -> impl Iterator<Item = Result<Instruction<'b>, Malformed>> + use<'b> {
        let mut rest = self.code;
        std::iter::from_fn(move || {
            let number = *rest.first()?;
            let length = opcodes::TABLE.get(usize::from(number)).map_or(0, |row| usize::from(row.1));
            if number == 0 || length == 0 || length > rest.len() {
                rest = &[];
                return Some(Err(Malformed));
            }
            let (bytes, after) = rest.split_at(length);
            rest = after;
            Some(Ok(Instruction { number, bytes }))
        })
    }
}

impl Instruction<'_> {
    /// The name that it has as its operand. `own_atoms` as for [`Listing::read`].
    pub(super) fn atom(self, own_atoms: u32) -> Atom {
        let is_atom = opcodes::TABLE.get(usize::from(self.number)).is_some_and(|row| row.2 == Operand::Atom);
        match self.bytes {
            [_, a, b, c, d, ..] if is_atom => Atom::of(u32::from_le_bytes([*a, *b, *c, *d]), own_atoms),
            _ => Atom::None,
        }
    }
}

impl Atom {
    /// Set in the number of an atom that is an integer.
    const INTEGER: u32 = 1 << 31;

    /// More than any number of an atom.
    pub(super) const LIMIT: u32 = Atom::INTEGER;

    fn of(number: u32, own_atoms: u32) -> Atom {
        if number == 0 || number & Atom::INTEGER != 0 {
            Atom::None
        } else if number < own_atoms {
            Atom::Known(number)
        } else {
            Atom::Own(number - own_atoms)
        }
    }
}

struct Header {
    constants: u32,
    code: u32,
    has_places: bool,
}

struct Reader<'b> {
    rest: &'b [u8],
    own_atoms: u32,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// Seven bits a byte, the lowest first; at most five bytes.
    fn leb(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// The same for signed numbers: the lowest bit is the sign.
    fn signed_leb(&mut self) -> Result<i32, Malformed> {
        let value = self.leb()?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    fn atom(&mut self) -> Result<Atom, Malformed> {
        let value = self.leb()?;
        Ok(if value & 1 == 1 { Atom::None } else { Atom::of(value >> 1, self.own_atoms) })
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let length = self.leb()?;
        let (count, is_wide) = ((length >> 1) as usize, length & 1 == 1);
        if is_wide {
            let bytes = self.take(count.checked_mul(2).ok_or(Malformed)?)?;
            let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            return Ok(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect());
        }
        // One byte a character: those of Latin-1.
        Ok(self.take(count)?.iter().map(|&byte| char::from(byte)).collect())
    }

    fn header(&mut self, parent: usize) -> Result<(Function<'b>, Header), Malformed> {
        let flags = u16::from(self.byte()?) | u16::from(self.byte()?) << 8;
        let bit = |number: u16| flags >> number & 1 == 1;
        let is_strict = self.byte()? != 0;
        let mut function = Function { parent, ..Function::default() };
        function.flags =
            Flags { has_prototype: bit(0), needs_home_object: bit(3), is_generator: bit(4), is_strict };
        function.name = Some(self.atom()?);
        // Arguments, variables, arguments without a default, stack, cells of captured variables.
        for _ in 0..5 {
            self.leb()?;
        }
        let outer = self.leb()?;
        let header = Header { constants: self.leb()?, code: self.leb()?, has_places: bit(11) };
        for _ in 0..self.leb()? {
            function.locals.push(self.atom()?);
            // Its scope, and the next variable there.
            self.leb()?;
            self.leb()?;
            let is_captured = self.byte()? >> 6 & 1 == 1;
            if is_captured {
                self.leb()?;
            }
        }
        for _ in 0..outer {
            let name = self.atom()?;
            // Its index.
            self.leb()?;
            let flags = self.leb()?;
            function.outer.push(Outer { name, is_const: flags >> 3 & 1 == 1 });
        }
        Ok((function, header))
    }

    /// Passes over a constant. True: it is a function, whose header comes next.
    fn constant(&mut self) -> Result<bool, Malformed> {
        // Templates are arrays of arrays. What is still to be read of them:
        let mut values = 1_u64;
        while values > 0 {
            values -= 1;
            match self.byte()? {
                // null, undefined, false, true
                1..=4 => {}
                5 => drop(self.leb()?),
                6 => drop(self.take(8)?),
                7 => drop(self.string()?),
                // An array, or a template: that has one more, its raw strings.
                tag @ (9 | 11) => values += u64::from(self.leb()?) + u64::from(tag == 11),
                10 => {
                    let length = self.leb()?;
                    self.take(length as usize)?;
                }
                TAG_FUNCTION if values == 0 => return Ok(true),
                _ => return Err(Malformed),
            }
        }
        Ok(false)
    }

    fn places(&mut self, function: &mut Function<'b>) -> Result<(), Malformed> {
        let file = Some(self.atom()?);
        let (line, column) = (self.leb()? as i32, self.leb()? as i32);
        function.place = Place { file, line, column };
        let length = self.leb()?;
        let mut places = Reader { rest: self.take(length as usize)?, own_atoms: self.own_atoms };
        function.first = places.first_place(line, column)?;
        let length = self.leb()?;
        function.source = self.take(length as usize)?;
        Ok(())
    }

    /// The first place in a function's table of places: how far it is from where the function begins.
    fn first_place(&mut self, line: i32, column: i32) -> Result<Option<(i32, i32)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        // Small steps are in one byte: 5 x instructions + lines, both counted from 1.
        let lines = match self.byte()? {
            0 => {
                self.leb()?;
                self.signed_leb()?
            }
            short => i32::from((short - 1) % 5) - 1,
        };
        let columns = self.signed_leb()?;
        Ok(Some((line.wrapping_add(lines), column.wrapping_add(columns))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_or_too_long_or_of_another_version_is_refused() {
        assert_eq!(Listing::read(&[], 100).unwrap_err(), Malformed);
        assert_eq!(Listing::read(&[opcodes::VERSION + 1, 0, 0, 0, 0, 0], 100).unwrap_err(), Malformed);
        assert_eq!(Listing::read(&[opcodes::VERSION, 0, 0, 0, 0, 0], 100).unwrap_err(), Malformed);
        // A count of atoms that needs more than five bytes, and one that is larger than what is there.
        let head = [opcodes::VERSION, 0, 0, 0, 0];
        for count in [&[0xff; 6][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
            assert_eq!(Listing::read(&[&head, count].concat(), 100).unwrap_err(), Malformed);
        }
    }

    #[test]
    fn signed_numbers_have_their_sign_in_the_lowest_bit() {
        for (bytes, number) in [(&[0_u8][..], 0), (&[1], -1), (&[2], 1), (&[3], -2), (&[0x80, 1], 64)] {
            assert_eq!(Reader { rest: bytes, own_atoms: 0 }.signed_leb(), Ok(number));
        }
    }

    #[test]
    fn an_unknown_instruction_and_one_that_is_cut_short_end_the_list_with_an_error() {
        for code in [&[0_u8][..], &[255], &[1, 0, 0]] {
            let function = Function { code, ..Function::default() };
            assert_eq!(function.instructions().map(|one| one.err()).collect::<Vec<_>>(), [Some(Malformed)]);
        }
    }
}
