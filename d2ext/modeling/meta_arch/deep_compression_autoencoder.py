"""An autoencoder of pictures, trained on its own, in whose latents scenes are drawn."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.utils.events import get_event_storage
from torch import Tensor

from d2ext.modeling.generation.autoencoder import Autoencoder, build_autoencoder, drawn, kl_to_standard
from d2ext.modeling.generation.discriminator import PatchDiscriminator
from d2ext.modeling.generation.features import FrozenFeatures
from d2ext.modeling.generation.parts import PictureModel, byte_images, signed_images


@META_ARCH_REGISTRY.register()
class DeepCompressionAutoencoder(PictureModel):
    """Images to latents and back.

    Training returns ``loss_l1`` (mean absolute error, of numbers from -1 to 1), and where their weights are
    not 0 ``loss_perceptual``, ``loss_kl`` (variational), ``loss_adversarial`` and ``loss_discriminator``.
    Inference returns for each image ``image``, (3, H, W) uint8, as the latents have it.

    Args:
        autoencoder: what is trained.
        features: frozen, by which the perceptual distance is measured; None without it.
        discriminator: None without one.
        perceptual_weight, kl_weight, adversarial_weight: of the losses.
        adversarial_start: iteration from which on the discriminator's opinion counts.
    """

    #: Children that ``torch.compile`` may take.
    compilable = ("autoencoder",)
    #: A discriminator is of use in training only.
    optional_state = ("discriminator.",)

    @configurable
    def __init__(
        self,
        *,
        autoencoder: Autoencoder,
        features: FrozenFeatures | None = None,
        discriminator: PatchDiscriminator | None = None,
        perceptual_weight: float = 0.0,
        kl_weight: float = 0.0,
        adversarial_weight: float = 0.0,
        adversarial_start: int = 0,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.features = features
        self.discriminator = discriminator
        self.perceptual_weight, self.kl_weight = perceptual_weight, kl_weight
        self.adversarial_weight, self.adversarial_start = adversarial_weight, adversarial_start
        self.register_buffer("_place", torch.zeros(()), persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """The arguments out of MODEL.AUTOENCODER and MODEL.FEATURES."""
        c, f = cfg.MODEL.AUTOENCODER, cfg.MODEL.FEATURES
        seen = c.PERCEPTUAL_WEIGHT > 0
        judged = c.ADVERSARIAL_WEIGHT > 0
        return {
            "autoencoder": build_autoencoder(cfg),
            "features": FrozenFeatures(f.NAME, f.WEIGHTS, cfg.INPUT.FORMAT) if seen else None,
            "discriminator": PatchDiscriminator(c.DISCRIMINATOR_WIDTH) if judged else None,
            "perceptual_weight": c.PERCEPTUAL_WEIGHT,
            "kl_weight": c.KL_WEIGHT,
            "adversarial_weight": c.ADVERSARIAL_WEIGHT,
            "adversarial_start": c.ADVERSARIAL_START,
        }

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self._place.device  # type: ignore[return-value]

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses in training, else the images as the latents have them; inputs as from ``SceneMapper``.

        Raises:
            ValueError: images of different sizes, or of sides that are no multiples of the factor.
        """
        images = self.images(batched_inputs)
        if self.training:
            return self.losses(images)
        with torch.no_grad():
            rebuilt = self.autoencoder.decode(self.autoencoder.encode(images))
        return [{"image": image} for image in byte_images(rebuilt)]

    def images(self, batched_inputs: list[dict]) -> Tensor:
        """(B, 3, H, W) from -1 to 1."""
        return signed_images([x["image"] for x in batched_inputs], self.device, self.autoencoder.factor)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Of images (B, 3, H, W) from -1 to 1; means over the batch of this process."""
        mean, log_variance = self.autoencoder.moments(images)
        rebuilt = self.autoencoder.decode(drawn(mean, log_variance)).float()
        losses = {"loss_l1": (rebuilt - images).abs().mean()}
        if self.features is not None:
            distance = self.features.distance(rebuilt, images).float().mean()
            losses["loss_perceptual"] = self.perceptual_weight * distance
        if log_variance is not None:
            divergence = kl_to_standard(mean.float(), log_variance.float()).mean()
            losses["loss_kl"] = self.kl_weight * divergence
        if self.discriminator is not None:
            hinge, fooled = self.discriminator.losses(images, rebuilt)
            counts = get_event_storage().iter >= self.adversarial_start
            losses["loss_discriminator"] = hinge
            losses["loss_adversarial"] = self.adversarial_weight * counts * fooled
        return losses
