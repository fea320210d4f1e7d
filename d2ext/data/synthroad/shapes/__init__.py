"""How the shapes of SynthRoad's objects are built: a function of a random generator for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from d2ext.data.synthroad.mesh import Mesh
from d2ext.data.synthroad.shapes import buses, cars, fixed, people, street, tricycles, trucks, two_wheelers

Builder = Callable[[np.random.Generator], Mesh]

BUILDERS: dict[str, dict[str, Builder]] = {
    "car": {name: partial(cars.car, name) for name in cars.CARS},
    "van": {name: partial(cars.car, name) for name in cars.VANS},
    "truck": {name: partial(trucks.truck, name) for name in trucks.TRUCKS},
    "bus": {name: partial(buses.bus, name) for name in ("city", "coach", "midibus")},
    "tram": {"tram": buses.tram},
    "pedestrian": {
        "walking": people.walking,
        "standing": people.standing,
        "bag": people.bag,
        "coat": people.coat,
        "umbrella": people.umbrella,
        "child": people.child,
    },
    "person_sitting": {
        "bench": partial(people.sitting, bench=True),
        "chair": partial(people.sitting, bench=False),
    },
    "cyclist": {name: partial(two_wheelers.cyclist, name) for name in ("city", "loaded", "racer")},
    "motorcyclist": {
        name: partial(two_wheelers.motorcyclist, name) for name in ("scooter", "delivery", "motorcycle")
    },
    "tricyclist": {name: partial(tricycles.tricyclist, name) for name in ("cargo", "parcels", "cabin")},
    "barrow": {"cart": street.cart, "wheelbarrow": street.wheelbarrow},
    "trafficcone": {"cone": street.cone, "post": street.post},
    "unknown_movable": {
        "container": street.container,
        "trailer": street.trailer,
        "trolley": street.trolley,
        "suitcase": street.suitcase,
        "animal": street.animal,
    },
    "unknown_unmovable": {
        "barrier": fixed.barrier,
        "planter": fixed.planter,
        "barricade": fixed.barricade,
        "bollard": fixed.bollard,
        "bench": fixed.bench,
    },
    "distractor": {
        "poster": partial(fixed.poster, on_post=False),
        "billboard": partial(fixed.poster, on_post=True),
        "column": fixed.column,
        "statue": people.statue,
        "dummy": people.dummy,
        "bin": fixed.bin_,
        "mailbox": fixed.mailbox,
        "cabinet": fixed.cabinet,
        "bicycle": two_wheelers.parked_bicycle,
    },
}
