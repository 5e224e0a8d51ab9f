//! Values that have left their isolate.

use std::fmt;

/// The result of a script.
///
/// ```
/// use heddle_jsbridge::Value;
/// assert_eq!(Value::Number(0.1 + 0.2).to_string(), "0.30000000000000004");
/// assert_eq!(Value::from("text").as_str(), Some("text"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `undefined`.
    #[default]
    Undefined,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is: also NaN, the infinities and -0.
    Number(f64),
    /// A `BigInt`, in decimal digits.
    BigInt(String),
    /// A string. Half surrogate pairs, which Rust's strings cannot have, have become U+FFFD.
    String(String),
    /// An object or array, as `JSON.stringify` writes it: functions in it are left out, a `Map` is
    /// `{}`, a `Date` a string.
    Json(String),
}

impl Value {
    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(number) = self { Some(*number) } else { None }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The JSON text of an object or array.
    pub fn as_json(&self) -> Option<&str> {
        if let Value::Json(text) = self { Some(text) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl fmt::Display for Value {
    /// As JavaScript's `String(value)` has it; objects as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Undefined => f.write_str("undefined"),
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => truth.fmt(f),
            Value::Number(number) => write_number(*number, f),
            Value::BigInt(text) | Value::String(text) | Value::Json(text) => f.write_str(text),
        }
    }
}

/// `Number::toString` of the ECMAScript standard. Rust finds the same shortest digits and lays them
/// out in another way.
fn write_number(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !number.is_finite() {
        let text = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return f.write_str(text);
    }
    if number == 0.0 {
        return f.write_str("0");
    }
    let magnitude = number.abs();
    if (1e-6..1e21).contains(&magnitude) {
        return write!(f, "{number}");
    }
    let text = format!("{number:e}");
    match text.split_once("e-") {
        Some(_) => f.write_str(&text),
        None => f.write_str(&text.replace('e', "e+")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (1e21, "1e+21"),
            (123456789012345680000.0, "123456789012345680000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-1.25e-9, "-1.25e-9"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, text) in cases {
            assert_eq!(Value::Number(number).to_string(), text);
        }
    }
}
