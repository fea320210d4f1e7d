#!/usr/bin/env bash
# Trains the shipped tiny U2ENet and DiffusionDet3D side by side, on one GPU, on scenes that are rendered first.
#
#   scripts/train_shipped.sh DIR RENDER_MINUTES TRAIN_MINUTES [BATCH]
#
# DIR/datasets holds the scenes, DIR/u2enet and DIR/detection the trainings, DIR/*.safetensors what is shipped. Scenes
# that are there already are used as they are; a training that is there goes on with RESUME=--resume.
#
#   PYTHON=.venv/bin/python   the interpreter
#   U2ENET, DETECTION         their configs
#   CAMERAS=all SEED=100      of the scenes
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 3 ] || { echo "expected scripts/train_shipped.sh DIR RENDER_MINUTES TRAIN_MINUTES [BATCH]" >&2; exit 2; }
DIR=$1 RENDER=$2 TRAIN=$3 BATCH=${4:-48}
PYTHON=${PYTHON:-.venv/bin/python}
U2ENET=${U2ENET:-configs/U2ENet/u2enet_lite0_synthroad.yaml}
DETECTION=${DETECTION:-configs/DiffusionDet3D/diffusion_lite0_synthroad.yaml}
CAMERAS=${CAMERAS:-all} SEED=${SEED:-100} RESUME=${RESUME:-}
CORES=$(nproc)
WORKERS=$(((CORES - 2) / 2 > 0 ? (CORES - 2) / 2 : 1))
mkdir -p "$DIR"
export OMP_NUM_THREADS=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" DETECTRON2_DATASETS="$DIR/datasets"

render() { # ROOT SEED IMAGES: of each camera
    "$PYTHON" -m d2ext.data.synthroad --root "$1" --seed "$2" --train "$3" --val 0 --test 0 --language both \
        --cameras "$CAMERAS" --workers "$CORES"
}

if [ ! -e "$DIR/datasets/synthroad/synthroad.json" ]; then
    probe=$((8 * CORES))
    start=$(date +%s.%N)
    render "$DIR/probe" $((SEED + 1)) "$probe" 2>"$DIR/render.log"
    images=$("$PYTHON" -c "import time; print(int($probe * (60 * $RENDER / (time.time() - $start) - 1)))")
    echo "$probe images of each camera rendered, now $((images > probe ? images : probe)) more"
    render "$DIR/datasets/synthroad" "$SEED" $((images > probe ? images : probe)) 2>>"$DIR/render.log"
fi

train() { # NAME PROJECT CONFIG: so long as there is time
    "$PYTHON" "projects/$2/train_net.py" --config-file "$3" $RESUME OUTPUT_DIR "$DIR/$1" DATASETS.TEST "()" \
        SOLVER.IMS_PER_BATCH "$BATCH" SOLVER.MAX_MINUTES "$TRAIN" SOLVER.SCHEDULE_BY_TIME True \
        SOLVER.EMA.ENABLED True DATALOADER.NUM_WORKERS "$WORKERS" TEST.EVAL_PERIOD 0 "${OPTIONS[@]}" \
        >"$DIR/$1.log" 2>&1 || { echo "$1 failed: $(tail -n 1 "$DIR/$1.log")" >&2; return 1; }
    "$PYTHON" scripts/export_weights.py "$DIR/$1/model_final.pth" --output "$DIR/$1.safetensors"
}

read -r -a OPTIONS <<<"${TRAIN_OPTIONS:-SOLVER.AMP.ENABLED True}"
train u2enet U2ENet "$U2ENET" &
first=$!
status=0
train detection DiffusionDet3D "$DETECTION" || status=1
wait "$first" || status=1
exit $status
