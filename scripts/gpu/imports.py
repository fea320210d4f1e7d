"""Checks that a folder of gpu_wheels.sh holds what d2ext and gpu_check.py import and the GPU machine lacks.

scripts/gpu/imports.py DIR
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: Distributions that the machine has; what they require is there too.
THERE = (
    "torch", "torchvision", "triton", "transformers", "timm", "huggingface_hub", "opencv-python-headless",
    "scipy", "safetensors", "onnx", "onnxruntime", "pytest", "numba", "matplotlib", "tensorboard",
)  # fmt: skip
#: What is run there, and imports everything.
MODULES = (
    *(f"gpu.{name}" for name in ("checks", "kernel", "training", "inference", "hotspots")),
    *(f"gpu.{name}" for name in ("loader", "compiled", "train")),
    *(f"d2ext.projects.{name}" for name in ("u2enet", "diffusion_det3d", "trajad")),
    "d2ext.data.synthroad.generate", "detectron2.model_zoo", "diffusers", "fvcore.nn", "hydra", "einops",
    "mamba_ssm.ops.triton.ssd_combined",
)  # fmt: skip


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(names: tuple[str, ...]) -> set[str]:
    """Distributions and, as far as they are installed here, all that they require without extras."""
    found: set[str] = set()
    todo = [normal(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        todo += [normal(re.split(r"[^\w.-]", r)[0]) for r in requirements if "extra ==" not in r]
    return found


class Hide:
    """In place of Python's finder of files: finds no module that is neither in ``folder`` nor of a
    distribution that is there."""

    def __init__(self, folder: Path) -> None:
        kept = required(THERE)
        folders = (folder, folder / "setuptools/_vendor")  # the latter puts itself on the path
        brought = {path.stem for place in folders for path in place.iterdir()} | {"d2ext"}
        owners = metadata.packages_distributions().items()
        self.hidden = {m for m, names in owners if not {normal(n) for n in names} & kept} - brought

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return None if name.partition(".")[0] in self.hidden else PathFinder.find_spec(name, path, target)

    def find_distributions(self, *arguments: Any) -> Iterable[metadata.Distribution]:
        return PathFinder.find_distributions(*arguments)

    def invalidate_caches(self) -> None:
        PathFinder.invalidate_caches()


def compiled(folder: Path) -> list[Path]:
    """Extension modules that this Python cannot load.

    Raises:
        SystemExit: one that CPython 3.12 on x86-64 cannot load.
    """
    found = []
    for path in folder.rglob("*.so"):
        if not path.name.endswith((".abi3.so", ".cpython-312-x86_64-linux-gnu.so")):
            sys.exit(f"imports: {path}: expected an extension for CPython 3.12 on x86-64")
        if sys.version_info[:2] != (3, 12):
            found.append(path)
    return found


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    foreign = compiled(folder)
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    # What this Python cannot load is taken from its own packages, and only looked at by its name above.
    own = {path.relative_to(folder).parts[0] for path in foreign}
    for name in own:
        importlib.import_module(name)
    sys.path.insert(0, str(folder))
    sys.meta_path[sys.meta_path.index(PathFinder)] = Hide(folder)
    for name in MODULES:
        importlib.import_module(name)
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler  # noqa: F401  (loaded at their first use)

    brought = {path.name for path in folder.iterdir()} - own
    files = {n: getattr(m, "__file__", None) for n, m in sys.modules.items() if n in brought}
    outside = sorted(n for n, file in files.items() if file and not file.startswith(str(folder)))
    if outside:
        sys.exit(f"imports: not from the folder: {', '.join(outside)}")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = ", ".join(str(path.relative_to(folder)) for path in foreign)
    looked = f"; only looked at by name: {names}" if foreign else ""
    print(f"imports: all {len(MODULES)} modules found under Python {python}{looked}")


if __name__ == "__main__":
    main()
