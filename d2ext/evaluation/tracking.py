"""How good tracks are: HOTA, MOTA, MOTP, IDF1 and identity switches, by any similarity of boxes.

J. Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021; K. Bernardin
and R. Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008;
E. Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCVW 2016.
Figures are those of the tool ``trackeval`` (its conventions where the papers leave a choice), over sequences
taken together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

#: Similarities at which HOTA is taken, and its mean.
ALPHAS = np.arange(0.05, 0.99, 0.05)
_EPSILON = np.finfo(float).eps
_MOSTLY, _HARDLY = 0.8, 0.2  # shares of a track


@dataclass(frozen=True)
class FramePairs:
    """The objects and the tracks of one frame.

    Attributes:
        truth: (N,) identities of the labelled objects, of any kind that can be compared.
        found: (M,) identities of the tracks.
        similarity: (N, M) from 0 to 1.
    """

    truth: np.ndarray
    found: np.ndarray
    similarity: np.ndarray

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: shapes that do not go together, or an identity twice.
        """
        shape = (len(self.truth), len(self.found))
        if self.similarity.shape != shape:
            raise ValueError(f"similarity: expected {shape}, got {self.similarity.shape}")
        for name, ids in (("truth", self.truth), ("found", self.found)):
            if len(np.unique(ids)) < len(ids):
                raise ValueError(f"{name}: an identity twice in one frame")


def tracking_figures(
    sequences: Iterable[Sequence[FramePairs]], threshold: float = 0.5
) -> OrderedDict[str, float]:
    """Figures over all frames of all sequences; identities of one sequence are not those of another.

    Args:
        threshold: similarity from which a pair counts, of all figures but HOTA's.

    Returns:
        In per cent ``HOTA``, ``DetA``, ``AssA``, ``LocA``, ``DetRe``, ``DetPr``, ``AssRe``, ``AssPr`` (means
        over ``ALPHAS``), ``MOTA``, ``MOTP`` (mean similarity), ``IDF1``, ``IDP``, ``IDR``, ``Recall``,
        ``Precision``; as numbers ``IDSW``, ``Frag``, ``MT``, ``PT``, ``ML``, ``TP``, ``FP``, ``FN``, ``GT``.
    """
    counted = [_Sequence.of(frames) for frames in sequences]
    figures: OrderedDict[str, float] = OrderedDict()
    figures.update(_hota(counted))
    figures.update(_clear(counted, threshold))
    figures.update(_identity(counted, threshold))
    return figures


@dataclass(frozen=True)
class _Sequence:
    """Frames with identities counted from 0, and in how many frames each of them is."""

    frames: list[FramePairs]
    truth_frames: np.ndarray
    found_frames: np.ndarray

    @classmethod
    def of(cls, frames: Sequence[FramePairs]) -> _Sequence:
        truth, found = (_renumber([getattr(f, name) for f in frames]) for name in ("truth", "found"))
        renamed = [FramePairs(t, m, f.similarity) for t, m, f in zip(truth, found, frames, strict=True)]
        return cls(
            renamed, *(np.bincount(np.concatenate([*ids, np.zeros(0, int)])) for ids in (truth, found))
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compare."""
        return not len(self.truth_frames) or not len(self.found_frames)


def _renumber(ids: Sequence[np.ndarray]) -> list[np.ndarray]:
    if not ids:
        return []
    _, index = np.unique(
        np.concatenate([np.asarray(i, dtype=ids[0].dtype) for i in ids]), return_inverse=True
    )
    return np.split(index.reshape(-1).astype(np.int64), np.cumsum([len(i) for i in ids])[:-1])


def _hota(sequences: Sequence[_Sequence]) -> dict[str, float]:
    """Over ``ALPHAS``: counts, sums of similarity and of association, then the means of the ratios."""
    hits, misses, false = (np.zeros(len(ALPHAS)) for _ in range(3))
    local, ass, ass_recall, ass_precision = (np.zeros(len(ALPHAS)) for _ in range(4))
    for s in sequences:
        misses += s.truth_frames.sum()
        false += s.found_frames.sum()
        if s.empty:
            continue
        matched = np.zeros((len(ALPHAS), len(s.truth_frames), len(s.found_frames)))
        alignment = _alignment(s)
        for f in s.frames:
            if not f.similarity.size:
                continue
            rows, columns = linear_sum_assignment(-alignment[np.ix_(f.truth, f.found)] * f.similarity)
            similar = f.similarity[rows, columns]
            good = similar >= ALPHAS[:, None] - _EPSILON
            matched[:, f.truth[rows], f.found[columns]] += good
            local += good @ similar
        number = matched.sum((1, 2))
        hits += number
        truth, found = s.truth_frames[:, None], s.found_frames[None]
        ass += (matched**2 / np.maximum(1, truth + found - matched)).sum((1, 2))
        ass_recall += (matched**2 / truth).sum((1, 2))
        ass_precision += (matched**2 / found).sum((1, 2))
    misses, false = misses - hits, false - hits
    some = np.maximum(1, hits)
    detection = hits / np.maximum(1, hits + misses + false)
    values = {
        "HOTA": np.sqrt(detection * ass / some),
        "DetA": detection,
        "AssA": ass / some,
        "LocA": np.maximum(1e-10, local) / np.maximum(1e-10, hits),
        "DetRe": hits / np.maximum(1, hits + misses),
        "DetPr": hits / np.maximum(1, hits + false),
        "AssRe": ass_recall / some,
        "AssPr": ass_precision / some,
    }
    return {name: 100 * float(value.mean()) for name, value in values.items()}


def _alignment(s: _Sequence) -> np.ndarray:
    """(T, S) how well two identities go together over the whole sequence (HOTA's global alignment)."""
    shared = np.zeros((len(s.truth_frames), len(s.found_frames)))
    for f in s.frames:
        total = f.similarity.sum(0) + f.similarity.sum(1)[:, None] - f.similarity
        part = np.divide(f.similarity, total, out=np.zeros_like(total), where=total > _EPSILON)
        shared[np.ix_(f.truth, f.found)] += part
    return shared / (s.truth_frames[:, None] + s.found_frames - shared)


def _clear(sequences: Sequence[_Sequence], threshold: float) -> dict[str, float]:
    hits = switches = fragments = mostly = partly = 0
    local = 0.0
    truth = sum(int(s.truth_frames.sum()) for s in sequences)
    found = sum(int(s.found_frames.sum()) for s in sequences)
    objects = sum(len(s.truth_frames) for s in sequences)
    for s in sequences:
        if s.empty:
            continue
        count = len(s.truth_frames)
        ever, before = np.full(count, -1), np.full(count, -1)  # the track of each object
        covered, begun = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for f in s.frames:
            if not f.similarity.size:
                continue
            rows, columns = _continue(f, before, threshold)
            own, tracks = f.truth[rows], f.found[columns]
            switches += int(((ever[own] >= 0) & (ever[own] != tracks)).sum())
            ever[own] = tracks
            begun[own] += before[own] < 0
            before[:] = -1
            before[own] = tracks
            covered[own] += 1
            hits += len(own)
            local += float(f.similarity[rows, columns].sum())
        share = covered / s.truth_frames
        mostly += int((share > _MOSTLY).sum())
        partly += int(((share >= _HARDLY) & (share <= _MOSTLY)).sum())
        fragments += int(np.maximum(begun - 1, 0).sum())
    all_truth = max(1, truth)
    return {
        "MOTA": 100 * (2 * hits - found - switches) / all_truth,
        "MOTP": 100 * local / max(1, hits),
        "Recall": 100 * hits / all_truth,
        "Precision": 100 * hits / max(1, found),
        "IDSW": switches,
        "Frag": fragments,
        "MT": mostly,
        "PT": partly,
        "ML": objects - mostly - partly,
        "TP": hits,
        "FP": found - hits,
        "FN": truth - hits,
        "GT": truth,
    }


def _continue(f: FramePairs, before: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pairs of a frame: first those of the frame before, then the most similar."""
    score = 1000.0 * (before[f.truth][:, None] == f.found) + f.similarity
    score[f.similarity < threshold - _EPSILON] = 0
    rows, columns = linear_sum_assignment(-score)
    good = score[rows, columns] > _EPSILON
    return rows[good], columns[good]


def _identity(sequences: Sequence[_Sequence], threshold: float) -> dict[str, float]:
    """One track for each object over a whole sequence, so that most detections have the right identity."""
    right = 0
    truth = sum(int(s.truth_frames.sum()) for s in sequences)
    found = sum(int(s.found_frames.sum()) for s in sequences)
    for s in sequences:
        if s.empty:
            continue
        together = np.zeros((len(s.truth_frames), len(s.found_frames)))
        for f in s.frames:
            together[np.ix_(f.truth, f.found)] += f.similarity >= threshold
        right += int(together[linear_sum_assignment(-together)].sum())
    return {
        "IDF1": 100 * right / max(1.0, (truth + found) / 2),
        "IDP": 100 * right / max(1, found),
        "IDR": 100 * right / max(1, truth),
    }
