#!/usr/bin/env bash
# What the train_all.sh of the projects share: stages that are done once, in a given time, whatever kills them.
# To be sourced at the top of the repository:
#
#   begin DIR MINUTES                 results go to DIR; MINUTES is the time of all stages, 0: as long as they take
#   run FOLDER RESULT COMMAND...      $PYTHON COMMAND where DIR/FOLDER/RESULT is not there
#   dataset NAME COMMAND...           the dataset that $PYTHON COMMAND --root DIR/datasets/NAME writes
#   render NAME ARGUMENTS...          one of SynthRoad
#   try FOLDER RESULT COMMAND...      the same for what no other stage needs: a failure is told at the end
#   length FOLDER SHARE ITERATIONS    KEY VALUE ... of a training of at most so many iterations and per cent of the time
#   fit SHARE SECONDS LEAST MOST      how many things of so many seconds fit into a share of the time
#   kept NAME VALUE                   the value of the first start, so that one with other MINUTES goes on with its data
#   ship NAME CHECKPOINT              DIR/weights: .safetensors in half precision of 25 MB at most, and weights.json
#   finish                            says what failed
#
# Logs are in DIR/logs, the seconds of each stage in DIR/times.txt. MOST=3 limits every training to so many iterations.

begin() {
    [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ ]] || { echo "MINUTES: expected a number, got $2" >&2; exit 2; }
    command -v "$PYTHON" >/dev/null || { echo "PYTHON: no $PYTHON; \`make setup\` makes .venv/bin/python" >&2; exit 1; }
    mkdir -p "$1/logs" "$1/datasets" "$1/weights"
    DIR=$(cd "$1" && pwd) TOTAL=$2 FAILED=
    [[ $TOTAL =~ ^0+(\.0*)?$ ]] && TOTAL=0
    CORES=$(env -u OMP_NUM_THREADS nproc) # which would count the threads of one process
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
}

_do() { # STAGE COMMAND...
    local stage=$1 begun=$SECONDS log="$DIR/logs/${1//\//-}.txt"
    shift
    echo "$(date +%H:%M) $stage"
    "$PYTHON" "$@" >>"$log" 2>&1 || { echo "$stage failed: $(tail -n 1 "$log") ($log)" >&2; return 1; }
    echo "$stage $((SECONDS - begun))" >>"$DIR/times.txt"
}

run() {
    local stage=$1 result=$2
    shift 2
    [ -e "$DIR/$stage/$result" ] && return 0
    mkdir -p "$DIR/$stage"
    _do "$stage" "$@" || return 1
    [ -e "$DIR/$stage/$result" ] || { echo "$stage failed: it has left no $result" >&2; return 1; }
}

dataset() {
    local name=$1
    shift
    grep -qs '"complete": true' "$DIR/datasets/$name"/{synthroad,synthroad_video,scenes}.json && return 0
    _do "datasets/$name" "$@" --root "$DIR/datasets/$name"
}

render() {
    local name=$1
    shift
    dataset "$name" -m d2ext.data.synthroad --workers "$CORES" "$@"
}

try() {
    run "$@" || FAILED="$FAILED $1"
}

# What an earlier attempt took is counted up to its last checkpoint: the rest is done again.
length() {
    local folder="$DIR/$1" used=0 began=0 until=0 iterations=$3
    [ "${MOST:-0}" -gt 0 ] && [ "$MOST" -lt "$iterations" ] && iterations=$MOST
    echo "SOLVER.MAX_ITER $iterations SOLVER.CHECKPOINTS_KEPT 2"
    [ "$TOTAL" = 0 ] && return
    mkdir -p "$folder"
    [ -f "$folder/.used" ] && used=$(cat "$folder/.used")
    if [ -f "$folder/.began" ] && [ -f "$folder/last_checkpoint" ]; then
        began=$(cat "$folder/.began") until=$(date -r "$folder/last_checkpoint" +%s)
        [ "$until" -gt "$began" ] && used=$((used + until - began))
    fi
    echo "$used" >"$folder/.used"
    date +%s >"$folder/.began"
    awk -v total="$TOTAL" -v share="$2" -v used="$used" 'BEGIN {
        left = total * share / 100 - used / 60
        printf("SOLVER.MAX_MINUTES %.3f SOLVER.SCHEDULE_BY_TIME True\n", (left > 0.05) ? left : 0.05)
    }'
}

fit() {
    [ "$TOTAL" = 0 ] && { echo "$4"; return; }
    awk -v total="$TOTAL" -v share="$1" -v each="$2" -v least="$3" -v most="$4" 'BEGIN {
        count = int(0.6 * total * share / each)
        print((count < least) ? least : (count > most) ? most : count)
    }'
}

kept() {
    [ -s "$DIR/.$1" ] || echo "$2" >"$DIR/.$1"
    cat "$DIR/.$1"
}

ship() {
    local file="${1//\//_}.safetensors"
    run weights "$file" scripts/export_weights.py "$2" --output "$DIR/weights/$file" --name "$1" \
        --list "$DIR/weights/weights.json" --most 25
}

finish() {
    [ -z "$FAILED" ] || { echo "done, but for what failed:$FAILED" >&2; exit 1; }
    echo "$(date +%H:%M) done: $DIR"
}
