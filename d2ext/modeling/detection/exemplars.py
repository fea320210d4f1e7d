"""Training with exemplars: every image is asked for what is like an object of another one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from d2ext.modeling.detection.prompts import Prompts, PromptTable
from d2ext.structures import transfer

#: In the place of a box where an image has no exemplar; whatever is read there counts nowhere.
NOWHERE = (-0.5, -0.5, 15.5, 15.5)


def exemplar_boxes(records: Sequence[dict]) -> Tensor:
    """(B, 1, 4) box of the exemplar of each record, in pixels of the network's input, on the host."""
    boxes = []
    for x in records:
        there = x["instances"].gt_boxes.tensor
        boxes.append(there[x["exemplar"]] if x["exemplar"] >= 0 else there.new_tensor(NOWHERE))
    return torch.stack(boxes)[:, None]


def add_exemplars(
    prompts: Prompts, alike: PromptTable, records: Sequence[dict]
) -> tuple[Prompts, list[dict]]:
    """Ask every image, as a last prompt, for what is like the exemplar of the image before it (of itself,
    where it is alone). An object answers to it if its class has the same name. Images in which objects of
    that class may have no label are not asked: their dataset does not know it, or not all is labelled.

    Args:
        prompts: of B images.
        alike: B prompts, for what is like the exemplar of each.
        records: with ``truth`` (G, C) for ``prompts``.
    """
    before = [len(records) - 1, *range(len(records) - 1)]
    rolled = alike.map(lambda t: t.roll(1, 0)[:, None])
    told = prompts.table.states  # to the maps, already
    table = PromptTable.join([prompts.table._replace(states=()), rolled], lambda pair: torch.cat(pair, 1))
    asked, known = [], []
    for record, i in zip(records, before, strict=True):
        chosen = records[i]["exemplar"]
        name = records[i]["categories"][chosen] if chosen >= 0 else None
        same = torch.tensor([float(own == name) for own in record["categories"]]).view(-1, 1)
        asked.append(record | {"truth": torch.cat([record["truth"], same], 1)})
        known.append([name in record["names"] and record.get("all_labelled", True)])
    (exists,) = transfer([torch.tensor(known)], alike.vectors.device)
    return Prompts(table._replace(states=told), torch.cat([prompts.exists, exists], 1)), asked
