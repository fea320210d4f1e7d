#!/usr/bin/env bash
# Renders scenes, trains all stages of the tiny Janus one after the other, and measures what comes out.
#
#   projects/Janus/train_all.sh DIR [MINUTES]
#
# MINUTES (default 480) are for everything; each stage below says its share in per cent, and what it takes of one core at
# full length, which MINUTES 0 gives it. Started again the script goes on where it was stopped. It leaves the stages'
# folders, tables in DIR/stage3/inference, DIR/asked and DIR/logs, pictures in DIR/pictures, sentences in
# DIR/annotated, and DIR/weights; DIR/times.txt says what each took.
#
#   PYTHON=.venv/bin/python     the interpreter
#   TRAIN=1000 TEST=100         most pictures a layout
#   GROUNDER, GROUNDER_WEIGHTS  config and weights of the U2ENet that leads sentences back (the shipped one)
#   OPTIONS                     KEY VALUE ... for every stage
#   MOST=3                      iterations of every training, for a look
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "expected projects/Janus/train_all.sh DIR [MINUTES]" >&2; exit 2; }
PYTHON=${PYTHON:-.venv/bin/python}
# shellcheck source=scripts/stages.sh
. scripts/stages.sh
begin "$1" "${2:-480}"
OPTIONS=${OPTIONS:-}
TRAIN=$(kept train "$(fit 6 1.2 40 "${TRAIN:-1000}")") # 0.6 s of one core a picture, two layouts
TEST=$(kept test "$(fit 10 14 8 "${TEST:-100}")")      # evaluations, questions, sentences: 14 s a picture
export DETECTRON2_DATASETS="$DIR/datasets"
GROUNDER=${GROUNDER:-configs/U2ENet/u2enet_tiny_synthroad.yaml} GROUNDER_WEIGHTS=${GROUNDER_WEIGHTS:-d2ext://u2enet/tiny}
LEADS_BACK="--grounder-config $GROUNDER --grounder-weights $GROUNDER_WEIGHTS"
CONFIG=configs/Janus/stage3_tiny_synthroad.yaml
NET=projects/Janus/train_net.py

stage() { # NAME CONFIG SHARE ITERATIONS WEIGHTS: to begin from
    # shellcheck disable=SC2046,SC2086  (options are words)
    run "$1" model_final.pth $NET --resume --config-file "configs/Janus/$2.yaml" MODEL.WEIGHTS "$5" OUTPUT_DIR "$DIR/$1" \
        SOLVER.CHECKPOINT_PERIOD 100 DATASETS.TEST "()" TEST.EVAL_PERIOD 0 $(length "$1" "$3" "$4") $OPTIONS
}

tables() { # NAME CONFIG
    # shellcheck disable=SC2086
    try "$1" inference/synthroad_mono3drefer_test/metrics.json $NET --eval-only --config-file "configs/Janus/$2.yaml" \
        MODEL.WEIGHTS "$DIR/$1/model_final.pth" OUTPUT_DIR "$DIR/$1" $OPTIONS
}

use() { # FOLDER RESULT COMMAND ARGUMENTS...: of the trained model
    local folder=$1 result=$2 command=$3
    shift 3
    # shellcheck disable=SC2086
    try "$folder" "$result" "projects/Janus/$command.py" --config-file $CONFIG \
        --weights "$DIR/stage3/model_final.pth" "$@" ${OPTIONS:+--opts $OPTIONS}
}

# 6 %; 25 minutes.
render synthroad --seed 400 --train "$TRAIN" --val 0 --test "$TEST" --language both

stage vq vq_tiny_synthroad 16 2000 ""                                                # 1.8 s (batch of 4): 1.0 h
stage stage1 stage1_tiny_synthroad 4 500 "$DIR/vq/model_final.pth"                   # 2.5 s: 0.4 h
stage stage2_classes stage2_classes_tiny_synthroad 8 1500 "$DIR/stage1/model_final.pth" # 1.8 s: 0.8 h
stage stage2 stage2_tiny_synthroad 16 3000 "$DIR/stage2_classes/model_final.pth"     # 1.8 s: 1.5 h
stage stage3 stage3_tiny_synthroad 40 6000 "$DIR/stage2/model_final.pth"             # 2.4 s: 4.0 h
ship janus/tiny "$DIR/stage3/model_final.pth"

# 10 %; 14 s a test picture, 25 minutes.
tables vq vq_tiny_synthroad
tables stage3 stage3_tiny_synthroad
use pictures drawn.png draw --output "$DIR/pictures/drawn.png" --dataset synthroad_monomulti3d_test
# shellcheck disable=SC2086
use asked asked.json ask --dataset synthroad_monomulti3d_test --limit "$(((TEST + 1) / 2))" \
    --json "$DIR/asked/asked.json" $LEADS_BACK
# shellcheck disable=SC2086
use annotated review/index.html annotate --dataset synthroad_monomulti3d_test --output "$DIR/annotated" \
    --limit "$(((TEST + 9) / 10))" --groups $LEADS_BACK
finish
