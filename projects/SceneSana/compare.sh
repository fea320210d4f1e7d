#!/usr/bin/env bash
# What each part of SceneSana is worth: samplers at several numbers of steps, and networks trained for equal time.
#
#   projects/SceneSana/compare.sh DIR
#
# DIR is that of train_all.sh; results go to DIR/compare, a table is printed at the end. Started again it goes on where
# it was stopped.
#
#   MINUTES=60      of each training     IMAGES=200   drawn in each evaluation
#   DETECTOR, DETECTOR_WEIGHTS           config and weights of a detector that looks at the pictures
#   PYTHON, THREADS as in train_all.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -eq 1 ] || { echo "expected projects/SceneSana/compare.sh DIR" >&2; exit 2; }
DIR=$(cd "$1" && pwd)
PYTHON=${PYTHON:-.venv/bin/python}
MINUTES=${MINUTES:-60} IMAGES=${IMAGES:-200}
export OMP_NUM_THREADS=${THREADS:-1} PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" DETECTRON2_DATASETS="$DIR/datasets"
mkdir -p "$DIR/compare"
LOOK="TEST.SCENES.IMAGES $IMAGES"
[ -n "${DETECTOR:-}" ] && LOOK="$LOOK TEST.SCENES.DETECTOR_CONFIG $DETECTOR TEST.SCENES.DETECTOR_WEIGHTS $DETECTOR_WEIGHTS"

run() { # NAME CONFIG OPTIONS...: a training or evaluation, once
    local name=$1 config=$2 log="$DIR/compare/$1.log" resume=--resume
    shift 2
    [ -e "$DIR/compare/$name/inference/scenes_monomulti3d_test/metrics.json" ] && return
    [[ "$*" == *--eval-only* ]] && resume=
    echo "$(date +%H:%M) $name"
    # shellcheck disable=SC2086  (options are words)
    "$PYTHON" projects/SceneSana/train_net.py $resume --config-file "configs/SceneSana/$config.yaml" "$@" $LOOK \
        MODEL.CAPTION.NAME "$DIR/captions" OUTPUT_DIR "$DIR/compare/$name" SOLVER.CHECKPOINTS_KEPT 2 >>"$log" 2>&1 ||
        { echo "$name failed: $(tail -n 1 "$log") ($log)" >&2; return 1; }
}

TRAINED="MODEL.WEIGHTS $DIR/scene/model_final.pth"
for steps in 8 14 20; do
    run "flow_dpm_solver_$steps" sana_f16_scenes --eval-only $TRAINED MODEL.SCENE.STEPS $steps
done
for steps in 20 50; do
    run "flow_euler_$steps" sana_f16_scenes --eval-only $TRAINED MODEL.SCENE.STEPS $steps \
        MODEL.SCENE.SAMPLER FlowMatchEulerDiscreteScheduler
done
run shuffled_layouts sana_f16_scenes --eval-only $TRAINED TEST.SCENES.SHUFFLE_LAYOUTS True

TIMED="SOLVER.MAX_MINUTES $MINUTES SOLVER.SCHEDULE_BY_TIME True MODEL.SCENE.AUTOENCODER_WEIGHTS"
F16="$TIMED $DIR/autoencoder/model_final.pth"
run sana sana_f16_scenes $F16
run dit dit_f16_scenes $F16
run ldm_f16 sana_f16_scenes $F16 MODEL.SCENE.DENOISER LDM MODEL.SCENE.PROCESS ddpm MODEL.SCENE.SAMPLER DDIMScheduler \
    MODEL.SCENE.STEPS 50
run sana_offset_noise sana_f16_scenes $F16 MODEL.SCENE.OFFSET_NOISE 0.1
run sana_no_instruction sana_f16_scenes $F16 MODEL.CAPTION.INSTRUCTION "''"
run sana_one_caption sana_f16_scenes $F16 INPUT.CAPTIONS.SAMPLE False
for steps in 20 50; do
    run "ldm_ddim_$steps" sana_f16_scenes --eval-only MODEL.WEIGHTS "$DIR/compare/ldm_f16/model_final.pth" \
        MODEL.SCENE.DENOISER LDM MODEL.SCENE.PROCESS ddpm MODEL.SCENE.SAMPLER DDIMScheduler MODEL.SCENE.STEPS $steps
done

"$PYTHON" - "$DIR/compare" <<'PY'
import json, sys
from pathlib import Path

paths = sorted(Path(sys.argv[1]).glob("*/inference/*/metrics.json"))
rows = {path.parents[2].name: json.loads(path.read_text())["scenes"] for path in paths}
columns = list(dict.fromkeys(c for row in rows.values() for c in row))
print("| run | " + " | ".join(columns) + " |")
print("|---" * (len(columns) + 1) + "|")
for name, row in rows.items():
    print(f"| {name} | " + " | ".join(f"{row[c]:.1f}" if c in row else "" for c in columns) + " |")
PY
