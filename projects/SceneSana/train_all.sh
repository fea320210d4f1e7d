#!/usr/bin/env bash
# Renders scenes, cuts them into crops, and trains all parts of SceneSana one after the other.
#
#   projects/SceneSana/train_all.sh DIR
#
# Started again it goes on where it was stopped: what is rendered, cut or trained is not done again. Results:
# DIR/datasets/scenes (crops), DIR/autoencoder, DIR/captions (language model), DIR/scene, and for shipping
# DIR/autoencoder.safetensors and DIR/scene.safetensors (float16; the second holds all parts). CPU hours on one
# core, with the default numbers, are beside each step below; see README.md for what they were measured on.
#
#   PYTHON=.venv/bin/python     the interpreter
#   SOURCES="a_monomulti3d_train ..."  rendered datasets below $DETECTRON2_DATASETS to cut, in place of rendering
#   TESTS="b_monomulti3d_train"        the same for unseen scenes
#   IMAGES=1000 TEST_IMAGES=60  pictures to render; CAMERAS: their families
#   CROPS=4                     of each picture
#   AE_ITER=12000 LM_STEPS=1500 SCENE_ITER=24000   lengths of the trainings
#   BASE=sana_f16_scenes        config of the last one; OPTIONS: KEY VALUE ... for it
#   THREADS=1                   of each process
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -eq 1 ] || { echo "expected projects/SceneSana/train_all.sh DIR" >&2; exit 2; }
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
PYTHON=${PYTHON:-.venv/bin/python}
IMAGES=${IMAGES:-1000} TEST_IMAGES=${TEST_IMAGES:-60} CROPS=${CROPS:-4}
CAMERAS=${CAMERAS:-rope3d,dair,lowpole}
AE_ITER=${AE_ITER:-12000} LM_STEPS=${LM_STEPS:-1500} SCENE_ITER=${SCENE_ITER:-24000}
BASE=${BASE:-sana_f16_scenes}
export OMP_NUM_THREADS=${THREADS:-1} PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

say() { printf '%s %s\n' "$(date +%H:%M)" "$*"; }

mkdir -p "$DIR/datasets"
if [ -z "${SOURCES:-}" ]; then # about 0.5 hours: 1.5 s a picture
    say "rendering $IMAGES scenes to train on and $TEST_IMAGES others"
    "$PYTHON" -m d2ext.data.synthroad --root "$DIR/datasets/rendered" --seed 700 --train "$IMAGES" --val 0 \
        --test "$TEST_IMAGES" --cameras "$CAMERAS" --language en 2>>"$DIR/render.log"
    export DETECTRON2_DATASETS="$DIR/datasets"
    SOURCES=rendered_monomulti3d_train TESTS=rendered_monomulti3d_test
fi

say "cutting crops of 128x256" # 5 minutes
# shellcheck disable=SC2086  (names are words)
"$PYTHON" projects/SceneSana/make_crops.py --root "$DIR/datasets/scenes" --train $SOURCES --test ${TESTS:-} \
    --crops "$CROPS" --zoom 1 2.5 --ascii --seed 1 2>>"$DIR/render.log"
export DETECTRON2_DATASETS="$DIR/datasets"

say "autoencoder: $AE_ITER iterations" # 1.6 hours with bfloat16 instructions (0.47 s a step of 4), 2.5 without (0.76 s)
"$PYTHON" projects/SceneSana/train_net.py --resume --config-file configs/SceneSana/autoencoder_f16_scenes.yaml \
    OUTPUT_DIR "$DIR/autoencoder" SOLVER.MAX_ITER "$AE_ITER" >>"$DIR/autoencoder.log" 2>&1

say "language model: $LM_STEPS steps" # 10 minutes
[ -e "$DIR/captions/model.safetensors" ] || "$PYTHON" projects/SceneSana/train_text.py \
    --datasets scenes_monomulti3d_train --output "$DIR/captions" --steps "$LM_STEPS" >>"$DIR/captions.log" 2>&1

say "scenes: $SCENE_ITER iterations" # 4.5 hours with bfloat16 instructions (0.68 s a step of 16)
# shellcheck disable=SC2086  (options are words)
"$PYTHON" projects/SceneSana/train_net.py --resume --config-file "configs/SceneSana/$BASE.yaml" \
    OUTPUT_DIR "$DIR/scene" MODEL.SCENE.AUTOENCODER_WEIGHTS "$DIR/autoencoder/model_final.pth" \
    MODEL.CAPTION.NAME "$DIR/captions" SOLVER.MAX_ITER "$SCENE_ITER" ${OPTIONS:-} >>"$DIR/scene.log" 2>&1

for part in autoencoder scene; do
    "$PYTHON" scripts/export_weights.py "$DIR/$part/model_final.pth" --output "$DIR/$part.safetensors"
done
say "done: $DIR/scene/inference/scenes_monomulti3d_test/sheet.jpg and metrics.json beside it"
