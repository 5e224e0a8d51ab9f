//! To Rust values and from them.

use super::*;
use crate::clone::{from_message, to_message, to_value};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// What a script's value is in Rust.
fn of<T: serde::de::DeserializeOwned>(source: &str) -> Result<T, Error> {
    from_message(&message_of(source))
}

fn message_of(source: &str) -> Message {
    let mut isolate = isolate();
    let message = enter(&mut isolate, |scope| {
        let value = eval(scope, &format!("({source})"))?;
        Ok(write(scope, &[value], &[], &|_| "value".to_owned())?)
    });
    message.unwrap_or_else(|error| panic!("{source}: {error}"))
}

/// Is `check`, a function of a script, true of this Rust value?
fn holds(value: &impl Serialize, check: &str) {
    let message = to_message(value).unwrap();
    let result = enter(&mut isolate(), |scope| {
        let value = read(scope, message)?.remove(0);
        let check = eval(scope, check)?;
        Ok(check.call(&scope.undefined(), &[&value])?.is_truthy())
    });
    assert_eq!(result, Ok(true), "{check}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i32, i32),
    Rectangle { width: u32, height: u32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    truth: bool,
    small: i8,
    large: u64,
    huge: i128,
    float: f32,
    c: char,
    text: String,
    nothing: Option<u8>,
    unit: (),
    pair: (u8, String),
    list: Vec<Point>,
    map: BTreeMap<u16, Shape>,
    words: HashMap<String, Vec<Option<bool>>>,
}

fn everything() -> Everything {
    Everything {
        truth: true,
        small: -5,
        large: u64::MAX,
        huge: i128::MIN,
        float: 0.5,
        c: '線',
        text: "Größe 🧶 \0".to_owned(),
        nothing: None,
        unit: (),
        pair: (255, "two".to_owned()),
        list: vec![
            Point { x: i32::MIN, y: -0.0, label: None },
            Point { x: 7, y: f64::INFINITY, label: Some("l".repeat(200)) },
        ],
        map: [
            (1, Shape::Empty),
            (2, Shape::Circle(1.5)),
            (3, Shape::Line(1, -1)),
            (4, Shape::Rectangle { width: 1, height: 2 }),
        ]
        .into(),
        words: [("a".to_owned(), vec![Some(true), None])].into(),
    }
}

#[test]
fn a_value_goes_there_and_back_with_and_without_an_engine() {
    let before = everything();
    let message = to_message(&before).unwrap();
    assert_eq!(from_message::<Everything>(&message).unwrap(), before);
    let (mut isolate, message) = (isolate(), message);
    let again = enter(&mut isolate, |scope| {
        let values = read(scope, message)?;
        Ok(write(scope, &values, &[], &|_| "value".to_owned())?)
    });
    assert_eq!(from_message::<Everything>(&again.unwrap()).unwrap(), before);
}

#[test]
fn rust_values_are_what_a_script_expects() {
    holds(
        &(1, -1, 1_000_000_000_000_u64, 0.5),
        "a => Array.isArray(a) && a.join() === '1,-1,1000000000000,0.5'",
    );
    holds(&u64::MAX, "x => x === 18446744073709551615n");
    holds(&i64::MIN, "x => x === -9223372036854775808n");
    holds(&i128::MIN, "x => x === -(2n ** 127n)");
    holds(&((1_u64 << 53) - 1), "x => x === Number.MAX_SAFE_INTEGER");
    holds(&(1_u64 << 53), "x => x === 2n ** 53n");
    holds(
        &everything().list,
        "l => l[0].x === -2147483648 && Object.is(l[0].y, -0) && !('label' in l[0]) && l[1].label.length === 200",
    );
    holds(
        &everything().map,
        "m => m[1] === 'Empty' && m[2].Circle === 1.5 && m[3].Line[1] === -1 && m[4].Rectangle.height === 2",
    );
    holds(&(None::<u8>, ()), "([none, unit]) => none === null && unit === undefined");
    holds(
        &BTreeMap::from([("__proto__", 1)]),
        "o => Object.keys(o)[0] === '__proto__' && Object.getPrototypeOf(o) === Object.prototype",
    );
    holds(&Bytes, "b => b instanceof Uint8Array && b.join() === '1,2,255'");
    let error = to_message(&BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert!(error.is_conversion() && error.to_string().contains("a map's key"), "{error}");
}

struct Bytes;

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&[1, 2, 255])
    }
}

#[test]
fn script_values_become_what_is_asked_for() {
    assert_eq!(of::<Point>("{x: 1, y: 2, more: [{deep: 1}]}"), Ok(Point { x: 1, y: 2.0, label: None }));
    assert_eq!(of::<u64>("2 ** 40"), Ok(1 << 40));
    assert_eq!(of::<i64>("-(2 ** 63)"), Ok(i64::MIN));
    assert_eq!(of::<u64>("2 ** 63"), Ok(1 << 63));
    assert_eq!(of::<f32>("3"), Ok(3.0));
    assert_eq!(of::<f64>("-0").map(f64::is_sign_negative), Ok(true));
    assert_eq!(of::<u128>("2n ** 127n"), Ok(1 << 127));
    assert_eq!(of::<String>("-(10n ** 40n)"), Ok(format!("-1{}", "0".repeat(40))));
    assert_eq!(of::<(Option<u8>, Option<u8>, ())>("[null, undefined, null]"), Ok((None, None, ())));
    assert_eq!(of::<Vec<Option<u8>>>("[1, , 3]"), Ok(vec![Some(1), None, Some(3)]));
    assert_eq!(of::<Vec<u8>>("new Set([3, 1, 2])"), Ok(vec![3, 1, 2]));
    assert_eq!(
        of::<BTreeMap<i8, String>>("new Map([[-1, 'a'], [2, 'b']])"),
        Ok([(-1, "a".into()), (2, "b".into())].into())
    );
    assert_eq!(of::<BTreeMap<i8, u8>>("{'-1': 1, 5: 2}"), Ok([(-1, 1), (5, 2)].into()));
    assert_eq!(of::<Vec<u8>>("new Uint8Array([1, 2, 3]).subarray(1)"), Ok(vec![2, 3]));
    assert_eq!(of::<Vec<f64>>("new Float32Array([1.5, -2])"), Ok(vec![1.5, -2.0]));
    assert_eq!(of::<Vec<u64>>("new BigUint64Array([2n ** 64n - 1n])"), Ok(vec![u64::MAX]));
    assert_eq!(of::<Vec<u8>>("new Uint8Array(9000).fill(3)").map(|bytes| bytes.len()), Ok(9000));
    assert_eq!(of::<Vec<u8>>("new Uint8Array(new SharedArrayBuffer(3))"), Ok(vec![0; 3]));
    assert_eq!(of::<f64>("new Date(1500)"), Ok(1500.0));
    assert_eq!(of::<i64>("new Date(-1500)"), Ok(-1500));
    assert_eq!(of::<String>("new Date(0)"), Ok("1970-01-01T00:00:00.000Z".into()));
    assert_eq!(of::<String>("/a\\/b/gi"), Ok("/a\\/b/gi".into()));
    assert_eq!(of::<Shape>("'Empty'"), Ok(Shape::Empty));
    assert_eq!(
        of::<Vec<Shape>>("[{Circle: 1}, {Line: [1, 2]}, {Rectangle: {width: 1, height: 2}}]")
            .map(|shapes| shapes.len()),
        Ok(3)
    );
    assert_eq!(of::<bool>("new Boolean(true)"), Ok(true));
    assert_eq!(of::<String>("'a\\ud83eb'"), Ok("a\u{fffd}b".into()));
    #[derive(Debug, PartialEq, Deserialize)]
    struct Failure {
        name: String,
        message: String,
        code: u8,
        cause: Option<Vec<u8>>,
    }
    assert_eq!(
        of("Object.assign(new TypeError('t', {cause: [1]}), {code: 7})"),
        Ok(Failure { name: "TypeError".into(), message: "t".into(), code: 7, cause: Some(vec![1]) })
    );
    // One object in two places is two in Rust; and long texts come from where they were first.
    let shared = "(() => { const p = {x: 1, y: 2, label: 'l'.repeat(100)}; return [p, p, {x: 2, y: p.y, label: p.label}]; })()";
    let points: Vec<Point> = of(shared).unwrap();
    assert!(points[0] == points[1] && points[2].label == points[0].label);
}

#[test]
fn what_does_not_fit_is_told_with_its_path() {
    let cases = [
        (
            of::<Vec<Point>>("[{x: 1, y: 2}, {x: 'a', y: 2}]").unwrap_err(),
            "value[1].x: invalid type: string \"a\", expected i32",
        ),
        (of::<Point>("{y: 1}").unwrap_err(), "value: missing field `x`"),
        (of::<u8>("256").unwrap_err(), "value: invalid value: integer `256`, expected u8"),
        (of::<u8>("1.5").unwrap_err(), "value: invalid type: floating point `1.5`, expected u8"),
        (
            of::<Vec<BTreeMap<String, u8>>>("[{a: 1}, {b: {}}]").unwrap_err(),
            "value[1].b: invalid type: map, expected u8",
        ),
        (
            of::<Shape>("{Circle: 1, Line: 2}").unwrap_err(),
            "value: expected an enum: an object with one key, and it has more",
        ),
        (
            of::<Vec<u8>>("(() => { const a = []; a[4294967294] = 1; return a; })()").unwrap_err(),
            "value[0], a hole: invalid type",
        ),
        (
            of::<Vec<()>>("(() => { const a = []; a.length = 4294967295; return a; })()").unwrap_err(),
            "value: an array with so many holes is too large for Rust",
        ),
    ];
    for (error, text) in cases {
        assert!(error.is_conversion() && error.to_string().starts_with(text), "{error}");
    }
    let cycle = of::<serde::de::IgnoredAny>("(() => { const o = {}; o.o = [o]; return o; })()").unwrap_err();
    assert!(cycle.to_string().contains("more than 128 values are in each other"), "{cycle}");
    let wide = "(() => { let o = [1]; for (let i = 0; i < 60; i++) o = [o, o, o]; return o; })()";
    let error = of::<serde::de::IgnoredAny>(wide).unwrap_err();
    assert!(error.to_string().contains("again and again"), "{error}");
}

#[test]
fn a_value_is_as_json_has_it() {
    let json = |text: &str| Ok(Value::Json(text.to_owned()));
    let cases = [
        ("undefined", Ok(Value::Undefined)),
        ("null", Ok(Value::Null)),
        ("-0.5", Ok(Value::Number(-0.5))),
        ("true", Ok(Value::Bool(true))),
        ("'é🧶'", Ok("é🧶".into())),
        ("-(10n ** 30n)", Ok(Value::BigInt(format!("-1{}", "0".repeat(30))))),
        ("[1, 'two', [3], {four: null}]", json(r#"[1,"two",[3],{"four":null}]"#)),
        ("{}", json("{}")),
        ("new Date(0)", json(r#""1970-01-01T00:00:00.000Z""#)),
        ("[undefined, , NaN, -0, 1e21, 1n]", json("[null,null,null,0,1e+21,1]")),
        (
            "{a: undefined, b: new Map([[1, 2]]), c: new Set([1]), d: /a/, e: [], 7: 1}",
            json(r#"{"7":1,"b":{},"c":{},"d":{},"e":[]}"#),
        ),
        ("['\"\\\\\\n\\x01\\u2028\\ud83e']", json("[\"\\\"\\\\\\n\\u0001\u{2028}\\ud83e\"]")),
        (
            "[new Uint8Array([1, 2]), new ArrayBuffer(2), new Error('e'), Object.assign(new Error('e'), {code: 1})]",
            json(r#"[{"0":1,"1":2},{},{},{"code":1}]"#),
        ),
        ("new Number(5)", Ok(Value::Number(5.0))),
    ];
    for (source, value) in cases {
        assert_eq!(to_value(&message_of(source)), value, "{source}");
    }
}
