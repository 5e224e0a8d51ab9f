#!/usr/bin/env bash
# Draws where the time of a spawn and of a yield goes: docs/flame/{spawn,yield}.svg, or into another folder.
#
#     benches/flame.sh [FOLDER]
#
# It needs `perf` (Linux), and `cargo install inferno`. The clock's samples need no counters of the processor, so this works in a
# virtual machine; call graphs are taken from the debugging information, as the code has no frame pointers. Only the worker's thread
# is shown. Functions that are inlined count as those they are in.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-docs/flame}
mkdir -p "$folder"
for program in perf inferno-collapse-perf inferno-flamegraph; do
    command -v $program >/dev/null || { echo "$program is not installed" >&2; exit 2; }
done
cargo build --release --locked -p heddle-benches
program=${CARGO_TARGET_DIR:-target}/release/heddle-benches
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# Name of the picture, its title, workload, case. One run is a seventh of a second.
draw() {
    for _ in $(seq 20); do
        echo "$program --child $3 '$4' heddle full"
    done >"$place/runs"
    perf record -e cpu-clock -F 4000 --call-graph dwarf,4096 -o "$place/perf" -- sh "$place/runs" >/dev/null 2>&1
    # What stands below the worker's loop and the root of a fiber is the same everywhere; paths of modules are long.
    perf script -i "$place/perf" --comm heddle-0 --no-inline 2>/dev/null | inferno-collapse-perf -q |
        sed -E 's/\[(unknown|anon)\];//g; s/stack_init_trampoline;|corosensei::[^;]*;|std::sys::backtrace::[^;]*;//g
            s/std::panicking::catch_unwind::do_call;//g; s/<impl [^>;]*::([A-Za-z]+)>/\1/g; s/heddle_(scheduler|benches):://g
            s/([a-z_]+::)+([a-z_]+::[a-z_]+|[A-Z])/\2/g' >"$place/stacks"
    inferno-flamegraph -q --hash --minwidth 0.2 --width 1200 --title "$2" --countname "ns of the samples" \
        <"$place/stacks" >"$folder/$1.svg"
    awk -v name="$1" '{ all += $NF } END { printf "%s: %d samples\n", name, all / 250000 }' "$place/stacks"
}

draw spawn "spawn and join, one worker" spawn_inside "1 worker"
draw yield "a yield of two fibers, one worker" yield_now "2 fibers, 1 worker"
