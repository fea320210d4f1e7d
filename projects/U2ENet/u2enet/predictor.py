"""U2ENet on a single image."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np
from detectron2.config import CfgNode
from detectron2.structures import Instances
from detectron2.utils.logger import log_first_n
from torch import Tensor

from d2ext.modeling.grounding.inference import GroundingInference
from d2ext.predictor import ObjectPredictor
from d2ext.reading import whole_text
from d2ext.structures import Camera

MAX_WARNINGS = 20  # of sentences that are hardly understood


class U2ENetPredictor(ObjectPredictor):
    """Answers sentences about one image at a time: :class:`~d2ext.predictor.ObjectPredictor` says what is
    taken and answered, for each sentence.

    The image is encoded once for all of them, and sentences that are the same as before not again.
    """

    section = "GROUNDING"
    model: GroundingInference

    def __init__(self, cfg: CfgNode, model: GroundingInference | None = None) -> None:
        super().__init__(cfg, model)  # type: ignore[arg-type]  # a GroundingInference is called, too
        self.model.keep_sentences = True
        self._asked: frozenset[str] = frozenset()

    def __call__(
        self,
        image_bgr: np.ndarray,
        texts: Sequence[str],
        camera: Camera,
        ground_plane: Sequence[float] | Tensor | None = None,
        single_target: bool | None = None,
    ) -> list[Instances]:
        """Find what each sentence refers to.

        Args:
            image_bgr: (H, W, 3) uint8, as :func:`d2ext.data.image_io.read_image` reads it: not turned by its
                EXIF entry, which a calibration knows nothing of.
            texts: sentences.
            camera, ground_plane: as :class:`~d2ext.predictor.ObjectPredictor` has them.
            single_target: True: exactly one object a sentence; None: as the config says.

        Raises:
            ValueError: an image, camera or plane that is none, or one that does not go with the others; no
                list of sentences, an empty sentence or one too long.
        """
        record = self.record(image_bgr, camera, ground_plane)
        record["sentences"] = self._sentences(texts)
        if single_target is not None:
            record["single_target"] = single_target
        return self.predict(record)["grounding"]

    def _sentences(self, texts: Sequence[str]) -> list[str]:
        """The sentences, with a warning of new ones that are hardly understood."""
        if isinstance(texts, str):
            raise ValueError(f"texts: expected a list of sentences, got one: [{texts[:60]!r}]")
        sentences = list(texts) if isinstance(texts, Iterable) else [texts]
        for text in sentences:
            if not isinstance(text, str):
                raise ValueError(f"texts: expected a list of sentences, got {type(text).__name__} for one")
            whole_text(text, "texts")
        for text in set(sentences) - self._asked:
            unknown, words = self.model.tokenizer.unknown_words(text)
            if 2 * len(unknown) >= words:
                what = f"most words are unknown to the model: {', '.join(unknown)[:80]}"
                shown = " ".join(f"{text[:60]!r}: {what if words else 'has no words'}".split())
                log_first_n(logging.WARNING, shown, n=MAX_WARNINGS, name=__name__)
        self._asked = frozenset(sentences)
        return sentences
