"""Checkpoints that survive a kill at any moment, and weights files that say what is wrong with them."""

from __future__ import annotations

import logging
import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.utils import comm
from torch import Tensor, nn

from d2ext.files import atomic_write
from d2ext.reading import one_line, open_file, read_text
from d2ext.weights import resolve


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint (``torch.save``) or a weights file (``.safetensors``) to the CPU; no code in it runs.

    Returns:
        a dict with the state dict under "model", and whatever else the checkpoint holds.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is cut off, of another kind, or holds more than tensors and plain containers.
    """
    path = Path(resolve(str(path)))
    try:
        open_file(path, "checkpoint file").close()  # a pipe would make the readers below wait
        if path.suffix == ".safetensors":
            return {"model": safetensors.torch.load_file(path)}
        _check_stored(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as e:
        raise ValueError(
            f"{path}: refused, expected .safetensors or a torch.save file of tensors and plain containers"
        ) from e
    except Exception as e:  # a damaged file can make the reader stumble in any way
        raise ValueError(f"{path}: not a whole checkpoint ({one_line(_first_line(e), 120)})") from e
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    content = content if isinstance(content.get("model"), dict) else {"model": content}
    check_names(content["model"], path)
    return content


def _check_stored(path: Path) -> None:
    """Refuse an archive with compressed parts: torch writes none, and a small file could fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("compressed, expected a file of torch.save")


def check_names(state: Mapping[Any, Any], source: str | os.PathLike[str]) -> None:
    """Raise ValueError where a name of a state dict is no text."""
    for name in state:
        if not isinstance(name, str):
            raise ValueError(f"{source}: expected names of parameters, got {one_line(repr(name), 60)}")


def check_state(state: Mapping[Any, Any], source: str | os.PathLike[str]) -> None:
    """Check that a state dict holds weights: names, and tensors of finite numbers.

    Args:
        source: file that it comes from, for the messages.

    Raises:
        ValueError: in one line the file and the first entry that is none.
    """
    check_names(state, source)
    for name, value in state.items():
        where = f"{source}: {one_line(name, 100)}"
        if not isinstance(value, Tensor):
            raise ValueError(f"{where} is {type(value).__name__}, expected a tensor")
        plain = value.layout == torch.strided and value.device.type != "meta" and not value.is_quantized
        # A few bytes can claim any shape with steps of 0.
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f"{where} is no plain tensor with all its numbers")
        if value.is_complex():
            raise ValueError(f"{where} is complex, expected real numbers")
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            raise ValueError(f"{where} holds NaN or infinity, expected finite numbers")


def _kind(tensor: Tensor) -> str:
    return (
        "fractions"
        if tensor.is_floating_point()
        else "bool"
        if tensor.dtype == torch.bool
        else "whole numbers"
    )


def load_weights(
    model: nn.Module,
    state: Mapping[str, Tensor],
    source: str | os.PathLike[str],
    optional: Sequence[str] = (),
) -> None:
    """Copy ``state`` into ``model``, cast to the model's dtypes; every name and shape must agree.

    Args:
        source: file that ``state`` comes from, for the messages.
        optional: prefixes of names that may be absent from the file or from the model, beside those in the
            model's own ``optional_state``.

    Raises:
        ValueError: in one line the file, the first parameter that does not fit, and both shapes; numbers of
            another kind or that are not finite.
    """
    check_state(state, source)
    prefix = "module." if state and all(name.startswith("module.") for name in state) else ""
    given = {name[len(prefix) :]: value for name, value in state.items()}
    expected = model.state_dict()
    optional = (*optional, *getattr(model, "optional_state", ()))

    def required(names: set[str]) -> list[str]:
        return sorted(name for name in names if not name.startswith(optional))

    for name in sorted(given.keys() & expected.keys()):
        if _kind(given[name]) != _kind(expected[name]):
            kinds = f"{_kind(given[name])}, the model expects {_kind(expected[name])}"
            raise ValueError(f"{source}: {name} holds {kinds}")
        if given[name].shape != expected[name].shape:
            found, wanted = tuple(given[name].shape), tuple(expected[name].shape)
            raise ValueError(f"{source}: {name} has shape {found}, the model expects {wanted}")
    for what, names in (
        ("lacks", required(expected.keys() - given.keys())),
        ("holds, unknown to the model,", required(given.keys() - expected.keys())),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(f"{source}: {what} {names[0]}{more}; it was made with another model or config")
    model.load_state_dict({name: given[name] for name in given.keys() & expected.keys()}, strict=False)


def load_backbone(backbone: nn.Module, path: str) -> None:
    """Load the backbone of a checkpoint of any model of this collection: the network below an aggregation
    (``bottom_up``), and the aggregation too if that of the model has the same maps.

    Raises:
        FileNotFoundError, ValueError: no such file, or another network.
    """
    prefix = "backbone."
    state = read_checkpoint(path)["model"]
    state = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    expected = backbone.state_dict()
    whole = state.keys() == expected.keys() and all(v.shape == expected[k].shape for k, v in state.items())
    if whole or not hasattr(backbone, "bottom_up"):
        load_weights(backbone, state, path)
    else:
        below = {name.removeprefix("bottom_up."): v for name, v in state.items() if "bottom_up." in name}
        load_weights(backbone.get_submodule("bottom_up"), below, path)
    what = "backbone" if whole else "network below the backbone's aggregation"
    logging.getLogger(__name__).info(f"The {what} starts from {path}")


def save_safetensors(
    model: nn.Module,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """:func:`write_safetensors` of the weights of ``model``."""
    write_safetensors(model.state_dict(), path, metadata, half)


def write_safetensors(
    state: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """Write a state dict as a ``.safetensors`` file that ``MODEL.WEIGHTS`` can name.

    Args:
        metadata: text that travels with the file.
        half: store floating-point tensors as float16 where their values fit; they are cast back at loading.
    """
    tensors = {}
    for name, value in state.items():
        value = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        if half and value.is_floating_point() and bool((value.abs() <= torch.finfo(torch.float16).max).all()):
            value = value.half()
        tensors[name] = value
    with atomic_write(path) as f:
        f.write(safetensors.torch.save(tensors, metadata=dict(metadata or {})))


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
                    raise ValueError(f"{path}: the state of the {key} does not fit ({_first_line(e)})") from e
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


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
