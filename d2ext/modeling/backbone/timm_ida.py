"""Any timm network as a Detectron2 backbone, with the iterative deep aggregation of DLA on top."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import Tensor, nn

from d2ext.hub import cache_if_offline

STRIDES = {4: "p2", 8: "p3", 16: "p4", 32: "p5"}


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with 8 to 32 groups; ``channels`` is a multiple of 8."""
    return nn.GroupNorm(min(32, channels // 8), channels)


def build_norm(norm: str, channels: int) -> nn.Module:
    """``BN``, ``SyncBN`` (statistics over the batches of all GPUs) or ``GN``.

    Raises:
        ValueError: another name.
    """
    norms: dict[str, Callable[[int], nn.Module]] = {
        "BN": nn.BatchNorm2d,
        "SyncBN": nn.SyncBatchNorm,
        "GN": group_norm,
    }
    if norm not in norms:
        raise ValueError(f"NORM {norm}: expected one of {', '.join(norms)}")
    return norms[norm](channels)


class TimmBackbone(Backbone):
    """Features of a timm network at strides 4, 8, 16 and 32.

    Args:
        name: any timm model that supports ``features_only``, e.g. ``dla34`` or ``resnet18``.
        pretrained: True takes timm's published weights (from its cache or the hub).
        weights: path of a local weights file (``.pth`` or ``.safetensors``); wins over ``pretrained``.
        widths: stage widths for networks that take ``channels`` (timm's ResNets); empty keeps the published
            ones.
        norm: ``BN`` (as built), ``SyncBN``, ``FrozenBN`` or ``GN``.
        checkpoint: keep no activations inside the stages in training but compute them again for the gradient.

    Raises:
        ValueError: unknown model or norm, a network without the four strides, or one whose activations cannot
            be computed again.
        FileNotFoundError: weights that cannot be had; the message says how to get them.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = False,
        weights: str = "",
        widths: tuple[int, ...] = (),
        norm: str = "BN",
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.body = _create(name, pretrained, weights, widths)
        if checkpoint:
            switch = getattr(self.body, "set_grad_checkpointing", None)
            if switch is None:
                raise ValueError(f"MODEL.TIMM.CHECKPOINT True: timm cannot do that for {name}")
            switch()
            module: Any
            for module in self.body.modules():  # timm < 1.0.31 begins what is computed again with some
                if hasattr(module, "inplace"):
                    module.inplace = False
        info: Any = self.body.feature_info
        self._channels = dict(zip(info.reduction(), info.channels(), strict=True))
        missing = [s for s in STRIDES if s not in self._channels]
        if missing:
            raise ValueError(
                f"MODEL.TIMM.NAME {name}: expected features at strides 4, 8, 16, 32, lacks {missing}"
            )
        self._out_features = list(STRIDES.values())
        if norm == "FrozenBN":
            self.body = FrozenBatchNorm2d.convert_frozen_batchnorm(self.body)
        elif norm == "SyncBN":
            from timm.layers import convert_sync_batchnorm

            self.body = convert_sync_batchnorm(self.body)
        elif norm == "GN":
            _batch_to_group_norm(self.body)
        elif norm != "BN":
            raise ValueError(f"MODEL.TIMM.NORM {norm}: expected BN, SyncBN, FrozenBN or GN")

    @property
    def size_divisibility(self) -> int:
        """The coarsest stride."""
        return 32

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W), H and W multiples of 32 -> {"p2".."p5": (B, C_i, H/s_i, W/s_i)}."""
        maps = dict(zip(self._channels, self.body(x), strict=True))
        return {name: maps[stride] for stride, name in STRIDES.items()}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride by name, ``p2`` to ``p5``."""
        return {name: ShapeSpec(channels=self._channels[s], stride=s) for s, name in STRIDES.items()}


def _create(name: str, pretrained: bool, weights: str, widths: tuple[int, ...]) -> nn.Module:
    import timm

    if not timm.is_model(name):
        raise ValueError(f"MODEL.TIMM.NAME {name}: no such timm model (timm.list_models() lists them)")
    kwargs: dict = {"features_only": True, "pretrained": pretrained and not weights}
    if widths:
        kwargs["channels"] = tuple(widths)
    if weights:
        if not os.path.isfile(weights):
            raise FileNotFoundError(f"MODEL.TIMM.WEIGHTS {weights}: no such file")
        kwargs |= {"pretrained": True, "pretrained_cfg_overlay": {"file": weights}}
    try:
        with cache_if_offline(kwargs["pretrained"] and not weights):
            return timm.create_model(name, **kwargs)
    except (OSError, RuntimeError) as e:
        if not kwargs["pretrained"]:
            raise
        reason = str(e).splitlines()[0]
        raise FileNotFoundError(
            f"MODEL.TIMM.NAME {name}: no pretrained weights ({reason}); set MODEL.TIMM.WEIGHTS to a "
            "local file, or MODEL.TIMM.PRETRAINED False to start from random weights"
        ) from e


def _batch_to_group_norm(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            new = group_norm(child.num_features)
            new.load_state_dict({"weight": child.weight.data, "bias": child.bias.data})
            act = getattr(child, "act", None)  # timm's norms may carry their activation
            setattr(module, name, nn.Sequential(new, act) if isinstance(act, nn.Module) else new)
        else:
            _batch_to_group_norm(child)


class ConvNormAct(nn.Sequential):
    """Convolution without bias, a norm of :func:`build_norm`, ReLU; keeps height and width."""

    def __init__(self, cin: int, cout: int, kernel: int, norm: str = "BN", groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False, groups=groups),
            build_norm(norm, cout),
            nn.ReLU(inplace=True),
        )


class TimmIDABackbone(Backbone):
    """A timm network with aggregation upwards: DLA-up (Yu et al., Deep Layer Aggregation, CVPR 2018).

    Starting at the two coarsest maps and ending at all four, each pass merges every map with its finer
    neighbour (project, upsample by two, add, 3x3 convolution), so the stride-4 output has passed through an
    aggregation node at every depth. Every level's last map is an output.

    Args:
        bottom_up: network that gives p2 to p5.
        channels: output channels of p2, p3, p4, p5; fewer numbers leave the finest maps out.
        norm: norm of the nodes, ``BN``, ``SyncBN`` or ``GN``.
    """

    def __init__(self, bottom_up: TimmBackbone, channels: tuple[int, ...], norm: str = "BN") -> None:
        super().__init__()
        if not 2 <= len(channels) <= 4:
            raise ValueError(f"MODEL.IDA.CHANNELS {channels}: expected 2 (p4, p5) to 4 (p2 to p5) numbers")
        self.bottom_up = bottom_up
        shapes = bottom_up.output_shape()
        self._names = list(shapes)[-len(channels) :]
        self._strides = {n: shapes[n].stride for n in self._names}
        self._out_channels = dict(zip(self._names, channels, strict=True))
        self.lateral = nn.ModuleList(
            ConvNormAct(shapes[n].channels, c, 1, norm) for n, c in self._out_channels.items()
        )
        self.project, self.node = nn.ModuleDict(), nn.ModuleDict()
        widths = list(channels)
        for start in range(len(widths) - 2, -1, -1):
            for j in range(start + 1, len(widths)):
                key = f"{start}_{j}"
                self.project[key] = ConvNormAct(widths[j], widths[start], 1, norm)
                self.node[key] = ConvNormAct(widths[start], widths[start], 3, norm)
                widths[j] = widths[start]
        self._out_features = self._names

    @property
    def size_divisibility(self) -> int:
        """That of the network below."""
        return self.bottom_up.size_divisibility

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W), H and W multiples of 32 -> {"p2".."p5": (B, channels_i, H/s_i, W/s_i)}."""
        features = self.bottom_up(x)
        maps = [f(features[n]) for f, n in zip(self.lateral, self._names, strict=True)]
        out = {self._names[-1]: maps[-1]}
        for start in range(len(maps) - 2, -1, -1):
            finer = maps[start]
            for j in range(start + 1, len(maps)):
                key = f"{start}_{j}"
                up = F.interpolate(
                    self.project[key](maps[j]), scale_factor=2, mode="bilinear", align_corners=False
                )
                finer = maps[j] = self.node[key](up + finer)
            out[self._names[start]] = finer
        return {name: out[name] for name in self._names}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride by name, fine to coarse."""
        return {n: ShapeSpec(channels=self._out_channels[n], stride=self._strides[n]) for n in self._names}


@BACKBONE_REGISTRY.register()
def build_timm_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> TimmBackbone:
    """The timm network that MODEL.TIMM describes."""
    t = cfg.MODEL.TIMM
    return TimmBackbone(
        t.NAME,
        pretrained=t.PRETRAINED,
        weights=t.WEIGHTS,
        widths=tuple(t.WIDTHS),
        norm=t.NORM,
        checkpoint=t.CHECKPOINT,
    )


@BACKBONE_REGISTRY.register()
def build_timm_ida_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> TimmIDABackbone:
    """The timm network that MODEL.TIMM describes, with iterative deep aggregation (MODEL.IDA)."""
    norm = cfg.MODEL.TIMM.NORM
    return TimmIDABackbone(
        build_timm_backbone(cfg, input_shape),
        tuple(cfg.MODEL.IDA.CHANNELS),
        "BN" if norm == "FrozenBN" else norm,
    )
