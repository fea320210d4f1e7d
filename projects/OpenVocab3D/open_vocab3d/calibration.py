"""Scores that mean the same for every prompt: thresholds by answers to prompts that are absent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from d2ext.modeling.meta_arch.open_vocab_det3d import OpenVocabDet3D
from d2ext.reading import read_json, require
from d2ext.weights import resolve

Scores = Sequence[Sequence[float] | np.ndarray]  # of the boxes in each picture
#: False boxes of a prompt in a picture beyond which more are no worse; the bound that the guarantee needs.
MOST_FALSE = 5


def conformal_threshold(scores: Scores, risk: float, most: int = MOST_FALSE) -> float:
    """The least threshold at which a prompt that is absent is answered by at most ``risk`` boxes a picture,
    in expectation over new pictures.

    Conformal risk control (Angelopoulos et al., ICLR 2024, Theorem 1): the loss of a picture is the number of
    boxes from the threshold on, at most ``most``; the threshold t is the least with
    (sum of losses + most) / (n + 1) <= risk. The guarantee wants pictures that are exchangeable with the new.

    Args:
        scores: of the boxes in each of n pictures.

    Returns:
        A score; 1 where n pictures are too few for the risk.
    """
    room = risk * (len(scores) + 1) - most
    if room < 0:
        return 1.0
    best = sorted((s for own in scores for s in sorted(own, reverse=True)[:most]), reverse=True)
    allowed = math.floor(room + 1e-9)  # as many may be counted
    return 0.0 if allowed >= len(best) else float(np.nextafter(best[allowed], 2.0))


def shift_to_half(threshold: float) -> float:
    """What is added to logits for a score of ``threshold`` to become one half."""
    p = min(max(threshold, 1e-6), 1 - 1e-6)
    return -math.log(p / (1 - p))


def calibrate(scores: Mapping[str, Scores], risk: float) -> dict[str, Any]:
    """Shifts by which one half becomes the threshold of every prompt.

    Args:
        scores: of the boxes that answered each prompt in every picture where it is absent.
        risk: boxes a picture that are allowed to each absent prompt.

    Returns:
        ``risk``; ``shifts`` of the prompts that have enough pictures; ``default`` for all others, from the
        pictures of all prompts together.
    """
    shifts = {}
    for text, own in scores.items():
        threshold = conformal_threshold(own, risk)
        if threshold < 1.0:
            shifts[text] = shift_to_half(threshold)
    every = [one for own in scores.values() for one in own]
    return {"risk": risk, "shifts": shifts, "default": shift_to_half(conformal_threshold(every, risk))}


def load_calibration(model: OpenVocabDet3D, path: str) -> None:
    """Have the scores of a model be those of a file of ``choose_thresholds.py``; as they were learnt where
    ``path`` is empty.

    Raises:
        FileNotFoundError, ValueError: no such file, or none of the kind.
    """
    encoder = model.prompt_encoder
    encoder.forget()
    encoder.shifts, encoder.default_shift = {}, 0.0
    if not path:
        return
    path = resolve(path)
    found = read_json(path)
    shifts = require(found, "shifts", dict, path)
    numbers = [require(found, "default", (int, float), path), *shifts.values()]
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
        raise ValueError(f"{path}: expected finite numbers as shifts")
    encoder.shifts, encoder.default_shift = dict(shifts), float(numbers[0])
