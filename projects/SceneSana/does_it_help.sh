#!/usr/bin/env bash
# Do drawn pictures help a detector? DiffusionDet3D on few labelled frames, at equal iterations, five ways.
#
#   projects/SceneSana/does_it_help.sh DIR
#
# DIR is that of train_all.sh, with its crops and its trained model; results go to DIR/help, and the table is printed at
# the end. Started again it goes on where it was stopped. Ways: nothing added; copy-paste (synthroad --background on
# empty pictures in BACKGROUNDS, a dataset below DIR/datasets; left out where there is none); augment; generate; and
# twice the real frames, the upper bound.
#
#   FRAMES=150 ITER=1500 SEEDS="0 1 2" STRENGTH=0.6   PYTHON, THREADS as in train_all.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -eq 1 ] || { echo "expected projects/SceneSana/does_it_help.sh DIR" >&2; exit 2; }
DIR=$(cd "$1" && pwd)
PYTHON=${PYTHON:-.venv/bin/python}
FRAMES=${FRAMES:-150} ITER=${ITER:-1500} SEEDS=${SEEDS:-0 1 2} STRENGTH=${STRENGTH:-0.6}
BASE=${BASE:-sana_f16_scenes}
export OMP_NUM_THREADS=${THREADS:-1} PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" DETECTRON2_DATASETS="$DIR/datasets"
mkdir -p "$DIR/help"

draw() { # COMMAND NAME ARGUMENTS...: a dataset drawn from the labelled frames
    local command=$1 name=$2
    shift 2
    echo "$(date +%H:%M) $name"
    "$PYTHON" "projects/SceneSana/$command.py" --config-file "configs/SceneSana/$BASE.yaml" \
        --dataset few_monomulti3d_train --root "$DIR/datasets/$name" --sheet "$DIR/help/$name.jpg" "$@" \
        --opts MODEL.WEIGHTS "$DIR/scene/model_final.pth" MODEL.CAPTION.NAME "$DIR/captions" >>"$DIR/help/draw.log" 2>&1 ||
        { echo "$command failed: $(tail -n 1 "$DIR/help/draw.log") ($DIR/help/draw.log)" >&2; return 1; }
}

# The frames that count as labelled, and twice as many; the generator itself was trained on all of the crops.
for part in "few $FRAMES" "twice $((2 * FRAMES))"; do
    "$PYTHON" projects/SceneSana/make_crops.py --root "$DIR/datasets/${part% *}" --train scenes_monomulti3d_train \
        --crops 1 --zoom 1 1 --limit "${part#* }" >>"$DIR/help/draw.log" 2>&1
done
draw augment drawn_augment --strength "$STRENGTH" --count 1
draw generate drawn_generate --images "$FRAMES"

detector() { # WAY SEED DATASETS: a training and its evaluation
    local folder="$DIR/help/$1_$2"
    [ -e "$folder/inference/scenes_rope3d_test/metrics.json" ] && return
    echo "$(date +%H:%M) $1 $2"
    "$PYTHON" projects/DiffusionDet3D/train_net.py --resume \
        --config-file configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml OUTPUT_DIR "$folder" \
        DATASETS.TRAIN "($3)" DATASETS.TEST "('scenes_rope3d_test',)" INPUT.SIZE "(128,256)" \
        INPUT.TRAIN_SIZES "()" SEED "$2" \
        SOLVER.MAX_ITER "$ITER" TEST.EVAL_PERIOD 0 SOLVER.CHECKPOINTS_KEPT 2 >>"$folder.log" 2>&1 ||
        { echo "$1 $2 failed: $(tail -n 1 "$folder.log") ($folder.log)" >&2; return 1; }
}

WAYS="nothing augment generate twice"
[ -d "$DIR/datasets/${BACKGROUNDS:-none}" ] && WAYS="$WAYS paste"
for seed in $SEEDS; do
    for way in $WAYS; do
        case $way in
        nothing) sets="'few_rope3d_train'," ;;
        augment | generate) sets="'few_rope3d_train','drawn_${way}_rope3d_train'" ;;
        twice) sets="'twice_rope3d_train'," ;;
        paste) sets="'few_rope3d_train','${BACKGROUNDS}_rope3d_train'" ;;
        esac
        detector "$way" "$seed" "$sets"
    done
done

"$PYTHON" - "$DIR/help" <<'PY'
import json, re, sys
from pathlib import Path
from statistics import mean, stdev

rows = {}
for path in sorted(Path(sys.argv[1]).glob("*_*/inference/scenes_rope3d_test/metrics.json")):
    way = re.sub(r"_\d+$", "", path.parents[2].name)
    found = json.loads(path.read_text())
    bev = [v for k, v in found["exact"].items() if "bev@0.5" in k and k.endswith("/all")]
    rows.setdefault(way, []).append((found["bbox"]["AP50"], mean(bev)))
print("| added | 2D AP50 | exact AP_BEV@0.5 | seeds |\n|---|---|---|---|")
for way, values in rows.items():
    cells = [f"{mean(c):.1f}" + (f" ± {stdev(c):.1f}" if len(c) > 1 else "") for c in zip(*values)]
    print(f"| {way} | {cells[0]} | {cells[1]} | {len(values)} |")
PY
