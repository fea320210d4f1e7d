#!/usr/bin/env bash
# What RoadWatch's figures need: a model of the two watched lanes' graphs (18 minutes of one core), unseen clips
# (20 minutes of video: hours of one core), and the table. Goes on where it was stopped.
#
#     DETECTRON2_DATASETS=datasets bash projects/RoadWatch/train_all.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:-.venv/bin/python}
export DETECTRON2_DATASETS=${DETECTRON2_DATASETS:-datasets}
output=output/trajad_synthroad_video

$python -m d2ext.data.synthroad --video --tracks-only --root "$DETECTRON2_DATASETS/road_watch_normal" --seed 100 \
    --clips 600 --seconds 110 --anomalies none
$python -m d2ext.data.synthroad --video --tracks-only --root "$DETECTRON2_DATASETS/road_watch_labelled" --seed 101 \
    --clips 90 --seconds 110 --anomalies 0.5
[ -f $output/model_final.pth ] || $python projects/TrajAD/train_net.py \
    --config-file configs/TrajAD/trajad_synthroad_video.yaml --resume \
    DATASETS.TRAIN "('road_watch_normal_trajectories_train',)" \
    DATASETS.TEST "('road_watch_labelled_trajectories_test',)" TEST.DTYPE float32 OUTPUT_DIR $output
$python -m d2ext.data.synthroad --video --root "$DETECTRON2_DATASETS/road_watch_clips" --seed 102 --clips 20
$python projects/RoadWatch/evaluate.py --config-file configs/RoadWatch/road_watch_synthroad.yaml \
    --clips "$DETECTRON2_DATASETS/road_watch_clips" --output output/road_watch --opts \
    ROAD_WATCH.ANOMALY.CONFIG configs/TrajAD/trajad_synthroad_video.yaml \
    ROAD_WATCH.ANOMALY.WEIGHTS $output/model_final.pth
