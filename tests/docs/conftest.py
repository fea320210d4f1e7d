"""A picture with its camera, as a reader of the documentation would have them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "commands"))  # readme_commands

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="session")
def give() -> Callable[[str, Path], None]:
    """Writes a file that a page asks for, ``name`` or ``name=WIDTHxHEIGHT``, into a folder: a picture,
    its camera and ground plane, a recording."""
    import cv2  # here, because most tests of this folder need none of these
    import numpy as np

    from d2ext.data.synthroad.labels import make_frame
    from d2ext.data.synthroad.layout import POLE
    from d2ext.structures import plane_of_tilt

    picture = make_frame(POLE, np.random.default_rng([5, 1])).rendering.image

    def give(wanted: str, folder: Path) -> None:
        name, _, size = wanted.partition("=")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            width, height = map(int, size.split("x")) if size else (WIDTH, HEIGHT)
            cv2.imwrite(str(path), cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
        elif name == "calib.txt":
            path.write_text(f"P2: 120 0 {WIDTH / 2} 0 0 120 {HEIGHT / 2} 0 0 0 1 0\n")
        elif name == "denorm.txt":
            path.write_text(" ".join(map(str, plane_of_tilt(7.0, 0.19))) + "\n")
        else:
            assert re.search(r"trajectories.*\.csv$", name), f"{wanted}: nothing here writes that"
            rows = [f"{i},{t / 5},{1 + i % 2},{10 * t / 5}" for i in range(2) for t in range(200)]
            path.write_text("\n".join(["track_id,time,lane,position", *rows]))

    return give


@pytest.fixture
def known_to() -> Callable[[str, Path], dict[str, object]]:
    """Names that a README's blocks take for known: a picture with what is known of its camera, tracks
    and their graph."""
    import numpy as np

    from d2ext.data.given_camera import GivenCamera, GivenGround
    from d2ext.data.trajectories import GraphSpec, SpaceTimeRenderer, Tracks
    from d2ext.structures import Camera, plane_of_tilt

    def known_to(page: str, folder: Path) -> dict[str, object]:
        if page == "projects/RoadWatch/README.md":
            road = folder / "road.json"
            road.write_text('{"lanes": {"1": [[0, 10], [0, 60]]}}')
            seen = {"image_bgr": np.zeros((HEIGHT, WIDTH, 3), np.uint8), "height": HEIGHT, "width": WIDTH}
            site = {"camera": GivenCamera(fov=43), "ground": GivenGround(None, 7.0, 11.0), "road": road}
            return {**seen, **site, "number": 0, "seconds": 0.0}
        if page == "projects/TrajAD/README.md":
            time = np.arange(0, 160, 0.4)
            one, lane, speed = np.zeros(len(time), int), np.full(len(time), "1"), np.full(len(time), 2.0)
            tracks = Tracks(np.array(["a"]), one, time, lane, 2 * time, speed)
            spec = GraphSpec(("1", "2"), 0, 381, 0.5, 3.0, top_speed=13.9)
            graph = next(iter(SpaceTimeRenderer(tracks, spec).tiles(width=256, overlap=0)))
            return {"graph": graph, "recording": [tracks]}
        if page.startswith("projects/"):
            camera = Camera([[120.0, 0, 48, 0], [0, 120, 32, 0], [0, 0, 1, 0]], (HEIGHT, WIDTH))
            plane = plane_of_tilt(7.0, 0.19)
            return {
                "image_bgr": np.zeros((HEIGHT, WIDTH, 3), np.uint8),
                "camera": camera,
                "ground_plane": plane,
            }
        return {}

    return known_to
