"""Features of sentences on disk, so that a frozen encoder meets every sentence once."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from d2ext.files import write_bytes


class TextFeatureStore:
    """A folder of safetensors shards that hold one tensor a sentence, named by the sentence's SHA-256.

    Any number of processes may use a folder at once: each adds whole files of its own and changes no other.

    Args:
        folder: made by the first :meth:`add`; of one encoder, since only the sentence names a tensor.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._shards: set[Path] = set()
        self._shard_of: dict[str, Path] = {}

    def find(self, sentences: Iterable[str]) -> dict[str, Tensor]:
        """The tensors of those sentences that the folder has.

        Raises:
            ValueError: a file that is no whole safetensors file; names it.
        """
        names = {s: _name(s) for s in sentences}
        if not names.keys() <= {s for s, name in names.items() if name in self._shard_of}:
            self._look_for_shards()
        by_shard: dict[Path, list[str]] = defaultdict(list)
        for sentence, name in names.items():
            if name in self._shard_of:
                by_shard[self._shard_of[name]].append(sentence)
        found = {}
        for path, of_path in by_shard.items():
            with _open(path) as shard:
                found.update({s: shard.get_tensor(names[s]) for s in of_path})
        return found

    def add(self, features: Mapping[str, Tensor]) -> None:
        """Write the tensors of some sentences, as one shard."""
        tensors = {_name(s): f.detach().cpu().contiguous() for s, f in features.items()}
        path = self.folder / f"{uuid.uuid4().hex}.safetensors"
        write_bytes(path, save(tensors))
        self._shards.add(path)
        self._shard_of.update(dict.fromkeys(tensors, path))

    def _look_for_shards(self) -> None:
        for path in set(self.folder.glob("*.safetensors")) - self._shards:
            with _open(path) as shard:
                self._shard_of.update(dict.fromkeys(shard.keys(), path))
            self._shards.add(path)


def _name(sentence: str) -> str:
    return hashlib.sha256(sentence.encode()).hexdigest()


def _open(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except SafetensorError as e:
        raise ValueError(f"{path}: expected a safetensors file of text features ({e}); delete it") from e
