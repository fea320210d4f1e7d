#!/usr/bin/env bash
# Renders scenes, cuts them into crops, and trains and measures all parts of SceneSana one after the other.
#
#   projects/SceneSana/train_all.sh DIR [MINUTES]
#
# MINUTES (default 420) are for everything; each stage below says its share in per cent, and what it takes of one core
# at full length, which MINUTES 0 gives it. Started again the script goes on where it was stopped: what is rendered, cut
# or trained is not done again. Results: DIR/datasets/scenes (crops), DIR/autoencoder, DIR/captions (language model),
# DIR/scene, with tables and sheets of pictures in DIR/autoencoder/inference and DIR/scene/inference, and for shipping
# DIR/weights (float16; the scene's file holds all parts, captions the tokenizer). DIR/times.txt says what each stage took.
#
#   PYTHON=.venv/bin/python     the interpreter
#   SOURCES="a_monomulti3d_train ..."  rendered datasets below $DETECTRON2_DATASETS to cut, in place of rendering
#   TESTS="b_monomulti3d_train"        the same for unseen scenes
#   IMAGES=1000 TEST_IMAGES=60  most pictures to render; CAMERAS: their families
#   CROPS=4                     of each picture
#   AE_ITER=12000 LM_STEPS=1500 SCENE_ITER=24000   most of the trainings
#   DRAWN=200                   most pictures of the evaluation
#   DETECTOR, DETECTOR_WEIGHTS  config and weights of a detector that looks at the pictures
#   BASE=sana_f16_scenes        config of the last training; OPTIONS: KEY VALUE ... for all three
#   MOST=3                      iterations of every training, for a look
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "expected projects/SceneSana/train_all.sh DIR [MINUTES]" >&2; exit 2; }
PYTHON=${PYTHON:-.venv/bin/python}
# shellcheck source=scripts/stages.sh
. scripts/stages.sh
begin "$1" "${2:-420}"
CROPS=${CROPS:-4} CAMERAS=${CAMERAS:-rope3d,dair,lowpole} BASE=${BASE:-sana_f16_scenes} OPTIONS=${OPTIONS:-}
IMAGES=$(kept images "$(fit 6 0.7 40 "${IMAGES:-1000}")") TEST_IMAGES=$(kept tests "${TEST_IMAGES:-$((IMAGES / 16 + 4))}")
STEPS=$(fit 4 0.4 20 "${LM_STEPS:-1500}") DRAWN=$(fit 8 2 16 "${DRAWN:-200}")
[ "${MOST:-0}" -gt 0 ] && STEPS=$MOST
TEST=scenes_monomulti3d_test
NET=projects/SceneSana/train_net.py
TRAIN="DATASETS.TEST () TEST.EVAL_PERIOD 0 SOLVER.CHECKPOINT_PERIOD 200"
LOOK="DATASETS.TEST ('$TEST',) TEST.SCENES.IMAGES $DRAWN TEST.SCENES.NEIGHBOURS $((DRAWN * 10))"
[ -z "${DETECTOR:-}" ] ||
    LOOK="$LOOK TEST.SCENES.DETECTOR_CONFIG $DETECTOR TEST.SCENES.DETECTOR_WEIGHTS ${DETECTOR_WEIGHTS:-}"

if [ -z "${SOURCES:-}" ]; then # 6 %; 0.7 s a picture, 12 minutes
    render rendered --seed 700 --train "$IMAGES" --val 0 --test "$TEST_IMAGES" --cameras "$CAMERAS" --language en
    export DETECTRON2_DATASETS="$DIR/datasets"
    SOURCES=rendered_monomulti3d_train TESTS=rendered_monomulti3d_test
fi

# Crops of 128x256: 5 minutes.
# shellcheck disable=SC2086  (names are words)
dataset scenes projects/SceneSana/make_crops.py --train $SOURCES --test ${TESTS:-} --crops "$CROPS" --zoom 1 2.5 \
    --ascii --seed 1
export DETECTRON2_DATASETS="$DIR/datasets"

train() { # NAME CONFIG SHARE ITERATIONS KEY VALUE...: a training, its tables and pictures, and its weights
    local name=$1 config=$2 share=$3 iterations=$4
    shift 4
    # shellcheck disable=SC2046,SC2086  (options are words)
    run "$name" model_final.pth $NET --resume --config-file "configs/SceneSana/$config.yaml" \
        OUTPUT_DIR "$DIR/$name" $TRAIN $(length "$name" "$share" "$iterations") "$@" $OPTIONS
    ship "scene_sana/$name" "$DIR/$name/model_final.pth"
    # shellcheck disable=SC2086
    try "$name" "inference/$TEST/metrics.json" $NET --eval-only --config-file "configs/SceneSana/$config.yaml" \
        OUTPUT_DIR "$DIR/$name" MODEL.WEIGHTS "$DIR/$name/model_final.pth" $LOOK "$@" $OPTIONS
}

# 30 %; 0.5 s an iteration of 4 with bfloat16 instructions, 1.6 hours; without 0.8 s, 2.5 hours.
train autoencoder autoencoder_f16_scenes 30 "${AE_ITER:-12000}"

# 4 %; 0.4 s a step, 10 minutes.
run captions model.safetensors projects/SceneSana/train_text.py --datasets scenes_monomulti3d_train \
    --output "$DIR/captions" --steps "$STEPS"
[ -e "$DIR/weights/captions" ] || cp -r "$DIR/captions" "$DIR/weights/captions" # the text encoder's folder ships too

# 48 %; 0.7 s an iteration of 16 with bfloat16 instructions, 4.5 hours. Then 8 %: 2 s a picture that is drawn, 7 minutes.
train scene "$BASE" 48 "${SCENE_ITER:-24000}" MODEL.SCENE.AUTOENCODER_WEIGHTS "$DIR/autoencoder/model_final.pth" \
    MODEL.CAPTION.NAME "$DIR/captions"

echo "pictures: $DIR/scene/inference/$TEST/sheet.jpg and metrics.json beside it"
finish
