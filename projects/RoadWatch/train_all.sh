#!/usr/bin/env bash
# What RoadWatch's figures need: a model of the two watched lanes' graphs, unseen clips, and the table.
#
#   projects/RoadWatch/train_all.sh DIR [MINUTES]
#
# MINUTES (default 240) are for everything; each stage below says its share in per cent, and what it takes of one core at
# full length, which MINUTES 0 gives it. Started again the script goes on where it was stopped. It leaves DIR/watched
# (table.md, and the files and pictures of each watched clip), DIR/trajad, DIR/weights and an annotated video in
# DIR/video; DIR/times.txt says what each stage took.
#
#   PYTHON=.venv/bin/python     the interpreter
#   NORMAL=600 LABELLED=90      most recordings of 110 s to train on and to test on
#   CLIPS=20 SECONDS_EACH=60    most clips, and the length of each (20 s below two hours)
#   WIDTH=0                     of their pictures; 0: the camera's own
#   OPTIONS                     KEY VALUE ... of the chain, such as another detector
#   MOST=3                      iterations of the training, for a look
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "expected projects/RoadWatch/train_all.sh DIR [MINUTES]" >&2; exit 2; }
PYTHON=${PYTHON:-.venv/bin/python}
# shellcheck source=scripts/stages.sh
. scripts/stages.sh
begin "$1" "${2:-240}"
OPTIONS=${OPTIONS:-}
LENGTH=$(kept seconds "${SECONDS_EACH:-$( ([ "$TOTAL" = 0 ] || [ "${TOTAL%.*}" -ge 120 ]) && echo 60 || echo 20)}")
NORMAL=$(kept normal "$(fit 8 1 20 "${NORMAL:-600}")") # 1 s each
LABELLED=$(kept labelled "$(fit 4 1 18 "${LABELLED:-90}")")
CLIPS=$(kept clips "$(fit 66 $((6 * LENGTH)) 2 "${CLIPS:-20}")") # 0.6 s a picture: drawn, watched 3 times
export DETECTRON2_DATASETS="$DIR/datasets"
CONFIG=configs/RoadWatch/road_watch_synthroad.yaml
TRAJAD=configs/TrajAD/trajad_synthroad_video.yaml
SPEAKS="ROAD_WATCH.ANOMALY.CONFIG $TRAJAD ROAD_WATCH.ANOMALY.WEIGHTS $DIR/trajad/model_final.pth"

# 12 %; 12 minutes.
render normal --video --tracks-only --seed 100 --clips "$NORMAL" --seconds 110 --anomalies none
render labelled --video --tracks-only --seed 101 --clips "$LABELLED" --seconds 110 --anomalies 0.5

# 18 %; 0.11 s an iteration, 18 minutes.
DATA="DATASETS.TRAIN ('normal_trajectories_train',) DATASETS.TEST ('labelled_trajectories_test',) TEST.DTYPE float32"
# shellcheck disable=SC2046,SC2086  (options are words)
run trajad model_final.pth projects/TrajAD/train_net.py --config-file $TRAJAD --resume $DATA OUTPUT_DIR "$DIR/trajad" \
    SOLVER.CHECKPOINT_PERIOD 200 $(length trajad 18 10000)
ship road_watch/trajad "$DIR/trajad/model_final.pth"
# shellcheck disable=SC2086
try trajad inference/labelled_trajectories_test/metrics.json projects/TrajAD/train_net.py --config-file $TRAJAD \
    --eval-only $DATA OUTPUT_DIR "$DIR/trajad" MODEL.WEIGHTS "$DIR/trajad/model_final.pth"

# 66 %; 12,000 pictures: 0.3 s each to draw, an hour, and 0.3 s each to be watched three ways, another.
render clips --video --seed 102 --clips "$CLIPS" --seconds "$LENGTH" ${WIDTH:+--width "$WIDTH"}
# shellcheck disable=SC2086
run watched table.md projects/RoadWatch/evaluate.py --config-file $CONFIG --clips "$DIR/datasets/clips" \
    --output "$DIR/watched" --opts $SPEAKS $OPTIONS

# A clip as it looks while it is watched.
training=$DIR/datasets/clips/kitti_tracking/training
# shellcheck disable=SC2086
try video video/00000000.mp4 projects/RoadWatch/watch.py --config-file $CONFIG --input "$training/image_02/0001" \
    --calib "$training/calib/0001.txt" --ground "$training/denorm/0001.txt" --road "$training/road/0001.json" \
    --output "$DIR/video" --opts $SPEAKS $OPTIONS
cat "$DIR/watched/table.md"
finish
