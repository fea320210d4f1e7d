"""A run that viewers see."""

from __future__ import annotations

from pathlib import Path

from detectron2.config import CfgNode

from .asker import Asker
from .live import Live
from .setup import Place, make_run


def show_run(cfg: CfgNode, source: str, place: Place, output: Path, live: Live, asker: Asker | None) -> str:
    """Run to the end of the source, at the speed at which it was recorded.

    The chain's models are built while no sentence is answered: optimising a model traces it, and PyTorch's
    tracer looks at the modules of all threads.

    Args:
        source: as :func:`~.setup.make_run` has it, and place and output.
        live: is shown what is seen.
        asker: answers meanwhile.

    Returns:
        what was done, in a line.

    Raises:
        FileNotFoundError, ValueError, OSError: something cannot be used.
    """

    building = None if asker is None else asker.lock
    run = make_run(cfg, source, place, output, building, in_time=True, seen=live.seen)
    try:
        live.begin(run, output)
        return run.go().line()
    finally:
        run.close()
