"""Any timm network as a Detectron2 backbone, with the iterative deep aggregation of DLA on top."""

from __future__ import annotations

import os
from typing import Any

import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import Tensor, nn

from d2ext.hub import cache_if_offline
from d2ext.modeling.backbone.norms import build_norm, exchange_norms
from d2ext.modeling.backbone.padding import pad_ahead
from d2ext.weights import resolve

STRIDES = {4: "p2", 8: "p3", 16: "p4", 32: "p5"}


class TimmBackbone(Backbone):
    """Features of a timm network at strides 4, 8, 16 and 32.

    Args:
        name: any timm model that supports ``features_only``, e.g. ``dla34`` or ``resnet18``.
        pretrained: True takes timm's published weights (from its cache or the hub).
        weights: name (``d2ext://...``) or path of a weights file (``.pth`` or ``.safetensors``); wins over
            ``pretrained``.
        widths: stage widths for networks that take ``channels`` (timm's ResNets); empty keeps the published
            ones.
        norm: ``BN`` (as built), ``SyncBN``, ``FrozenBN`` or ``GN``.
        checkpoint: keep no activations inside the stages in training but compute them again for the gradient.
        freeze_at: everything up to the map of stride 2 ** ``freeze_at`` is not trained, and its BatchNorm
            keeps its statistics; 0 freezes nothing.
        freeze_depthwise: depthwise convolutions are not trained either. They hold few weights, and on a CPU
            these weights' gradients are a third of a training step.

    Raises:
        ValueError: unknown model or norm, widths for one that takes none, a network without the four strides,
            one without the map up to which it is to be frozen, or one whose activations cannot be computed
            again.
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
        freeze_at: int = 0,
        freeze_depthwise: bool = False,
    ) -> None:
        super().__init__()
        options = {"channels": tuple(widths)} if widths else {}
        try:
            self.body = pad_ahead(create_timm(name, pretrained, weights, features_only=True, **options))
        except TypeError as error:
            if "channels" not in str(error):
                raise
            raise ValueError(
                f"MODEL.TIMM.WIDTHS {list(widths)}: timm's {name} has its own only, expected []"
            ) from None
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
        self.body = exchange_norms(self.body, norm)
        self._stages = _stages(self.body, info)
        self._frozen = self._freeze(freeze_at) if freeze_at else ()
        if freeze_depthwise:
            for module in self.body.modules():
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
                    module.weight.requires_grad_(False)

    def train(self, mode: bool = True) -> TimmBackbone:
        """As of every module; BatchNorm that is frozen stays in evaluation."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def _freeze(self, halvings: int) -> tuple[nn.Module, ...]:
        """Make everything up to a map untrainable. Gives the norms there; a tuple of them registers none."""
        if 2**halvings not in self._stages:
            known = [stride.bit_length() - 1 for stride in self._stages]
            raise ValueError(
                f"MODEL.TIMM.FREEZE_AT {halvings}: expected 0 or one of {known} for this network"
            )
        for stride, names in self._stages.items():
            for name in names if stride <= 2**halvings else ():
                self.body.get_parameter(name).requires_grad_(False)
        norms = (m for m in self.body.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
        return tuple(m for m in norms if not any(p.requires_grad for p in m.parameters()))

    def layer_steps(self) -> dict[str, int]:
        """How many stages below the last one each parameter is, by name, for ``SOLVER.LAYER_DECAY``."""
        stages = list(self._stages.values())
        steps = {name: len(stages) - 1 - i for i, names in enumerate(stages) for name in names}
        return {f"body.{name}": steps.get(name, 0) for name, _ in self.body.named_parameters()}

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


def create_timm(name: str, pretrained: bool, weights: str, **options: Any) -> Any:
    """A network of timm, with published weights, or those of a name or file, which win.

    Raises:
        ValueError: unknown model or name.
        FileNotFoundError: weights that cannot be had; the message says how to get them.
    """
    import timm

    if not timm.is_model(name):
        raise ValueError(f"MODEL.TIMM.NAME {name}: no such timm model (timm.list_models() lists them)")
    kwargs: dict = options | {"pretrained": pretrained and not weights}
    if weights:
        weights = resolve(weights)
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


def _stages(body: nn.Module, info: Any) -> dict[int, list[str]]:
    """Names of the parameters that first count in the map of each stride, from fine to coarse."""
    place = {
        name: i for i, (name, _) in enumerate(body.named_modules())
    }  # in the order in which they are used
    names = {name: place[name.rpartition(".")[0]] for name, _ in body.named_parameters()}
    stages: dict[int, list[str]] = {}
    start = -1
    for i, stride in enumerate(info.reduction()):
        last = info.module_name(i)
        prefixes = (f"{last}.", f"{last.replace('.', '_')}.")  # timm writes the stages of some networks flat
        end = max(i for name, i in place.items() if f"{name}.".startswith(prefixes))
        stages[stride] = [name for name, at in names.items() if start < at <= end]
        start = end
    return stages


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
        freeze_at=t.FREEZE_AT,
        freeze_depthwise=t.FREEZE_DEPTHWISE,
    )


@BACKBONE_REGISTRY.register()
def build_timm_ida_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> TimmIDABackbone:
    """The timm network that MODEL.TIMM describes, with iterative deep aggregation (MODEL.IDA)."""
    norm = cfg.MODEL.TIMM.NORM
    return TimmIDABackbone(
        build_timm_backbone(cfg, input_shape),
        tuple(cfg.MODEL.IDA.CHANNELS),
        cfg.MODEL.IDA.NORM or ("BN" if norm == "FrozenBN" else norm),
    )
