"""Silences warnings that libraries raise at import and that a user of d2ext can do nothing about.

Importing this module is enough; it must come before the first import of detectron2, fvcore or transformers.
The filters are as narrow as the messages are; every other warning still shows.
"""

from __future__ import annotations

import logging
import os
import warnings

#: (start of the message as a regular expression, category)
FILTERS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`torch\.jit\.\w+` is deprecated", FutureWarning),  # fvcore, detectron2.layers
    (r"`torch\.jit\.\w+` is deprecated", DeprecationWarning),
    (r"`torch\.cuda\.amp\.\w+", FutureWarning),  # detectron2.engine
    (r"pkg_resources is deprecated", UserWarning),  # detectron2.model_zoo
    (r"torch\.meshgrid: in an upcoming release", UserWarning),  # detectron2.modeling
    (r"`broadcast_buffers` is deprecated", FutureWarning),  # its successor is not in older torch versions
    (r"Mismatch dtype between input and weight", UserWarning),  # RMSNorm under bfloat16 autocast
    (r"Image size \(\d+ pixels\) exceeds limit", RuntimeWarning),  # Pillow; read_image has a limit of its own
    (r"'pin_memory' argument is set as true but no accelerator", UserWarning),  # data loaders without a GPU
)


def quiet_warnings() -> None:
    """Install :data:`FILTERS`. Worker processes inherit nothing, so each calls this by importing d2ext."""
    for message, category in FILTERS:
        warnings.filterwarnings("ignore", message=message, category=category)
    # Reports a CUDA toolkit on a machine without a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    # Speaks of a call that detectron2.modeling.poolers makes.
    logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
    # Tokenizers warn when a process that used them forks, as data loaders do.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


quiet_warnings()
