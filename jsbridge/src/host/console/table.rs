//! `console.table`: rows are the elements or entries, columns their properties.

use super::format::format;
use crate::host::inspect::{Options, inspect, width};
use crate::host::intrinsics;
use crate::isolate::handle::{Handle, JsResult};
use crate::isolate::look::{Class, Property};

/// Rows, and columns, of a table that somebody may read. What is beyond is left out, and said so.
const ROWS_MAX: usize = 1_000;
const COLUMNS_MAX: usize = 50;

/// A column: its heading, and the cells that it has.
struct Column {
    heading: String,
    cells: Vec<String>,
}

/// The table of the first argument; with the columns that the second names, if there is one. What is no object is
/// shown as `console.log` does.
pub(super) fn table<'a>(arguments: &[Handle<'a>], options: &Options) -> JsResult<'a, String> {
    let Some(data) = arguments.first().filter(|data| data.is_object() && !data.is_function()) else {
        return format(&arguments[..arguments.len().min(1)], options);
    };
    let wanted = match arguments.get(1).filter(|wanted| !wanted.is_undefined()) {
        None => None,
        Some(wanted) if wanted.is_array() => Some(names(wanted)?),
        Some(_) => return Err(data.scope.type_error("console.table: the columns must be an array of names")),
    };
    let data = &data.without_proxies();
    let (columns, left_out) = match data.class() {
        Some(Class::Map) => entries(data, true, options)?,
        Some(Class::Set) => entries(data, false, options)?,
        _ => rows(data, wanted, options)?,
    };
    let drawn = draw(&columns);
    Ok(if left_out > 0 { format!("{drawn}\n... {left_out} more rows") } else { drawn })
}

fn names<'a>(wanted: &Handle<'a>) -> JsResult<'a, Vec<String>> {
    let count = wanted.length()?.min(COLUMNS_MAX);
    (0..count).map(|index| wanted.at(index as u32)?.text()).collect()
}

fn entries<'a>(data: &Handle<'a>, map: bool, options: &Options) -> JsResult<'a, (Vec<Column>, usize)> {
    let (entries, size) = intrinsics::entries(data, map, ROWS_MAX)?;
    let shown = size.min(ROWS_MAX);
    let index = (0..shown).map(|index| index.to_string()).collect();
    let mut columns = vec![Column { heading: "(iteration index)".to_owned(), cells: index }];
    let parts: &[(&str, usize)] = if map { &[("Key", 0), ("Values", 1)] } else { &[("Values", 0)] };
    for (heading, first) in parts {
        let step = parts.len();
        let cells = entries.iter().skip(*first).step_by(step).map(|value| cell(value, options));
        columns.push(Column { heading: (*heading).to_owned(), cells: cells.collect::<JsResult<'a, _>>()? });
    }
    Ok((columns, size - shown))
}

fn rows<'a>(
    data: &Handle<'a>,
    wanted: Option<Vec<String>>,
    options: &Options,
) -> JsResult<'a, (Vec<Column>, usize)> {
    let mut columns: Vec<Column> = Vec::new();
    let mut values: Option<Column> = None;
    let keys = enumerable(data)?;
    let left_out = keys.len().saturating_sub(ROWS_MAX);
    let mut index = Vec::new();
    for (row, (key, item)) in keys.into_iter().take(ROWS_MAX).enumerate() {
        index.push(key);
        let Some(item) = item else { continue };
        let is_object = item.is_object();
        if !is_object && wanted.is_none() {
            let column =
                values.get_or_insert_with(|| Column { heading: "Values".to_owned(), cells: Vec::new() });
            put(column, row, cell(&item, options)?);
            continue;
        }
        let inner = if is_object { enumerable(&item.without_proxies())? } else { Vec::new() };
        let inner: Vec<(String, Option<Handle<'a>>)> = match &wanted {
            None => inner,
            Some(names) => names
                .iter()
                .map(|name| {
                    let found = inner.iter().find(|(key, _)| key == name);
                    (name.clone(), found.and_then(|(_, value)| value.clone()))
                })
                .collect(),
        };
        for (name, value) in inner {
            let text = value.map_or(Ok(String::new()), |value| cell(&value, options))?;
            match columns.iter().position(|column| column.heading == name) {
                Some(place) => put(&mut columns[place], row, text),
                None if columns.len() < COLUMNS_MAX => {
                    let mut column = Column { heading: name, cells: Vec::new() };
                    put(&mut column, row, text);
                    columns.push(column);
                }
                None => {}
            }
        }
    }
    columns.insert(0, Column { heading: "(index)".to_owned(), cells: index });
    columns.extend(values);
    Ok((columns, left_out))
}

/// The enumerable own properties with names; no getter runs.
fn enumerable<'a>(value: &Handle<'a>) -> JsResult<'a, Vec<(String, Option<Handle<'a>>)>> {
    let mut found = Vec::new();
    if !value.is_object() {
        return Ok(found);
    }
    for key in value.own_keys(false)?.into_iter().filter(|key| key.enumerable) {
        if key.value()?.is_symbol() {
            continue;
        }
        let property = value.own_property(&key)?.map(|found| found.property);
        let data = match property {
            Some(Property::Data(data)) => Some(data),
            _ => None,
        };
        found.push((key.text()?, data));
    }
    Ok(found)
}

fn put(column: &mut Column, row: usize, text: String) {
    column.cells.resize(row, String::new());
    column.cells.push(text);
}

fn cell<'a>(value: &Handle<'a>, options: &Options) -> JsResult<'a, String> {
    let crowded = value.is_object() && !value.is_array() && enumerable(&value.without_proxies())?.len() > 2;
    let depth = Some(if crowded { -1 } else { 0 });
    let options = Options { depth, max_array: 3, break_length: usize::MAX / 2, ..options.clone() };
    // A cell is one line.
    Ok(inspect(value, &options)?.replace('\n', " "))
}

fn draw(columns: &[Column]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| {
            column.cells.iter().map(|cell| width(cell)).max().unwrap_or(0).max(width(&column.heading))
        })
        .collect();
    let line = |left: &str, middle: &str, right: &str| {
        let bars: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        format!("{left}{}{right}", bars.join(middle))
    };
    let row = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, room)| format!("{cell}{}", " ".repeat(room.saturating_sub(width(cell)))))
            .collect();
        format!("│ {} │", cells.join(" │ "))
    };
    let mut lines = vec![line("┌", "┬", "┐")];
    lines.push(row(columns.iter().map(|column| column.heading.as_str()).collect()));
    lines.push(line("├", "┼", "┤"));
    let count = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    for index in 0..count {
        lines.push(row(columns
            .iter()
            .map(|column| column.cells.get(index).map_or("", String::as_str))
            .collect()));
    }
    lines.push(line("└", "┴", "┘"));
    lines.join("\n")
}
