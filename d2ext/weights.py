"""Weights and encoders by name: ``d2ext://u2enet/tiny`` is the same file for every project, wherever it lies.

The names, files and digests are in ``zoo.yaml``. A file is looked for in the checkout of this
collection or the installed package, and in the cache folder (``$D2EXT_CACHE``, else ``~/.cache/d2ext``), and
used only if its digest is right.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from d2ext.reading import open_file
from d2ext.shipped import RESOURCES, SHIPPED
from d2ext_cli.zoo import PREFIX, read_zoo

__all__ = ["PREFIX", "cache_folder", "resolve", "sha256"]


def cache_folder() -> Path:
    """Where named weights are looked for that came neither with a checkout nor with the package."""
    return Path(os.environ.get("D2EXT_CACHE") or "~/.cache/d2ext").expanduser()


def resolve(name: str) -> str:
    """The path of a named file or folder; anything that does not begin with ``d2ext://`` as it is.

    Raises:
        FileNotFoundError: it is in none of the places; the message says where to put it.
        ValueError: an unknown name, or a file with other content.
    """
    if not name.startswith(PREFIX):
        return name
    rest = name[len(PREFIX) :]
    if ".." not in rest.split("/") and (RESOURCES / rest / "tokenizer.json").is_file():
        return str(RESOURCES / rest)  # an encoder
    known = {known_name: entry for known_name, entry in read_zoo().items() if "weights" in entry}
    if rest not in known:
        names = ", ".join(PREFIX + known_name for known_name in sorted(known))
        raise ValueError(f"{name[:80]}: no such weights, expected one of {names}"[:299])
    entry = known[rest]
    file, digest = entry["weights"], entry["sha256"]
    cached = cache_folder() / f"{rest}{Path(file).suffix}"
    for path in (SHIPPED / file, RESOURCES / file, cached):
        if path.is_file():
            if sha256(str(path), path.stat().st_mtime_ns) != digest:
                raise ValueError(f"{path}: expected the weights {name}, but the content (SHA-256) is another")
            return str(path)
    how = f" ({entry['fetch']} writes it)" if "fetch" in entry else ""
    raise FileNotFoundError(f"{name}: not on this machine; expected {Path(file).name} as {cached}{how}")


@functools.lru_cache
def sha256(path: str, modified: int) -> str:
    """Digest of a file; ``modified`` is the time of its last change, so that it is read once for each."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
