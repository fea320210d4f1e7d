"""The figures of the tool ``trackeval`` (1.3) for frames of d2ext, and random frames to compare on.

python tests/evaluation/trackeval_figures.py    # writes golden_tracks.json anew
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_name("golden_tracks.json")


def random_sequence(seed: int, frames: int = 14, objects: int = 4, tracks: int = 5) -> list[Any]:
    """Frames with gaps, switches in the middle, and now and then nothing at all."""
    rng = np.random.default_rng(seed)
    sequence = []
    for t in range(frames):
        truth = rng.permutation(objects)[: rng.integers(0, objects + 1)]
        found = rng.permutation(tracks)[: rng.integers(0, tracks + 1)]
        truth, found = (truth if t != 5 else truth[:0]), (found if t != 8 else found[:0])
        similarity = rng.random((len(truth), len(found))) * 0.6
        own = (found if t < frames // 2 else (found + 1) % tracks) == truth[:, None]
        similarity = np.where(own, rng.uniform(0.3, 1, similarity.shape), similarity).round(3)
        sequence.append(SimpleNamespace(truth=truth, found=found, similarity=similarity))
    return sequence


def trackeval_figures(sequences: list[list[Any]]) -> dict[str, float]:
    """As ``d2ext.evaluation.tracking.tracking_figures`` names them."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    metrics = [HOTA(), CLEAR(quiet), Identity(quiet)]
    results: list[dict[str, Any]] = [{} for _ in metrics]
    for number, frames in enumerate(sequences):
        truth, found = (
            np.unique(np.concatenate([getattr(f, n) for f in frames])) for n in ("truth", "found")
        )
        data = {
            "num_timesteps": len(frames),
            "num_gt_ids": len(truth),
            "num_tracker_ids": len(found),
            "num_gt_dets": sum(len(f.truth) for f in frames),
            "num_tracker_dets": sum(len(f.found) for f in frames),
            "gt_ids": [np.searchsorted(truth, f.truth) for f in frames],
            "tracker_ids": [np.searchsorted(found, f.found) for f in frames],
            "similarity_scores": [f.similarity for f in frames],
        }
        for metric, result in zip(metrics, results, strict=True):
            result[str(number)] = metric.eval_sequence(data)
    hota, clear, identity = (m.combine_sequences(r) for m, r in zip(metrics, results, strict=True))
    shares = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")
    figures = {name: 100 * float(np.mean(hota[name])) for name in shares}
    figures |= {name: 100 * float(clear[name]) for name in ("MOTA", "MOTP")}
    figures |= {name: 100 * float(identity[name]) for name in ("IDF1", "IDP", "IDR")}
    figures |= {name: int(clear[name]) for name in ("IDSW", "Frag", "MT", "PT", "ML")}
    counts = {"TP": "CLR_TP", "FP": "CLR_FP", "FN": "CLR_FN"}
    figures |= {name: int(clear[theirs]) for name, theirs in counts.items()}
    return figures | {"Recall": 100 * float(clear["CLR_Re"]), "Precision": 100 * float(clear["CLR_Pr"])}


def main() -> None:
    """Write the golden file."""
    cases = []
    for seed in range(3):
        sequences = [random_sequence(seed), random_sequence(seed + 50, 8, 2, 3)]
        rows = [
            [{name: getattr(f, name).tolist() for name in ("truth", "found", "similarity")} for f in frames]
            for frames in sequences
        ]
        cases.append({"sequences": rows, "figures": trackeval_figures(sequences)})
    GOLDEN.write_text(json.dumps({"source": "trackeval 1.3.0", "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
