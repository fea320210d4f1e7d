"""Checkpoints that survive a kill at any moment."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.utils import comm
from torch import nn

from d2ext.engine.state_dicts import first_line, load_weights, read_checkpoint
from d2ext.files import atomic_write
from d2ext.reading import open_file, read_text


class D2Checkpointer(DetectionCheckpointer):
    """Detectron2's checkpointer with atomic writes, safe and strict reads, and recovery at resume: fvcore's,
    which does the rest, writes in place, runs what a file has pickled, and skips parameters of other shapes.

    - A process killed while it saves leaves the previous checkpoints and ``last_checkpoint`` as they were.
    - Files are read without running code in them (:func:`read_checkpoint`) and must fit the model
      (:func:`load_weights`).
    - Resuming takes the checkpoint that ``last_checkpoint`` names or, if that one is missing or damaged, the
      newest whole one in the folder.

    Only the main process writes; with several processes every one reads the file.
    """

    def __init__(
        self, model: nn.Module, save_dir: str = "", *, optional: Sequence[str] = (), **kwargs: Any
    ) -> None:
        """
        Args:
            optional: prefixes of parameters that a weights file may lack or have in excess.
            kwargs: ``save_to_disk`` and the objects saved beside the model, as in ``DetectionCheckpointer``.
        """
        super().__init__(model, save_dir, **kwargs)
        self.optional = tuple(optional)

    def save(self, name: str, **kwargs: Any) -> None:
        """Write ``<save_dir>/<name>.pth`` atomically and point ``last_checkpoint`` at it."""
        if not self.save_dir or not self.save_to_disk:
            return
        state = {key: item.state_dict() for key, item in self.checkpointables.items()}
        path = Path(self.save_dir, f"{name}.pth")
        self.logger.info(f"Saving checkpoint to {path}")
        with atomic_write(path) as f:
            torch.save({"model": self.model.state_dict(), **state, **kwargs}, f)
        self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Name the newest checkpoint in the folder, whole or not at all."""
        with atomic_write(Path(self.save_dir, "last_checkpoint")) as f:
            f.write(last_filename_basename.encode())

    def load(self, path: str, checkpointables: Sequence[str] | None = None) -> dict[str, Any]:
        """Load the model and the named ``checkpointables`` (default: all that the file holds) from ``path``.

        Returns:
            what else the checkpoint holds. ``{}`` for an empty ``path``, which leaves the model as it is.

        Raises:
            FileNotFoundError, ValueError: as :func:`read_checkpoint` and :func:`load_weights`.
        """
        if not path:
            self.logger.info("No weights file given: the model starts as it was initialised")
            return {}
        self.logger.info(f"Loading {path}")
        path = self.path_manager.get_local_path(path)
        content = read_checkpoint(path)
        load_weights(self.model, content.pop("model"), path, self.optional)
        for key in self.checkpointables if checkpointables is None else checkpointables:
            if key in content:
                try:
                    self.checkpointables[key].load_state_dict(content.pop(key))
                except Exception as e:  # a foreign state can make it stumble in any way
                    raise ValueError(f"{path}: the state of the {key} does not fit ({first_line(e)})") from e
        return content

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """Load all of the last whole checkpoint in the folder, else only the weights of ``path``."""
        found = self.find_whole_checkpoint() if resume else ""
        return self.load(found) if found else self.load(path, checkpointables=[])

    def get_checkpoint_file(self) -> str:
        """The checkpoint that ``last_checkpoint`` names; "" where it names none of this folder."""
        try:
            name = read_text(Path(self.save_dir, "last_checkpoint")).strip()
        except (FileNotFoundError, ValueError):
            return ""
        return os.path.join(self.save_dir, name) if name and Path(name).name == name else ""

    def find_whole_checkpoint(self) -> str:
        """The checkpoint to resume from, or "" without one. Removes what an interrupted save left behind."""
        found = ""
        if comm.is_main_process() and self.save_dir:
            folder = Path(self.save_dir)
            for stale in folder.glob(".*.tmp"):
                stale.unlink(missing_ok=True)
            tagged = Path(self.get_checkpoint_file() or folder)
            others = sorted(folder.glob("*.pth"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
            candidates = [tagged, *(p for p in others if p != tagged)]
            found = str(next((p for p in candidates if _is_whole(p)), ""))
            if found and found != str(tagged) and tagged != folder:
                self.logger.warning(f"{tagged} is missing or damaged, resuming from {found}")
        return comm.all_gather(found)[0]


def _is_whole(path: Path) -> bool:
    """Whether ``path`` is a complete ``torch.save`` archive with correct checksums."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return False  # what zipfile raises, depending on where the damage is
