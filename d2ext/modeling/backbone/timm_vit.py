"""Any plain vision transformer of timm as a Detectron2 backbone, under ViTDet's pyramid."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.modeling.backbone.vit import SimpleFeaturePyramid
from torch import Tensor, nn

from d2ext.modeling.backbone.timm_ida import create_timm

PATCH = 16  # pixels


class TimmViT(Backbone):
    """The last map of a plain vision transformer of timm, of stride 16, for images of any size and aspect.

    Learned position codes are those of the grid that the network was made for (14 x 14 patches of 224 pixels
    as a rule), resampled to the image's by bicubic interpolation with antialiasing; the code of the class
    token stays as it is. Rotary codes are computed for the image's grid.

    Args:
        name: a ``vit_*`` of timm.
        pretrained, weights: as in :class:`~d2ext.modeling.backbone.timm_ida.TimmBackbone`; patches of another
            size than 16 pixels are resampled as they are loaded.
        checkpoint: keep no activations inside the blocks in training but compute them again for the gradient.
        freeze_at: 1 freezes the embedding of patches and positions, 1 + n also the first n blocks; 0 nothing.

    Raises:
        ValueError: a network that is no plain vision transformer, or with fewer blocks than are to be frozen.
        FileNotFoundError: weights that cannot be had; the message says how to get them.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = False,
        weights: str = "",
        checkpoint: bool = False,
        freeze_at: int = 0,
    ) -> None:
        super().__init__()
        options = {"patch_size": PATCH, "dynamic_img_size": True, "num_classes": 0}
        try:
            self.body: Any = create_timm(name, pretrained, weights, **options)
        except FileNotFoundError:
            raise
        except Exception as e:  # networks of other kinds stumble over the options in any way
            raise ValueError(f"MODEL.TIMM.NAME {name[:80]}: expected a plain vit_* of timm") from e
        if not hasattr(self.body, "blocks") or not hasattr(self.body, "forward_intermediates"):
            raise ValueError(f"MODEL.TIMM.NAME {name[:80]}: expected a plain vit_* of timm")
        self.body.head = self.body.fc_norm = nn.Identity()  # what only a classifier reads
        self.body.attn_pool = None
        if checkpoint:
            self.body.set_grad_checkpointing()
        depth = len(self.body.blocks)
        if freeze_at > depth + 1:
            raise ValueError(f"MODEL.TIMM.FREEZE_AT {freeze_at}: expected at most {depth + 1} for {name}")
        for key, steps in self.layer_steps().items():
            if freeze_at and steps > depth - freeze_at:
                self.get_parameter(key).requires_grad_(False)
        self._out_features = ["p4"]
        self._out_feature_channels = {"p4": int(self.body.embed_dim)}
        self._out_feature_strides = {"p4": PATCH}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W), H and W multiples of 16 -> {"p4": (B, C, H / 16, W / 16)}, after the last norm."""
        options = {"indices": 1, "norm": True, "output_fmt": "NCHW", "intermediates_only": True}
        return {"p4": self.body.forward_intermediates(x, **options)[0]}

    def layer_steps(self) -> dict[str, int]:
        """How many blocks below the last one each parameter is, by name, for ``SOLVER.LAYER_DECAY``; what
        comes before the blocks is below all of them."""
        depth = len(self.body.blocks)
        steps = {}
        for name, _ in self.body.named_parameters():
            part, *rest = name.split(".")
            first = 0 if part == "norm" else depth
            steps[f"body.{name}"] = depth - 1 - int(rest[0]) if part == "blocks" else first
        return steps


class TimmViTPyramid(SimpleFeaturePyramid):
    """Maps of strides 4 to 32 from the last one of a vision transformer (Li et al., ViTDet, ECCV 2022).

    Args:
        net: gives the map of stride 16.
        channels: of every map.
        norm: ``LN`` or another name of Detectron2's ``get_norm``.
    """

    def __init__(self, net: TimmViT, channels: int, norm: str = "LN") -> None:
        super().__init__(net, "p4", channels, (4.0, 2.0, 1.0, 0.5), norm=norm)

    @property
    def size_divisibility(self) -> int:
        """The coarsest stride."""
        return 32


@BACKBONE_REGISTRY.register()
def build_timm_vit_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> TimmViTPyramid:
    """The vision transformer that MODEL.TIMM describes, under the pyramid of MODEL.PYRAMID."""
    t = cfg.MODEL.TIMM
    net = TimmViT(
        t.NAME, pretrained=t.PRETRAINED, weights=t.WEIGHTS, checkpoint=t.CHECKPOINT, freeze_at=t.FREEZE_AT
    )
    return TimmViTPyramid(net, cfg.MODEL.PYRAMID.CHANNELS, cfg.MODEL.PYRAMID.NORM)
