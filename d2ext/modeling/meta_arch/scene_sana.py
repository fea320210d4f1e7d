"""Pictures of scenes from their layouts and sentences, drawn in the latents of an autoencoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.utils import comm
from torch import Tensor

from d2ext.modeling.box3d.config import class_names
from d2ext.modeling.generation.autoencoder import Autoencoder, build_autoencoder
from d2ext.modeling.generation.captions import CaptionEncoder
from d2ext.modeling.generation.denoisers import Denoiser, build_denoiser
from d2ext.modeling.generation.layout import LayoutEncoder, map_channels
from d2ext.modeling.generation.parts import PictureModel, byte_images, signed_images
from d2ext.modeling.generation.process import PROCESS_REGISTRY, Process, draw_noise, noised
from d2ext.modeling.generation.sampling import Start, guided, sample

LEAST_DEVIATION = 1e-4  # of a channel of the latents


@META_ARCH_REGISTRY.register()
class SceneSana(PictureModel):
    """Layout, sentence and seed -> picture.

    Training returns ``loss_scene``, the mean squared error of what the process asks for. Inference returns
    for each input ``image``, (3, H, W) uint8 of INPUT.FORMAT. Inputs are those of ``SceneMapper``; chance
    comes from their ``noise_seed`` alone.

    Args:
        autoencoder: frozen.
        captions: frozen.
        layout: the maps of a layout, as channels beside the latents.
        denoiser: what is trained, with ``layout``.
        process: the way between noise and latents.
        offset_noise: see MODEL.SCENE.OFFSET_NOISE.
        drop_text, drop_layout, drop_both: shares of the training samples without these conditions.
        sampler, steps, text_guidance, layout_guidance: of inference.
        latent_cache: latents of training images that are kept.
    """

    latent_mean: Tensor
    latent_std: Tensor

    #: Children that ``torch.compile`` may take.
    compilable = ("denoiser",)

    @configurable
    def __init__(
        self,
        *,
        autoencoder: Autoencoder,
        captions: CaptionEncoder,
        layout: LayoutEncoder,
        denoiser: Denoiser,
        process: Process,
        offset_noise: float = 0.0,
        drop_text: float = 0.0,
        drop_layout: float = 0.0,
        drop_both: float = 0.0,
        sampler: str = "DPMSolverMultistepScheduler",
        steps: int = 14,
        text_guidance: float = 1.0,
        layout_guidance: float = 1.0,
        latent_cache: int = 0,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder.requires_grad_(False).eval()
        self.captions = captions
        self.layout = layout
        self.denoiser = denoiser
        self.process = process
        self.offset_noise = offset_noise
        self.drop_text, self.drop_layout, self.drop_both = drop_text, drop_layout, drop_both
        self.sampler, self.steps = sampler, steps
        self.text_guidance, self.layout_guidance = text_guidance, layout_guidance
        # Until they are measured, latents stay as they are.
        self.register_buffer("latent_mean", torch.zeros(autoencoder.channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(autoencoder.channels, 1, 1))
        self._latents: OrderedDict[str, Tensor] = OrderedDict()
        self._latent_cache = latent_cache

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """The arguments out of MODEL.AUTOENCODER, MODEL.CAPTION and MODEL.SCENE."""
        c, t = cfg.MODEL.SCENE, cfg.MODEL.CAPTION
        autoencoder = build_autoencoder(cfg)
        captions = CaptionEncoder(
            t.NAME,
            pretrained=t.PRETRAINED,
            instruction=t.INSTRUCTION,
            max_tokens=t.MAX_TOKENS,
            scale=t.SCALE,
            cache_size=t.CACHE_SIZE,
        )
        stride = autoencoder.factor // cfg.INPUT.LAYOUT_STRIDE
        layout = LayoutEncoder(map_channels(len(class_names(cfg))), stride, c.LAYOUT_CHANNELS)
        channels = autoencoder.channels
        return {
            "autoencoder": autoencoder,
            "captions": captions,
            "layout": layout,
            "denoiser": build_denoiser(cfg, channels + c.LAYOUT_CHANNELS, channels, captions.dim),
            "process": PROCESS_REGISTRY.get(c.PROCESS).from_config(cfg),
            "offset_noise": c.OFFSET_NOISE,
            "drop_text": c.DROP_TEXT,
            "drop_layout": c.DROP_LAYOUT,
            "drop_both": c.DROP_BOTH,
            "sampler": c.SAMPLER,
            "steps": c.STEPS,
            "text_guidance": c.TEXT_GUIDANCE,
            "layout_guidance": c.LAYOUT_GUIDANCE,
            "latent_cache": c.LATENT_CACHE,
        }

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self.latent_mean.device

    def train(self, mode: bool = True) -> SceneSana:
        """As of every module; the autoencoder stays in evaluation."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses in training, else a picture for each input."""
        if self.training:
            return self.losses(batched_inputs)
        return [{"image": image} for image in self.draw(batched_inputs)]

    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """``loss_scene``, a mean over the batch of this process."""
        latents = self.encode(batched_inputs)
        seeds = [x["noise_seed"] for x in batched_inputs]
        noise, uniform = draw_noise(seeds, latents.shape[1:], self.offset_noise)  # type: ignore[arg-type]
        noise, times = noise.to(self.device), self.process.times(uniform).to(self.device)
        only_text = self.drop_text + self.drop_layout
        drawn = [x["drop"] for x in batched_inputs]
        both = [only_text <= d < only_text + self.drop_both for d in drawn]
        no_text = [d < self.drop_text or b for d, b in zip(drawn, both, strict=True)]
        no_layout = [self.drop_text <= d < only_text or b for d, b in zip(drawn, both, strict=True)]
        texts = ["" if no else x["caption"] for no, x in zip(no_text, batched_inputs, strict=True)]
        given = torch.tensor([not no for no in no_layout]).to(self.device)
        beside = self.layout(self._maps(batched_inputs), given)
        found = self._predict(noised(self.process, latents, noise, times), times, beside, texts)
        return {"loss_scene": (found.float() - self.process.target(latents, noise)).square().mean()}

    @torch.no_grad()
    def draw(
        self,
        records: Sequence[dict[str, Any]],
        *,
        strength: float = 1.0,
        keep: Tensor | None = None,
        sampler: str = "",
        steps: int = 0,
        text_guidance: float | None = None,
        layout_guidance: float | None = None,
    ) -> Tensor:
        """Pictures.

        Args:
            records: as from ``SceneMapper``; ``image`` is needed for a strength below 1 only.
            strength: below 1, begin at the latents of ``image``, noised so much.
            keep: (B, 1, h, w) bool cells of the latents that stay those of ``image``.
            sampler, steps, text_guidance, layout_guidance: in place of the config's.

        Returns:
            (B, 3, H, W) uint8.

        Raises:
            ValueError: a sampler that does not go with the process.
        """
        maps = self._maps(records)
        cells = [n // self.layout.stride for n in maps.shape[-2:]]
        seeds = [x["noise_seed"] for x in records]
        noise, _ = draw_noise(seeds, (self.autoencoder.channels, cells[0], cells[1]))
        noise = noise.to(self.device)
        real = self.encode(records) if strength < 1 or keep is not None else None
        after = None
        if keep is not None and real is not None:
            after = self._keeper(keep.to(self.device), real, noise)
        latents = sample(
            self.process,
            self._guided(records, maps, text_guidance, layout_guidance),
            noise,
            sampler or self.sampler,
            steps or self.steps,
            None if real is None or strength >= 1 else Start(real, strength),
            [torch.Generator().manual_seed(seed + 1) for seed in seeds],
            after,
        )
        return byte_images(self.autoencoder.decode(latents * self.latent_std + self.latent_mean))

    def _keeper(self, keep: Tensor, real: Tensor, noise: Tensor) -> Callable[[int, Tensor, float], Tensor]:
        def put_back(_: int, x: Tensor, time: float) -> Tensor:
            at = noised(self.process, real, noise, torch.full((len(x),), time, device=x.device))
            return torch.where(keep, at if time > 0 else real, x)

        return put_back

    def _guided(
        self,
        records: Sequence[dict[str, Any]],
        maps: Tensor,
        text_scale: float | None,
        layout_scale: float | None,
    ) -> Callable[[Tensor, Tensor], Tensor]:
        text_scale = self.text_guidance if text_scale is None else text_scale
        layout_scale = self.layout_guidance if layout_scale is None else layout_scale
        captions, count = [x["caption"] for x in records], len(records)
        plain = text_scale == layout_scale == 1
        ways = 1 if plain else 3  # text and layout, the layout alone, neither
        given = torch.tensor([True] * (min(ways, 2) * count) + [False] * (count * (ways == 3)))
        beside = self.layout(maps.repeat(ways, 1, 1, 1), given.to(self.device))
        texts = captions + [""] * ((ways - 1) * count)

        def denoise(x: Tensor, time: Tensor) -> Tensor:
            times = time.to(x.device).expand(ways * count)
            found = self._predict(x.repeat(ways, 1, 1, 1), times, beside, texts)
            if plain:
                return found
            both, layout, neither = found.float().chunk(3)
            return guided(both, layout, neither, text_scale, layout_scale)

        return denoise

    def _predict(self, x: Tensor, times: Tensor, beside: Tensor, texts: Sequence[str]) -> Tensor:
        text, mask = self.captions(texts)
        return self.denoiser(torch.cat([x, beside.to(x.dtype)], 1), times, text, mask)

    def _maps(self, records: Sequence[dict[str, Any]]) -> Tensor:
        return torch.stack([x["layout"] for x in records]).to(self.device, non_blocking=True)

    @torch.no_grad()
    def encode(self, records: Sequence[dict[str, Any]]) -> Tensor:
        """Normalised latents (B, C, h, w) of the images of mapper dicts. Each image is encoded alone and in
        float32: what others stand beside it, and whether it was kept, changes nothing."""
        latents = []
        for record in records:
            key = record.get("latent_key")
            found = self._latents.get(key) if key else None
            if found is None:
                image = signed_images([record["image"]], self.device, self.autoencoder.factor)
                with torch.autocast(self.device.type, enabled=False):
                    found = self.autoencoder.encode(image)[0].float()
                if key and self.training and len(self._latents) < self._latent_cache:
                    self._latents[key] = found
            latents.append(found)
        return (torch.stack(latents) - self.latent_mean) / self.latent_std

    @torch.no_grad()
    def measure_latents(self, records: Iterable[list[dict]]) -> None:
        """Take mean and deviation of each channel of the latents from images, each process from its share."""
        sums = torch.zeros(3, self.autoencoder.channels, dtype=torch.float64)
        self.latent_mean.zero_()
        self.latent_std.fill_(1)
        for batch in records:
            cells = self.encode(batch).double().cpu().transpose(0, 1).flatten(1)
            sums += torch.stack(
                [torch.full_like(cells[:, 0], cells.shape[1]), cells.sum(1), cells.square().sum(1)]
            )
        count, total, squares = torch.stack(comm.all_gather(sums)).sum(0)
        mean = total / count.clamp_min(1)
        deviation = (squares / count.clamp_min(1) - mean.square()).clamp_min(0).sqrt()
        self.latent_mean.copy_(mean.view(-1, 1, 1))
        self.latent_std.copy_(deviation.clamp_min(LEAST_DEVIATION).view(-1, 1, 1))
