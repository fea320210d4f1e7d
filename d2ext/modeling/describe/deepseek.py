"""Models in the layout of Janus' release (``deepseek-ai/Janus-Pro-1B``) as transformers names their weights.

Sizes come from the shapes of the weights; of ``config.json`` only the language model's are needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d2ext.reading import clear_errors, read_json, require

MODEL_TYPE = "multi_modality"
#: Width of an attention head of SigLIP, by which the number of heads follows from the width.
_HEAD = 64
_VISION = "model.vision_model"
#: Patterns of names, and names in transformers.
_NAMES = tuple(
    (re.compile(rf"^{pattern}"), name)
    for pattern, name in (
        (r"vision_model\.vision_tower\.patch_embed\.proj", f"{_VISION}.embeddings.patch_embedding"),
        (r"vision_model\.vision_tower\.pos_embed$", f"{_VISION}.embeddings.position_embedding.weight"),
        (r"vision_model\.vision_tower\.norm\.", f"{_VISION}.post_layernorm."),
        (r"vision_model\.vision_tower\.blocks\.(\d+)\.norm(\d)\.",
         rf"{_VISION}.encoder.layers.\1.layer_norm\2."),
        (r"vision_model\.vision_tower\.blocks\.(\d+)\.attn\.proj\.",
         rf"{_VISION}.encoder.layers.\1.self_attn.projection_layer."),
        (r"vision_model\.vision_tower\.blocks\.(\d+)\.attn\.", rf"{_VISION}.encoder.layers.\1.self_attn."),
        (r"vision_model\.vision_tower\.blocks\.(\d+)\.mlp\.", rf"{_VISION}.encoder.layers.\1.mlp."),
        (r"gen_vision_model\.encoder\.conv_blocks\.(\d+)\.res\.", r"model.vqmodel.encoder.down.\1.block."),
        (r"gen_vision_model\.encoder\.conv_blocks\.", "model.vqmodel.encoder.down."),
        (r"gen_vision_model\.decoder\.conv_blocks\.(\d+)\.res\.", r"model.vqmodel.decoder.up.\1.block."),
        (r"gen_vision_model\.decoder\.conv_blocks\.", "model.vqmodel.decoder.up."),
        (r"gen_vision_model\.(en|de)coder\.mid\.0\.", r"model.vqmodel.\1coder.mid.block_1."),
        (r"gen_vision_model\.(en|de)coder\.mid\.1\.", r"model.vqmodel.\1coder.mid.attn_1."),
        (r"gen_vision_model\.(en|de)coder\.mid\.2\.", r"model.vqmodel.\1coder.mid.block_2."),
        (r"gen_vision_model\.", "model.vqmodel."),
        (r"gen_embed\.", "model.generation_embeddings."),
        (r"gen_head\.output_mlp_projector\.", "model.generation_head.proj_out."),
        (r"gen_head\.vision_head\.", "model.generation_head.vision_head."),
        (r"language_model\.model\.", "model.language_model."),
        (r"language_model\.lm_head\.", "lm_head."),
    )
)  # fmt: skip
#: What the release has and does not use.
_UNUSED = re.compile(r"vision_model\.vision_tower\.attn_pool\.|.*\.rotary_emb\.inv_freq$|.*codebook_used$")


def is_release(folder: Path) -> bool:
    """Whether a folder is in this layout."""
    path = folder / "config.json"
    return path.is_file() and read_json(path).get("model_type") == MODEL_TYPE


def present_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by transformers' names, queries, keys and values apart.

    Raises:
        ValueError: a name that the layout does not have.
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if _UNUSED.match(name):
            continue
        projector = re.match(r"(gen_)?aligner\.layers\.(\d+)\.(weight|bias)$", name)
        if projector:
            layer = "fc1" if projector[2] == "0" else f"hidden_layers.{int(projector[2]) // 2 - 1}"
            found[f"model.{'generation_' if projector[1] else ''}aligner.{layer}.{projector[3]}"] = value
            continue
        new = next((p.sub(n, name) for p, n in _NAMES if p.match(name)), None)
        if new is None:
            raise ValueError(f"weight {name[:80]!r}: expected a name of the release of Janus")
        if ".qkv." in new:
            for one, part in zip("qkv", value.chunk(3), strict=True):
                found[new.replace("qkv", f"{one}_proj")] = part
        else:
            found[new] = value[0] if name.endswith("pos_embed") else value
    return found


@clear_errors
def read_weights(folder: Path) -> dict[str, Tensor]:
    """All weights of a folder, of one file or several; no code in them is run.

    Raises:
        FileNotFoundError: none there.
    """
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise FileNotFoundError(f"{folder}: expected model.safetensors or pytorch_model.bin")
    weights: dict[str, Tensor] = {}
    for file in files:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights |= load_file(str(file))
        else:
            weights |= torch.load(file, map_location="cpu", weights_only=True)
    return weights


def sizes(folder: Path, weights: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Arguments of transformers' configs by their names: ``text_config``, ``vision_config``, ``vq_config``.

    Args:
        weights: by transformers' names.

    Raises:
        FileNotFoundError, ValueError: no config, or one without a language model; weights that are missing.
    """
    path = folder / "config.json"
    text = dict(require(read_json(path), "language_config", dict, str(path)))
    for key in ("torch_dtype", "_attn_implementation", "model_type"):
        text.pop(key, None)
    try:
        patch = weights[f"{_VISION}.embeddings.patch_embedding.weight"].shape
        places = len(weights[f"{_VISION}.embeddings.position_embedding.weight"])
        fc1 = weights[f"{_VISION}.encoder.layers.0.mlp.fc1.weight"]
        table = weights["model.vqmodel.quantize.embedding.weight"]
        width = weights["model.generation_aligner.fc1.weight"].shape[0]
        base = weights["model.vqmodel.encoder.conv_in.weight"].shape[0]
        levels = _count(weights, r"model\.vqmodel\.encoder\.down\.(\d+)\.")
        down = "model.vqmodel.encoder.down"
        channels = [weights[f"{down}.{i}.block.0.conv1.weight"].shape[0] for i in range(levels)]
        latent = weights["model.vqmodel.quant_conv.weight"].shape[1]
    except KeyError as e:
        raise ValueError(f"{folder}: expected a weight {e.args[0]!r}") from None
    vision = {
        "hidden_size": patch[0],
        "patch_size": patch[-1],
        "image_size": patch[-1] * round(places**0.5),
        "num_image_tokens": places,
        "num_hidden_layers": _count(weights, rf"{re.escape(_VISION)}\.encoder\.layers\.(\d+)\."),
        "num_attention_heads": max(1, patch[0] // _HEAD),
        "mlp_ratio": fc1.shape[0] / patch[0],
        "projection_dim": weights["model.aligner.fc1.weight"].shape[0],
        "depth": 1 + _count(weights, r"model\.aligner\.hidden_layers\.(\d+)\."),
    }
    vq = {
        "num_embeddings": table.shape[0],
        "embed_dim": table.shape[1],
        "latent_channels": latent,
        "base_channels": base,
        "channel_multiplier": [c // base for c in channels],
        "num_res_blocks": _count(weights, r"model\.vqmodel\.encoder\.down\.0\.block\.(\d+)\."),
        "projection_dim": width,
        "image_token_embed_dim": width,
        "num_hidden_layers": 1 + _count(weights, r"model\.generation_aligner\.hidden_layers\.(\d+)\."),
    }
    return {"text_config": text, "vision_config": vision, "vq_config": vq}


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    numbers = [int(m[1]) for m in (re.match(pattern, name) for name in weights) if m]
    return max(numbers, default=-1) + 1
