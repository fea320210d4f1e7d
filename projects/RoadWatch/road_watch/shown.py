"""A run that viewers see."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from detectron2.config import CfgNode

from d2ext.data.trajectories import read_road

from .asker import Asker
from .chain import Watch
from .live import Live
from .outputs import Recorder
from .run import Run
from .setup import Place, identity_of, make_watch
from .source import make_source


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

    def make(size: tuple[int, int]) -> Watch:
        with nullcontext() if asker is None else asker.lock:
            return make_watch(cfg, place, size)

    read_road(place.road)  # said before anything is written
    make_source(source, cfg.ROAD_WATCH.SOURCE)
    recorder = Recorder(output, identity_of(cfg, source, place), cfg.ROAD_WATCH.OUTPUT.DISK_PATIENCE)
    try:
        epoch = recorder.state["epoch"] if recorder.state else 0.0
        pictures = make_source(source, cfg.ROAD_WATCH.SOURCE, epoch)
        run = Run(cfg, make, pictures, recorder, in_time=True, seen=live.seen)
        live.begin(run, output)
        return run.go().line()
    finally:
        recorder.close()
