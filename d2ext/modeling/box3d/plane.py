"""The ground plane seen in the picture: for cameras of which nobody has told it.

Every cell of a coarse map votes for pitch, roll and height, knowing where it looks; the plane is the mean of
the votes, weighted by what the cells say of their own worth. So any size and aspect is read alike, and the
focal length counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.checks import declare, number, whole
from d2ext.modeling.box3d.images import EncodedImages, cell_middles
from d2ext.modeling.losses import loss_normalizer
from d2ext.structures import transfer
from d2ext.structures.projection import viewing_rays
from d2ext.structures.transfer import constant

# Pitch and roll in radians and log height in metres, of votes of 0 and of what a vote of 1 adds: a car's
# camera looks ahead from 1.5 m, a mast's down from 10.
_MIDDLE, _STEP = (0.15, 0.0, 1.2), (0.2, 0.1, 1.0)


def add_plane_config(cfg: CfgNode) -> None:
    """Add the keys of :class:`PlaneHead`."""
    c = cfg.MODEL.PLANE_HEAD = CfgNode()
    # Read the ground plane from the picture where none is given: ground depth, the tilt of boxes and the maps
    # of viewing geometry then rest on it, and the model is told so. It learns from the planes of the training
    # images; INPUT.DROP_PLANE shows it some without.
    c.ENABLED = False
    # Width of its hidden layers.
    c.DIM = 96
    # Weight of loss_plane.
    c.LOSS_WEIGHT = 1.0


declare({"MODEL.PLANE_HEAD.DIM": whole(1), "MODEL.PLANE_HEAD.LOSS_WEIGHT": number(0)})


def build_plane_head(cfg: CfgNode, in_dim: int) -> PlaneHead | None:
    """What ``MODEL.PLANE_HEAD`` describes, for maps of ``in_dim`` channels; None where it is not enabled."""
    c = cfg.MODEL.PLANE_HEAD
    return PlaneHead(in_dim, c.DIM, c.LOSS_WEIGHT) if c.ENABLED else None


class PlaneHead(nn.Module):
    """Coarse map -> pitch, roll and height of the camera above the ground, see above.

    Args:
        in_dim: channels of the map. dim: width of the hidden layers. loss_weight: of ``loss_plane``.
    """

    def __init__(self, in_dim: int, dim: int, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.cell = nn.Linear(in_dim + 2, dim)
        last = nn.Linear(dim, 4)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        self.vote = nn.Sequential(nn.GELU(), nn.Linear(2 * dim, dim), nn.GELU(), last)
        self.loss_weight = loss_weight

    def forward(self, features: Tensor, P: Tensor, sizes: Tensor, stride: int) -> Tensor:
        """
        Args:
            features: (B, in_dim, H, W), a map of ``stride`` pixels a cell. P: (B, 3, 4).
            sizes: (B, 2) height and width of each image without its padding, whose cells have no vote.

        Returns:
            (B, 3) float32 pitch and roll in radians and log of the height in metres; see
            :func:`d2ext.structures.plane_of_tilt`.
        """
        with torch.autocast(features.device.type, enabled=False):
            height, width = features.shape[-2:]
            uv = cell_middles(stride, height, width, P.device).to(P.dtype)
            inside = (uv - (stride - 1) / 2 < sizes.flip(1)[:, None]).all(2)
            _, ray = viewing_rays(P[:, None], uv[None])
            cells = torch.cat([features.float().flatten(2).transpose(1, 2), ray[..., :2]], 2)
            cells = self.cell(cells)
            worth = inside[..., None].to(cells.dtype)
            mean = (cells * worth).sum(1, keepdim=True) / worth.sum(1, keepdim=True)
            votes = self.vote(torch.cat([cells, mean.expand_as(cells)], 2))
            weight = votes[..., 3:].masked_fill(worth == 0, float("-inf")).softmax(1)
            vote = (votes[..., :3] * weight).sum(1)
        return constant(_MIDDLE, vote) + vote * constant(_STEP, vote)

    def losses(self, images: Sequence[EncodedImages]) -> dict[str, Tensor]:
        """``loss_plane``: mean over the images of all processes whose ``true_plane`` is known."""
        records = [record for one in images for record in one.records]
        none = torch.full((4,), float("nan"))
        planes = [none if r.get("true_plane") is None else r["true_plane"].float() for r in records]
        tilt = torch.cat([one.tilt for one in images if one.tilt is not None])
        (true,) = transfer([torch.stack(planes)], tilt.device)
        known = ~true.isnan().any(1)
        true = torch.where(known[:, None], true, constant((0.0, -1.0, 0.0, 1.0), true))
        error = ((tilt - tilt_of_planes(true)) / constant(_STEP, tilt)).abs().sum(1)
        total = loss_normalizer(known.sum().float())
        return {"loss_plane": self.loss_weight * (error * known).sum() / total}


def tilt_of_planes(plane: Tensor) -> Tensor:
    """Normalised planes (B, 4) -> (B, 3), as :class:`PlaneHead` gives them."""
    pitch = (-plane[:, 2]).clamp(-1, 1).asin()
    return torch.stack([pitch, torch.atan2(plane[:, 0], -plane[:, 1]), plane[:, 3].clamp(min=0.01).log()], 1)


def planes_of_tilt(tilt: Tensor) -> Tensor:
    """The inverse of :func:`tilt_of_planes`, within 80 degrees of pitch and 0.1 to 1000 m."""
    pitch, roll, height = tilt[:, 0].clamp(-1.4, 1.4), tilt[:, 1], tilt[:, 2].clamp(-2.3, 6.9).exp()
    along = pitch.cos()
    return torch.stack([roll.sin() * along, -roll.cos() * along, -pitch.sin(), height], 1)


def fill_planes(plane: Tensor, tilt: Tensor | None) -> tuple[Tensor, Tensor]:
    """Planes (B, 4) whose rows of NaN are taken from predictions, without their gradient; (B,) whether each
    was given."""
    given = ~plane.isnan().any(1)
    if tilt is None:
        return plane, given
    return torch.where(given[:, None], plane, planes_of_tilt(tilt.detach())), given


def standing_records(records: list[dict], plane: Tensor) -> list[dict]:
    """The mapper dicts, with a ``box_plane`` where boxes stand on a ground of which none was given: that of
    ``plane`` (B, 4), which the picture has shown."""
    lacking = [x.get("level_boxes") is False and x.get("ground_plane") is None for x in records]
    if not any(lacking):
        return records
    (found,) = transfer([plane], torch.device("cpu"))
    return [x | {"box_plane": p} if lacks else x for x, p, lacks in zip(records, found, lacking, strict=True)]
