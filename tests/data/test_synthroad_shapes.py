"""Every shape of SynthRoad: tight in its box, looking outward, with a front and a rear."""

from __future__ import annotations

import numpy as np
import pytest

from d2ext.data.synthroad.models import DISTRACTOR, DISTRACTORS, SHAPES, VARIANTS, mesh_of
from d2ext.data.synthroad.palette import COLORS
from d2ext.structures.vocabulary import ROAD

EVERY = [(category, shape) for category, shapes in SHAPES.items() for shape in shapes]
EVERY += [(DISTRACTOR, shape) for shape in DISTRACTORS]


def test_all_classes_have_shapes() -> None:
    assert set(SHAPES) == set(ROAD.names)
    vehicles = ("car", "van", "truck", "bus", "tram")
    assert sum(len(SHAPES[category]) for category in vehicles) >= 14
    for shapes in (*SHAPES.values(), DISTRACTORS):
        for shape in shapes.values():
            assert shape.weight > 0 and set(shape.colors) <= set(COLORS) and shape.colors
            # Even four deviations below the mean a size is one.
            assert (np.array(shape.size.mean) > 4 * np.array(shape.size.std)).all()


@pytest.mark.parametrize(("category", "shape"), EVERY)
def test_a_shape_fills_its_unit_box(category: str, shape: str) -> None:
    for seed in (0, VARIANTS - 1):
        points = mesh_of(category, shape, seed).quads.reshape(-1, 3)
        np.testing.assert_allclose(points.min(axis=0), [-0.5, 0.0, -0.5], atol=1e-9)
        np.testing.assert_allclose(points.max(axis=0), [0.5, 1.0, 0.5], atol=1e-9)


@pytest.mark.parametrize(("category", "shape"), EVERY)
def test_a_shape_has_nearly_the_proportions_of_its_size(category: str, shape: str) -> None:
    """Else wheels and heads would be ovals."""
    known = DISTRACTORS if category == DISTRACTOR else SHAPES[category]
    height, width, length = known[shape].size.mean
    ratio = mesh_of(category, shape).nominal / np.array([length, height, width])
    assert ratio.max() / ratio.min() < 1.6


@pytest.mark.parametrize(("category", "shape"), EVERY)
def test_normals_are_of_unit_length_and_look_outward(category: str, shape: str) -> None:
    """A closed surface of outward normals encloses a positive volume (divergence theorem)."""
    mesh = mesh_of(category, shape)
    quads = mesh.quads * mesh.nominal
    area = np.linalg.norm(np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]), axis=1) / 2
    volume = float((area * np.einsum("nc,nc->n", mesh.normals, quads.mean(axis=1))).sum() / 3)
    assert volume > 0
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1)[area > 1e-9], 1.0, atol=1e-6)


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(KeyError):
        mesh_of("car", "zeppelin")
