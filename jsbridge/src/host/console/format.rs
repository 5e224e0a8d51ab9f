//! Arguments side by side, and the places in the first one where others go: `%s %d %i %f %j %o %O %c %%`.

use crate::host::inspect::{Options, inspect, number_text};
use crate::isolate::handle::{Handle, JsResult};
use crate::isolate::look::{Class, Property, WellKnown};

/// What `console.log(...arguments)` writes.
///
/// # Errors
/// What a `toString`, `valueOf` or `toJSON` throws, where the format asks for it.
pub(crate) fn format<'a>(arguments: &[Handle<'a>], options: &Options) -> JsResult<'a, String> {
    let mut rest = arguments;
    let mut text = String::new();
    let mut joined = false;
    if let Some(first) = arguments.first().filter(|first| first.is_string()) {
        let pattern = first.text()?;
        if arguments.len() == 1 {
            return Ok(pattern);
        }
        let used;
        (text, used) = fill(&pattern, &arguments[1..], options)?;
        rest = &arguments[1 + used..];
        joined = true;
    }
    for argument in rest {
        if joined {
            text.push(' ');
        }
        joined = true;
        text += &if argument.is_string() { argument.text()? } else { inspect(argument, options)? };
    }
    Ok(text)
}

/// The pattern with arguments in it, and how many those were.
fn fill<'a>(pattern: &str, arguments: &[Handle<'a>], options: &Options) -> JsResult<'a, (String, usize)> {
    let mut text = String::with_capacity(pattern.len());
    let mut left = arguments.iter();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        let Some(kind) = characters.peek().copied().filter(|_| c == '%') else {
            text.push(c);
            continue;
        };
        if kind == '%' {
            characters.next();
            text.push('%');
        } else if "sdifjoOc".contains(kind)
            && let Some(argument) = left.next()
        {
            characters.next();
            text += &one(kind, argument, options)?;
        } else {
            text.push('%');
        }
    }
    Ok((text, arguments.len() - left.len()))
}

fn one<'a>(kind: char, argument: &Handle<'a>, options: &Options) -> JsResult<'a, String> {
    match kind {
        's' => as_text(argument, options),
        'd' | 'i' | 'f' if argument.is_symbol() => Ok("NaN".to_owned()),
        'd' | 'i' if argument.is_bigint() => Ok(format!("{}n", argument.text()?)),
        'd' => Ok(number_text(argument.to_number()?)),
        'i' => Ok(number_text(parse_int(&argument.text()?))),
        'f' => Ok(number_text(parse_float(&argument.text()?))),
        'j' => as_json(argument),
        'o' => inspect(argument, &Options { hidden: true, depth: Some(4), ..options.clone() }),
        'O' => inspect(argument, options),
        _ => Ok(String::new()),
    }
}

fn as_text<'a>(argument: &Handle<'a>, options: &Options) -> JsResult<'a, String> {
    if argument.is_number() {
        return Ok(number_text(argument.to_number()?));
    }
    if argument.is_bigint() {
        return Ok(format!("{}n", argument.text()?));
    }
    if argument.is_symbol() {
        return Ok(format!("Symbol({})", argument.description()?));
    }
    if argument.is_object() && !argument.is_function() && !speaks_for_itself(argument)? {
        return inspect(argument, &Options { depth: Some(0), colors: false, ..options.clone() });
    }
    argument.text()
}

/// Has a script given it a `toString` or a `Symbol.toPrimitive`? Looks for the first of the chain.
fn speaks_for_itself<'a>(value: &Handle<'a>) -> JsResult<'a, bool> {
    let keys = [value.scope.key(c"toString")?, value.scope.well_known(WellKnown::ToPrimitive)?];
    for key in keys {
        let mut link = value.without_proxies();
        // Chains have an end, and this is far beyond that of any class.
        for _ in 0..64 {
            if !link.is_object() || link.class() == Some(Class::Proxy) {
                break;
            }
            if let Some(found) = link.own_property(&key)? {
                match found.property {
                    Property::Data(method) if method.class() == Some(Class::Native) => break,
                    Property::Data(method) if !method.is_function() => break,
                    _ => return Ok(true),
                }
            }
            link = link.prototype()?;
        }
    }
    Ok(false)
}

fn as_json<'a>(argument: &Handle<'a>) -> JsResult<'a, String> {
    match argument.to_json() {
        Ok(json) => json.text(),
        Err(error) => {
            let message = error.get(c"message").and_then(|message| message.text()).unwrap_or_default();
            if message.contains("circular") { Ok("[Circular]".to_owned()) } else { Err(error) }
        }
    }
}

/// As `parseInt` has it.
fn parse_int(text: &str) -> f64 {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, text) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(rest) => (16, rest),
        None => (10, text),
    };
    let digits: String = text.chars().take_while(|c| c.is_digit(radix)).collect();
    match (digits.is_empty(), radix) {
        (true, _) => f64::NAN,
        (false, 10) => sign * digits.parse::<f64>().unwrap_or(f64::NAN),
        (false, _) => {
            sign * digits.chars().filter_map(|c| c.to_digit(16)).fold(0.0, |n, d| n * 16.0 + f64::from(d))
        }
    }
}

/// As `parseFloat` has it: the longest beginning that is a number.
fn parse_float(text: &str) -> f64 {
    let text = text.trim_start();
    let unsigned = text.trim_start_matches(['+', '-']);
    if unsigned.starts_with("Infinity") && text.len() - unsigned.len() <= 1 {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let numeric = text.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(text.len());
    let ends = (1..=numeric.min(400)).rev();
    ends.filter_map(|end| text[..end].parse::<f64>().ok()).next().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_from_the_beginning_of_a_text() {
        let ints = [("42px", 42.0), ("-7.9", -7.0), ("0x1fz", 31.0), (" +5", 5.0)];
        for (text, number) in ints {
            assert_eq!(parse_int(text), number, "{text}");
        }
        let floats = [("2.5abc", 2.5), ("-1e3x", -1000.0), (".5.5", 0.5), ("-Infinityx", f64::NEG_INFINITY)];
        for (text, number) in floats {
            assert_eq!(parse_float(text), number, "{text}");
        }
        assert!(parse_int("x").is_nan() && parse_float("inf").is_nan() && parse_float("--1").is_nan());
    }
}
