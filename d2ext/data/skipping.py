"""Going on where an item of a dataset cannot be used: with ``D2EXT_SKIP_BROKEN=1`` in the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from d2ext.reading import one_line

SKIP_BROKEN_VARIABLE = "D2EXT_SKIP_BROKEN"

logger = logging.getLogger(__name__)


def skip_broken() -> bool:
    """Whether broken rows and files are to be skipped and counted instead of raising."""
    return os.environ.get(SKIP_BROKEN_VARIABLE) == "1"


class SkippingMapper:
    """A mapper that gives None, and logs why once a file, where another one fails in whatever way.

    Args:
        mapper: called with what this is called with.
    """

    def __init__(self, mapper: Any) -> None:
        self.mapper = mapper
        self.subject = getattr(mapper, "subject", "anything")
        self.skipped: set[str] = set()

    def __call__(
        self,
        dataset_dict: dict[str, Any],
        rng: np.random.Generator | None = None,
        of_batch: np.random.Generator | None = None,
    ) -> dict[str, Any] | None:
        """What the mapper gives, or None and a warning for a record that it cannot use."""
        try:
            return self.mapper(dataset_dict) if rng is None else self.mapper(dataset_dict, rng, of_batch)
        except Exception as error:
            name = str(dataset_dict.get("file_name", "a record"))
            if name not in self.skipped:
                self.skipped.add(name)
                logger.warning("skipped %s: %s", name, one_line(str(error) or repr(error)))
            return None


class SkippingLoader(DataLoader):
    """A loader of lists without the items that are None, and without lists of which none is left."""

    def __iter__(self) -> Iterator[list]:  # type: ignore[override]
        for batch in super().__iter__():
            left = [item for item in batch if item is not None]
            if left:
                yield left
