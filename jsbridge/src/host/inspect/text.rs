//! The texts that values are shown with: quotes, colours, and how entries are laid out in lines and columns.

use super::Inspector;

/// How a text is coloured on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Special,
    Number,
    Undefined,
    Null,
    Text,
    Date,
    RegExp,
}

impl Style {
    /// What turns the colour on, and off.
    fn codes(self) -> (&'static str, &'static str) {
        match self {
            Style::Special => ("\x1b[36m", "\x1b[39m"),
            Style::Number => ("\x1b[33m", "\x1b[39m"),
            Style::Undefined => ("\x1b[90m", "\x1b[39m"),
            Style::Null => ("\x1b[1m", "\x1b[22m"),
            Style::Text => ("\x1b[32m", "\x1b[39m"),
            Style::Date => ("\x1b[35m", "\x1b[39m"),
            Style::RegExp => ("\x1b[31m", "\x1b[39m"),
        }
    }
}

/// `count` of something, with an s where there are several.
pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// "... 3 more items"
pub(super) fn more(count: usize, what: &str) -> String {
    format!("... {}", plural(count, &format!("more {what}")))
}

/// Can it be written before a colon without quotes?
pub(super) fn is_plain_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A string as a literal: in the first of `'`, `"` and `` ` `` that it does not have; control characters and half
/// surrogate pairs escaped.
pub(crate) fn quote(units: &[u16]) -> String {
    let has = |c: char| units.contains(&(c as u16));
    let interpolates = units.windows(2).any(|pair| pair == [u16::from(b'$'), u16::from(b'{')]);
    let mark = match () {
        () if !has('\'') => '\'',
        () if !has('"') => '"',
        () if !has('`') && !interpolates => '`',
        () => '\'',
    };
    let mut quoted = String::with_capacity(units.len() + 2);
    quoted.push(mark);
    escape(units, mark == '\'', &mut quoted);
    quoted.push(mark);
    quoted
}

/// Control characters, backslashes, half surrogate pairs, and where asked single quotes, as escapes.
pub(super) fn escape(units: &[u16], quotes: bool, into: &mut String) {
    use std::fmt::Write;
    for decoded in char::decode_utf16(units.iter().copied()) {
        // Writing into a string cannot fail.
        let _ = match decoded {
            Ok('\x08') => write!(into, "\\b"),
            Ok('\t') => write!(into, "\\t"),
            Ok('\n') => write!(into, "\\n"),
            Ok('\x0c') => write!(into, "\\f"),
            Ok('\r') => write!(into, "\\r"),
            Ok('\\') => write!(into, "\\\\"),
            Ok('\'') if quotes => write!(into, "\\'"),
            Ok(c @ ('\0'..='\x1f' | '\x7f'..='\u{9f}')) => write!(into, "\\x{:02X}", c as u32),
            Ok(c) => write!(into, "{c}"),
            Err(half) => write!(into, "\\u{:x}", half.unpaired_surrogate()),
        };
    }
}

/// Columns that a text takes on a terminal, colours not counted.
pub(crate) fn width(text: &str) -> usize {
    let mut width = 0;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        width += match c {
            '\x1b' => {
                let _ = characters.by_ref().find(|&c| c == 'm');
                0
            }
            '\0'..='\x1f' | '\x7f'..='\u{9f}' => 0,
            // Combining marks, joiners and variation selectors.
            '\u{300}'..='\u{36f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}' => 0,
            // Hangul, East Asian scripts, full-width forms, and pictures.
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{303e}'
            | '\u{3041}'..='\u{33ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{a000}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}'
            | '\u{1f300}'..='\u{1f64f}'
            | '\u{1f900}'..='\u{1f9ff}'
            | '\u{20000}'..='\u{3fffd}' => 2,
            _ => 1,
        };
    }
    width
}

/// UTF-16 code units of a text, colours not counted: what JavaScript calls its length.
fn length(text: &str) -> usize {
    let mut length = 0;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c == '\x1b' {
            let _ = characters.by_ref().find(|&c| c == 'm');
        } else {
            length += c.len_utf16();
        }
    }
    length
}

/// What an object is shown as, before it is put together.
pub(super) struct Parts {
    /// Before the braces: a function's name, an error's stack.
    pub(super) base: String,
    pub(super) open: String,
    pub(super) close: &'static str,
    pub(super) entries: Vec<String>,
    /// An array's, which may stand in columns. So many of them; what follows is "... n more items" and properties.
    pub(super) columns: Option<Columns>,
}

/// Entries that may stand in columns.
pub(super) struct Columns {
    /// All of them are numbers, which stand to the right.
    pub(super) numbers: bool,
    /// The last entry is "... n more items".
    pub(super) more: bool,
}

impl Inspector<'_, '_> {
    pub(super) fn style(&self, style: Style, text: &str) -> String {
        if !self.options.colors {
            return text.to_owned();
        }
        let (on, off) = style.codes();
        format!("{on}{text}{off}")
    }

    /// On one line if it is short and not deep, else one line for each entry, or for several of an array.
    pub(super) fn put_together(&self, parts: Parts, level: usize) -> String {
        /// So many levels may share a line.
        const LEVELS: usize = 3;
        let Parts { base, open, close, mut entries, columns } = parts;
        let count = entries.len();
        if let Some(columns) = columns.filter(|_| count > 6) {
            entries = self.in_columns(entries, &columns);
        }
        let lead = if base.is_empty() { String::new() } else { format!("{base} ") };
        if self.deepest.saturating_sub(level) < LEVELS && count == entries.len() {
            let start = count + self.indentation + length(&open) + length(&base) + 10;
            if self.fits(&entries, start, &base) {
                let joined = entries.join(", ");
                if !joined.contains('\n') {
                    return format!("{lead}{open} {joined} {close}");
                }
            }
        }
        let indentation = format!("\n{}", " ".repeat(self.indentation));
        let joined = entries.join(&format!(",{indentation}  "));
        format!("{lead}{open}{indentation}  {joined}{indentation}{close}")
    }

    fn fits(&self, entries: &[String], start: usize, base: &str) -> bool {
        let mut total = entries.len() + start;
        if total + entries.len() > self.options.break_length {
            return false;
        }
        for entry in entries {
            total += length(entry);
            if total > self.options.break_length {
                return false;
            }
        }
        !base.contains('\n')
    }

    /// Many short entries in columns: nearly a square, as characters are two and a half times as high as wide.
    fn in_columns(&self, entries: Vec<String>, how: &Columns) -> Vec<String> {
        const SEPARATOR: usize = 2;
        let grouped = entries.len() - usize::from(how.more);
        let widths: Vec<usize> = entries[..grouped].iter().map(|entry| width(entry)).collect();
        let total: usize = widths.iter().map(|width| width + SEPARATOR).sum();
        let longest = widths.iter().copied().max().unwrap_or(0);
        let cell = longest + SEPARATOR;
        let even = total as f64 / cell as f64 > 5.0 || longest <= 6;
        if cell * 3 + self.indentation >= self.options.break_length || !even {
            return entries;
        }
        let bias = (cell as f64 - total as f64 / entries.len() as f64).max(0.0).sqrt();
        let biased = (cell as f64 - 3.0 - bias).max(1.0);
        let square = ((2.5 * biased * grouped as f64).sqrt() / biased).round() as usize;
        let room = self.options.break_length.saturating_sub(self.indentation) / cell;
        let columns = square.min(room).min(3 * 4).min(15);
        if columns <= 1 {
            return entries;
        }
        let column_widths: Vec<usize> = (0..columns)
            .map(|first| widths.iter().skip(first).step_by(columns).max().map_or(0, |most| most + SEPARATOR))
            .collect();
        let mut lines = Vec::new();
        for (line, cells) in entries[..grouped].chunks(columns).enumerate() {
            let mut text = String::new();
            for (column, entry) in cells.iter().enumerate() {
                let last = column + 1 == cells.len();
                let width = widths[line * columns + column] + if last { 0 } else { SEPARATOR };
                let room = column_widths[column] - if last { SEPARATOR } else { 0 };
                let padding = " ".repeat(room.saturating_sub(width));
                let comma = if last { "" } else { ", " };
                match (how.numbers, last) {
                    (true, _) => text += &format!("{padding}{entry}{comma}"),
                    (false, true) => text += entry,
                    (false, false) => text += &format!("{entry}{comma}{padding}"),
                }
            }
            lines.push(text);
        }
        lines.extend(entries.into_iter().skip(grouped));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        quote(&text.encode_utf16().collect::<Vec<_>>())
    }

    #[test]
    fn strings_are_quoted_with_the_marks_that_they_do_not_have() {
        assert_eq!(quoted("a"), "'a'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("it's \"it\""), "`it's \"it\"`");
        assert_eq!(quoted("'\"`"), "'\\'\"`'");
        assert_eq!(quoted("'\"${"), "'\\'\"${'");
        assert_eq!(quoted("\n\t\0\x1b\u{85}\\"), "'\\n\\t\\x00\\x1B\\x85\\\\'");
        assert_eq!(quote(&[0xd83d]), "'\\ud83d'");
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!((width("\x1b[33m12\x1b[39m"), length("\x1b[33m12\x1b[39m")), (2, 2));
        assert_eq!((width("日本"), length("😀")), (4, 2));
    }
}
