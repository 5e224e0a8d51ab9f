//! Machines with several memory nodes, as the scheduler is told that it runs on one: the CPUs of this machine are
//! dealt out to them in turn. (Memory of nodes that do not exist is where it always was.)

use heddle_scheduler::Topology;
use std::fs;
use std::path::PathBuf;

/// A machine of so many nodes and `cpus` CPUs each: two nodes are near each other, the next two are farther.
pub fn nodes(nodes: u32, cpus: u32) -> Topology {
    let root = Files(std::env::temp_dir().join(format!(
        "heddle-nodes-{nodes}-{cpus}-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    )));
    let last = |count: u32| format!("0-{}", count - 1);
    let all = last(nodes * cpus);
    root.write("sys/devices/system/cpu/online", &all);
    root.write("sys/devices/system/cpu/possible", &all);
    root.write("sys/devices/system/node/online", &last(nodes));
    root.write("sys/devices/system/node/has_memory", &last(nodes));
    root.write(
        "proc/self/status",
        &format!("Cpus_allowed_list:\t{all}\nMems_allowed_list:\t{}", last(nodes)),
    );
    for node in 0..nodes {
        let its: Vec<String> = (0..cpus).map(|cpu| (cpu * nodes + node).to_string()).collect();
        let distance = |other: u32| match (node == other, node / 2 == other / 2) {
            (true, _) => "10",
            (_, true) => "16",
            _ => "32",
        };
        let row: Vec<&str> = (0..nodes).map(distance).collect();
        let dir = format!("sys/devices/system/node/node{node}");
        root.write(&format!("{dir}/cpulist"), &its.join(","));
        root.write(&format!("{dir}/distance"), &row.join(" "));
        root.write(&format!("{dir}/meminfo"), &format!("Node {node} MemTotal:       1048576 kB"));
    }
    Topology::from_sysfs(&root.0).expect("the files above describe a machine")
}

/// Removed when dropped.
struct Files(PathBuf);

impl Files {
    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a temporary directory can be made");
        fs::write(path, format!("{text}\n")).expect("a temporary file can be written");
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
