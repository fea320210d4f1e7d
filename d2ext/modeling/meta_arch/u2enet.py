"""U2ENet: single- and multi-target 3D visual grounding from one RGB image, end to end."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from d2ext.data.categories import CATEGORIES
from d2ext.modeling.box3d_head import Box3DHead, ObjectTargets
from d2ext.modeling.grounding_head import Grounded, GroundingHead, GroundingTargets, SentenceViews
from d2ext.modeling.numbers import NUMBER_DIM
from d2ext.modeling.semantic_fusion import HierarchicalFusion, SemanticFilter, SentencePooling
from d2ext.modeling.text_encoder import TextEncoder
from d2ext.structures import Boxes3D, bev_iou
from d2ext.structures.projection import project_points, viewing_rays


@META_ARCH_REGISTRY.register()
class U2ENet(nn.Module):
    """Text + image -> 3D boxes of everything the sentence refers to.

    The image is encoded once for all of its sentences; a sentence costs the fusion and the head.

    Args:
        backbone: gives maps named in ``in_features``.
        text_encoder: sentences to token features.
        semantic_filter: tokens to semantic levels.
        pooling: the last level to the vector that the head reads.
        fusion: one step for each of ``in_features``, coarse to fine.
        head: grounding head on the finest fused map.
        in_features: maps to fuse, coarse to fine.
        detail_feature: map, as fine as the fused one or finer, that the box head reads as it was before
            fusion; empty for none.
        detection_prompt: in training every image gets this extra sentence that refers to all of its objects;
            empty leaves it out.
        pixel_mean, pixel_std: per channel, in the order of INPUT.FORMAT.
        topk: peaks looked at for a sentence.
        score_threshold: least score of an answer when any number of targets is possible.
        duplicate_iou: of two answers to a sentence whose boxes overlap more than this seen from above, the
            better stays.
        single_target: exactly one answer a sentence, where the input does not say (key ``single_target``).
        sentence_chunk: sentences fused at a time in inference (bounds memory).
        freeze_norm_stats: BatchNorm normalises with its running statistics in training too.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        text_encoder: TextEncoder,
        semantic_filter: SemanticFilter,
        pooling: SentencePooling,
        fusion: HierarchicalFusion,
        head: GroundingHead,
        in_features: list[str],
        detail_feature: str,
        detection_prompt: str,
        pixel_mean: list[float],
        pixel_std: list[float],
        topk: int,
        score_threshold: float,
        duplicate_iou: float,
        single_target: bool,
        sentence_chunk: int,
        freeze_norm_stats: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.text_encoder = text_encoder
        self.semantic_filter = semantic_filter
        self.pooling = pooling
        self.fusion = fusion
        self.head = head
        self.in_features = list(in_features)
        self.detail_feature = detail_feature
        self.stride = backbone.output_shape()[self.in_features[-1]].stride
        self.detection_prompt = detection_prompt
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), persistent=False)
        self.topk = topk
        self.score_threshold = score_threshold
        self.duplicate_iou = duplicate_iou
        self.single_target = single_target
        self.sentence_chunk = sentence_chunk
        self.freeze_norm_stats = freeze_norm_stats

    @classmethod
    def from_config(cls, cfg) -> dict:
        c = cfg.MODEL.U2ENET
        backbone = build_backbone(cfg)
        encoder = build_text_encoder(cfg)
        shapes = backbone.output_shape()
        channels = [shapes[f].channels for f in c.IN_FEATURES]
        dims = list(c.FUSION_DIMS)
        pooling = SentencePooling(c.TEXT_DIM)
        detail = 0
        if c.DETAIL_FEATURE:
            finest = shapes[c.IN_FEATURES[-1]].stride
            fine = [name for name, shape in shapes.items() if shape.stride <= finest]
            if c.DETAIL_FEATURE not in fine:
                raise ValueError(
                    f"MODEL.U2ENET.DETAIL_FEATURE {c.DETAIL_FEATURE}: expected one of {', '.join(fine)}, "
                    "or nothing"
                )
            cells = finest // shapes[c.DETAIL_FEATURE].stride
            detail = shapes[c.DETAIL_FEATURE].channels * cells**2
        box_head = Box3DHead(
            dims[-1] + detail + pooling.dim,
            c.HEAD_DIM,
            torch.tensor([c.mean_size for c in CATEGORIES]),
            c.ANGLE_BINS,
            c.DEPTH_ESTIMATES,
        )
        return {
            "backbone": backbone,
            "text_encoder": encoder,
            "semantic_filter": SemanticFilter(
                encoder.dim,
                c.TEXT_DIM,
                len(dims),
                c.TEXT_STATE_DIM,
                c.TEXT_HEAD_DIM,
                enabled=c.SEMANTIC_FILTER,
            ),
            "pooling": pooling,
            "fusion": HierarchicalFusion(
                channels, dims, c.TEXT_DIM, c.STATE_DIM, c.FUSION_HEAD_DIM, c.NORM, c.FUSION
            ),
            "head": GroundingHead(dims[-1], pooling.dim, box_head, c.NORM, dict(c.LOSS_WEIGHTS)),
            "in_features": c.IN_FEATURES,
            "detail_feature": c.DETAIL_FEATURE,
            "detection_prompt": c.DETECTION_PROMPT,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "topk": c.TOPK,
            "score_threshold": c.SCORE_THRESHOLD,
            "duplicate_iou": c.DUPLICATE_IOU,
            "single_target": c.SINGLE_TARGET,
            "sentence_chunk": c.SENTENCE_CHUNK,
            "freeze_norm_stats": c.FREEZE_NORM_STATS,
        }

    @property
    def device(self) -> torch.device:
        return self.head.heatmap.weight.device

    def train(self, mode: bool = True) -> U2ENet:
        super().train(mode)
        if self.freeze_norm_stats:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, batched_inputs: list[dict]):
        """Mapper dicts (see :class:`d2ext.data.mapper.GroundingMapper`) -> losses in training, else answers.

        Returns:
            Training: dict of scalar losses. Inference: per image ``{"grounding": [Instances per sentence]}``
            with pred_boxes (original pixels), pred_boxes3d, scores, pred_classes, pred_yaw (rad), best first.
        """
        if not self.training:
            return self.inference(batched_inputs)
        sentences, owner = self._sentences(batched_inputs)
        maps, views = self.encode_images(batched_inputs)
        levels, vectors, mask = self.encode_sentences(sentences)
        fused = self.fusion(maps, levels, mask, owner)
        views = views.of(owner)
        return self.head.losses(fused, vectors, views, self._targets(batched_inputs, views))

    @torch.no_grad()
    def inference(self, batched_inputs: list[dict]) -> list[dict]:
        """Answers to all sentences; every image is encoded once."""
        maps, views = self.encode_images(batched_inputs)
        answers = []
        for i, record in enumerate(batched_inputs):
            one = views.of(torch.tensor([i], device=self.device))
            answers.append({"grounding": self.answer([m[i : i + 1] for m in maps], one, record)})
        return answers

    def answer(self, maps: list[Tensor], views: SentenceViews, record: dict) -> list[Instances]:
        """Answers to the sentences of one encoded image (maps and views of batch size one)."""
        if not record["sentences"]:
            return []
        levels, vectors, mask = self.encode_sentences(record["sentences"])
        topk = 1 if record.get("single_target", self.single_target) else self.topk
        out: list[Instances] = []
        for start in range(0, len(mask), self.sentence_chunk):
            chunk = slice(start, start + self.sentence_chunk)
            owner = torch.zeros(len(mask[chunk]), dtype=torch.long, device=self.device)
            fused = self.fusion(maps, [level[chunk] for level in levels], mask[chunk], owner)
            grounded = self.head.decode(fused, vectors[chunk], views.of(owner), topk)
            out += [self._select(grounded, grounded.owner == s, record) for s in range(len(owner))]
        return out

    def encode_images(self, batched_inputs: list[dict]) -> tuple[list[Tensor], SentenceViews]:
        """Mapper dicts -> maps to fuse sentences into, coarse to fine, and the images' cameras (batch B)."""
        images = [
            (x["image"].to(self.device).float() - self.pixel_mean) / self.pixel_std for x in batched_inputs
        ]
        batch = ImageList.from_tensors(images, self.backbone.size_divisibility)
        # Channels last is the faster layout on every device, and what the fusion's products read.
        features = self.backbone(batch.tensor.contiguous(memory_format=torch.channels_last))
        P = torch.stack([x["camera"].P for x in batched_inputs]).to(self.device, torch.float32)
        none = torch.full((4,), float("nan"))
        planes = [
            none if x.get("ground_plane") is None else x["ground_plane"].float() for x in batched_inputs
        ]
        plane = torch.stack(planes).to(self.device)
        sizes = torch.tensor(batch.image_sizes, device=self.device)
        maps = []
        for name in self.in_features:
            f = features[name]
            stride = self.backbone.output_shape()[name].stride
            views = viewing_maps(P, plane, sizes, stride, *f.shape[-2:]).to(f.dtype)
            maps.append(torch.cat([f, views.contiguous(memory_format=torch.channels_last)], 1))
        height, width = maps[-1].shape[-2:]
        rows = torch.arange(height, device=self.device) * self.stride < sizes[:, :1]
        columns = torch.arange(width, device=self.device) * self.stride < sizes[:, 1:]
        detail = maps[-1][:, :0]
        if self.detail_feature:
            cells = self.stride // self.backbone.output_shape()[self.detail_feature].stride
            detail = F.pixel_unshuffle(features[self.detail_feature], cells)
        image = torch.arange(len(P), device=self.device)
        valid = rows[:, :, None] & columns[:, None, :]
        return self.fusion.project(maps), SentenceViews(P, plane, valid, self.stride, image, detail)

    def encode_sentences(self, sentences: list[str]) -> tuple[list[Tensor], Tensor, Tensor]:
        """S sentences -> semantic levels, each (S, L, text_dim), vectors (S, pooling.dim) and mask (S, L)."""
        tokens, mask = self.text_encoder(sentences)
        levels = self.semantic_filter(tokens, mask)
        return levels, self.pooling(levels[-1], tokens[..., -NUMBER_DIM:], mask), mask

    def _sentences(self, batched_inputs: list[dict]) -> tuple[list[str], Tensor]:
        prompt = [self.detection_prompt] if self.detection_prompt else []
        texts = [x["sentences"] + prompt for x in batched_inputs]
        counts = torch.tensor([len(t) for t in texts])
        owner = torch.arange(len(texts)).repeat_interleave(counts).to(self.device)
        return [s for t in texts for s in t], owner

    def _targets(self, batched_inputs: list[dict], views: SentenceViews) -> GroundingTargets:
        # Every pair of a sentence and an object of its image, and whether the one means the other.
        owners: list[Tensor] = []
        rows: list[Tensor] = []
        meant: list[Tensor] = []
        first = sentence = 0
        for x in batched_inputs:
            count = len(x["instances"])
            targets = list(x["sentence_targets"])
            if self.detection_prompt:
                targets.append(torch.arange(count))
            for t in targets:
                owners.append(torch.full((count,), sentence))
                rows.append(torch.arange(first, first + count))
                meant.append(torch.zeros(count, dtype=torch.bool).index_fill(0, t, True))
                sentence += 1
            first += count
        exists = torch.tensor([bool(m.any()) for m in meant], device=self.device)
        owner, yes = torch.cat(owners).to(self.device), torch.cat(meant).to(self.device)
        objects = object_targets([x["instances"] for x in batched_inputs])[torch.cat(rows)].to(self.device)
        anchor, depth = project_points(views.P[owner], objects.center)
        middle = (objects.box2d[:, :2] + objects.box2d[:, 2:]) / 2
        anchor = torch.where((objects.has_3d & (depth > 0.5))[:, None], anchor, middle)
        return GroundingTargets(owner[yes], anchor[yes], objects[yes], exists, owner[~yes], anchor[~yes])

    def _select(self, grounded: Grounded, mine: Tensor, record: dict) -> Instances:
        """The answers to one sentence: the best one, or all above the threshold without duplicates."""
        boxes, scores = grounded.boxes, grounded.scores[mine]
        order = scores.argsort(descending=True)
        if record.get("single_target", self.single_target):
            order = order[:1]
        else:
            order = order[scores[order] >= self.score_threshold]
        pick = mine.nonzero()[:, 0][order]
        plane = record.get("box_plane")
        plane = None if plane is None else plane.to(self.device, torch.float32)
        center, hwl = boxes.center[pick], boxes.hwl[pick]
        down = center.new_tensor([0.0, 1.0, 0.0]) if plane is None else -plane[:3]
        location = center + down * hwl[:, :1] / 2
        yaw = Boxes3D.yaw_from_alpha(boxes.alpha[pick], location)
        boxes3d = Boxes3D.from_kitti(location, hwl, yaw, plane)
        height, width = record["height"], record["width"]
        result = Instances((height, width))
        result.pred_boxes = original_boxes(boxes.box2d[pick], record["camera"].image_size, (height, width))
        result.pred_boxes3d = boxes3d
        result.scores = scores[order]
        result.pred_classes = boxes.classes[pick]
        result.pred_yaw = yaw
        if len(pick) > 1:
            overlap = bev_iou(boxes3d, boxes3d).triu(diagonal=1)
            result = result[(overlap <= self.duplicate_iou).all(0)]
        return result


def build_text_encoder(cfg) -> TextEncoder:
    """The encoder that MODEL.TEXT describes."""
    text = cfg.MODEL.TEXT
    return TextEncoder(
        text.NAME,
        pretrained=text.PRETRAINED,
        frozen=text.FROZEN,
        max_tokens=text.MAX_TOKENS,
        cache_size=text.CACHE_SIZE,
        cache_dir=text.CACHE_DIR,
    )


def viewing_maps(P: Tensor, plane: Tensor, sizes: Tensor, stride: int, height: int, width: int) -> Tensor:
    """Where each cell looks: what a network needs to turn pixels into metres for any camera.

    Args:
        P: (B, 3, 4). plane: (B, 4), NaN rows for none. sizes: (B, 2) height and width of each image in
            pixels.

    Returns:
        (B, 4, height, width): slope of the viewing ray in x and y, 10 m over the depth of the ground there
        (0 above the horizon or without a plane), and the column from -1 to 1 across the image.
    """
    u = (torch.arange(width, device=P.device) + 0.5) * stride - 0.5
    v = (torch.arange(height, device=P.device) + 0.5) * stride - 0.5
    uv = torch.stack(torch.meshgrid(u, v, indexing="xy"), -1).flatten(0, 1).to(P.dtype)
    origin, direction = viewing_rays(P[:, None], uv[None])
    inverse = -(direction * plane[:, None, :3]).sum(-1) / (
        (origin * plane[:, None, :3]).sum(-1) + plane[:, None, 3]
    )
    ground = (10 * inverse).clamp(0, 4).nan_to_num(0.0)
    column = (2 * (uv[None, :, 0] + 0.5) / sizes[:, 1:] - 1).expand_as(ground)
    maps = torch.stack([direction[..., 0], direction[..., 1], ground, column], 1)
    return maps.view(len(P), 4, height, width)


def original_boxes(boxes: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Boxes:
    """2D boxes (N, 4) of a resized image in the pixels of the original, clipped; centres at integers."""
    scale = boxes.new_tensor([original[1] / size[1], original[0] / size[0]]).repeat(2)
    out = Boxes((boxes + 0.5) * scale - 0.5)
    out.clip(original)
    return out


def object_targets(instances: list[Instances]) -> ObjectTargets:
    """The labels of several images' objects, one after the other."""
    boxes3d = Boxes3D.cat([x.gt_boxes3d for x in instances])
    yaw = torch.cat([x.gt_yaw for x in instances])
    return ObjectTargets(
        classes=torch.cat([x.gt_classes for x in instances]),
        box2d=torch.cat([x.gt_boxes.tensor for x in instances]).float(),
        center=boxes3d.center.float(),
        hwl=boxes3d.size.float(),
        alpha=Boxes3D.alpha_from_yaw(yaw, boxes3d.bottom_center()).float(),
        has_3d=torch.cat([x.gt_has_3d for x in instances]),
    )
