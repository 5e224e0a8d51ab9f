#!/usr/bin/env bash
# Checks the checker: weakens each ordering of the lock-free protocols in turn, and expects a model to
# fail. Usage: bash tests/loom/mutate.sh [FILE:LINE]
#
# A mutant is the models and the production files with one change on one line:
#   Acquire, Release, AcqRel -> Relaxed;  AcqRel also -> Acquire and -> Release
#   a SeqCst fence, light_barrier() or heavy_barrier() -> nothing
# "caught" is what should be; a survivor fails the script unless it is listed below with its reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
WORK=${CARGO_TARGET_DIR:-$ROOT/target}/mutants
FILES=(scheduler/src/fiber/state.rs scheduler/src/queue/inbox.rs scheduler/src/worker/beacon.rs)

# What the models cannot see, and why. A line is named by a part of its text (line numbers move).
# file|part of the line or of the two above it|kind|reason
EXCUSES=$(cat "$ROOT/tests/loom/survivors.txt")

mkdir -p "$WORK/crate"
lock=$ROOT/Cargo.lock
rm -rf "$WORK/crate/tests" "$WORK/crate/scheduler"
mkdir -p "$WORK/crate/tests" "$WORK/crate/scheduler/src/fiber" "$WORK/crate/scheduler/src/queue" "$WORK/crate/scheduler/src/worker" "$WORK/crate/src"
cp -r tests/loom "$WORK/crate/tests/loom"
for file in "${FILES[@]}"; do cp "$file" "$WORK/crate/$file"; done
cp "$lock" "$WORK/crate/Cargo.lock"
: >"$WORK/crate/src/lib.rs"
cat >"$WORK/crate/Cargo.toml" <<TOML
[package]
name = "mutants"
version = "0.0.0"
edition = "2024"
[dev-dependencies]
loom = "0.7"
[[test]]
name = "loom"
path = "tests/loom/main.rs"
[profile.test]
opt-level = 2
debug = false
[workspace]
TOML

run() { # runs the models; true if they pass
    (cd "$WORK/crate" && RUST_BACKTRACE=0 RUSTFLAGS="-Awarnings" CARGO_TARGET_DIR="$WORK/target" LOOM_MAX_BRANCHES=20000 \
        timeout 300 cargo test -q --test loom >"$WORK/last.log" 2>&1)
}

echo "unchanged: the models must pass"
if ! run; then tail -40 "$WORK/last.log"; echo "the models fail without a mutation"; exit 1; fi

caught=0 survived=0 excused=0
mutate() { # file, line, kind, sed expression
    local file=$1 line=$2 kind=$3 expression=$4
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$file:$line" ] || return 0
    cp "$ROOT/$file" "$WORK/crate/$file"
    sed -i "${line}${expression}" "$WORK/crate/$file"
    if cmp -s "$ROOT/$file" "$WORK/crate/$file"; then return 0; fi
    local verdict
    if run; then verdict=SURVIVED; elif grep -q '^error' "$WORK/last.log" && ! grep -q 'test result: FAILED' "$WORK/last.log"; then
        echo "does not compile: $file:$line $kind"; tail -20 "$WORK/last.log"; exit 1
    else verdict=caught; fi
    local text excuse=""
    text=$(sed -n "${line}p" "$ROOT/$file" | sed 's/^ *//')
    local around
    around=$(sed -n "$((line - 2)),${line}p" "$ROOT/$file" | tr '\n' ' ')
    if [ "$verdict" = SURVIVED ]; then
        while IFS='|' read -r e_file e_part e_kind e_reason; do
            case "$e_file" in ''|'#'*) continue ;; esac
            if [ "$e_file" = "$file" ] && [[ "$around" == *"$e_part"* ]] && [ "$e_kind" = "$kind" ]; then excuse=$e_reason; fi
        done <<<"$EXCUSES"
        if [ -n "$excuse" ]; then verdict=excused; excused=$((excused + 1)); else survived=$((survived + 1)); fi
    else
        caught=$((caught + 1))
    fi
    printf '%-9s %-36s %-20s %s\n' "$verdict" "$file:$line" "$kind" "${excuse:-$text}"
    cp "$ROOT/$file" "$WORK/crate/$file"
}

ONLY=${1:-}
for file in "${FILES[@]}"; do
    # Comments and the tests' part do not count.
    while IFS=: read -r line text; do
        case "$text" in
            *fence\(Ordering::SeqCst\)*) mutate "$file" "$line" "no fence" 's/fence(Ordering::SeqCst);//' ;;
            *light_barrier\(\)*) mutate "$file" "$line" "no light barrier" 's/light_barrier();//' ;;
            *heavy_barrier\(\)*) mutate "$file" "$line" "no heavy barrier" 's/heavy_barrier();//' ;;
            *Ordering::AcqRel*)
                mutate "$file" "$line" "AcqRel->Acquire" 's/Ordering::AcqRel/Ordering::Acquire/'
                mutate "$file" "$line" "AcqRel->Release" 's/Ordering::AcqRel/Ordering::Release/'
                ;;
            *Ordering::Acquire*) mutate "$file" "$line" "Acquire->Relaxed" 's/Ordering::Acquire/Ordering::Relaxed/' ;;
            *Ordering::Release*) mutate "$file" "$line" "Release->Relaxed" 's/Ordering::Release/Ordering::Relaxed/' ;;
        esac
    done < <(grep -nE 'Ordering::(Acquire|Release|AcqRel|SeqCst)|(light|heavy)_barrier\(\)' "$file" | grep -vE '^[0-9]+: *(//|use |\*)')
done
echo "$caught caught, $excused excused, $survived survived"
[ "$survived" -eq 0 ]
