#!/usr/bin/env bash
# Trains and measures OpenVocab3D on SynthRoad: three seeds, the twin with fixed classes, and what is learnt later.
#
#   projects/OpenVocab3D/train_all.sh DIR [MINUTES]
#
# MINUTES (default 150) is what one training may take; with MINUTES 0 ITERATIONS (default 6000) of them are done. What
# is in DIR already is not done again and what was interrupted goes on, so the script can be stopped and started at any
# time. A table of every line is in DIR/tables.md at the end.
#
#   PYTHON=.venv/bin/python     the interpreter
#   SEEDS="0 1 2"               of the trainings
#   TRAIN=1500 TEST=200         pictures a layout (the test set and the one for thresholds have a seed of their own)
#   TEXT=d2ext://text/words     text encoder of the first seeds; TEXT_TOO, where given, another one for seed 0
#   REAL=../shared/data         real frames to try it on, where they are there
#   OPTIONS                     KEY VALUE ... for all trainings
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "expected projects/OpenVocab3D/train_all.sh DIR [MINUTES]" >&2; exit 2; }
DIR=$1 MINUTES=${2:-150}
PYTHON=${PYTHON:-.venv/bin/python} SEEDS=${SEEDS:-0 1 2} TRAIN=${TRAIN:-1500} TEST=${TEST:-200}
TEXT=${TEXT:-d2ext://text/words} TEXT_TOO=${TEXT_TOO:-} ITERATIONS=${ITERATIONS:-6000} OPTIONS=${OPTIONS:-}
REAL=${REAL:-../shared/data}
[ -d "$REAL" ] && REAL=$(cd "$REAL" && pwd) || REAL=""
FREE="car; pedestrian; cyclist; truck; bus; red car; white van; person in black; long vehicle; two-wheeler"
CONFIG=configs/OpenVocab3D/openvocab_lite0_synthroad.yaml
CLOSED=configs/DiffusionDet3D/diffusion_lite0_synthroad.yaml
BASE="['car','van','truck','tram','pedestrian','cyclist','tricyclist','trafficcone','unknown_movable','unknown_unmovable']"
mkdir -p "$DIR/datasets"
DIR=$(cd "$DIR" && pwd)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export DETECTRON2_DATASETS="$DIR/datasets"

scenes() { # NAME SEED TRAIN VAL TEST
    "$PYTHON" -m d2ext.data.synthroad --root "$DIR/datasets/$1" --seed "$2" --train "$3" --val "$4" --test "$5" \
        --cameras kitti,rope3d --workers "$(nproc)" 2>>"$DIR/render.log"
}

run() { # FOLDER RESULT COMMAND...: where DIR/FOLDER/RESULT is not there
    local folder="$DIR/$1" result=$2
    shift 2
    [ -e "$folder/$result" ] && return 0
    mkdir -p "$folder"
    echo "=== $folder"
    "$PYTHON" "$@" >>"$folder/log.txt" 2>&1 || { echo "$folder failed: $(tail -n 1 "$folder/log.txt")" >&2; return 1; }
}

budget() {
    [ "$MINUTES" = 0 ] && echo "SOLVER.MAX_ITER $ITERATIONS" && return
    echo "SOLVER.MAX_ITER 1000000 SOLVER.MAX_MINUTES $MINUTES SOLVER.SCHEDULE_BY_TIME True"
}

scenes scenes 300 "$TRAIN" 0 0
scenes unseen 301 20 "$TEST" "$TEST"
DATA="DATASETS.TRAIN ('scenes_rope3d_train','scenes_mono3drefer_train') DATASETS.TEST () TEST.EVAL_PERIOD 0"
DATA="$DATA SOLVER.EMA.ENABLED True"
VAL=unseen_rope3d_val
UNSEEN="unseen_rope3d_test"

open() { # NAME SEED KEY VALUE...: a training, its thresholds and its evaluations
    local name=$1 seed=$2
    shift 2
    # shellcheck disable=SC2046,SC2086  (options are words)
    run "$name" model_final.pth projects/OpenVocab3D/train_net.py --config-file $CONFIG --resume SEED "$seed" $DATA \
        $(budget) OUTPUT_DIR "$DIR/$name" "$@" $OPTIONS
    run "$name" calibration.json projects/OpenVocab3D/choose_thresholds.py --config-file $CONFIG --dataset $VAL \
        --output "$DIR/$name/calibration.json" --opts MODEL.WEIGHTS "$DIR/$name/model_final.pth" "$@" \
        MODEL.DETECTION3D.NUM_BOXES 100
    evaluate "$name" "$name/test" "$@" TEST.EXEMPLARS 1
    evaluate "$name" "$name/shuffled" "$@" TEST.SHUFFLE_PROMPTS True
}

evaluate() { # NAME FOLDER KEY VALUE...
    local name=$1 folder=$2
    shift 2
    run "$folder" "inference/$UNSEEN/metrics.json" projects/OpenVocab3D/train_net.py --config-file $CONFIG --eval-only \
        MODEL.WEIGHTS "$DIR/$name/model_final.pth" MODEL.OPEN_VOCAB.CALIBRATION "$DIR/$name/calibration.json" \
        DATASETS.TRAIN "('scenes_rope3d_train',)" DATASETS.TEST "('$UNSEEN',)" OUTPUT_DIR "$DIR/$folder" \
        MODEL.DETECTION3D.NUM_BOXES 100 "$@"
}

for seed in $SEEDS; do
    open "open$seed" "$seed" MODEL.TEXT.NAME "$TEXT"
    # shellcheck disable=SC2046,SC2086
    run "closed$seed" model_final.pth projects/DiffusionDet3D/train_net.py --config-file $CLOSED --resume SEED "$seed" \
        $DATA $(budget) OUTPUT_DIR "$DIR/closed$seed" INPUT.CLASSES "$BASE" $OPTIONS
    run "closed$seed" "inference/$UNSEEN/predictions.json" projects/DiffusionDet3D/train_net.py --config-file $CLOSED \
        --eval-only MODEL.WEIGHTS "$DIR/closed$seed/model_final.pth" DATASETS.TRAIN "('scenes_rope3d_train',)" \
        DATASETS.TEST "('$UNSEEN',)" OUTPUT_DIR "$DIR/closed$seed" INPUT.CLASSES "$BASE" \
        MODEL.DETECTION3D.NUM_BOXES 100
    run "closed$seed/test/inference/$UNSEEN" metrics.json projects/OpenVocab3D/compare.py --config-file $CONFIG \
        --dataset $UNSEEN --predictions "$DIR/closed$seed/inference/$UNSEEN/predictions.json" \
        --output "$DIR/closed$seed/test/inference/$UNSEEN"
done
if [ -n "$TEXT_TOO" ]; then
    open other_text 0 MODEL.TEXT.NAME "$TEXT_TOO" MODEL.TEXT.FROZEN True MODEL.TEXT.WORD_NOISE 0.0
fi
open fused 0 MODEL.TEXT.NAME "$TEXT" MODEL.OPEN_VOCAB.FUSION ssm

# A new name from 10 and from 100 pictures, by its embedding alone and with low-rank changes.
for count in 10 100; do
    for way in embedding low-rank; do
        run "learnt-$way-$count" model_final.pth projects/OpenVocab3D/learn_name.py --config-file $CONFIG --name bus \
            --pictures $count --way $way --dataset scenes_rope3d_train --output "$DIR/learnt-$way-$count" \
            --opts MODEL.WEIGHTS "$DIR/open0/model_final.pth" MODEL.TEXT.NAME "$TEXT" \
            DATASETS.TRAIN "('scenes_rope3d_train',)"
        cp "$DIR/open0/calibration.json" "$DIR/learnt-$way-$count/"
        evaluate "learnt-$way-$count" "learnt-$way-$count/test" MODEL.TEXT.NAME "$TEXT" \
            MODEL.OPEN_VOCAB.LEARNT "['bus']" TEST.EARLIER "$DIR/open0/test/inference/$UNSEEN/metrics.json"
    done
done

# Real frames, for tests only: tables by names, and pictures of free prompts to look at.
if [ -n "$REAL" ]; then
    for data in rope3d_val kitti_val; do
        DETECTRON2_DATASETS="$REAL" run open0/real "inference/$data/metrics.json" projects/OpenVocab3D/train_net.py \
            --config-file $CONFIG --eval-only MODEL.WEIGHTS "$DIR/open0/model_final.pth" MODEL.TEXT.NAME "$TEXT" \
            MODEL.OPEN_VOCAB.CALIBRATION "$DIR/open0/calibration.json" DATASETS.TEST "('$data',)" \
            OUTPUT_DIR "$DIR/open0/real"
    done
    run open0/pictures results.jsonl projects/OpenVocab3D/demo.py --config-file $CONFIG --prompts "$FREE" \
        --input "$REAL/kitti/training/image_2" --calib "$REAL/kitti/training/calib" --output "$DIR/open0/pictures" \
        --opts MODEL.WEIGHTS "$DIR/open0/model_final.pth" MODEL.TEXT.NAME "$TEXT" \
        MODEL.OPEN_VOCAB.CALIBRATION "$DIR/open0/calibration.json"
fi

"$PYTHON" projects/OpenVocab3D/compare.py --config-file $CONFIG --tables "$DIR" --dataset $UNSEEN
