"""Datasets, mapper and loaders. Importing this package registers the built-in datasets.

A dataset dict for grounding is one image with all its sentences: Detectron2's standard keys and

* ``camera``: P2 as a 3x4 nested list; ``ground_plane``: [a, b, c, d] (unit normal pointing up) or None;
* ``annotations``: ``id`` (unique in the image), ``bbox`` (x1, y1, x2, y2), ``category_id``, ``truncated``,
  ``occluded``, ``alpha``, ``has_3d``, ``location`` (centre of the bottom face, metres), ``dimensions``
  (height, width, length), ``yaw`` (KITTI's ry), ``color`` or None; ``rotation`` (3x3) of a box that leans;
* ``level_boxes``: True where boxes stand on the camera's x-z plane, as in KITTI, whatever the ground;
* ``ignored_boxes``, where there are any: 2D boxes of regions in which objects are not labelled, with
  ``ignored_category_ids`` where it is known of which class they are;
* ``sentences``: ``id``, ``text``, ``target_ids`` (annotation ids; None when they are not published),
  ``properties``;
* ``sequence``, ``frame`` (from 0) and ``time`` (s) of the frames of a video, with a ``track_id`` (text) in
  each annotation;
* ``single_target``: True where every sentence refers to exactly one object (Mono3DRefer);
* ``assumed_camera``: True where ``camera`` is a guess, because the image came without one.

For a vocabulary that is open, an annotation has its ``name``, as its file writes it, whether or not that is a
road class (``category_id`` is its place in the metadata's ``thing_classes``), and ``phrases`` where the file
describes it in words (ODVG, CVAT, Label Studio). Of those two tools it can have ``attributes``, texts
by name, and of CVAT a ``cuboid``, the pixels (8, 2) of a box's corners. Names of which a record says nothing
are absent from its image, except where it has ``neg_category_ids`` (LVIS, ODVG's captions): then only those
are known to be absent, and of a class in ``not_exhaustive_category_ids`` there may be more objects than are
labelled.

The datasets for anomalies have records of their own: ``formats.trajectories`` and ``formats.mvtec_ad``.
"""

from .build import (
    build_detection_test_loader,
    build_detection_train_loader,
    build_grounding_test_loader,
    build_grounding_train_loader,
)
from .builtin import register_dataset  # registers the datasets
from .grounding_mapper import GroundingMapper
from .image_record import image_record
from .mapper import DetectionMapper
from .registration import (
    register_coco,
    register_cvat,
    register_label_studio,
    register_lvis,
    register_odvg,
    register_omni3d,
)
from .sentences import flip_sentence
from .stream import TrainingStream, build_test_loader, build_train_loader

__all__ = [
    "DetectionMapper",
    "GroundingMapper",
    "TrainingStream",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "build_grounding_test_loader",
    "build_grounding_train_loader",
    "build_test_loader",
    "build_train_loader",
    "flip_sentence",
    "image_record",
    "register_coco",
    "register_cvat",
    "register_dataset",
    "register_label_studio",
    "register_lvis",
    "register_odvg",
    "register_omni3d",
]
