"""Janus' network and tokenizer: of given sizes, from a folder, or from the hub."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from detectron2.config import CfgNode

from d2ext.hub import cache_if_offline
from d2ext.modeling.describe import deepseek
from d2ext.reading import one_line
from d2ext.weights import resolve

#: The first version of transformers that has Janus.
NEEDED = "4.52"
IMAGE, BEGIN_IMAGE, END_IMAGE = "<image_placeholder>", "<begin_of_image>", "<end_of_image>"


def janus_classes() -> SimpleNamespace:
    """Transformers' classes, imported when they are needed.

    Raises:
        ValueError: transformers is older than Janus.
    """
    import transformers

    try:
        from transformers import (
            JanusConfig,
            JanusForConditionalGeneration,
            JanusVisionConfig,
            JanusVQVAEConfig,
            LlamaConfig,
        )
    except ImportError:
        raise ValueError(
            f"META_ARCHITECTURE Janus: needs transformers {NEEDED} or newer, this is "
            f"{transformers.__version__}: pip install 'transformers>={NEEDED}'"
        ) from None
    transformers.utils.logging.set_verbosity_error()
    return SimpleNamespace(
        Config=JanusConfig,
        Network=JanusForConditionalGeneration,
        Vision=JanusVisionConfig,
        VQ=JanusVQVAEConfig,
        Text=LlamaConfig,
    )


def load_tokenizer(name: str, key: str) -> Any:
    """A tokenizer with the signs of pictures.

    Args:
        name: folder, hub name or ``d2ext://...``.
        key: of the config that it is from.

    Raises:
        FileNotFoundError: none there.
        ValueError: it has no signs of pictures.
    """
    from transformers import AutoTokenizer

    source = resolve(name)
    try:
        with cache_if_offline(not os.path.isdir(source)):
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as e:  # a broken or foreign tokenizer.json can raise anything
        why = one_line((str(e).splitlines() or [repr(e)])[0], 100)
        raise FileNotFoundError(f"{key} {name}: no tokenizer there ({why})"[:299]) from e
    known = tokenizer.get_vocab()
    for sign in (IMAGE, BEGIN_IMAGE, END_IMAGE):
        if sign not in known:
            raise ValueError(f"{key} {name}: expected a tokenizer with {sign}, as Janus' is")
    if tokenizer.pad_token_id is None or tokenizer.eos_token_id is None or tokenizer.bos_token_id is None:
        raise ValueError(f"{key} {name}: expected a tokenizer with signs for padding, begin and end")
    return tokenizer


def build_network(cfg: CfgNode) -> tuple[Any, Any]:
    """Network (float32) and tokenizer of ``MODEL.JANUS``.

    Raises:
        FileNotFoundError, ValueError: an old transformers; a model that is missing, damaged or none of Janus;
            sizes that do not go together.
    """
    classes, c = janus_classes(), cfg.MODEL.JANUS
    if c.NAME:
        network, tokenizer = _read(classes, c.NAME)
    else:
        tokenizer = load_tokenizer(c.TOKENIZER, "MODEL.JANUS.TOKENIZER")
        network = classes.Network(_own_config(classes, c, tokenizer))
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    network.generation_config.update(**ids)
    begin = tokenizer.convert_tokens_to_ids(BEGIN_IMAGE)
    network.generation_config.generation_kwargs = {"boi_token_id": begin}
    return network.float(), tokenizer


def _own_config(classes: SimpleNamespace, c: CfgNode, tokenizer: Any) -> Any:
    stride = 2 ** (len(c.VQ_MULTIPLIERS) - 1)
    if stride != c.PATCH or c.IMAGE_SIZE % c.PATCH:
        raise ValueError(
            f"MODEL.JANUS.PATCH: expected {stride} by the number of VQ_MULTIPLIERS, and a divisor of "
            f"IMAGE_SIZE {c.IMAGE_SIZE}, got {c.PATCH}"
        )
    if c.VQ_CHANNELS % 32 or c.WIDTH % c.HEADS or c.VISION_WIDTH % c.VISION_HEADS:
        raise ValueError(
            "MODEL.JANUS: expected VQ_CHANNELS a multiple of 32, WIDTH of HEADS and VISION_WIDTH of "
            f"VISION_HEADS, got {c.VQ_CHANNELS}, {c.WIDTH} of {c.HEADS}, {c.VISION_WIDTH} of {c.VISION_HEADS}"
        )
    vision = classes.Vision(
        hidden_size=c.VISION_WIDTH,
        num_hidden_layers=c.VISION_LAYERS,
        num_attention_heads=c.VISION_HEADS,
        image_size=c.IMAGE_SIZE,
        patch_size=c.PATCH,
        projection_dim=c.WIDTH,
        num_image_tokens=(c.IMAGE_SIZE // c.PATCH) ** 2,
    )
    vq = classes.VQ(
        embed_dim=c.CODE_WIDTH,
        num_embeddings=c.CODES,
        latent_channels=c.VQ_LATENT,
        base_channels=c.VQ_CHANNELS,
        channel_multiplier=list(c.VQ_MULTIPLIERS),
        num_res_blocks=c.VQ_BLOCKS,
        projection_dim=c.WIDTH,
        image_token_embed_dim=c.WIDTH,
    )
    text = classes.Text(
        vocab_size=len(tokenizer),
        hidden_size=c.WIDTH,
        intermediate_size=8 * c.WIDTH // 3,
        num_hidden_layers=c.LAYERS,
        num_attention_heads=c.HEADS,
        max_position_embeddings=c.MAX_TOKENS,
    )
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    return classes.Config(text_config=text, vision_config=vision, vq_config=vq, image_token_id=image)


def _read(classes: SimpleNamespace, name: str) -> tuple[Any, Any]:
    source = resolve(name)
    folder = Path(source)
    if os.sep in source and not folder.is_dir() and source.count("/") != 1:
        raise FileNotFoundError(f"MODEL.JANUS.NAME {name}: no such folder")
    tokenizer = load_tokenizer(source, "MODEL.JANUS.NAME")
    if folder.is_dir() and deepseek.is_release(folder):
        return _read_release(classes, folder, tokenizer), tokenizer
    try:
        with cache_if_offline(not folder.is_dir()):
            config = classes.Config.from_pretrained(source)
            if config.model_type != "janus":
                raise ValueError(f"a model of the kind {config.model_type}, expected janus")
            return classes.Network.from_pretrained(source, config=config), tokenizer
    except Exception as e:  # a damaged file can raise anything
        why = one_line((str(e).splitlines() or [repr(e)])[0], 120)
        raise ValueError(f"MODEL.JANUS.NAME {name}: cannot be read as Janus ({why})"[:299]) from e


def _read_release(classes: SimpleNamespace, folder: Path, tokenizer: Any) -> Any:
    weights = deepseek.present_names(deepseek.read_weights(folder))
    sizes = deepseek.sizes(folder, weights)
    config = classes.Config(
        text_config=classes.Text(**sizes["text_config"]),
        vision_config=classes.Vision(**sizes["vision_config"]),
        vq_config=classes.VQ(**sizes["vq_config"]),
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        tie_word_embeddings=False,
    )
    network = classes.Network(config)
    try:
        missing, unknown = network.load_state_dict(weights, strict=False)
    except RuntimeError as e:
        raise ValueError(f"{folder}: weights do not fit: {one_line(str(e).splitlines()[-1], 150)}") from e
    missing = [name for name in missing if not name.endswith("position_ids")]
    if missing or unknown:
        wrong = (missing or unknown)[0]
        raise ValueError(f"{folder}: {'no weight' if missing else 'an unknown weight'} {wrong!r}"[:299])
    return network
