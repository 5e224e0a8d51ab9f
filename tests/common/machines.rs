//! Machines with several memory nodes, as the scheduler is told that it runs on one: the CPUs of this machine are
//! dealt out to them in turn. (Memory of nodes that do not exist is where it always was.)

use crate::folder::Folder;
use heddle_scheduler::Topology;

/// A machine of so many nodes and `cpus` CPUs each: two nodes are near each other, the next two are farther.
pub fn nodes(nodes: u32, cpus: u32) -> Topology {
    let root = Folder::new();
    let last = |count: u32| format!("0-{}", count - 1);
    let all = last(nodes * cpus);
    let write = |path: &str, text: &str| root.write(path, &format!("{text}\n"));
    write("sys/devices/system/cpu/online", &all);
    write("sys/devices/system/cpu/possible", &all);
    write("sys/devices/system/node/online", &last(nodes));
    write("sys/devices/system/node/has_memory", &last(nodes));
    write("proc/self/status", &format!("Cpus_allowed_list:\t{all}\nMems_allowed_list:\t{}", last(nodes)));
    for node in 0..nodes {
        let its: Vec<String> = (0..cpus).map(|cpu| (cpu * nodes + node).to_string()).collect();
        let distance = |other: u32| match (node == other, node / 2 == other / 2) {
            (true, _) => "10",
            (_, true) => "16",
            _ => "32",
        };
        let row: Vec<&str> = (0..nodes).map(distance).collect();
        let dir = format!("sys/devices/system/node/node{node}");
        write(&format!("{dir}/cpulist"), &its.join(","));
        write(&format!("{dir}/distance"), &row.join(" "));
        write(&format!("{dir}/meminfo"), &format!("Node {node} MemTotal:       1048576 kB"));
    }
    Topology::from_sysfs(root.path()).expect("the files above describe a machine")
}
