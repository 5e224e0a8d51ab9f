#!/usr/bin/env bash
# Checks the checker: weakens each ordering of the lock-free protocols in turn, and expects a model to
# fail. Usage: bash tests/loom/mutate.sh [--quick | FILE:LINE]
#
# A mutant is the models and the production files with one change on one line:
#   Acquire, Release -> Relaxed;  AcqRel -> Acquire and -> Release (with --quick: -> Relaxed)
#   a SeqCst fence, light_barrier() or heavy_barrier() -> nothing
# "caught" is what should be. A survivor fails the script unless survivors.txt has it with its reason,
# and so does a reason without a survivor.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
WORK=${CARGO_TARGET_DIR:-$ROOT/target}/mutants
# All that the models compile of the product. What has no ordering of its own has no mutants.
mapfile -t FILES < <(grep -rhoE 'path = "[./]*(scheduler|jsbridge)/src/[^"]+' tests/loom --include='*.rs' |
    grep -oE '(scheduler|jsbridge)/src/.*' | sort -u)

# What the models cannot see, and why: see the file. Lines are named by their text, as numbers move.
EXCUSES=$(cat "$ROOT/tests/loom/survivors.txt")

mkdir -p "$WORK/crate"
lock=$ROOT/Cargo.lock
rm -rf "$WORK/crate/tests" "$WORK/crate/scheduler" "$WORK/crate/jsbridge"
mkdir -p "$WORK/crate/tests" "$WORK/crate/src"
cp -r tests/loom "$WORK/crate/tests/loom"
for file in "${FILES[@]}"; do install -D "$file" "$WORK/crate/$file"; done
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

run() { # runs the models whose names have one of the arguments in them; true if they pass
    (cd "$WORK/crate" && RUST_BACKTRACE=0 RUSTFLAGS="-Awarnings" CARGO_TARGET_DIR="$WORK/target" LOOM_MAX_BRANCHES=20000 \
        timeout 300 cargo test -q --test loom -- "$@" >"$WORK/last.log" 2>&1)
}

echo "unchanged: the models must pass"
if ! run; then tail -40 "$WORK/last.log"; echo "the models fail without a mutation"; exit 1; fi

caught=0 survived=0 excused=0 used=()
mutate() { # file, line, kind, sed expression
    local file=$1 line=$2 kind=$3 expression=$4
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$file:$line" ] || return 0
    cp "$ROOT/$file" "$WORK/crate/$file"
    sed -i "${line}${expression}" "$WORK/crate/$file"
    if cmp -s "$ROOT/$file" "$WORK/crate/$file"; then return 0; fi
    local verdict
    local models=()
    case "$file" in
        jsbridge/*/inbox.rs) models=(isolate_inboxes) ;;
        jsbridge/*) models=(isolate_) ;;
        */state.rs) models=(lives letters lending roamers) ;;
        */loans.rs) models=(lending) ;;
        */latch.rs | */line.rs | */once.rs) models=(sync::) ;;
        */sync/*) models=(locks) ;;
        */inbox.rs) models=(inboxes piles letters locks) ;;
        */relay.rs) models=(roamers) ;;
        */beacon.rs) models=(sleepers aside frozen) ;;
        */front.rs) models=(fronts) ;;
        */park.rs) models=(parkers) ;;
        */vigil.rs | */duty.rs) models=(spares) ;;
        */slots.rs | */shelf.rs) models=(stacks) ;;
        */table.rs) models=(tables) ;;
        */limit.rs) models=(limits) ;;
        */quiet.rs) models=(waits) ;;
    esac
    if run "${models[@]}"; then verdict=SURVIVED; elif grep -q 'could not compile' "$WORK/last.log"; then
        echo "does not compile: $file:$line $kind"; tail -20 "$WORK/last.log"; exit 1
    else verdict=caught; fi
    local text excuse=""
    text=$(sed -n "${line}p" "$ROOT/$file" | sed 's/^ *//')
    local around
    around=$(sed -n "$((line - 2)),${line}p" "$ROOT/$file" | tr '\n' ' ')
    if [ "$verdict" = SURVIVED ]; then
        local e_file e_part e_kind e_reason
        while IFS='|' read -r e_file e_part e_kind e_reason; do
            case "$e_file" in ''|'#'*) continue ;; esac
            if [ "$e_file" = "$file" ] && [[ "$around" == *"$e_part"* ]] && [ "$e_kind" = "$kind" ]; then
                excuse=$e_reason
                used+=("$e_file|$e_part|$e_kind|$e_reason")
            fi
        done <<<"$EXCUSES"
        if [ -n "$excuse" ]; then verdict=excused; excused=$((excused + 1)); else survived=$((survived + 1)); fi
    else
        caught=$((caught + 1))
    fi
    printf '%-9s %-36s %-20s %s\n' "$verdict" "$file:$line" "$kind" "${excuse:-$text}"
    cp "$ROOT/$file" "$WORK/crate/$file"
}

ONLY=${1:-}
QUICK=
if [ "$ONLY" = --quick ]; then QUICK=yes ONLY=; fi
for file in "${FILES[@]}"; do
    # Comments and the tests' part do not count.
    while IFS=: read -r line text; do
        case "$text" in
            *fence\(Ordering::SeqCst\)*) mutate "$file" "$line" "no fence" 's/fence(Ordering::SeqCst);//' ;;
            *light_barrier\(\)*) mutate "$file" "$line" "no light barrier" 's/\(self\.\)\?light_barrier();//' ;;
            *heavy_barrier\(\)*) mutate "$file" "$line" "no heavy barrier" 's/\(self\.\)\?heavy_barrier();//' ;;
            *Ordering::AcqRel*)
                if [ -n "$QUICK" ]; then
                    mutate "$file" "$line" "AcqRel->Relaxed" 's/Ordering::AcqRel/Ordering::Relaxed/'
                    continue
                fi
                mutate "$file" "$line" "AcqRel->Acquire" 's/Ordering::AcqRel/Ordering::Acquire/'
                mutate "$file" "$line" "AcqRel->Release" 's/Ordering::AcqRel/Ordering::Release/'
                ;;
            *Ordering::Acquire*) mutate "$file" "$line" "Acquire->Relaxed" 's/Ordering::Acquire/Ordering::Relaxed/' ;;
            *Ordering::Release*) mutate "$file" "$line" "Release->Relaxed" 's/Ordering::Release/Ordering::Relaxed/' ;;
        esac
    done < <(grep -nE 'Ordering::(Acquire|Release|AcqRel|SeqCst)|(light|heavy)_barrier\(\)' "$file" | grep -vE '^[0-9]+: *(//|use |\*)')
done
idle=0
if [ -z "$ONLY$QUICK" ]; then
    while IFS= read -r entry; do
        case "$entry" in ''|'#'*) continue ;; esac
        if ! printf '%s\n' "${used[@]:-}" | grep -qxF -- "$entry"; then
            echo "no such survivor: $entry"
            idle=$((idle + 1))
        fi
    done <<<"$EXCUSES"
fi
echo "$caught caught, $excused excused, $survived survived, $SECONDS s"
[ "$survived" -eq 0 ] && [ "$idle" -eq 0 ]
