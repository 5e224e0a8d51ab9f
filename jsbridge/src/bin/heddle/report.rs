//! An error as the program shows it: the place, the line with a mark under the column, and what was thrown.

use heddle_jsbridge::{Error, Location};

/// A script's text, for excerpts.
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) source: String,
}

/// Columns of an excerpt; of longer lines only the part around the mark is shown.
const COLUMNS: usize = 120;

pub(crate) fn report(error: &Error, main: &Text) -> String {
    let mut report = String::new();
    if let Some(place) = error.location() {
        report += &format!("{place}\n");
        report += &excerpt(&place, main).unwrap_or_default();
    }
    report += &match () {
        () if error.is_timeout() => {
            "heddle: the script ran for as long as --time lets it, and was ended\n".to_owned()
        }
        () if error.is_out_of_memory() => {
            "heddle: the script needed more memory than --memory lets it have\n".to_owned()
        }
        () if error.is_pending() => {
            "heddle: detected unsettled top-level await: nothing is left to settle what the script waits for\n".to_owned()
        }
        () if error.is_exception() => format!("Uncaught {}\n", what_was_thrown(error)),
        () => format!("heddle: {error}\n"),
    };
    report
}

fn what_was_thrown(error: &Error) -> String {
    let unhandled = if error.is_unhandled_rejection() { "(in a promise that nobody handled) " } else { "" };
    match error.details() {
        Some(details) => format!("{unhandled}{details}"),
        None => {
            let stack = error.js_stack().map(|stack| format!("\n{stack}"));
            format!("{error}{}", stack.unwrap_or_default())
        }
    }
}

/// The line of a place, and a mark under its column.
fn excerpt(place: &Location, main: &Text) -> Option<String> {
    let read;
    let source = if place.script == main.name {
        &main.source
    } else {
        // A module that was read before: its name is its path.
        read = std::path::Path::new(&place.script)
            .is_absolute()
            .then(|| std::fs::read_to_string(&place.script).ok())
            .flatten()?;
        &read
    };
    let line: Vec<char> = source.lines().nth((place.line as usize).checked_sub(1)?)?.chars().collect();
    let column = (place.column as usize).saturating_sub(1).min(line.len());
    let first = if line.len() > COLUMNS { column.saturating_sub(COLUMNS / 2) } else { 0 };
    let last = line.len().min(first + COLUMNS);
    let shown: String = line[first..last].iter().collect();
    // Tabs stay tabs, so that the mark stands under its character.
    let indent: String = line[first..column].iter().map(|&c| if c == '\t' { '\t' } else { ' ' }).collect();
    Some(format!("{shown}\n{indent}^\n"))
}
