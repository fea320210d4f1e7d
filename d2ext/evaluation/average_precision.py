"""Average precision at 40 recalls: KITTI's protocol, reproduced with its quirks, and an exact one beside it.

A. Geiger et al., "Are we ready for autonomous driving?", CVPR 2012; 40 recalls: A. Simonelli et al.,
"Disentangling monocular 3D object detection", ICCV 2019. KITTI's protocol samples the precision at no more
than 41 scores of true positives, so a class with fewer than 40 objects cannot reach 100; and a small
detection of any class takes a label that it overlaps. :func:`exact_ap` does neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .objects import REGION, ObjectTable, overlapping

RECALLS = 40
IGNORED, OTHER, COUNTED = 1, -1, 0  # status of an object under a class and a difficulty


@dataclass(frozen=True)
class Difficulty:
    """Which labels count: at least this high in the image, at most so occluded and truncated."""

    name: str
    min_height: float
    max_occluded: float
    max_truncated: float


KITTI_DIFFICULTIES = (
    Difficulty("easy", 40, 0, 0.15),
    Difficulty("moderate", 25, 1, 0.3),
    Difficulty("hard", 25, 2, 0.5),
)
#: Every labelled object.
ALL = Difficulty("all", -np.inf, np.inf, np.inf)


@dataclass(frozen=True)
class Curve:
    """Result of KITTI's protocol.

    Attributes:
        precision: (41,) largest precision at each sampled score or a lower one; 0 beyond the last.
        orientation: (41,) the same with true positives weighed by (1 + cos(error of alpha)) / 2.
        counted: number of labels that count.
    """

    precision: np.ndarray
    orientation: np.ndarray
    counted: int

    @property
    def ap(self) -> float:
        """AP at 40 recalls, per cent."""
        return 100.0 * float(self.precision[1:].mean())

    @property
    def aos(self) -> float:
        """Average orientation similarity at 40 recalls, per cent."""
        return 100.0 * float(self.orientation[1:].mean())


@dataclass(frozen=True)
class Matching:
    """Which of L labels were found by which of P predictions.

    Attributes:
        counted: (L,) bool, the labels to find.
        judged: (P,) bool, the predictions that are right or wrong; others are left out.
        label: (P,) the counted label that a prediction found, -1 for none.
    """

    counted: np.ndarray
    judged: np.ndarray
    label: np.ndarray


class Comparison:
    """Labels and predictions of a dataset under one measure of overlap, for any class and difficulty."""

    def __init__(
        self,
        labels: ObjectTable,
        predictions: ObjectTable,
        metric: str,
        neighbours: Sequence[tuple[str, str]] = (),
    ) -> None:
        """
        Args:
            labels, predictions: objects of the same images; labels in file order.
            metric: "bbox", "bev" or "3d".
            neighbours: (class, other class) whose labels are ignored when the first class is evaluated.
        """
        self.labels, self.predictions, self.metric = labels, predictions, metric
        self.neighbours = neighbours
        by_score = np.lexsort((-predictions.score, predictions.image))
        self.rank = np.argsort(by_score)  # of each prediction among all, grouped by image
        self.pairs = overlapping(labels, predictions, metric)
        self.covered = overlapping(labels[labels.kind == REGION], predictions, "covered")
        # For the exact AP an object with a 2D label only is such a region too when 3D boxes are compared.
        unlabelled = (labels.kind == REGION) | (~labels.has_3d & (metric != "bbox"))
        self.unjudged = overlapping(labels[unlabelled], predictions, "covered")

    def label_status(self, kind: str, difficulty: Difficulty) -> np.ndarray:
        """(N,) COUNTED, IGNORED or OTHER for each label."""
        labels = self.labels
        hard = (labels.occluded > difficulty.max_occluded) | (labels.truncated > difficulty.max_truncated)
        hard |= (labels.height2d <= difficulty.min_height) | labels.outside
        status = np.where(labels.kind == kind, np.where(hard, IGNORED, COUNTED), OTHER)
        for own, other in self.neighbours:
            if own == kind:
                status[labels.kind == other] = IGNORED
        return status

    def kitti(self, kind: str, min_overlap: float, difficulty: Difficulty) -> Curve:
        """KITTI's protocol for one class; a match overlaps by more than ``min_overlap``.

        Matches whose label has no angle are left out of the orientation (KITTI's tool takes -10 for one).
        """
        labels, predictions = self.labels, self.predictions
        truth = self.label_status(kind, difficulty)
        found = np.where(predictions.kind == kind, COUNTED, OTHER)
        found[(np.abs(predictions.height2d) < difficulty.min_height) | predictions.outside] = IGNORED
        pairs = self.pairs[self.pairs.overlap > min_overlap]
        pairs = pairs[(truth[pairs.label] != OTHER) & (found[pairs.prediction] != OTHER)]
        counted = int((truth == COUNTED).sum())
        images = labels.image

        # First pass, by score: the scores of the true positives give the thresholds.
        by_score = pairs[np.lexsort((pairs.prediction, -predictions.score[pairs.prediction], pairs.label))]
        taken = take_turns(images, by_score.label, by_score.prediction, np.ones((len(predictions), 1), bool))
        hit = (truth[by_score.label] == COUNTED) & (found[by_score.prediction] == COUNTED)
        thresholds = sampled_scores(predictions.score[by_score.prediction[taken[:, 0] & hit]], counted)

        # Second pass, at each threshold: counted detections by overlap, then ignored ones in file order.
        state = found[pairs.prediction]
        overlap = np.where(state == COUNTED, -pairs.overlap, 0)
        pairs = pairs[np.lexsort((pairs.prediction, overlap, state, pairs.label))]
        free = predictions.score[:, None] >= thresholds
        taken = take_turns(images, pairs.label, pairs.prediction, free)
        hit = (truth[pairs.label] == COUNTED) & (found[pairs.prediction] == COUNTED)
        error = labels.alpha[pairs.label[hit]] - predictions.alpha[pairs.prediction[hit]]
        tp = taken[hit].sum(axis=0)
        known = np.isfinite(error)
        similarity = ((1 + np.cos(error[known])) / 2) @ taken[hit][known]
        wrong = found == COUNTED
        if self.metric == "bbox":
            wrong[self.covered.prediction[self.covered.overlap > min_overlap]] = False
        total = tp + free[wrong].sum(axis=0)
        of_angles = total - taken[hit][~known].sum(axis=0)
        return Curve(_padded(tp, total), _padded(similarity, of_angles), counted)

    def exact_match(self, kind: str, min_overlap: float, difficulty: Difficulty) -> Matching:
        """Every detection of a class counts once.

        By falling score each detection takes the free label that it overlaps most, one that counts before one
        that is ignored; it needs an overlap of at least ``min_overlap``. Detections on ignored labels are
        left out, and so are unmatched ones that are too small, outside the region, or more than half inside a
        region without labels. What a detection takes does not depend on detections with lower scores.
        """
        predictions = self.predictions
        truth = self.label_status(kind, difficulty)
        if self.metric != "bbox":
            truth[~self.labels.has_3d] = OTHER
        own = predictions.kind == kind
        pairs = self.pairs[self.pairs.overlap >= min_overlap]
        pairs = pairs[own[pairs.prediction] & (truth[pairs.label] != OTHER)]
        rank = self.rank[pairs.prediction]
        order = np.lexsort((-pairs.overlap, truth[pairs.label], rank))
        pairs, rank = pairs[order], rank[order]
        free = np.ones((len(truth), 1), dtype=bool)
        # Ranks stay within their image, so the images of the ranks are those of the predictions.
        taken = take_turns(predictions.image, rank, pairs.label, free)[:, 0]
        matched = pairs[taken]
        label = np.full(len(own), -1)
        hits = matched[truth[matched.label] == COUNTED]
        label[hits.prediction] = hits.label
        left_out = (predictions.height2d < difficulty.min_height) | predictions.outside
        left_out[self.unjudged.prediction[self.unjudged.overlap > 0.5]] = True
        left_out[matched.prediction] = True
        return Matching(truth == COUNTED, own & ((label >= 0) | ~left_out), label)

    def exact_ap(self, kind: str, min_overlap: float, difficulty: Difficulty) -> float | None:
        """AP at 40 recalls in per cent of :meth:`exact_match`, every detection at its own score.

        The precision at a recall is the largest at that recall or a higher one.

        Returns:
            AP, None when no label counts.
        """
        match = self.exact_match(kind, min_overlap, difficulty)
        if not match.counted.any():
            return None
        scores, hit = self.predictions.score[match.judged], match.label[match.judged] >= 0
        return 100.0 * interpolated_precision(scores, hit, int(match.counted.sum()))


def take_turns(image: np.ndarray, left: np.ndarray, right: np.ndarray, free: np.ndarray) -> np.ndarray:
    """One-to-one matching at T thresholds at once: left objects take turns, each takes its first free choice.

    Args:
        image: image of each left object, never falling.
        left, right: (P,) pairs, by rising index of the left object (the order of turns within an image) and
            then by falling preference.
        free: (right objects, T) bool; which right objects may be taken. Matched ones are cleared in place.

    Returns:
        (P, T) bool: the pairs that are matched.
    """
    taken = np.zeros((len(left), free.shape[1]), dtype=bool)
    if len(left) == 0:
        return taken
    new = np.append(True, left[1:] != left[:-1])
    first = np.flatnonzero(new)  # a left object's first pair
    owner = np.cumsum(new) - 1
    choice = np.arange(len(left)) - first[owner]
    new_image = np.append(True, np.diff(image[left[first]]) != 0)
    turn = np.arange(len(first)) - np.flatnonzero(new_image)[np.cumsum(new_image) - 1]
    # Pairs of the same turn and choice are of different images, so they cannot take the same object.
    step = turn[owner] * (choice.max() + 1) + choice
    order = np.argsort(step, kind="stable")
    waiting = np.ones((len(first), free.shape[1]), dtype=bool)
    for pairs in np.split(order, np.flatnonzero(np.diff(step[order])) + 1):
        take = waiting[owner[pairs]] & free[right[pairs]]
        waiting[owner[pairs]] ^= take
        free[right[pairs]] ^= take
        taken[pairs] = take
    return taken


def sampled_scores(scores: np.ndarray, counted: int) -> np.ndarray:
    """KITTI's choice of at most 41 scores of true positives at which the recall is next to i / 40.

    Args:
        scores: (S,) scores of true positives.
        counted: number of labels that count.
    """
    scores = np.sort(scores)[::-1]
    left = np.arange(1, len(scores) + 1) / max(counted, 1)
    right = np.append(left[1:], left[-1:])
    chosen: list[int] = []
    recall, start = 0.0, 0
    while start < len(scores):
        near = (right[start:] - recall) >= (recall - left[start:])
        near[-1] = True
        start += int(near.argmax()) + 1
        chosen.append(start - 1)
        recall += 1 / RECALLS
    return scores[chosen]


def interpolated_precision(scores: np.ndarray, hit: np.ndarray, counted: int) -> float:
    """Mean over the recalls 1/40 to 1 of the largest precision at that recall or a higher one.

    Args:
        scores, hit: (N,) score of each detection, and whether it is right.
        counted: number of objects to find.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)[: len(order)]  # equal scores enter together
    tp = np.cumsum(hit[order])[last]
    precision = np.maximum.accumulate((tp / (np.flatnonzero(last) + 1))[::-1])[::-1]
    tp_at_recall = np.ceil(np.arange(1, RECALLS + 1) * counted / RECALLS)
    return float(np.append(precision, 0.0)[np.searchsorted(tp, tp_at_recall)].mean())


def _padded(right: np.ndarray, total: np.ndarray) -> np.ndarray:
    curve = np.zeros(RECALLS + 1)
    precision = right / np.maximum(total, 1)
    curve[: len(precision)] = np.maximum.accumulate(precision[::-1])[::-1]
    return curve
