"""Silences warnings that libraries raise at import and that a user of d2ext can do nothing about.

Importing this module is enough; it must come before the first import of detectron2, fvcore or transformers.
The filters are as narrow as the messages are; every other warning still shows.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import re
import warnings

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


def quiet_warnings() -> None:
    """Install :data:`FILTERS`, here and by the environment in processes that are started from here.

    Those may import detectron2 before d2ext: the workers of a training do.
    """
    for message, category in FILTERS:
        warnings.filterwarnings("ignore", message=re.escape(message), category=category)
    options = ",".join(f"ignore:{message}:{category.__name__}" for message, category in FILTERS)
    given = os.environ.get("PYTHONWARNINGS", "")
    if options not in given:
        os.environ["PYTHONWARNINGS"] = f"{options},{given}".rstrip(",")  # the user's come last and count more
    # Reports a CUDA toolkit on a machine without a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):  # torch 2.6 and 2.7 print it, once
        importlib.import_module("torch.utils.cpp_extension")  # as detectron2 does
    # Speaks of a call that detectron2.modeling.poolers makes.
    logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
    # Speaks of constants that it leaves in an exported graph.
    logging.getLogger("onnxscript.optimizer._constant_folding").setLevel(logging.ERROR)
    # Tokenizers warn when a process that used them forks, as data loaders do.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


quiet_warnings()
