"""Silences warnings that a user of d2ext can do nothing about: a command's, and while d2ext is imported.

The filters are as narrow as the messages are; every other warning still shows. Importing this module changes
nothing.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

#: Start of the message, without commas and colons, and category.
FILTERS: tuple[tuple[str, type[Warning]], ...] = (
    ("`torch.jit.", FutureWarning),  # fvcore, detectron2.layers
    ("`torch.jit.", DeprecationWarning),
    ("`torch.cuda.amp.", FutureWarning),  # detectron2.engine
    ("pkg_resources is deprecated", UserWarning),  # detectron2.model_zoo
    ("torch.meshgrid", UserWarning),  # detectron2.modeling
    ("`broadcast_buffers` is deprecated", FutureWarning),  # its successor is not in older torch versions
    ("Mismatch dtype between input and weight", UserWarning),  # RMSNorm under bfloat16 autocast
    ("Image size (", RuntimeWarning),  # Pillow's limit of pixels; read_image has one of its own
    ("'pin_memory' argument is set as true but no accelerator", UserWarning),  # data loaders without a GPU
)
#: Loggers that report what is of no use: a CUDA toolkit on a machine without a GPU, and a call that
#: detectron2.modeling.poolers makes.
LOGGERS = ("torch.utils.cpp_extension", "torch.fx._symbolic_trace")


def quiet_warnings() -> None:
    """Install :data:`FILTERS`, here and by the environment in processes that are started from here: for a
    command, whose process is its own.

    Those may import detectron2 before d2ext: the workers of a training do.
    """
    _install()
    options = ",".join(f"ignore:{message}:{category.__name__}" for message, category in FILTERS)
    given = os.environ.get("PYTHONWARNINGS", "")
    if options not in given:
        os.environ["PYTHONWARNINGS"] = f"{options},{given}".rstrip(",")  # the user's come last and count more
    # Tokenizers warn when a process that used them forks, as data loaders do.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def quiet_imports() -> Iterator[None]:
    """The same for imports in a block; afterwards all is as before, but for what the libraries themselves
    have changed."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    before = list(warnings.filters)
    _install()
    ours = [new for new in warnings.filters if new not in before]
    try:
        yield
    finally:
        warnings.filters[:] = [each for each in warnings.filters if each not in ours]  # type: ignore[index]
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _install() -> None:
    for message, category in FILTERS:
        warnings.filterwarnings("ignore", message=re.escape(message), category=category)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with redirect_stderr(io.StringIO()):  # torch 2.6 and 2.7 print what later ones log
        importlib.import_module("torch.utils.cpp_extension")  # as detectron2 does
