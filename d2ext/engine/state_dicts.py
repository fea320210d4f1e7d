"""State dicts read, checked, loaded and written: no code in them runs, and what does not fit is one line."""

from __future__ import annotations

import logging
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from d2ext.files import atomic_write
from d2ext.reading import one_line, open_file
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
        why = one_line(first_line(e), 120)
        why = f": {why}" if any(c.isalpha() for c in why) else ""  # torch says of some files a number alone
        raise ValueError(
            f"{path}: not a whole checkpoint, expected a file of torch.save or .safetensors{why}"
        ) from e
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
            found, needed = tuple(given[name].shape), tuple(expected[name].shape)
            raise ValueError(f"{source}: {name} has shape {found}, the model expects {needed}")
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


def first_line(error: Exception) -> str:
    """What an error says, without its later lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
