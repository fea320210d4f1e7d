"""RoadWatch as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detectron2.config import CfgNode

from d2ext.data.given_image import StrPath, camera_of, check_options, ground_of
from d2ext.engine import load_config
from d2ext.projects.road_watch.config import add_road_watch_config
from d2ext.projects.road_watch.run import Tally
from d2ext.projects.road_watch.setup import Place, make_run

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from d2ext.data.given_image import CameraOptions


class Ready:
    """Watches roads.

    Attributes:
        cfg: what it goes by.
        device: for the models; "" for their configs'.
    """

    def __init__(self, cfg: CfgNode, device: str = "") -> None:
        self.cfg, self.device = cfg, device

    def __call__(
        self,
        source: StrPath,
        road: StrPath | None,
        output: StrPath,
        labels: StrPath | None = None,
        **camera: Unpack[CameraOptions],
    ) -> Tally:
        """Watch a source to its end; goes on where an earlier run into ``output`` stopped.

        Args:
            source: video, folder of pictures, or address of a stream.
            road: road.json: centre lines of lanes; None: tracks only, neither counts nor alarms.
            output: folder of the results.
            labels: KITTI tracking labels in the place of a detector's objects.
            camera: what is known of it and of the road; here ``ground`` is a file.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        known = {name: value for name, value in camera.items() if value is not None}
        check_options(known)
        told = None if labels is None else Path(labels)
        lanes = None if road is None else Path(road)
        place = Place(camera_of(known), ground_of(known), lanes, self.device, told)
        return make_run(self.cfg, str(source), place, Path(output)).go()


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: a key that cannot be used.
    """
    words = list(options)
    device = words[words.index("MODEL.DEVICE") + 1] if "MODEL.DEVICE" in words[::2] else ""
    return Ready(load_config(add_road_watch_config, config, words), device)
