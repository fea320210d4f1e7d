"""Trainings that are compared with each other: one call of ``train_net.py`` each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: What they are measured on.
TEST = "synthroad_rope3d_test"
#: Half the resolution of the configs (roadside images 288x512) and one camera, so that many fit into a night.
SMALL = [
    "INPUT.SIZE",
    "(288, 512)",
    "INPUT.TRAIN_SIZES",
    "()",
    "DATASETS.TRAIN",
    "('synthroad_rope3d_train',)",
]


def train_net(model: str, options: Sequence[object], folder: Path) -> None:
    """A run of the tiny config of a model at half the resolution, where it has not been done.

    Args:
        model: the config's name before ``_tiny_synthroad``.
        options: arguments of ``train_net.py``, its flags first.
        folder: where everything of the run is written.
    """
    from d2ext.engine import metrics_file, run_once

    config = f"configs/DiffusionDet3D/{model}_tiny_synthroad.yaml"
    command = ["projects/DiffusionDet3D/train_net.py", "--config-file", config, *map(str, options)]
    # evaluated in a type that every machine has
    run_once([*command, "TEST.DTYPE", "float32"], folder, metrics_file(TEST), ROOT)
