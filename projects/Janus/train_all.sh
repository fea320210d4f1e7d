#!/usr/bin/env bash
# All stages of the tiny Janus, one after the other; started again it goes on where it was stopped.
#
#     DETECTRON2_DATASETS=datasets projects/Janus/train_all.sh [OUTPUT] [SHARE]
#
# SHARE multiplies the iterations (default 1; 0.1 for a look). On one core a step of 8 takes the CPU seconds that
# each line below says. Set PYTHON to another interpreter than .venv/bin/python.
set -euo pipefail
cd "$(dirname "$0")/../.."
output=${1:-output/janus}
share=${2:-1}
python=${PYTHON:-.venv/bin/python}

stage() { # name, config, iterations, weights to begin from
    local folder=$output/$1 iterations
    iterations=$("$python" -c "print(max(1, round($3 * $share)))")
    if [[ -f $folder/model_final.pth ]]; then
        echo "$1: done"
        return
    fi
    "$python" projects/Janus/train_net.py --resume --config-file "configs/Janus/$2.yaml" MODEL.DEVICE cpu \
        MODEL.WEIGHTS "$4" OUTPUT_DIR "$folder" SOLVER.MAX_ITER "$iterations" SOLVER.CHECKPOINT_PERIOD 200
}

stage vq vq_tiny_synthroad 2000 "" # 1.8 s (batch of 4): 1.0 h
stage stage1 stage1_tiny_synthroad 500 "$output/vq/model_final.pth" # 2.5 s: 0.4 h
stage stage2_classes stage2_classes_tiny_synthroad 1500 "$output/stage1/model_final.pth" # 1.8 s: 0.8 h
stage stage2 stage2_tiny_synthroad 3000 "$output/stage2_classes/model_final.pth" # 1.8 s: 1.5 h
stage stage3 stage3_tiny_synthroad 6000 "$output/stage2/model_final.pth" # 2.4 s: 4.0 h
