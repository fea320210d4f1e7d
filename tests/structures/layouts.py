"""What one camera sees of many layouts of traffic: 2D boxes with their classes, and no pictures."""

import dataclasses

import numpy as np

from d2ext.data.synthroad import layout
from d2ext.data.synthroad.cameras import CameraKind
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.roads import sample_road


@dataclasses.dataclass(frozen=True)
class OneCamera(CameraKind):
    """A family of one camera."""

    view: View | None = None

    def sample_view(self, rng):
        return self.view


def boxes_below(
    kind: CameraKind, seed: int, count: int, noise: float = 2.0, monkeypatch=None
) -> tuple[View, list[str], np.ndarray]:
    """A camera of the family with the classes and boxes (count, 4) of what it sees, by projection of the 3D
    boxes, each side off by ``noise`` pixels. A pole stays at its road, a car drives along many."""
    rng = np.random.default_rng([seed, 11])
    view = kind.sample_view(rng)
    road = sample_road(kind, view, rng)
    fields = {field.name: getattr(kind, field.name) for field in dataclasses.fields(kind)}
    one = OneCamera(**fields, view=view)
    if not kind.driving:
        monkeypatch.setattr(layout, "sample_road", lambda *_: road)
    names, boxes, limit = [], [], np.array([view.width - 1.0, view.height - 1.0] * 2)
    while len(names) < count:
        for item in layout.sample_scene(one, rng).objects:
            whole, _ = view.box_rectangle(item.corners)
            names.append(item.category)
            boxes.append(np.clip(whole + rng.normal(0, noise, 4), 0, limit))
    return view, names[:count], np.array(boxes[:count])
