"""A device that is none: tensors that lie in main memory and say that they are on a GPU.

Programs run on it with real numbers, and every operation is seen. So a test on a machine without a GPU can
say where a program would have made the host wait for one: where values come back to the host (``.item()``,
``float()``, ``if tensor``, ``.cpu()``), where the shape of a result depends on values (``nonzero``, boolean
indices, ``unique``), and where something is copied to the device otherwise than with ``non_blocking=True``,
be it an index that is a list. As on a GPU, operations on tensors of both kinds of memory fail.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("cuda", 0)
#: For tests of text encoders: those of transformers 4 look into their masks.
needs_transformers_5 = pytest.mark.skipif(
    int(transformers.__version__.split(".")[0]) < 5, reason="text encoders of transformers 4 wait for a GPU"
)
_ROOT = Path(__file__).resolve().parents[1]
#: Operations whose result has a shape, or is a number, that the host must wait for.
_WAIT = {
    "_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "bincount", "_unique2",
    "unique_dim", "unique_consecutive", "nms",
}  # fmt: skip
_COPIES = ("_to_copy", "copy_", "lift_fresh")


class DeviceTensor(Tensor):
    """A tensor of the pretended device around the one in main memory that holds its values."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> DeviceTensor:
        # C++ sees the meta device, which has no driver to be missed.
        return Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device="meta",
        )

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.new_tensor:  # would make a meta tensor
            return torch.tensor(*args[1:], **{"dtype": args[0].dtype, "device": DEVICE} | kwargs)
        if func is Tensor.tolist:
            return args[0].cpu().tolist()
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func}: a tensor of the pretended device outside of pretend_device()")


class _Watch(TorchDispatchMode):
    """Runs every operation in main memory and notes those that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        leaves: list[Tensor] = []
        mapped(leaves.append, (args, tuple(kwargs.values())))
        theirs = [x for x in leaves if isinstance(x, DeviceTensor)]
        asked = kwargs.get("device")
        asked = None if asked is None else torch.device(asked)
        if not theirs and (asked is None or asked.type not in ("cuda", "meta")):
            return func(*args, **kwargs)
        name = func.overloadpacket.__name__
        self._judge(name, args, kwargs, leaves, theirs, asked)
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        kwargs.pop("pin_memory", None)
        inner = {key: mapped(_unwrapped, value) for key, value in kwargs.items()}
        out = func(*mapped(_unwrapped, args), **inner)
        if name == "_local_scalar_dense" or (
            name == "_to_copy" and asked is not None and asked.type == "cpu"
        ):
            return out.clone() if isinstance(out, Tensor) else out
        if name.endswith("_") and args and isinstance(args[0], DeviceTensor):
            return args[0]
        known = {id(x.values): x for x in theirs}  # what an operation gives back is no new tensor
        return mapped(lambda x: known[id(x)] if id(x) in known else DeviceTensor(x), out)

    def _judge(
        self,
        name: str,
        args: Any,
        kwargs: dict,
        leaves: list[Tensor],
        theirs: list,
        asked: torch.device | None,
    ) -> None:
        foreign = [x for x in leaves if not isinstance(x, DeviceTensor) and x.ndim]
        home = asked is not None and asked.type == "cpu"
        if name in _COPIES:
            back = home or (name == "copy_" and not isinstance(args[0], DeviceTensor))
            if back and theirs:
                self._note(f"{name} to the host")
            elif foreign and not (kwargs.get("non_blocking") or name == "copy_" and args[2:] == (True,)):
                self._note(f"{name} to the device, not non_blocking")
            elif not theirs and not foreign and name == "_to_copy" and not kwargs.get("non_blocking"):
                self._note("_to_copy of a number to the device, not non_blocking")
        elif name in ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"):
            indices = [x for x in args[1] if isinstance(x, Tensor)]
            if any(not isinstance(x, DeviceTensor) for x in indices):
                self._note(f"{name} by an index that the host has")
            elif name.endswith("index") and any(x.dtype in (torch.bool, torch.uint8) for x in indices):
                self._note(f"{name} by a mask")
            elif any(x.dtype in (torch.bool, torch.uint8) for x in indices) and args[2].numel() > 1:
                self._note(f"{name} by a mask")
        elif foreign:
            raise RuntimeError(f"{name}: tensors on the device and on the host at once")
        elif name == "repeat_interleave" and kwargs.get("output_size") is None:
            self._note("repeat_interleave without output_size")
        elif name in _WAIT:
            self._note(name)

    def _note(self, what: str) -> None:
        stack = [f for f in traceback.extract_stack() if "site-packages" not in f.filename]
        frames = [f for f in stack if str(_ROOT) in f.filename and f.filename != __file__]
        inside = [f for f in frames if "/tests/" not in f.filename] or frames
        at = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(inside[-3:]))
        self.waits.append(f"{what} at {at or 'a place outside of the repository'}")


def _index(index: Any) -> Any:
    """An index whose lists are tensors on the device, which is what they become there."""
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    return torch.tensor(index, dtype=torch.long, device=DEVICE) if isinstance(index, list) else index


def mapped(function: Callable[[Tensor], Any], values: Any) -> Any:
    """The same tuples and lists with every tensor replaced."""
    if isinstance(values, Tensor):
        return function(values)
    if isinstance(values, (tuple, list)):
        return type(values)([mapped(function, x) for x in values])
    return values


def _unwrapped(x: Tensor) -> Tensor:
    return x.values if isinstance(x, DeviceTensor) else x


@contextmanager
def pretend_device() -> Iterator[list[str]]:
    """Inside, tensors can be made on "cuda" and moved there.

    Yields:
        what made the host wait, with the places of the program; clear it to begin anew.
    """
    watch = _Watch()
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device) is seen as a copy
    try:
        with mock.patch("torch.cuda._lazy_init"), torch.autograd.set_multithreading_enabled(False), watch:
            yield watch.waits
    finally:
        torch._C._set_only_lift_cpu_tensors(before)


def move(module: nn.Module) -> None:
    """Put a module's weights and buffers on the pretended device, in place."""
    known: dict[int, Tensor] = {}

    def moved(x: Tensor) -> Tensor:
        return known.setdefault(id(x), DeviceTensor(x.detach()))

    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(moved(weight), weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = moved(buffer)


def listed(waits: list[str]) -> str:
    """Places and how often, for the message of a test."""
    return "\n".join(f"{count} x {what}" for what, count in Counter(waits).most_common())
