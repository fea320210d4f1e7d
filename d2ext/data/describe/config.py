"""Keys of the data of models that describe, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, number, whole
from d2ext.data.config import add_image_config

TASKS = ("describe", "ask", "draw", "text")


def add_describe_data_config(cfg: CfgNode) -> None:
    """Add the keys of pictures with sentences that a model learns to write, and with questions."""
    add_image_config(cfg)
    # Shares of the tasks in training: a marked object or group and its sentence; a question and its answer;
    # a caption and its picture; a sentence alone.
    cfg.INPUT.RATIOS = CfgNode()
    cfg.INPUT.RATIOS.DESCRIBE = 5.0
    cfg.INPUT.RATIOS.ASK = 3.0
    cfg.INPUT.RATIOS.DRAW = 4.0
    cfg.INPUT.RATIOS.TEXT = 1.0

    # How a model is told which object is meant: its box drawn into the picture, a crop beside the whole
    # picture, its numbers in the camera's frame as text. All can be left out, to see what each is worth.
    cfg.INPUT.BOX = CfgNode()
    cfg.INPUT.BOX.OUTLINE = True
    cfg.INPUT.BOX.CROP = True
    cfg.INPUT.BOX.NUMBERS = True
    # Side of the crop by the longer side of the box.
    cfg.INPUT.BOX.CONTEXT = 1.6

    cfg.INPUT.DRAW = CfgNode()
    # Share of the pictures that are asked for by the names of what they hold alone, as class names of
    # ImageNet in the first part of Janus' stage 2, which Janus-Pro leaves out; the others by sentences.
    cfg.INPUT.DRAW.CLASS_PROMPTS = 0.0
    # Share of the pictures that are asked for by nothing, for classifier-free guidance.
    cfg.INPUT.DRAW.DROP_PROMPT = 0.1
    # Pictures to draw are squares around an object, of so many times its box's longer side; 0: the whole
    # picture.
    cfg.INPUT.DRAW.CONTEXT = 2.0

    # Questions about an image in evaluation.
    cfg.TEST.QUESTIONS = 5
    # Most objects and groups of an image that are described in evaluation.
    cfg.TEST.DESCRIPTIONS = 5
    # Control: the model sees grey in place of every picture, and no numbers: it has to answer by words alone.
    cfg.TEST.BLIND = False


declare(
    {
        **{f"INPUT.RATIOS.{task.upper()}": number(0) for task in TASKS},
        "INPUT.BOX.CONTEXT": number(1),
        "INPUT.DRAW.CLASS_PROMPTS": number(0, 1),
        "INPUT.DRAW.DROP_PROMPT": number(0, 1),
        "INPUT.DRAW.CONTEXT": number(0),
        "TEST.QUESTIONS": whole(0),
        "TEST.DESCRIPTIONS": whole(0),
    }
)
