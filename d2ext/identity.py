"""Which runs are the same: a digest of a config, without the keys that belong to the machine it runs on.

A module that declares such a key says so beside the declaration with :func:`machine_keys`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from detectron2.config import CfgNode

_KEYS: set[str] = set()


def machine_keys(*keys: str) -> None:
    """Say which keys change where and how fast something is computed, and not what."""
    _KEYS.update(keys)


def config_digest(cfg: CfgNode, without: Collection[str] = ()) -> str:
    """SHA-256 of a config, in hexadecimal.

    Args:
        without: more keys that are left out.
    """
    cfg = cfg.clone()
    cfg.defrost()
    for key in {*_KEYS, *without}:
        *above, leaf = key.split(".")
        node = cfg
        for part in above:
            node = node.get(part, CfgNode())
        node.pop(leaf, None)
    return hashlib.sha256(cfg.dump().encode()).hexdigest()
