"""What the 3D detectors share: encoding of images, losses, and detections from predicted boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.modeling import Backbone, build_backbone
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.layers import RegionMaps
from d2ext.modeling.box3d.config import build_box_head
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import VIEW_DIM, EncodedImages
from d2ext.modeling.box3d.plane import PlaneHead, build_plane_head, fill_planes, standing_records
from d2ext.modeling.box3d.records import size_groups, stack_images
from d2ext.modeling.detection.criterion import SetCriterion
from d2ext.modeling.detection.decoder import BoxDecoder, DecoderHead, DynamicInteraction, PromptClassifier
from d2ext.modeling.detection.inference import Detection, DiffusionDetection, Found, LearnedDetection
from d2ext.modeling.detection.matching import SetMatcher
from d2ext.structures import transfer

CLASS_BIAS = -4.6  # logit of 0.01: at first hardly a box holds an object


class Detector3D(nn.Module, ABC):
    """One image -> class, 2D box and 3D box of every object. A subclass gives :meth:`training_boxes` and
    :meth:`start`.

    Args:
        backbone: gives the maps named in ``in_features``.
        encoder: these maps and the sizes (B, 2) of the images -> what the decoder reads.
        decoder: refines boxes.
        criterion: losses of the decoder's outputs.
        in_features: maps, fine to coarse.
        pixel_mean, pixel_std: per channel, in the order of INPUT.FORMAT.
        detection: how objects are found with it.
        plane_head: reads the plane of an image that has none from the coarsest map; None leaves it unknown.
    """

    #: Children that ``torch.compile`` may take.
    compilable = ("backbone",)
    detection_class: type[DiffusionDetection] | type[LearnedDetection]  # that goes with the model

    def __init__(
        self,
        *,
        backbone: Backbone,
        encoder: nn.Module,
        decoder: BoxDecoder,
        criterion: SetCriterion,
        in_features: Sequence[str],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        detection: Detection,
        plane_head: PlaneHead | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder = encoder
        self.decoder = decoder
        self.criterion = criterion
        self.in_features = list(in_features)
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), persistent=False)
        self.detection = detection
        self.plane_head = plane_head

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self.pixel_mean.device  # type: ignore[return-value]

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Mapper dicts (see :class:`d2ext.data.mapper.DetectionMapper`) -> losses in training, else for each
        image ``{"instances": Instances}``, see :meth:`detect`."""
        if not self.training:
            with torch.no_grad():
                return self.detect(self.encode(batched_inputs))
        frames = self.encode(batched_inputs)
        instances = [x["instances"] for x in batched_inputs]  # stay on the host, which asks much of them
        losses = self.losses(frames, instances)
        return losses if self.plane_head is None else losses | self.plane_head.losses([frames])

    def losses(self, frames: EncodedImages, instances: list[Instances]) -> dict[str, Tensor]:
        """Losses by name of encoded images and their labels, which are on the host."""
        outputs = self.decoder(frames, *self.training_boxes(frames, instances))
        return self.criterion(self.decoder.box_head, outputs, frames, instances)

    @abstractmethod
    def training_boxes(self, frames: EncodedImages, instances: list[Instances]) -> tuple[Tensor, ...]:
        """The arguments of the decoder in training: boxes, objects, and time where it wants one."""

    @abstractmethod
    def start(self, encoded: EncodedImages, *given: Tensor) -> tuple[Tensor, ...]:
        """What the decoder starts from, its boxes first; ``given`` are noisy boxes and time where it wants
        them."""

    def step(self, encoded: EncodedImages, *given: Tensor) -> Found:
        """A step of :mod:`d2ext.modeling.detection.inference`."""
        start = self.start(encoded, *given)
        objects = self.decoder.decode(self.decoder(encoded, *start)[-1])
        return Found(start[0], objects, objects)

    def detect(self, encoded: EncodedImages, *args: Any, **options: Any) -> list[dict]:
        """Objects in images of :meth:`encode`; arguments and answer are those of
        :meth:`d2ext.modeling.detection.inference.Detection.detect`."""
        return self.detection.detect(self.step, encoded, *args, **options)

    def encode(self, batched_inputs: list[dict]) -> EncodedImages:
        """Mapper dicts -> the encoded images."""
        pixels, P, plane, sizes = stack_images(
            batched_inputs,
            self.pixel_mean,  # type: ignore[arg-type]
            self.pixel_std,  # type: ignore[arg-type]
            self.backbone.size_divisibility,
        )
        maps = self._maps(pixels, [x["image"].shape[-2:] for x in batched_inputs])
        tilt = self._tilt(maps, P, sizes)
        plane, given = fill_planes(plane, tilt)
        if tilt is not None and not self.training:
            batched_inputs = standing_records(batched_inputs, plane)
        prompts = self.ask(batched_inputs)
        features = self.encoder(self.fuse(maps, prompts), sizes)
        known = None if tilt is None else given
        return EncodedImages(features, P, plane, sizes, batched_inputs, known, tilt, prompts)

    def ask(self, batched_inputs: list[dict]) -> Any:
        """What is asked of each image, for ``EncodedImages.prompts``; None of a model whose classes are
        fixed."""

    def fuse(self, maps: list[Tensor], prompts: Any) -> list[Tensor]:
        """The maps, fine to coarse, with what a method adds to them of the prompts."""
        return maps

    def _tilt(self, maps: Sequence[Tensor], P: Tensor, sizes: Tensor) -> Tensor | None:
        """What the pictures show of their planes (B, 3); None where that is not asked."""
        if self.plane_head is None:
            return None
        stride = self.backbone.output_shape()[self.in_features[-1]].stride
        return self.plane_head(maps[-1], P, sizes, stride)

    def _maps(self, pixels: Tensor, sizes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Maps of padded images, fine to coarse. Images of one size go through the backbone together (see
        :func:`size_groups`); their maps are then continued by their edge."""
        members = size_groups(sizes, self.backbone.size_divisibility, self)
        if len(members) == 1:
            return self._backbone(pixels)
        rows = [torch.tensor(index) for index in members.values()]
        *rows, order = transfer([*rows, torch.cat(rows).argsort()], pixels.device)
        groups = [self._backbone(pixels[i, :, :h, :w]) for (h, w), i in zip(members, rows, strict=True)]
        maps = []
        for level in zip(*groups, strict=True):
            height, width = (max(m.shape[d] for m in level) for d in (2, 3))
            same = [F.pad(m, (0, width - m.shape[3], 0, height - m.shape[2]), "replicate") for m in level]
            maps.append(torch.cat(same)[order])
        return maps

    def image_branch(
        self, pixels: Tensor, sizes: Tensor, P: Tensor | None = None, plane: Tensor | None = None
    ) -> tuple[Any, Tensor | None, Tensor | None]:
        """Normalised pixels (B, 3, H, W), sizes (B, 2) long, height and width of each image without its
        padding, P (B, 3, 4) and plane (B, 4) -> what the decoder reads, the plane, where it was not given as
        the picture shows it, and whether it was given (None: not asked). For images of one padded size."""
        maps = self._backbone(pixels)
        tilt = None if P is None else self._tilt(maps, P, sizes)
        if tilt is None or plane is None:
            return self.encoder(maps, sizes), plane, None
        return self.encoder(maps, sizes), *fill_planes(plane, tilt)

    def _backbone(self, pixels: Tensor) -> list[Tensor]:
        features = self.backbone(pixels.contiguous(memory_format=torch.channels_last))
        return [features[name].float() for name in self.in_features]


def map_channels(backbone: Backbone, names: Sequence[str], key: str) -> list[int]:
    """Channels of maps of the backbone.

    Raises:
        ValueError: one that it does not give; ``key`` names where it was asked for.
    """
    shapes = backbone.output_shape()
    for name in names:
        if name not in shapes:
            raise ValueError(f"{key} {name}: expected one of {', '.join(shapes)}")
    return [shapes[name].channels for name in names]


def shared_parts(cfg: CfgNode) -> dict:
    """The arguments of :class:`Detector3D` that do not depend on the method."""
    c = cfg.MODEL.DETECTION3D
    return {
        "backbone": build_backbone(cfg),
        "criterion": SetCriterion(SetMatcher(c.MATCHER, c.COSTS), c.LOSS_WEIGHTS),
        "pixel_mean": cfg.MODEL.PIXEL_MEAN,
        "pixel_std": cfg.MODEL.PIXEL_STD,
    }


class HeadParts(NamedTuple):
    """What a :class:`DecoderHead` says: boxes and, where these have no class logits, what gives them."""

    box_head: Box3DHead
    classifier: PromptClassifier | None


class MapProjection(nn.Module):
    """Maps of different widths, fine to coarse, to one width, laid out for boxes to be read from them."""

    features = RegionMaps

    def __init__(self, channels: Sequence[int], strides: Sequence[int], dim: int) -> None:
        super().__init__()
        self.strides = list(strides)
        self.project = nn.ModuleList(
            nn.Identity() if width == dim else nn.Conv2d(width, dim, 1) for width in channels
        )

    def forward(self, maps: Sequence[Tensor], sizes: Tensor) -> RegionMaps:
        """maps, each (B, C_i, H_i, W_i) -> maps of ``dim`` channels to read regions from."""
        # Boxes are read with the precision of their coordinates, which is that of the maps.
        maps = [project(m).float() for project, m in zip(self.project, maps, strict=True)]
        return RegionMaps.of(maps, self.strides)


def class_head(cfg: CfgNode) -> HeadParts:
    """A head that tells the classes of the config apart."""
    c = cfg.MODEL.DETECTION3D
    return HeadParts(build_box_head(cfg, c, c.HIDDEN_DIM + VIEW_DIM, CLASS_BIAS), None)


def region_parts(cfg: CfgNode, time_dim: int = 0, head: Callable[[CfgNode], HeadParts] = class_head) -> dict:
    """The arguments of a :class:`Detector3D` whose boxes read the regions that they hold.

    Args:
        time_dim: of :class:`DecoderHead`.
        head: makes what is of its own in each head: what says the class, the box and its size.
    """
    c = cfg.MODEL.DETECTION3D
    parts = shared_parts(cfg)
    names = list(c.IN_FEATURES)
    channels = map_channels(parts["backbone"], names, "MODEL.DETECTION3D.IN_FEATURES")
    strides = [parts["backbone"].output_shape()[name].stride for name in names]
    heads = [
        DecoderHead(
            DynamicInteraction(c.HIDDEN_DIM, c.DYNAMIC_DIM, c.POOL_SIZE),
            own.box_head,
            c.HIDDEN_DIM,
            c.ATTENTION_HEADS,
            c.FFN_DIM,
            time_dim,
            own.classifier,
        )
        for own in (head(cfg) for _ in range(c.NUM_HEADS))
    ]
    return parts | {
        "encoder": MapProjection(channels, strides, c.HIDDEN_DIM),
        "decoder": BoxDecoder(heads),
        "in_features": names,
        "plane_head": build_plane_head(cfg, channels[-1]),
    }
