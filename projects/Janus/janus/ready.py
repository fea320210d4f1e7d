"""Janus as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from d2ext.data.image_io import read_image
from d2ext.engine import load_config
from d2ext.projects.janus.config import add_janus_config
from d2ext.projects.janus.predictor import JanusPredictor


class Ready:
    """Answers questions about images; ``predictor`` also describes objects and draws pictures of sentences.

    Attributes:
        predictor: what answers.
    """

    def __init__(self, predictor: JanusPredictor) -> None:
        self.predictor = predictor

    def __call__(self, image: str | Path | np.ndarray, questions: str | Sequence[str]) -> str | list[str]:
        """The answer to a question, of a list of questions a list;
        :func:`d2ext.data.describe.questions.read_places` reads the boxes in it.

        Args:
            image: path, or (H, W, 3) uint8 BGR.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        pixels = image if isinstance(image, np.ndarray) else read_image(image)
        answers = self.predictor.ask(pixels, [questions] if isinstance(questions, str) else questions)
        return answers[0] if isinstance(questions, str) else answers

    def draw(self, text: str, seed: int = 0) -> np.ndarray:
        """A picture (S, S, 3) BGR of a text."""
        return self.predictor.draw(text, seed)


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: as the predictor.
    """
    return Ready(JanusPredictor(load_config(add_janus_config, config, options)))
