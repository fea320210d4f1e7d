#!/usr/bin/env bash
# Trains and measures OpenVocab3D on SynthRoad: seeds, their twins with fixed classes, and what is learnt later.
#
#   projects/OpenVocab3D/train_all.sh DIR [MINUTES]
#
# MINUTES (default 600) are for everything, rendering and evaluations too; each stage below says its share in per cent.
# With 0 each takes as long as it needs, ITERATIONS for a training. What is in DIR already is not done again and what was
# interrupted goes on, so the script can be stopped and started at any time. It leaves DIR/tables.md, DIR/weights,
# pictures in DIR/pictures, and DIR/times.txt, what each stage took.
#
#   PYTHON=.venv/bin/python     the interpreter
#   SEEDS="0 1 2"               of the trainings; below four hours one alone, "0"
#   TRAIN=1500 TEST=200         most pictures a layout (those to test on and those for thresholds are of another seed)
#   ITERATIONS=20000            most of a training (6000 with MINUTES 0)
#   TEXT=d2ext://text/words     text encoder of the first seeds; TEXT_TOO, where given, another one for seed 0
#   PICTURES="10 100"           from which a new name is learnt
#   REAL=../shared/data         real frames to try it on, where they are there
#   OPTIONS                     KEY VALUE ... for all, the twins too; such as INPUT.SIZE and MODEL.BACKBONE.WEIGHTS
#   MOST=3                      iterations of every training, for a look
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "expected projects/OpenVocab3D/train_all.sh DIR [MINUTES]" >&2; exit 2; }
PYTHON=${PYTHON:-.venv/bin/python}
# shellcheck source=scripts/stages.sh
. scripts/stages.sh
begin "$1" "${2:-600}"
SEEDS=${SEEDS:-$( ([ "$TOTAL" = 0 ] || [ "${TOTAL%.*}" -ge 240 ]) && echo 0 1 2 || echo 0)}
PICTURES=${PICTURES:-10 100} TEXT=${TEXT:-d2ext://text/words} TEXT_TOO=${TEXT_TOO:-} OPTIONS=${OPTIONS:-} REAL=${REAL:-../shared/data}
ITERATIONS=${ITERATIONS:-$([ "$TOTAL" = 0 ] && echo 6000 || echo 20000)}
COUNT=$(echo "$SEEDS" | wc -w)
TRAININGS=$((2 * COUNT + 1))
[ -n "$TEXT_TOO" ] && TRAININGS=$((TRAININGS + 1))
PART=$((56 / TRAININGS)) # per cent of each
FIRST=open${SEEDS%% *}
TRAIN=$(kept train "$(fit 12 1.2 40 "${TRAIN:-1500}")") # 0.6 s of one core a picture, two layouts
TEST=$(kept test "$(fit 20 $((COUNT * 3 + 9)) 20 "${TEST:-200}")") # 1 s a picture and evaluation
STEPS=$(fit 2 2 20 300) # of learning a name, 2 s each
FREE="car; pedestrian; cyclist; truck; bus; red car; white van; person in black; long vehicle; two-wheeler"
CONFIG=configs/OpenVocab3D/openvocab_tiny_synthroad.yaml
CLOSED=configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml
BASE="['car','van','truck','tram','pedestrian','cyclist','tricyclist','trafficcone','unknown_movable','unknown_unmovable']"
[ -d "$REAL" ] && REAL=$(cd "$REAL" && pwd) || REAL=""
export DETECTRON2_DATASETS="$DIR/datasets"
NET=projects/OpenVocab3D/train_net.py
DATA="DATASETS.TRAIN ('scenes_rope3d_train','scenes_mono3drefer_train') DATASETS.TEST () TEST.EVAL_PERIOD 0"
DATA="$DATA SOLVER.EMA.ENABLED True SOLVER.CHECKPOINT_PERIOD 100"
VAL=unseen_rope3d_val
UNSEEN=unseen_rope3d_test
LOOK="DATASETS.TRAIN ('scenes_rope3d_train',) MODEL.DETECTION3D.NUM_BOXES 100 $OPTIONS" # of what is evaluated

evaluate() { # NAME FOLDER KEY VALUE...
    local name=$1 folder=$2
    shift 2
    # shellcheck disable=SC2086  (options are words)
    try "$folder" "inference/$UNSEEN/metrics.json" $NET --config-file $CONFIG --eval-only \
        MODEL.WEIGHTS "$DIR/$name/model_final.pth" MODEL.OPEN_VOCAB.CALIBRATION "$DIR/$name/calibration.json" \
        DATASETS.TEST "('$UNSEEN',)" OUTPUT_DIR "$DIR/$folder" $LOOK "$@"
}

open() { # NAME SEED KEY VALUE...: a training, its thresholds and its evaluations
    local name=$1 seed=$2
    shift 2
    # shellcheck disable=SC2046,SC2086
    run "$name" model_final.pth $NET --config-file $CONFIG --resume SEED "$seed" $DATA \
        $(length "$name" "$PART" "$ITERATIONS") OUTPUT_DIR "$DIR/$name" "$@" $OPTIONS || return 1
    # shellcheck disable=SC2086
    run "$name" calibration.json projects/OpenVocab3D/choose_thresholds.py --config-file $CONFIG --dataset $VAL \
        --output "$DIR/$name/calibration.json" --opts MODEL.WEIGHTS "$DIR/$name/model_final.pth" $LOOK "$@" || return 1
    evaluate "$name" "$name/test" "$@" TEST.EXEMPLARS 1
    evaluate "$name" "$name/shuffled" "$@" TEST.SHUFFLE_PROMPTS True
}

closed() { # NAME SEED: the twin with fixed classes, evaluated as if they were prompts
    local name=$1
    # shellcheck disable=SC2046,SC2086
    run "$name" model_final.pth projects/DiffusionDet3D/train_net.py --config-file $CLOSED --resume SEED "$2" $DATA \
        $(length "$name" "$PART" "$ITERATIONS") OUTPUT_DIR "$DIR/$name" INPUT.CLASSES "$BASE" $OPTIONS || return 1
    # shellcheck disable=SC2086
    run "$name" "inference/$UNSEEN/predictions.json" projects/DiffusionDet3D/train_net.py --config-file $CLOSED \
        --eval-only MODEL.WEIGHTS "$DIR/$name/model_final.pth" DATASETS.TEST "('$UNSEEN',)" OUTPUT_DIR "$DIR/$name" \
        INPUT.CLASSES "$BASE" $LOOK || return 1
    run "$name/test/inference/$UNSEEN" metrics.json projects/OpenVocab3D/compare.py --config-file $CONFIG \
        --dataset $UNSEEN --predictions "$DIR/$name/inference/$UNSEEN/predictions.json" \
        --output "$DIR/$name/test/inference/$UNSEEN"
}

learn() { # COUNT WAY: a new name from so many pictures
    local name="learnt-$2-$1"
    # shellcheck disable=SC2086
    run "$name" model_final.pth projects/OpenVocab3D/learn_name.py --config-file $CONFIG --name bus --pictures "$1" \
        --way "$2" --steps "$STEPS" --dataset scenes_rope3d_train --output "$DIR/$name" \
        --opts MODEL.WEIGHTS "$DIR/$FIRST/model_final.pth" MODEL.TEXT.NAME "$TEXT" $OPTIONS \
        DATASETS.TRAIN "('scenes_rope3d_train',)" || return 1
    cp "$DIR/$FIRST/calibration.json" "$DIR/$name/"
    evaluate "$name" "$name/test" MODEL.TEXT.NAME "$TEXT" MODEL.OPEN_VOCAB.LEARNT "['bus']" \
        TEST.EARLIER "$DIR/$FIRST/test/inference/$UNSEEN/metrics.json"
}

draw() { # FOLDER PICTURES ARGUMENTS...: answers to free prompts, to look at
    local folder=$1 pictures=$2
    shift 2
    # shellcheck disable=SC2086
    try "$folder" results.jsonl projects/OpenVocab3D/demo.py --config-file $CONFIG --prompts "$FREE" \
        --input "$pictures" "$@" --output "$DIR/$folder" --opts MODEL.WEIGHTS "$DIR/$FIRST/model_final.pth" \
        MODEL.TEXT.NAME "$TEXT" MODEL.OPEN_VOCAB.CALIBRATION "$DIR/$FIRST/calibration.json" $OPTIONS
}

# 12 %; at real size 40 minutes of one core: 3,000 pictures to train on, 400 to measure on.
render scenes --seed 300 --train "$TRAIN" --val 0 --test 0 --cameras kitti,rope3d
render unseen --seed 301 --train 0 --val "$TEST" --test "$TEST" --cameras rope3d

# 56 % in all, each training alike; at 448x800 an iteration of 4 takes 2 s of one core, 3.3 hours for 6,000, and
# evaluations (20 %) 3 minutes each. At 288x640 an iteration takes 1.1 s.
for seed in $SEEDS; do
    open "open$seed" "$seed" MODEL.TEXT.NAME "$TEXT"
    [ "open$seed" != "$FIRST" ] || ship open_vocab3d/lite0 "$DIR/$FIRST/model_final.pth"
    closed "closed$seed" "$seed" || FAILED="$FAILED closed$seed"
done
draw pictures "$DIR/datasets/unseen/monomulti3d/test/images" --calib "$DIR/datasets/unseen/monomulti3d/test/calib" \
    --ground "$DIR/datasets/unseen/monomulti3d/test/denorm" --every "$(((TEST + 9) / 10))"
if [ -n "$TEXT_TOO" ]; then
    open other_text 0 MODEL.TEXT.NAME "$TEXT_TOO" MODEL.TEXT.FROZEN True MODEL.TEXT.WORD_NOISE 0.0 ||
        FAILED="$FAILED other_text"
fi
open fused 0 MODEL.TEXT.NAME "$TEXT" MODEL.OPEN_VOCAB.FUSION ssm || FAILED="$FAILED fused"

# 8 %: a new name from 10 and from 100 pictures, by its embedding alone and with low-rank changes; 10 minutes each.
for count in $PICTURES; do
    for way in embedding low-rank; do
        learn "$count" "$way" || FAILED="$FAILED learnt-$way-$count"
    done
done

# Real frames, for tests only: tables by names, and pictures of free prompts to look at.
if [ -n "$REAL" ]; then
    export DETECTRON2_DATASETS="$REAL"
    for data in rope3d_val kitti_val; do
        # shellcheck disable=SC2086
        try "$FIRST/real" "inference/$data/metrics.json" $NET --config-file $CONFIG --eval-only \
            MODEL.WEIGHTS "$DIR/$FIRST/model_final.pth" MODEL.OPEN_VOCAB.CALIBRATION "$DIR/$FIRST/calibration.json" \
            MODEL.TEXT.NAME "$TEXT" DATASETS.TEST "('$data',)" OUTPUT_DIR "$DIR/$FIRST/real" $OPTIONS
    done
    draw "$FIRST/pictures" "$REAL/kitti/training/image_2" --calib "$REAL/kitti/training/calib"
    export DETECTRON2_DATASETS="$DIR/datasets"
fi

"$PYTHON" projects/OpenVocab3D/compare.py --config-file $CONFIG --tables "$DIR" --dataset $UNSEEN
finish
