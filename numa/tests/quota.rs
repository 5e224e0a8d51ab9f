//! The CPU quota bounds the workers, wherever it is written.

mod fixture;

use fixture::{Fixture, shapes};
use heddle_numa::{Quota, Topology, default_workers};

fn v2(files: &[(&str, &str)]) -> Fixture {
    files.iter().fold(shapes::no_nodes().cgroup2("/outer/inner"), |machine, (group, max)| {
        machine.file(&format!("sys/fs/cgroup/{group}cpu.max"), max)
    })
}

#[test]
fn a_quota_is_rounded_down_and_lets_at_least_one_worker_live() {
    for (max, workers) in
        [("50000 100000", 1), ("150000 100000", 1), ("250000 100000", 2), ("300000 100000", 3)]
    {
        assert_eq!(default_workers(&v2(&[("outer/inner/", max)]).topology()), workers, "{max}");
    }
    assert_eq!(
        default_workers(&v2(&[("outer/inner/", "2000000 100000")]).topology()),
        8,
        "more quota than CPUs"
    );
}

#[test]
fn the_tightest_ancestor_wins() {
    let machine = v2(&[("outer/inner/", "max 100000"), ("outer/", "300000 100000")]).topology();
    assert_eq!(default_workers(&machine), 3);
    let group = machine.quota().unwrap().group().to_owned();
    assert!(group.ends_with("sys/fs/cgroup/outer"), "{}", group.display());
    let machine = v2(&[("outer/inner/", "400000 100000"), ("outer/", "500000 200000")]).topology();
    assert_eq!(machine.quota().unwrap().cpus(), 2.5, "compared as ratios, not as numbers");
}

#[test]
fn no_quota_is_no_limit() {
    let machine = v2(&[("outer/inner/", "max 100000"), ("outer/", "max 100000")]).topology();
    assert!(machine.quota().is_none());
    assert_eq!(default_workers(&machine), 8);
    assert!(shapes::no_nodes().topology().quota().is_none(), "no control groups at all");
}

#[test]
fn version_2_is_found_where_it_is_mounted() {
    let machine = shapes::no_nodes()
        .file("proc/self/cgroup", "4:cpu,cpuacct:/\n0::/a")
        .file("proc/self/mountinfo", "41 23 0:28 / /mnt/cg\\040two rw - cgroup2 none rw")
        .file("mnt/cg two/a/cpu.max", "200000 100000");
    assert_eq!(default_workers(&machine.topology()), 2);
}

#[test]
fn version_1_is_read_with_its_minus_one() {
    let group = |quota: &str| {
        let dir = "sys/fs/cgroup/cpu,cpuacct/job";
        shapes::no_nodes()
            .file("proc/self/cgroup", "5:memory:/other\n4:cpu,cpuacct:/job\n0::/")
            .file(
                "proc/self/mountinfo",
                "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
            )
            .file(&format!("{dir}/cpu.cfs_quota_us"), quota)
            .file(&format!("{dir}/cpu.cfs_period_us"), "100000")
            .file(&format!("{dir}/cpu.stat"), "nr_periods 21\nnr_throttled 20\nthrottled_time 5000000")
    };
    assert_eq!(default_workers(&group("250000").topology()), 2);
    assert!(group("-1").topology().quota().is_none());
    let machine = group("50000");
    let throttling = machine.topology().quota().unwrap().throttling().unwrap();
    assert_eq!((throttling.periods, throttling.throttled_periods, throttling.throttled_us), (21, 20, 5000));
}

#[test]
fn throttling_is_counted_in_version_2() {
    let machine = v2(&[("outer/inner/", "100000 100000")]).file(
        "sys/fs/cgroup/outer/inner/cpu.stat",
        "usage_usec 9\nnr_periods 3\nnr_throttled 2\nthrottled_usec 77",
    );
    let topology = machine.topology();
    let throttling = topology.quota().unwrap().throttling().unwrap();
    assert_eq!((throttling.periods, throttling.throttled_periods, throttling.throttled_us), (3, 2, 77));
    drop(machine);
    assert!(topology.quota().unwrap().throttling().unwrap_err().is_not_found(), "the group is gone");
}

#[test]
fn a_garbled_quota_is_an_error_that_names_the_group() {
    let machine = v2(&[("outer/inner/", "lots 100000")]);
    let error = Topology::from_sysfs(machine.root()).unwrap_err();
    assert!(error.is_invalid_input() && error.to_string().contains("outer/inner"), "{error}");
}

#[test]
fn what_the_group_has_used_is_read_where_it_tells() {
    let machine = v2(&[("outer/inner/", "100000 100000")])
        .file("sys/fs/cgroup/outer/inner/cpu.stat", "usage_usec 4321\n");
    assert_eq!(Quota::in_force(machine.root()).unwrap().unwrap().used_us(), Some(4321));
    let version_1 = |stat: &str| {
        let dir = "sys/fs/cgroup/cpu/job";
        let machine = shapes::no_nodes()
            .file("proc/self/cgroup", "4:cpu,cpuacct:/job")
            .file("proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct")
            .file(&format!("{dir}/cpu.cfs_quota_us"), "50000")
            .file(&format!("{dir}/cpu.cfs_period_us"), "100000")
            .file(&format!("{dir}/cpu.stat"), "nr_periods 1\nnr_throttled 0\nthrottled_time 0");
        if stat.is_empty() { machine } else { machine.file(&format!("{dir}/cpuacct.usage"), stat) }
    };
    let machine = version_1("7000999\n");
    assert_eq!(Quota::in_force(machine.root()).unwrap().unwrap().used_us(), Some(7000));
    let machine = version_1("");
    assert_eq!(Quota::in_force(machine.root()).unwrap().unwrap().used_us(), None);
}
