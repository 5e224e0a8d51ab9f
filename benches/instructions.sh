#!/usr/bin/env bash
# Instructions that a spawn, a yield and a hand-off take, in two revisions: what a change costs, to a fraction of a
# percent and on a busy machine, where times say nothing.
#
#     benches/instructions.sh OLD [NEW] [CONTENDER_OF_NEW]     e.g.  benches/instructions.sh 7d83d88 HEAD heddle
#
# Each revision is unpacked and built below target/instructions. valgrind's exp-bbv counts the instructions of each
# thread, whatever stacks it switches to; we take the busiest one, the worker. A quick run (a hundredth of the work) is
# subtracted from a full one, so that starting and ending cost nothing, and the rest is divided by the work. No monitor
# takes part: so slow a run is full of hogs. Exit status 1: something takes over 1 % more than it did.
set -euo pipefail
shopt -s inherit_errexit
export HEDDLE_COUNTED=yes
cd "$(dirname "$0")/.."

old=$(git rev-parse --short "${1:?which revision to compare with}")
new=$(git rev-parse --short "${2:-HEAD}")
contender_of_new=${3:-heddle}
command -v valgrind >/dev/null || { echo "valgrind is not installed: apt-get install valgrind" >&2; exit 2; }
place=${CARGO_TARGET_DIR:-target}/instructions
mkdir -p "$place"
place=$(cd "$place" && pwd)

# Prints the path of the program of a revision.
build() {
    local tree=$place/$1-tree
    mkdir -p "$tree"
    git archive "$1" | tar -x -C "$tree"
    # Small batches: so slowed down, a hundred thousand fibers would be old before their turn, which is another way.
    sed -i 's/^const BATCH: usize = 100_000;/const BATCH: usize = 1_000;/; s/^const BATCHES: u32 = 10;/const BATCHES: u32 = 1_000;/' \
        "$tree/benches/workload/spawn_inside/mod.rs"
    # What ends a run that hangs would end one that is counted on a busy machine.
    grep -rl 'libc::alarm(seconds)' "$tree/benches" | xargs -r sed -i 's/libc::alarm(seconds)/libc::alarm(0 * seconds)/'
    (cd "$tree" && CARGO_TARGET_DIR=$place/$1 cargo build --release --quiet --locked -p heddle-benches >&2)
    echo "$place/$1/release/heddle-benches"
}

# Instructions of the busiest thread: program, workload, case, contender, quick or full.
count() {
    valgrind --tool=exp-bbv --bb-out-file=/dev/null --pc-out-file=/dev/null "$1" --child "$2" "$3" "$4" "$5" 2>&1 |
        awk '/Total instructions:/ { if ($NF > most) most = $NF } END { if (!most) exit 1; print most }'
}

# The least of five, as a worker that looks around once more is noise: same arguments.
least() {
    for _ in 1 2 3 4 5; do count "$@" || exit 1; done | sort -n | head -1
}

# Instructions for one operation: program, contender, workload, case, operations in a full run, its warm-up included.
# Not the least of differences: that would be the one with the most noise in its quick run.
cost() {
    local program=$1 contender=$2 workload=$3 case=$4 operations=$5 full quick
    full=$(least "$program" "$workload" "$case" "$contender" full)
    quick=$(least "$program" "$workload" "$case" "$contender" quick)
    awk -v full="$full" -v quick="$quick" -v n="$operations" 'BEGIN { printf "%.3f\n", (full - quick) / n / 0.99 }'
}

programs=("$(build "$old")" "$(build "$new")")
# Workload, case and operations, which the workload's own file has.
questions=(
    "spawn_inside|1 worker|2000000"
    "yield_now|2 fibers, 1 worker|8000000"
    "yield_now|1000 fibers, 1 worker|8000000"
    "handoff_same|1 worker|2000000"
)
echo "| instructions for one | $old | $new ($contender_of_new) | change |"
echo "|---|---:|---:|---:|"
status=0
for question in "${questions[@]}"; do
    IFS='|' read -r workload case operations <<<"$question"
    before=$(cost "${programs[0]}" heddle "$workload" "$case" "$operations")
    after=$(cost "${programs[1]}" "$contender_of_new" "$workload" "$case" "$operations")
    change=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%+.2f", 100 * (b / a - 1) }')
    echo "| $workload, $case | $before | $after | $change % |"
    awk -v change="$change" 'BEGIN { exit change > 1 }' || status=1
done
exit $status
