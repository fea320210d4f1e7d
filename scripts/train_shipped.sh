#!/usr/bin/env bash
# Trains the shipped tiny U2ENet and DiffusionDet3D side by side on scenes of all cameras that are rendered first.
#
#   scripts/train_shipped.sh DIR RENDER_MINUTES TRAIN_MINUTES [BATCH]
#
# DIR/datasets holds the scenes, in sets of 24 images of each camera and core, each of its own seed: sets that are there
# are used, and more are made while RENDER_MINUTES last. DIR/u2enet and DIR/detection are the trainings, and
# DIR/u2enet.safetensors and DIR/detection.safetensors what is shipped.
#
#   PYTHON=.venv/bin/python   the interpreter
#   U2ENET, DETECTION         their configs
#   SEED=100                  of the first set
#   TRAIN_OPTIONS             KEY VALUE ... for both
#   RESUME=--resume           goes on with trainings that are there
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 3 ] || { echo "expected scripts/train_shipped.sh DIR RENDER_MINUTES TRAIN_MINUTES [BATCH]" >&2; exit 2; }
DIR=$1 RENDER=$2 TRAIN=$3 BATCH=${4:-48}
PYTHON=${PYTHON:-.venv/bin/python}
U2ENET=${U2ENET:-configs/U2ENet/u2enet_tiny_synthroad.yaml}
DETECTION=${DETECTION:-configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml}
SEED=${SEED:-100} RESUME=${RESUME:-}
CORES=$(nproc)
WORKERS=$(((CORES - 2) / 2 > 0 ? (CORES - 2) / 2 : 1))
mkdir -p "$DIR/datasets"
export OMP_NUM_THREADS=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" DETECTRON2_DATASETS="$DIR/datasets"

end=$((SECONDS + $(awk "BEGIN { print int(60 * $RENDER) }")))
set=0
while [ -e "$DIR/datasets/scenes$set/synthroad.json" ] || [ $set = 0 ] || [ $SECONDS -lt $end ]; do
    "$PYTHON" -m d2ext.data.synthroad --root "$DIR/datasets/scenes$set" --seed $((SEED + set)) --train $((24 * CORES)) \
        --val 0 --test 0 --language both --cameras all --workers "$CORES" 2>>"$DIR/render.log"
    set=$((set + 1))
done

datasets() { # KIND...: as DATASETS.TRAIN
    for kind in "$@"; do for ((i = 0; i < set; i++)); do printf "'scenes%d_%s_train'," "$i" "$kind"; done; done
}

train() { # NAME PROJECT CONFIG DATASETS
    # shellcheck disable=SC2086  (options are words)
    "$PYTHON" "projects/$2/train_net.py" --config-file "$3" $RESUME OUTPUT_DIR "$DIR/$1" DATASETS.TRAIN "($4)" \
        DATASETS.TEST "()" SOLVER.IMS_PER_BATCH "$BATCH" SOLVER.MAX_MINUTES "$TRAIN" SOLVER.SCHEDULE_BY_TIME True \
        SOLVER.EMA.ENABLED True DATALOADER.NUM_WORKERS "$WORKERS" TEST.EVAL_PERIOD 0 ${TRAIN_OPTIONS:-} \
        >"$DIR/$1.log" 2>&1 || { echo "$1 failed: $(tail -n 1 "$DIR/$1.log")" >&2; return 1; }
    "$PYTHON" scripts/export_weights.py "$DIR/$1/model_final.pth" --output "$DIR/$1.safetensors"
}

status=0
train u2enet U2ENet "$U2ENET" "$(datasets mono3drefer monomulti3d)" &
train detection DiffusionDet3D "$DETECTION" "$(datasets mono3drefer rope3d)" || status=1
wait $! || status=1
exit $status
