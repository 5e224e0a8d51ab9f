//! The sweep as a picture: a column for each machine; above, how much longer or shorter a program took than with
//! random stealing; below, what part of the lines was read on another node; both by the length of the back-off.

use super::{BACKOFFS, Sweep, backoff_name};
use std::fmt::Write;

const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 62.0;
const GAP: f64 = 52.0;

/// Which programs are drawn, and how.
const LINES: [(&str, &str, &str); 6] = [
    ("fork-join, memory-bound", "#b2182b", ""),
    ("fork-join, compute-bound", "#2166ac", ""),
    ("fork-join, one node has twice as much", "#ef8a62", "6 3"),
    ("stencil", "#1b7837", ""),
    ("service, one node has twice as much", "#762a83", "2 3"),
    ("unbalanced tree", "#4d4d4d", "8 3 2 3"),
];

/// What a panel shows: its scale, and what of each figure.
struct Scale {
    title: &'static str,
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn y(&self, top: f64, value: f64) -> f64 {
        top + HEIGHT * (self.high - value.clamp(self.low, self.high)) / (self.high - self.low)
    }
}

/// The picture.
pub(super) fn draw(sweeps: &[Sweep]) -> String {
    let scales = [
        Scale { title: "makespan (service: p99) against random, %", low: -100.0, high: 60.0, step: 20.0 },
        Scale { title: "lines read on another node, %", low: 0.0, high: 100.0, step: 20.0 },
    ];
    let width = LEFT + sweeps.len() as f64 * (WIDTH + GAP);
    let height = TOP + 2.0 * (HEIGHT + GAP) + 50.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(
        &mut svg,
        LEFT,
        22.0,
        "start",
        16,
        "How long a worker looks near before it goes to another node (simulated)",
    );
    for (column, (hardware, loads)) in sweeps.iter().enumerate() {
        let left = LEFT + column as f64 * (WIDTH + GAP);
        text(&mut svg, left + WIDTH / 2.0, 48.0, "middle", 14, hardware.name);
        for (row, scale) in scales.iter().enumerate() {
            let top = TOP + row as f64 * (HEIGHT + GAP);
            axes(&mut svg, scale, left, top, column == 0);
            for (name, colour, dash) in LINES {
                let Some((_, figures)) = loads.iter().find(|(load, _)| load.name == name) else { continue };
                let at = |index: usize| left + x(index);
                let value = |index: usize| match row {
                    0 => 100.0 * (figures[index].0.mean - 1.0),
                    _ => 100.0 * figures[index].1,
                };
                let points: Vec<String> = (0..BACKOFFS.len())
                    .map(|index| format!("{:.1},{:.1}", at(index), scale.y(top, value(index))))
                    .collect();
                let _ = writeln!(
                    svg,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>",
                    points.join(" ")
                );
                for index in (0..BACKOFFS.len()).filter(|_| row == 0) {
                    let margin = 100.0 * figures[index].0.margin;
                    let (low, high) = (value(index) - margin, value(index) + margin);
                    line(&mut svg, at(index), scale.y(top, low), at(index), scale.y(top, high), colour, 1.0);
                }
            }
        }
    }
    legend(&mut svg, height - 52.0);
    svg + "</svg>\n"
}

/// Where a back-off is in its panel.
fn x(index: usize) -> f64 {
    WIDTH * (index as f64 + 0.5) / BACKOFFS.len() as f64
}

fn axes(svg: &mut String, scale: &Scale, left: f64, top: f64, is_first: bool) {
    let mut value = scale.low;
    while value <= scale.high {
        let y = scale.y(top, value);
        let is_zero = value.abs() < 1e-9;
        line(svg, left, y, left + WIDTH, y, if is_zero { "#555" } else { "#ddd" }, 1.0);
        text(svg, left - 6.0, y + 4.0, "end", 11, &format!("{value:.0}"));
        value += scale.step;
    }
    for (index, &backoff) in BACKOFFS.iter().enumerate() {
        text(svg, left + x(index), top + HEIGHT + 16.0, "middle", 11, &backoff_name(backoff));
    }
    text(svg, left + WIDTH / 2.0, top + HEIGHT + 34.0, "middle", 11, "back-off, us");
    if is_first {
        let (x, y) = (16.0, top + HEIGHT / 2.0);
        let title = scale.title;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {y})\">{title}</text>"
        );
    }
}

fn legend(svg: &mut String, top: f64) {
    for (index, (name, colour, dash)) in LINES.into_iter().enumerate() {
        let (x, y) = (LEFT + (index % 3) as f64 * 330.0, top + 20.0 + (index / 3) as f64 * 20.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>",
            x + 34.0
        );
        text(svg, x + 42.0, y + 4.0, "start", 12, name);
    }
}

fn line(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64, colour: &str, width: f64) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, size: u32, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}</text>"
    );
}
