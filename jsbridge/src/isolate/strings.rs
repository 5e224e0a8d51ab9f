//! Methods of strings that look for one text in another.
//!
//! The engine compares the needle with the text at each place, without a question: 300,000 characters in 600,000 take it
//! more than a minute. So in front of such a method stands one of ours:
//!
//! | called with                                            | what runs                                                    |
//! |--------------------------------------------------------|--------------------------------------------------------------|
//! | two strings, the product of whose lengths is at most [`SHORT`] | the engine's method                                  |
//! | anything else                                          | what the standard says comes first: hooks, conversions. Then as above, or: |
//! | two long strings                                       | the same by [`search`](super::search), which asks            |
//!
//! What is not a string is converted here, once, and in the standard's order; the engine's method gets the strings.

use super::guard::{self, Engines, Front};
use super::handle::{Handle, JsResult, Scope};
use super::layout::{self, Layout, Text};
use super::look::{Class, WellKnown};
use super::search;
use super::structures::{self, Native};
use rquickjs::qjs;
use std::ffi::{CStr, c_int};

/// The engine compares so many characters in about 5 ms.
const SHORT: u64 = 1 << 22;

const NAMES: [&CStr; 7] =
    [c"indexOf", c"lastIndexOf", c"includes", c"split", c"replace", c"replaceAll", c"substring"];
const INDEX_OF: usize = 0;
const LAST_INDEX_OF: usize = 1;
const INCLUDES: usize = 2;
const SPLIT: usize = 3;
const REPLACE_ALL: usize = 5;
/// There is none of ours: it is called.
const SUBSTRING: usize = 6;

static ENGINES: Engines<{ NAMES.len() }> = Engines::new();

/// Called with a match: what to put into its place.
enum Replacement<'a> {
    Function(Handle<'a>),
    Template(Handle<'a>),
}

/// A text, where it is, and what is looked for.
struct Pair<'a> {
    text: Handle<'a>,
    needle: Handle<'a>,
    layout: Layout,
}

/// How many units a string has; `None`: it is none.
#[inline]
pub(super) fn length(value: qjs::JSValue) -> Option<u32> {
    // SAFETY: reading a tag. Strings in one piece and in several begin with their length, as `Layout` has seen; of the former the
    // topmost bit is another.
    unsafe {
        let tag = qjs::JS_VALUE_GET_TAG(value);
        if tag != qjs::JS_TAG_STRING && tag != qjs::JS_TAG_STRING_ROPE {
            return None;
        }
        Some(layout::address(value).cast::<u32>().read() & !(1 << 31))
    }
}

#[inline]
fn is_short(text: qjs::JSValue, needle: qjs::JSValue) -> bool {
    let lengths = length(text).zip(length(needle));
    lengths.is_some_and(|(text, needle)| u64::from(text) * u64::from(needle) <= SHORT)
}

impl<'a> Scope<'a> {
    /// Puts ours in front of the engine's. Before the first script.
    pub(super) fn guard_strings(self) -> JsResult<'a, ()> {
        if !structures::known_to_hold() || Layout::get(self).is_none() {
            return Ok(());
        }
        let prototype = self.global().get(c"String")?.get(c"prototype")?;
        self.guard(&prototype, &NAMES, SUBSTRING, &ENGINES, Front::Call(guarded))
    }

    /// The engine's method, with strings of ours.
    fn engines_method(
        self,
        which: usize,
        this: &Handle<'a>,
        arguments: [qjs::JSValue; 2],
    ) -> JsResult<'a, Handle<'a>> {
        let Some(native) = engines(which) else { return Ok(self.undefined()) };
        let mut arguments = arguments;
        // SAFETY: we are inside; none of them has more than two arguments.
        unsafe { self.check(native.call(self.as_ptr(), this.raw(), 2, arguments.as_mut_ptr())) }
    }

    pub(super) fn to_text(self, value: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.check(qjs::JS_ToString(self.as_ptr(), value.raw())) }
    }

    /// Is it a regular expression, or an object that says so?
    fn is_pattern(self, value: &Handle<'a>) -> JsResult<'a, bool> {
        let says = value.get_key(&self.well_known(WellKnown::Match)?)?;
        Ok(if says.is_undefined() { value.class() == Some(Class::RegExp) } else { says.is_truthy() })
    }

    /// What an object that is looked for does itself; `None`: nothing, it is a text.
    fn hooked(
        self,
        which: usize,
        this: &Handle<'a>,
        object: &Handle<'a>,
        argument: &Handle<'a>,
    ) -> JsResult<'a, Option<Handle<'a>>> {
        if which == REPLACE_ALL && self.is_pattern(object)? {
            let flags = object.get(c"flags")?;
            if flags.is_undefined() || flags.is_null() {
                return Err(self.type_error("cannot convert to object"));
            }
            if !self.to_text(&flags)?.text()?.contains('g') {
                return Err(self.type_error("regexp must have the 'g' flag"));
            }
        }
        let key = self.well_known(if which == SPLIT { WellKnown::Split } else { WellKnown::Replace })?;
        let hook = object.get_key(&key)?;
        if hook.is_undefined() || hook.is_null() {
            return Ok(None);
        }
        hook.call(object, &[this, argument]).map(Some)
    }

    /// The method, where not everything is known to be short.
    fn look_for(
        self,
        which: usize,
        this: &Handle<'a>,
        wanted: &Handle<'a>,
        argument: &Handle<'a>,
    ) -> JsResult<'a, Handle<'a>> {
        if this.is_undefined() || this.is_null() {
            return self.engines_method(which, this, [wanted.raw(), argument.raw()]);
        }
        if which >= SPLIT
            && wanted.is_object()
            && let Some(result) = self.hooked(which, this, wanted, argument)?
        {
            return Ok(result);
        }
        let text = self.to_text(this)?;
        if which == INCLUDES && wanted.is_object() && self.is_pattern(wanted)? {
            return Err(self.type_error("regexp not supported"));
        }
        let mut argument = argument.clone();
        if which == SPLIT && !argument.is_undefined() {
            argument = self.number(f64::from(self.to_bits(&argument)?));
        }
        if which == SPLIT && wanted.is_undefined() {
            return self.engines_method(which, &text, [wanted.raw(), argument.raw()]);
        }
        let needle = self.to_text(wanted)?;
        let layout = Layout::get(self).filter(|_| !is_short(text.raw(), needle.raw()));
        let Some(layout) = layout else {
            return self.engines_method(which, &text, [needle.raw(), argument.raw()]);
        };
        Pair { text, needle, layout }.method(which, argument)
    }

    /// `ToUint32`.
    fn to_bits(self, value: &Handle<'a>) -> JsResult<'a, u32> {
        let mut bits = 0;
        // SAFETY: we are inside. A script's `valueOf` may run.
        let done = unsafe { qjs::JS_ToInt32(self.as_ptr(), &mut bits, value.raw()) };
        if done < 0 { Err(self.take_exception()) } else { Ok(bits as u32) }
    }

    fn place(self, found: Option<usize>) -> Handle<'a> {
        self.number(found.map_or(-1.0, |place| place as f64))
    }

    /// A number as a place between 0 and `most`; no number is 0.
    fn to_place(self, value: &Handle<'a>, most: usize) -> JsResult<'a, usize> {
        let place = if value.is_undefined() { 0.0 } else { value.to_number()? };
        Ok((place.max(0.0) as usize).min(most))
    }
}

/// One of the engine's.
#[inline]
fn engines(which: usize) -> Option<Native> {
    ENGINES.get().map(|engines| engines[which].engines)
}

/// Calls `$search` with the units of both, of whichever size.
macro_rules! with_units {
    ($pair:expr, |$text:ident, $needle:ident| $search:expr) => {{
        // SAFETY: both are strings that the pair holds.
        let both = unsafe { ($pair.layout.text($pair.text.raw()), $pair.layout.text($pair.needle.raw())) };
        match both {
            (Some(Text::Narrow($text)), Some(Text::Narrow($needle))) => $search,
            (Some(Text::Narrow($text)), Some(Text::Wide($needle))) => $search,
            (Some(Text::Wide($text)), Some(Text::Narrow($needle))) => $search,
            (Some(Text::Wide($text)), Some(Text::Wide($needle))) => $search,
            // A kind of string that we do not know is copied.
            _ => {
                let (text, needle) = ($pair.text.code_units()?, $pair.needle.code_units()?);
                let ($text, $needle) = (&text[..], &needle[..]);
                $search
            }
        }
    }};
}

impl<'a> Pair<'a> {
    fn scope(&self) -> Scope<'a> {
        self.text.scope
    }

    fn text_length(&self) -> usize {
        length(self.text.raw()).unwrap_or(0) as usize
    }

    fn needle_length(&self) -> usize {
        length(self.needle.raw()).unwrap_or(0) as usize
    }

    fn first(&self, from: usize) -> JsResult<'a, Option<usize>> {
        with_units!(self, |text, needle| search::first(text, needle, from, || self.scope().may_go_on()))
    }

    fn last(&self, from: usize) -> JsResult<'a, Option<usize>> {
        with_units!(self, |text, needle| search::last(text, needle, from, || self.scope().may_go_on()))
    }

    /// A part of a string.
    fn part(&self, of: &Handle<'a>, from: usize, to: usize) -> JsResult<'a, Handle<'a>> {
        let places = [from, to].map(|place| self.scope().number(place as f64).raw());
        self.scope().engines_method(SUBSTRING, of, places)
    }

    /// The method, by our search.
    fn method(&self, which: usize, argument: Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let scope = self.scope();
        Ok(match which {
            INDEX_OF | INCLUDES => {
                let found = self.first(scope.to_place(&argument, self.text_length())?)?;
                if which == INCLUDES { scope.boolean(found.is_some()) } else { scope.place(found) }
            }
            LAST_INDEX_OF => {
                let from = argument.to_number()?;
                let from = if from.is_nan() { usize::MAX } else { from.max(0.0) as usize };
                scope.place(self.last(from)?)
            }
            SPLIT => self.split(&argument)?,
            _ if argument.is_function() => {
                self.replace(&Replacement::Function(argument), which == REPLACE_ALL)?
            }
            _ => self.replace(&Replacement::Template(scope.to_text(&argument)?), which == REPLACE_ALL)?,
        })
    }

    fn split(&self, limit: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let most = if limit.is_undefined() { u32::MAX } else { self.scope().to_bits(limit)? };
        let parts = self.scope().new_array()?;
        let (mut from, mut count) = (0, 0);
        while count < most {
            let found = self.first(from)?;
            parts.define_at(count, self.part(&self.text, from, found.unwrap_or(self.text_length()))?)?;
            count += 1;
            let Some(place) = found else { break };
            from = place + self.needle_length();
            if count.is_multiple_of(1024) {
                self.scope().may_go_on()?;
            }
        }
        Ok(parts)
    }

    fn replace(&self, by: &Replacement<'a>, all: bool) -> JsResult<'a, Handle<'a>> {
        let mut parts = Parts::new(self.scope())?;
        let mut from = 0;
        while let Some(place) = self.first(from)? {
            parts.push(self.part(&self.text, from, place)?)?;
            match by {
                Replacement::Function(function) => {
                    let place = self.scope().number(place as f64);
                    let value =
                        function.call(&self.scope().undefined(), &[&self.needle, &place, &self.text])?;
                    parts.push(self.scope().to_text(&value)?)?;
                }
                Replacement::Template(template) => self.fill_in(template, place, &mut parts)?,
            }
            from = place + self.needle_length();
            if !all {
                break;
            }
        }
        if parts.count == 0 {
            return Ok(self.text.clone());
        }
        parts.push(self.part(&self.text, from, self.text_length())?)?;
        parts.joined()
    }

    /// What a template stands for: `$&` for the match, `` $` `` and `$'` for what is before and behind it, `$$` for a dollar.
    fn fill_in(&self, template: &Handle<'a>, place: usize, parts: &mut Parts<'a>) -> JsResult<'a, ()> {
        let end = length(template.raw()).unwrap_or(0) as usize;
        // SAFETY: the handle holds the string.
        let text = unsafe { self.layout.text(template.raw()) };
        let copy;
        let text = match text {
            Some(text) => text,
            None => {
                copy = template.code_units()?;
                Text::Wide(&copy)
            }
        };
        let unit = |at: usize| match text {
            Text::Narrow(text) => text[at].into(),
            Text::Wide(text) => text[at],
        };
        let (mut done, mut at) = (0, 0);
        while at + 1 < end {
            if unit(at) != u16::from(b'$') {
                at += 1;
                continue;
            }
            let meant = match u8::try_from(unit(at + 1)) {
                // The second of the two is literal.
                Ok(b'$') => {
                    parts.push(self.part(template, done, at)?)?;
                    done = at + 1;
                    at += 2;
                    continue;
                }
                Ok(b'&') => self.needle.clone(),
                Ok(b'`') => self.part(&self.text, 0, place)?,
                Ok(b'\'') => self.part(&self.text, place + self.needle_length(), self.text_length())?,
                _ => {
                    at += 1;
                    continue;
                }
            };
            parts.push(self.part(template, done, at)?)?;
            parts.push(meant)?;
            at += 2;
            done = at;
        }
        parts.push(self.part(template, done, end)?)
    }
}

/// Strings that are to become one.
pub(super) struct Parts<'a> {
    array: Handle<'a>,
    count: u32,
}

impl<'a> Parts<'a> {
    pub(super) fn new(scope: Scope<'a>) -> JsResult<'a, Parts<'a>> {
        Ok(Parts { array: scope.new_array()?, count: 0 })
    }

    pub(super) fn push(&mut self, part: Handle<'a>) -> JsResult<'a, ()> {
        self.array.define_at(self.count, part)?;
        self.count += 1;
        if self.count.is_multiple_of(1024) {
            self.array.scope.may_go_on()?;
        }
        Ok(())
    }

    pub(super) fn joined(self) -> JsResult<'a, Handle<'a>> {
        let nothing = self.array.scope.string("")?;
        self.array.scope.join(&self.array, &nothing)
    }
}

/// What scripts call.
unsafe extern "C" fn guarded(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    let which = which as usize;
    // SAFETY: the engine calls this from inside, with as many arguments as the length of its own function, at least one.
    unsafe {
        if is_short(this, arguments.read())
            && let Some(native) = engines(which)
        {
            return native.call(context, this, count, arguments);
        }
        guard::inside(context, count, arguments, |scope, arguments| {
            let own = |value: qjs::JSValue| scope.own(qjs::JS_DupValue(scope.as_ptr(), value));
            let argument = |index: usize| arguments.get(index).map_or(scope.undefined(), |value| own(*value));
            scope.look_for(which, &own(this), &argument(0), &argument(1)).map(Handle::into_raw)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{eval, inside};

    /// What it is, in words that tell numbers from texts.
    fn shown<'a>(result: JsResult<'a, Handle<'a>>) -> String {
        match result {
            Ok(value) => value.to_json().and_then(|text| text.text()).unwrap_or_default(),
            Err(thrown) => thrown.text().unwrap_or_default(),
        }
    }

    #[test]
    fn our_search_gives_what_the_engines_methods_give() {
        let different = inside(|scope| {
            let layout = Layout::get(scope).expect("the layout is known");
            let words = eval(
                scope,
                "let seed = 1;
                 const number = (below) => (seed = (seed * 48271) % 2147483647) % below;
                 const letters = ['a', 'b', 'a', '\\xe9', '\\u7dda', '\\ud83d', '\\udca9', '$'];
                 const word = (most, wide) => Array.from({length: number(most)}, () => letters[number(wide)]).join('');
                 const rest = [undefined, 0, 1, 3, -1, 5.7, NaN, Infinity, -Infinity, '2', null, 2 ** 32 + 1,
                     '', 'x', '$&', '[$$&]', '$`|$\\'', '$', '$$', '$1$0$<a>', '\\u7dda$&$', (m, p, s) => `${m}${p}${s}`, () => 1];
                 Array.from({length: 4000}, () => {
                     const wide = 1 + number(8);
                     return [word(24, wide), word(5, wide), rest[number(rest.length)]];
                 })",
            )?;
            let mut different = Vec::new();
            for (index, triple) in words.to_vec()?.into_iter().enumerate() {
                let which = index % SUBSTRING;
                let [text, needle, argument] = [0, 1, 2].map(|place| triple.at(place));
                let (text, needle, argument) = (text?, needle?, argument?);
                // Those without a needle are the engine's always; a function is no place.
                if length(needle.raw()) == Some(0) || which < REPLACE_ALL - 1 && argument.is_function() {
                    continue;
                }
                let pair = Pair { text: text.clone(), needle: needle.clone(), layout };
                let engines = shown(scope.engines_method(which, &text, [needle.raw(), argument.raw()]));
                let ours = shown(pair.method(which, argument));
                if engines != ours {
                    different.push((NAMES[which], text.text()?, needle.text()?, engines, ours));
                }
            }
            Ok(different)
        });
        assert!(different.is_empty(), "{} different: {:?}", different.len(), &different[..1]);
    }

    #[test]
    fn a_part_of_a_long_string_is_read_where_it_is() {
        inside(|scope| {
            let found = eval(
                scope,
                "const whole = '<' + 'ab'.repeat(1e6) + 'c' + 'ab'.repeat(1e6) + '>';
                 const part = whole.slice(1, -1), needle = part.slice(1e6, -1e6), wide = (whole + '\\u7dda').slice(1, -1);
                 [part.indexOf(needle), part.lastIndexOf(needle), wide.indexOf(needle), part.includes(wide), wide.includes(part),
                  part.split(needle).map((part) => part.length), part.replaceAll(needle, '').length] + ''",
            )?;
            assert_eq!(found.text()?, "1000000,1000000,1000000,false,true,1000000,1000000,2000000");
            Ok(())
        });
    }
}
