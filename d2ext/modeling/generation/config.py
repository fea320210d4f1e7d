"""Configuration keys of autoencoders and of what draws scenes, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, declare_together, every, number, one_of, refuse, registered, whole
from d2ext.modeling.backbone.config import add_pixel_config
from d2ext.modeling.box3d.config import add_classes_config
from d2ext.modeling.generation.autoencoder import AUTOENCODER_REGISTRY
from d2ext.modeling.generation.denoisers import DENOISER_REGISTRY
from d2ext.modeling.generation.process import PROCESS_REGISTRY
from d2ext.modeling.generation.sampling import SAMPLERS, check_steps

_ALL_SAMPLERS = sorted({name for names in SAMPLERS.values() for name in names})


def add_generation_config(cfg: CfgNode) -> None:
    """Add the keys of DeepCompressionAutoencoder and SceneSana to Detectron2's defaults."""
    add_pixel_config(cfg)
    add_classes_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "SceneSana"
    cfg.INPUT.FORMAT = "RGB"
    _add_autoencoder(cfg)
    _add_features(cfg)
    _add_captions(cfg)
    _add_scene(cfg)


def _add_autoencoder(cfg: CfgNode) -> None:
    c = cfg.MODEL.AUTOENCODER = CfgNode()
    # AutoencoderDC or AutoencoderKL (variational), as diffusers calls them.
    c.NAME = "AutoencoderDC"
    c.LATENT_CHANNELS = 16
    # Widths from fine to coarse, multiples of 8; each after the first halves the sides: 4 are f8, 5 f16, 6
    # f32. Of AutoencoderDC each divides four times the one before, and LATENT_CHANNELS the last.
    c.WIDTHS = [16, 32, 64, 64, 128]
    # Blocks of each stage, in encoder and decoder. 0 first: the first convolution halves the sides itself.
    c.LAYERS = [0, 1, 1, 1, 2]
    # Stages with linear attention, the coarsest ones (AutoencoderDC), and channels of one of its heads.
    c.ATTENTION_STAGES = 2
    c.ATTENTION_HEAD_DIM = 16
    # Weights of the losses beside the mean absolute error: the perceptual distance; the divergence of latents
    # from the standard normal, in nats (AutoencoderKL); that of the discriminator, 0: none.
    c.PERCEPTUAL_WEIGHT = 0.1
    c.KL_WEIGHT = 1e-6
    c.ADVERSARIAL_WEIGHT = 0.0
    # Iteration from which on the discriminator's opinion counts, and width of its first layer.
    c.ADVERSARIAL_START = 1000
    c.DISCRIMINATOR_WIDTH = 32


def _add_features(cfg: CfgNode) -> None:
    # The frozen backbone by which pictures are compared: a network of timm that takes images from -1 to 1,
    # and its weights by name or file; empty for random ones.
    cfg.MODEL.FEATURES = CfgNode()
    cfg.MODEL.FEATURES.NAME = "tf_efficientnet_lite0"
    cfg.MODEL.FEATURES.WEIGHTS = "d2ext://backbone/efficientnet_lite0"


def _add_captions(cfg: CfgNode) -> None:
    c = cfg.MODEL.CAPTION = CfgNode()
    # Causal language model of transformers: hub name, folder, or d2ext://text/... . It is not trained.
    c.NAME = "d2ext://text/captions"
    # False starts from random weights on purpose.
    c.PRETRAINED = True
    # Text in front of every caption, which tells the language model what is wanted. Empty: none.
    c.INSTRUCTION = (
        "Picture of a road seen by a fixed or moving camera. Think of the place, the weather, the light and "
        "of every vehicle and person: their kind, colour, size, heading and where they stand. Caption: "
    )
    # Longest caption in tokens; the rest is cut off.
    c.MAX_TOKENS = 96
    # Of the normalised features of a token.
    c.SCALE = 1.0
    # Captions whose features are kept in memory.
    c.CACHE_SIZE = 50000


def _add_scene(cfg: CfgNode) -> None:
    c = cfg.MODEL.SCENE = CfgNode()
    # Checkpoint of a DeepCompressionAutoencoder with the same MODEL.AUTOENCODER, from which SceneSana starts
    # where MODEL.WEIGHTS is empty; it is not trained. Empty: a random one.
    c.AUTOENCODER_WEIGHTS = ""
    # Sana (linear attention), DiT (softmax attention) or LDM (a U-Net).
    c.DENOISER = "Sana"
    # Width of Sana and DiT, heads of self- and cross-attention, which divide it, blocks, and width of the
    # Mix-FFN over theirs.
    c.WIDTH = 192
    c.HEADS = 6
    c.CROSS_HEADS = 4
    c.DEPTH = 6
    c.FFN_RATIO = 2.5
    # Widths of the levels of LDM's U-Net, multiples of 8; each after the first halves the latents' sides.
    c.UNET_WIDTHS = [96, 192, 256]
    # flow (straight lines, velocity) or ddpm (variance-preserving, noise).
    c.PROCESS = "flow"
    # Times of the flow go towards noise by this; 1 leaves them.
    c.FLOW_SHIFT = 3.0
    # Standard deviation of what is added to all noise of a channel in training, so that pictures can become
    # darker and lighter as a whole; 0: off.
    c.OFFSET_NOISE = 0.0
    # Channels into which the maps of a layout go, beside the latents.
    c.LAYOUT_CHANNELS = 12
    # Share of the training samples without caption, without layout, and without either, for guidance.
    c.DROP_TEXT = 0.1
    c.DROP_LAYOUT = 0.1
    c.DROP_BOTH = 0.05
    # Sampling: a class of diffusers that goes with the process (flow: DPMSolverMultistepScheduler, which is
    # Flow-DPM-Solver, or FlowMatchEulerDiscreteScheduler; ddpm: DPMSolverMultistepScheduler, DDIMScheduler,
    # DDPMScheduler or EulerDiscreteScheduler), its steps, and guidance on text and on the layout; 1: none.
    c.SAMPLER = "DPMSolverMultistepScheduler"
    c.STEPS = 14
    c.TEXT_GUIDANCE = 2.0
    c.LAYOUT_GUIDANCE = 1.5
    # Latents of training images that are kept in memory, by image and mirror, where images are not cropped at
    # random; 0: none.
    c.LATENT_CACHE = 20000


def _check_autoencoder(cfg: CfgNode) -> None:
    c = cfg.MODEL.AUTOENCODER
    if not 2 <= len(c.WIDTHS) <= 7 or any(width % 8 or width < 8 for width in c.WIDTHS):
        refuse("MODEL.AUTOENCODER.WIDTHS", "2 to 7 multiples of 8", c.WIDTHS)
    if len(c.LAYERS) != len(c.WIDTHS):
        refuse("MODEL.AUTOENCODER.LAYERS", f"{len(c.WIDTHS)} numbers, as many as WIDTHS", c.LAYERS)
    if c.ATTENTION_STAGES >= len(c.WIDTHS):
        refuse("MODEL.AUTOENCODER.ATTENTION_STAGES", "fewer than WIDTHS has stages", c.ATTENTION_STAGES)
    if c.NAME == "AutoencoderDC":
        _check_shortcuts(c)
    factor = 2 ** (len(c.WIDTHS) - 1)
    if any(side % factor for side in cfg.INPUT.SIZE):
        refuse("INPUT.SIZE", f"multiples of the autoencoder's factor, {factor}", cfg.INPUT.SIZE)


def _check_shortcuts(c: CfgNode) -> None:
    """Past each stage of AutoencoderDC goes a mean over channels, which must come out whole."""
    if any(4 * fine % coarse for fine, coarse in zip(c.WIDTHS, c.WIDTHS[1:], strict=False)):
        refuse("MODEL.AUTOENCODER.WIDTHS", "each a divisor of four times the one before", c.WIDTHS)
    if c.WIDTHS[-1] % c.LATENT_CHANNELS:
        refuse("MODEL.AUTOENCODER.LATENT_CHANNELS", f"a divisor of {c.WIDTHS[-1]}", c.LATENT_CHANNELS)
    attentive = c.WIDTHS[len(c.WIDTHS) - c.ATTENTION_STAGES :]
    if any(width % c.ATTENTION_HEAD_DIM for width in attentive):
        divided = ", ".join(map(str, attentive))
        refuse("MODEL.AUTOENCODER.ATTENTION_HEAD_DIM", f"a divisor of {divided}", c.ATTENTION_HEAD_DIM)


def _check_scene(cfg: CfgNode) -> None:
    c = cfg.MODEL.SCENE
    if c.WIDTH % c.HEADS or c.WIDTH % c.CROSS_HEADS:
        refuse("MODEL.SCENE.WIDTH", "a multiple of HEADS and of CROSS_HEADS", c.WIDTH)
    if c.PROCESS in SAMPLERS and c.SAMPLER not in SAMPLERS[c.PROCESS]:
        known = ", ".join(SAMPLERS[c.PROCESS])
        refuse("MODEL.SCENE.SAMPLER", f"of the process {c.PROCESS} one of {known}", c.SAMPLER)
    if (2 ** (len(cfg.MODEL.AUTOENCODER.WIDTHS) - 1)) % cfg.INPUT.get("LAYOUT_STRIDE", 1):
        refuse("INPUT.LAYOUT_STRIDE", "a divisor of the autoencoder's factor", cfg.INPUT.LAYOUT_STRIDE)
    check_steps(c.SAMPLER, c.STEPS)
    if c.DROP_TEXT + c.DROP_LAYOUT + c.DROP_BOTH > 1:
        refuse("MODEL.SCENE.DROP_BOTH", "shares that come to at most 1", c.DROP_BOTH)


declare(
    {
        "MODEL.AUTOENCODER.NAME": registered(AUTOENCODER_REGISTRY),
        "MODEL.AUTOENCODER.LATENT_CHANNELS": whole(1),
        "MODEL.AUTOENCODER.LAYERS": every(whole(0)),
        "MODEL.AUTOENCODER.ATTENTION_STAGES": whole(0),
        "MODEL.AUTOENCODER.ATTENTION_HEAD_DIM": whole(1),
        "MODEL.AUTOENCODER.PERCEPTUAL_WEIGHT": number(0),
        "MODEL.AUTOENCODER.KL_WEIGHT": number(0),
        "MODEL.AUTOENCODER.ADVERSARIAL_WEIGHT": number(0),
        "MODEL.AUTOENCODER.ADVERSARIAL_START": whole(0),
        "MODEL.AUTOENCODER.DISCRIMINATOR_WIDTH": whole(8),
        "MODEL.CAPTION.MAX_TOKENS": whole(1),
        "MODEL.CAPTION.SCALE": number(above=0),
        "MODEL.CAPTION.CACHE_SIZE": whole(1),
        "MODEL.SCENE.DENOISER": registered(DENOISER_REGISTRY),
        "MODEL.SCENE.PROCESS": registered(PROCESS_REGISTRY),
        "MODEL.SCENE.SAMPLER": one_of(*_ALL_SAMPLERS),
        **{f"MODEL.SCENE.{name}": whole(1) for name in ("WIDTH", "HEADS", "CROSS_HEADS", "DEPTH", "STEPS")},
        "MODEL.SCENE.UNET_WIDTHS": every(whole(8)),
        "MODEL.SCENE.LAYOUT_CHANNELS": whole(2),
        "MODEL.SCENE.LATENT_CACHE": whole(0),
        "MODEL.SCENE.FFN_RATIO": number(above=0),
        "MODEL.SCENE.FLOW_SHIFT": number(above=0),
        "MODEL.SCENE.OFFSET_NOISE": number(0),
        **{f"MODEL.SCENE.DROP_{name}": number(0, 1) for name in ("TEXT", "LAYOUT", "BOTH")},
        "MODEL.SCENE.TEXT_GUIDANCE": number(0),
        "MODEL.SCENE.LAYOUT_GUIDANCE": number(0),
    }
)
declare_together({"MODEL.AUTOENCODER": _check_autoencoder, "MODEL.SCENE": _check_scene})
