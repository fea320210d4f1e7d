"""A page without weights: a stub that finds one box for a sentence, and a run over the tiny road."""

from __future__ import annotations

import threading
from pathlib import Path

import torch
from detectron2.structures import Boxes, Instances

from d2ext.projects.road_watch.live import Live
from d2ext.projects.road_watch.setup import make_run
from d2ext.structures import Boxes3D


class OneBox:
    """Finds a car 20 m ahead for any sentence but one that begins with "No", which finds nothing."""

    class_names = ["car", "bus"]

    def __init__(self) -> None:
        self.encoded = 0
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def encode(self, scene):
        self.encoded += 1
        return scene

    def answer(self, encoded, text, single):
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        count = 0 if text.startswith("No") else 1
        found = Instances(encoded.image.shape[:2])
        location, size = torch.tensor([[1.0, 3.0, 20.0]]), torch.tensor([[1.5, 1.8, 4.4]])
        boxes = Boxes3D.from_kitti(location, size, torch.tensor([0.3]))[:count]
        found.pred_boxes3d = boxes
        found.pred_boxes = Boxes(boxes.project(encoded.camera, clipped=True)[0].float())
        found.scores, found.pred_classes = torch.full((count,), 0.9), torch.zeros(count, dtype=torch.long)
        with self._lock:
            self.at_once -= 1
        return found

    def box_plane(self, ground_plane):
        return None


def watched(live: Live, cfg, place, pictures: Path, output: Path) -> None:
    """Let a run over the tiny road be seen, every picture of it."""
    run = make_run(cfg, str(pictures), place, output, seen=live.seen)
    live.begin(run, output)
    run.go()
    live.end()
    run._recorder.close()
