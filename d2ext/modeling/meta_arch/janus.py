"""Janus: one autoregressive transformer that understands pictures and draws them.

Sources: Wu et al., "Janus: Decoupling Visual Encoding for Unified Multimodal Understanding and Generation",
2024; Chen et al., "Janus-Pro: Unified Multimodal Understanding and Generation with Data and Model Scaling",
2025. Networks and generation are those of transformers; the training is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor, nn

from d2ext.modeling.describe.loading import build_network
from d2ext.modeling.describe.parts import train_parts
from d2ext.modeling.describe.sequences import Conversations, TokenBatch, TokenRow
from d2ext.modeling.describe.vq import decode, image_tokens, quantise, vq_losses
from d2ext.structures.transfer import transfer


@META_ARCH_REGISTRY.register()
class Janus(nn.Module):
    """Answers questions about pictures, and draws pictures of texts.

    Training returns ``loss_text`` and ``loss_image`` (cross-entropies in nats, means over the tokens of the
    batch of this process), or for ``OBJECTIVE`` "pictures" the losses of
    :func:`~d2ext.modeling.describe.vq.vq_losses`.

    Attributes:
        network, tokenizer, talk: transformers' network and tokenizer, and what makes sequences for them.
    """

    @configurable
    def __init__(
        self, *, network: Any, tokenizer: Any, settings: CfgNode, pixels: tuple[float, float]
    ) -> None:
        """
        Args:
            network, tokenizer: of :func:`~d2ext.modeling.describe.loading.build_network`.
            settings: MODEL.JANUS.
            pixels: mean and standard deviation that pixels are normalised by.
        """
        super().__init__()
        self.network, self.tokenizer, self.settings = network, tokenizer, settings
        self.pixel_mean, self.pixel_std = pixels
        train_parts(network, settings.TRAINED)
        config = network.config
        self.image_size = config.vision_config.image_size
        self.talk = Conversations(
            tokenizer,
            config.vision_config.num_image_tokens,
            settings.MAX_ANSWER,
            config.text_config.max_position_embeddings,
        )

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """The arguments out of MODEL.JANUS.

        Raises:
            FileNotFoundError, ValueError: as ``build_network``.
        """
        network, tokenizer = build_network(cfg)
        return {
            "network": network.to(cfg.MODEL.DEVICE),
            "tokenizer": tokenizer,
            "settings": cfg.MODEL.JANUS,
            "pixels": (cfg.MODEL.PIXEL_MEAN[0], cfg.MODEL.PIXEL_STD[0]),
        }

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self.network.lm_head.weight.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses in training, else what is answered; inputs as from ``DescribeMapper``."""
        if not self.training:
            return [self.answer_record(record) for record in batched_inputs]
        if self.settings.OBJECTIVE == "pictures":
            pixels = self.pixels([x["target"] for x in batched_inputs])
            c = self.settings
            return vq_losses(self.network.model.vqmodel, pixels, c.COMMITMENT, c.ENTROPY)
        return self.losses(batched_inputs)

    def losses(self, samples: Sequence[dict]) -> dict[str, Tensor]:
        """Of sequences; a loss that no sample has is 0."""
        model, c = self.network.model, self.settings
        batch = self.on_device(self.talk.batch([self.row(sample) for sample in samples]))
        pictures = [image for sample in samples for image in sample["images"]]
        targets = [sample["target"] for sample in samples if sample["kind"] == "draw"]
        codes = image_tokens(model.vqmodel, self.pixels(targets)) if targets else None
        hidden = model.language_model(
            inputs_embeds=self.embed(batch, pictures, codes), attention_mask=batch.mask
        ).last_hidden_state.flatten(0, 1)
        losses = {"loss_text": hidden.new_zeros(()), "loss_image": hidden.new_zeros(())}
        if len(batch.words):
            logits = self.network.lm_head(hidden.index_select(0, batch.before_words))
            losses["loss_text"] = c.TEXT_WEIGHT * F.cross_entropy(logits.float(), batch.words)
        if codes is not None:
            logits = model.generation_head(hidden.index_select(0, batch.before_drawn))
            losses["loss_image"] = c.IMAGE_WEIGHT * F.cross_entropy(logits.float(), codes.flatten())
        return losses

    def row(self, sample: dict) -> TokenRow:
        """The sequence of a training sample."""
        if sample["kind"] == "draw":
            return self.talk.drawing(sample["prompt"], sample["drop_prompt"])
        if sample["kind"] == "text":
            return self.talk.plain(sample["answer"])
        pictures, masked = len(sample["images"]), self.settings.MASK_QUESTION
        return self.talk.answered(sample["prompt"], pictures, sample["answer"], masked)

    def embed(self, batch: TokenBatch, pictures: Sequence[Tensor], codes: Tensor | None) -> Tensor:
        """(B, L, D): words, with the features of pictures and of image tokens (M, N) in their places."""
        model = self.network.model
        embedded = model.get_input_embeddings()(batch.ids)
        flat = embedded.flatten(0, 1)
        if pictures:
            features = model.aligner(model.vision_model(self.pixels(pictures)).last_hidden_state)
            flat = flat.index_copy(0, batch.pictures, features.flatten(0, 1).to(flat.dtype))
        if codes is not None:
            drawn = self.network.prepare_embeddings_for_image_generation(codes)
            flat = flat.index_copy(0, batch.drawn, drawn.flatten(0, 1).to(flat.dtype))
        return flat.view_as(embedded)

    def pixels(self, images: Sequence[Tensor]) -> Tensor:
        """(B, 3, S, S) normalised, out of uint8 images (3, S, S)."""
        # As bytes, and each on its own: the loader has pinned them.
        stacked = torch.stack([image.to(self.device, non_blocking=True) for image in images])
        return (stacked - self.pixel_mean) / self.pixel_std

    def on_device(self, batch: TokenBatch) -> TokenBatch:
        """A batch on the device of the weights."""
        return TokenBatch(*transfer(batch, self.device))

    def answer_record(self, record: dict) -> dict[str, Any]:
        """``answers``, a text for each of ``tasks``; for "pictures" ``picture``, uint8 (3, S, S)."""
        if self.settings.OBJECTIVE == "pictures":
            return {"picture": self.redraw([record["target"]])[0]}
        tasks = record["tasks"]
        return {"answers": self.answer([t["images"] for t in tasks], [t["prompt"] for t in tasks])}

    @torch.no_grad()
    def answer(
        self, images: Sequence[Sequence[Tensor]], prompts: Sequence[str], count: int = 0, batch: int = 16
    ) -> list[Any]:
        """The likeliest answer to each prompt about its pictures (uint8 (3, S, S), as many for each); with a
        ``count`` instead lists of so many that are drawn by ``TEMPERATURE`` (at least 0.7)."""
        c = self.settings
        repeat = max(count, 1)
        jobs = [(i, p) for i, p in zip(images, prompts, strict=True) for _ in range(repeat)]
        temperature = max(c.TEMPERATURE, 0.7) if count else c.TEMPERATURE
        options: dict[str, Any] = {"do_sample": temperature > 0, "max_new_tokens": c.MAX_ANSWER}
        if temperature:
            options |= {"temperature": temperature, "top_p": c.TOP_P, "top_k": 0}
        texts: list[str] = []
        for start in range(0, len(jobs), batch):
            part = jobs[start : start + batch]
            rows = [self.talk.question(prompt, len(pictures)) for pictures, prompt in part]
            tokens = self.on_device(self.talk.batch(rows, left=True))
            pictures = [image for group, _ in part for image in group]
            seen = {"pixel_values": self.pixels(pictures)} if pictures else {}
            ids = self.network.generate(
                input_ids=tokens.ids, attention_mask=tokens.mask, use_cache=True, **seen, **options
            )
            new = ids[:, tokens.ids.shape[1] :]
            texts += [text.strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]
        return [texts[i : i + repeat] for i in range(0, len(texts), repeat)] if count else texts

    @torch.no_grad()
    def draw(self, prompts: Sequence[str]) -> Tensor:
        """Pictures (B, 3, S, S) uint8 RGB of texts, by image tokens under classifier-free guidance."""
        rows = [self.talk.drawing(prompt) for prompt in prompts]
        for row in rows:
            del row.ids[row.drawn :]
            row.drawn = None
        tokens = self.on_device(self.talk.batch(rows, left=True))
        with torch.autocast(self.device.type, enabled=False):  # the cache is of the type of the weights
            codes = self.network.generate(
                inputs=tokens.ids,
                attention_mask=tokens.mask,
                generation_mode="image",
                # At 1 transformers takes both halves of its batch, with and without words, for pictures.
                guidance_scale=max(self.settings.GUIDANCE, 1 + 1e-6),
                do_sample=True,
                temperature=self.settings.DRAW_TEMPERATURE,
                top_k=0,
            )
            return self._bytes(self.network.model.vqmodel.decode(codes))

    @torch.no_grad()
    def redraw(self, images: Sequence[Tensor]) -> Tensor:
        """uint8 (B, 3, S, S) of pictures after they went through their image tokens."""
        vqmodel = self.network.model.vqmodel
        return self._bytes(decode(vqmodel, quantise(vqmodel, self.pixels(images)).codes))

    def _bytes(self, pixels: Tensor) -> Tensor:
        return (pixels * self.pixel_std + self.pixel_mean).round().clamp(0, 255).to(torch.uint8)
