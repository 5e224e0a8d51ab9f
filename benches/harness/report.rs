//! Tables: a section per workload, a table per case and metric, the goal beside it; and the raw values as JSON.

use crate::arguments::Arguments;
use crate::driver::{Cell, Results};
use crate::machine;
use heddle_benches::stat::{median, quantile, sorted};
use heddle_benches::{Better, Case, Metric, Workload};
use std::fmt::Write as _;

/// One line of a table.
struct Row<'a> {
    cell: &'a Cell,
    /// Sorted.
    values: Vec<f64>,
}

impl Row<'_> {
    fn median(&self) -> f64 {
        median(&self.values)
    }
}

/// The whole report.
pub(crate) fn markdown(order: &Arguments, results: &Results) -> String {
    let mut text = String::from("# Heddle beside its peers\n\n");
    let _ = writeln!(text, "- machine: {}", machine::describe());
    let _ = writeln!(text, "- noise: {}", noise(&results.foreign_cpus));
    let _ = writeln!(
        text,
        "- method: {} rounds in {:.0} s; a process per run, one warm-up inside it not counted; contenders in turn; medians",
        order.rounds, results.took_seconds
    );
    if order.quick {
        text += "- **quick**: a hundredth of the work; these times mean nothing\n";
    }
    for workload in &order.workloads {
        let _ = write!(text, "\n## {}\n\n{}\n", workload.name, workload.question);
        for case in workload.cases {
            let cells = results.cells.iter();
            let cells: Vec<&Cell> = cells
                .filter(|cell| cell.workload.name == workload.name && cell.case.name == case.name)
                .collect();
            if !cells.is_empty() {
                text += &section(workload, case, &cells);
            }
        }
        text += &cannot(workload, order, &results.skipped);
    }
    text
}

/// What others did to us.
pub(crate) fn noise(foreign_cpus: &[f64]) -> String {
    if foreign_cpus.is_empty() {
        return "not known (runs too short, or no /proc/stat)".to_owned();
    }
    let values = sorted(foreign_cpus.to_vec());
    let (middle, most) = (median(&values), quantile(&values, 1.0));
    let verdict =
        if middle > 0.05 { " - **a busy machine: trust ratios little and times less**" } else { "" };
    format!("other processes used {middle:.2} CPUs in the median run, {most:.2} in the worst{verdict}")
}

/// One case: a table per metric, goals, what each contender did, failures.
fn section(workload: &Workload, case: &Case, cells: &[&Cell]) -> String {
    let mut text = String::new();
    for metric in workload.metrics {
        let rows: Vec<Row> = cells.iter().filter_map(|cell| row(cell, metric)).collect();
        if !rows.is_empty() {
            text += &table(workload, case, metric, rows);
        }
    }
    text.push('\n');
    for cell in cells {
        match (&cell.failure, cell.samples.first()) {
            (Some(why), _) => _ = writeln!(text, "- {} **failed**: {why}", cell.contender.name),
            (None, Some(sample)) => _ = writeln!(text, "- {}: {}", cell.contender.name, sample.says),
            (None, None) => {}
        }
    }
    text
}

fn row<'a>(cell: &'a Cell, metric: &Metric) -> Option<Row<'a>> {
    let of_metric = |sample: &heddle_benches::Sample| {
        sample.values.iter().find(|(name, _)| *name == metric.name).map(|(_, value)| *value)
    };
    let values = sorted(cell.samples.iter().filter_map(of_metric).collect());
    (!values.is_empty()).then_some(Row { cell, values })
}

fn table(workload: &Workload, case: &Case, metric: &Metric, mut rows: Vec<Row>) -> String {
    rows.sort_by(|a, b| a.median().total_cmp(&b.median()));
    let best =
        |wanted: fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).map(Row::median).reduce(f64::min);
    let heddle = rows.iter().find(|row| row.cell.contender.name == "heddle").map(Row::median);
    let peer = best(|row| row.cell.contender.is_peer());
    let mut text = format!("\n### {}, {}: {}\n", workload.name, case.name, metric.name);
    let ratios = metric.better == Better::Lower;
    text += if ratios {
        "\n| contender | median | min - max | n | / Heddle | / best peer |\n|---|---:|---:|---:|---:|---:|\n"
    } else {
        "\n| contender | median | min - max | n |\n|---|---:|---:|---:|\n"
    };
    for row in &rows {
        let (low, high) = (figure(row.values[0]), figure(quantile(&row.values, 1.0)));
        let name = row.cell.contender.name;
        let name = if row.cell.contender.is_heddle() { format!("**{name}**") } else { name.to_owned() };
        let _ = write!(text, "| {name} | {} | {low} - {high} | {} |", figure(row.median()), row.values.len());
        if ratios {
            let _ = write!(text, " {} | {} |", ratio(row.median(), heddle), ratio(row.median(), peer));
        }
        text.push('\n');
    }
    let goals = workload.goals.iter().filter(|goal| goal.case == case.name && goal.metric == metric.name);
    for goal in goals {
        let then = goal.then.map_or(String::new(), |then| format!(", then {}", figure(then)));
        let verdict = verdict(heddle, goal.first, goal.then);
        let _ = writeln!(text, "\nGoal: at most {}{then}. {verdict}", figure(goal.first));
    }
    text
}

/// How Heddle stands to a goal.
fn verdict(measured: Option<f64>, first: f64, then: Option<f64>) -> String {
    let Some(measured) = measured else { return "Heddle was not measured.".to_owned() };
    match then {
        Some(then) if measured <= then => format!("Both reached ({}).", figure(measured)),
        _ if measured.is_infinite() => "Missed: never.".to_owned(),
        _ if measured > first => format!("Missed: {} times the first figure.", figure(measured / first)),
        Some(then) => format!("First reached; {} times the second.", figure(measured / then)),
        None => format!("Reached ({}).", figure(measured)),
    }
}

fn ratio(value: f64, base: Option<f64>) -> String {
    base.filter(|base| *base > 0.0 && base.is_finite()).map_or("-".to_owned(), |base| figure(value / base))
}

/// Three significant digits, "never" for what did not happen in the time of the run, with spaces between thousands.
pub(crate) fn figure(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.is_infinite() {
        return "never".to_owned();
    }
    let digits_before = value.abs().log10().floor() as i32 + 1;
    let decimals = usize::try_from(3 - digits_before).unwrap_or(0).min(6);
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) =
        plain.split_once('.').map_or((plain.as_str(), String::new()), |(w, f)| (w, format!(".{f}")));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && digit != '-' {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped + &fraction
}

/// Who does not take part, and why.
fn cannot(workload: &Workload, order: &Arguments, skipped: &[(&str, String)]) -> String {
    let mut lines = Vec::new();
    for contender in workload.contenders.iter().filter(|one| order.wants(one.name)) {
        match contender.runner {
            Err(why) => lines.push(format!("- {} cannot: {why}", contender.name)),
            Ok(_) => lines.extend(
                contender
                    .except
                    .iter()
                    .map(|(case, why)| format!("- {} cannot in \"{case}\": {why}", contender.name)),
            ),
        }
    }
    for (name, why) in
        skipped.iter().filter(|(name, _)| workload.contenders.iter().any(|one| one.name == *name))
    {
        lines.push(format!("- **{name} was skipped**: {why}"));
    }
    if lines.is_empty() { String::new() } else { format!("\n{}\n", lines.join("\n")) }
}

/// Every value, as a JSON array of objects.
pub(crate) fn json(results: &Results) -> String {
    let mut records = Vec::new();
    for cell in &results.cells {
        for (round, sample) in cell.samples.iter().enumerate() {
            for (metric, value) in &sample.values {
                // JSON has no infinity: null is never.
                let value = if value.is_finite() { value.to_string() } else { "null".to_owned() };
                records.push(format!(
                    "  {{\"workload\": {}, \"case\": {}, \"contender\": {}, \"round\": {}, \"metric\": {}, \"value\": {value}}}",
                    quoted(cell.workload.name), quoted(cell.case.name), quoted(cell.contender.name), round + 1, quoted(metric)
                ));
            }
        }
    }
    format!("[\n{}\n]\n", records.join(",\n"))
}

/// Names hold neither control characters nor anything else that JSON would want escaped, but quotes and backslashes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_grouped_thousands() {
        let figures = [0.0, 0.001234, 1.0, 12.345, 999.9, 41_725.4, 1_234_567.0].map(figure);
        assert_eq!(figures, ["0", "0.00123", "1.00", "12.3", "1 000", "41 725", "1 234 567"]);
        assert_eq!(figure(f64::INFINITY), "never");
    }

    #[test]
    fn goals_are_judged_by_both_figures() {
        assert_eq!(verdict(Some(20.0), 50.0, Some(25.0)), "Both reached (20.0).");
        assert_eq!(verdict(Some(40.0), 50.0, Some(25.0)), "First reached; 1.60 times the second.");
        assert_eq!(verdict(Some(75.0), 50.0, Some(25.0)), "Missed: 1.50 times the first figure.");
        assert_eq!(verdict(Some(f64::INFINITY), 50.0, None), "Missed: never.");
        assert_eq!(verdict(None, 50.0, None), "Heddle was not measured.");
    }
}
