//! The drawings show the machine as it is, and are what they claim to be: JSON that parses, SVG whose boxes do not overlap.

mod fixture;

use fixture::shapes;
use heddle_numa::{Topology, draw};

fn every_shape() -> Vec<Topology> {
    let shapes = [
        shapes::arm_128,
        shapes::opteron_cpuset,
        shapes::sparse_48,
        shapes::power_256,
        shapes::xeon_96,
        shapes::nodes_24,
        shapes::sub_numa_16,
        shapes::high_bandwidth_8,
        shapes::heterogeneous,
        shapes::gpu_nodes,
        shapes::offline_node_0,
        shapes::amd_16_offline_cpu,
        shapes::possible_1200,
        shapes::no_nodes,
    ];
    shapes.iter().map(|shape| shape().topology()).chain([Topology::detect().unwrap()]).collect()
}

#[test]
fn the_ordinary_server_is_drawn_like_this() {
    let machine = shapes::ordinary_server()
        .allowed("0-6,8-15", "0-1")
        .cgroup2("/")
        .file("sys/fs/cgroup/cpu.max", "250000 100000");
    let picture = draw::text(&machine.topology());
    let expected = "\
2 packages, 2 nodes, 8 cores, 16 CPUs, 16 GiB of memory
allowed: CPUs 0-6,8-15, memory of nodes 0-1
quota 2.5 CPUs (GROUP); default workers: 2

package 0
└─ node 0, 8 GiB
   ├─ L3 32 MiB   (0 1) (2 3)
   └─ L3 32 MiB   (4 5) (6 -7)
package 1
└─ node 1, 8 GiB
   ├─ L3 32 MiB   (8 9) (10 11)
   └─ L3 32 MiB   (12 13) (14 15)
(-n: CPU n is outside what this process may use)

distance       0   1
    node   0  10  21
    node   1  21  10

from sysfs: nodes, node_cpus, memory, distances, packages, caches, cores
from procfs: allowed_cpus, allowed_nodes
from cgroup: quota
hwloc: not asked
";
    let group = machine.root().join("sys/fs/cgroup").display().to_string();
    assert_eq!(picture.replace(&group, "GROUP"), expected);
}

#[test]
fn memory_without_cpus_and_cpus_without_memory_are_named() {
    let picture = draw::text(&shapes::heterogeneous().topology());
    assert!(picture.contains("node 1, no memory"), "{picture}");
    assert!(picture.contains("node 2, 8 GiB, no CPUs"), "{picture}");
}

#[test]
fn what_was_assumed_is_said() {
    let picture = draw::text(&shapes::no_nodes().topology());
    assert!(picture.contains("nobody says: nodes, node_cpus"), "{picture}");
    assert!(picture.contains("note: the system names no NUMA nodes"), "{picture}");
}

#[test]
fn every_machine_is_valid_json_with_every_key() {
    for machine in every_shape() {
        let object = draw::json(&machine);
        let rest = json::value(object.trim_end()).unwrap_or_else(|at| panic!("not JSON from `{at}`"));
        assert_eq!(rest, "");
        for key in [
            "nodes",
            "packages",
            "caches",
            "cores",
            "distances",
            "allowed_cpus",
            "quota",
            "sources",
            "hwloc",
            "notes",
        ] {
            assert!(object.contains(&format!("\"{key}\": ")), "{key}");
        }
    }
}

#[test]
fn odd_text_is_escaped_in_json() {
    let machine = shapes::no_nodes().cgroup2("/a\"b\\\u{1}").file("sys/fs/cgroup/a\"b\\\u{1}/cpu.max", "1 1");
    let object = draw::json(&machine.topology());
    assert_eq!(json::value(object.trim_end()), Ok(""));
    assert!(object.contains(r#"a\"b\\\u0001"#), "{object}");
}

/// A box of the picture: x, y, width, height.
type Rect = [f64; 4];

fn rects(picture: &str, class: &str) -> Vec<Rect> {
    let number = |tag: &str, name: &str| -> f64 {
        let from = tag.split_once(&format!(" {name}=\"")).unwrap().1;
        from.split_once('"').unwrap().0.parse().unwrap()
    };
    let tags =
        picture.split("<rect ").skip(1).filter(|tag| tag.starts_with(&format!("class=\"{class}\" x=")));
    tags.map(|tag| ["x", "y", "width", "height"].map(|name| number(tag, name))).collect()
}

fn inside(inner: &Rect, outer: &Rect) -> bool {
    inner[0] >= outer[0]
        && inner[1] >= outer[1]
        && inner[0] + inner[2] <= outer[0] + outer[2]
        && inner[1] + inner[3] <= outer[1] + outer[3]
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3]
}

#[test]
fn in_the_svg_every_cpu_has_a_square_and_no_boxes_of_a_kind_overlap() {
    for machine in every_shape() {
        let picture = draw::svg(&machine);
        let mut cpus = rects(&picture, "cpu");
        assert_eq!(cpus.len(), machine.allowed_cpus().len());
        cpus.extend(rects(&picture, "off"));
        assert_eq!(cpus.len(), machine.cpus().len());
        let mut nodes = rects(&picture, "node");
        nodes.extend(rects(&picture, "memory"));
        for boxes in
            [&cpus, &nodes, &rects(&picture, "cache"), &rects(&picture, "core"), &rects(&picture, "far")]
        {
            for (place, a) in boxes.iter().enumerate() {
                assert!(boxes[place + 1..].iter().all(|b| !overlap(a, b)), "{a:?}");
            }
        }
        let whole = rects(&picture, "machine")[0];
        assert!(cpus.iter().chain(&nodes).all(|part| inside(part, &whole)));
        assert!(cpus.iter().all(|cpu| nodes.iter().any(|node| inside(cpu, node))));
        assert!(
            rects(&picture, "far").iter().all(|cell| !overlap(cell, &whole)),
            "the table stands beside the machine"
        );
        assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
    }
}

/// The grammar of JSON and no more: each function takes a value off the front, or says where it stopped.
mod json {
    pub(crate) fn value(text: &str) -> Result<&str, &str> {
        let text = text.trim_start();
        match text.chars().next() {
            Some('{') => members(&text[1..], '}', |text| {
                let rest = string(text.trim_start())?.trim_start();
                value(rest.strip_prefix(':').ok_or(rest)?)
            }),
            Some('[') => members(&text[1..], ']', value),
            Some('"') => string(text),
            Some('-' | '0'..='9') => {
                Ok(text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.eE".contains(c)))
            }
            _ => ["true", "false", "null"].iter().find_map(|word| text.strip_prefix(word)).ok_or(text),
        }
    }

    fn members(text: &str, end: char, one: impl Fn(&str) -> Result<&str, &str>) -> Result<&str, &str> {
        if let Some(rest) = text.trim_start().strip_prefix(end) {
            return Ok(rest);
        }
        let mut text = text;
        loop {
            let rest = one(text)?.trim_start();
            match rest.strip_prefix(',') {
                Some(more) => text = more,
                None => return rest.strip_prefix(end).ok_or(rest),
            }
        }
    }

    fn string(text: &str) -> Result<&str, &str> {
        let mut rest = text.strip_prefix('"').ok_or(text)?;
        loop {
            match rest.chars().next().filter(|c| *c >= ' ').ok_or(rest)? {
                '"' => return Ok(&rest[1..]),
                '\\' => {
                    let escaped = rest[1..].chars().next().ok_or(rest)?;
                    let digits =
                        rest.get(2..6).is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
                    match escaped {
                        'u' if digits => rest = &rest[6..],
                        '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => rest = &rest[2..],
                        _ => return Err(rest),
                    }
                }
                other => rest = &rest[other.len_utf8()..],
            }
        }
    }
}
