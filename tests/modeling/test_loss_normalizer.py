"""Training on two processes gives the gradients of one at the same global batch."""

from pathlib import Path

import pytest
import torch
from detectron2.engine import launch
from detectron2.modeling import build_model
from detectron2.utils import comm

from d2ext.engine import create_ddp_model
from d2ext.modeling.losses import loss_normalizer


def save_gradients(cfg, batches: dict[str, list[dict]], folder: Path) -> None:
    """Gradients and losses of each global batch, of which every process gets an equal share of the images."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(cfg).train()
    with torch.no_grad():  # away from zero-initialised norms, behind which gradients vanish
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    parallel = create_ddp_model(model)
    processes, results = comm.get_world_size(), {}
    for name, records in batches.items():
        share = len(records) // processes
        start = comm.get_rank() * share
        losses = parallel(records[start : start + share])
        model.zero_grad()
        sum(losses.values()).backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        parts = comm.gather({k: v.item() for k, v in losses.items()})
        if comm.is_main_process():
            results[name] = gradients, {k: sum(part[k] for part in parts) / processes for k in parts[0]}
    if comm.is_main_process():
        torch.save(results, folder / f"{processes}.pt")


@pytest.fixture
def batches(make_record) -> dict[str, list[dict]]:
    """Two global batches: one whose first two images have nearly all of the targets, one without any."""
    plane, none = [0.0, -0.98, -0.199, 6.5], torch.tensor([], dtype=torch.long)
    records = [make_record(seed, 96, 160, plane if seed % 2 else None) for seed in range(4)]
    empty = [r | {"instances": r["instances"][:0], "sentence_targets": [none] * 3} for r in records]
    records[1] |= {
        "sentences": [*records[1]["sentences"], "The bus."],
        "sentence_targets": [*records[1]["sentence_targets"], torch.tensor([0, 2, 3])],
    }
    records[3] |= {"sentences": ["The car.", "The van."], "sentence_targets": [torch.tensor([4]), none]}
    return {"uneven": [*records[:2], empty[2], records[3]], "empty": empty}


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(toy_cfg, batches, tmp_path):
    toy_cfg.merge_from_list(["MODEL.TIMM.NORM", "GN", "MODEL.GROUNDING.NORM", "GN", "MODEL.DEVICE", "cpu"])
    for processes in (1, 2):
        launch(save_gradients, processes, dist_url="auto", args=(toy_cfg, batches, tmp_path))
    one, two = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in (1, 2))
    for batch in batches:
        (expected, losses), (got, got_losses) = one[batch], two[batch]
        assert got_losses == pytest.approx(losses, rel=1e-5, abs=1e-7)
        assert got.keys() == expected.keys()
        largest = max(g.abs().max() for g in expected.values())
        for name, gradient in expected.items():
            error = (got[name] - gradient).abs().max()
            assert error <= 1e-5 * max(gradient.abs().max(), 0.01 * largest), (batch, name)


def test_one_process_divides_by_its_own_totals_but_at_least_the_least():
    totals = torch.tensor([0.0, 0.5, 7.0], requires_grad=True)
    normalizer = loss_normalizer(totals)
    assert normalizer.tolist() == [1.0, 1.0, 7.0] and not normalizer.requires_grad
    assert loss_normalizer(totals, least=0.25).tolist() == [0.25, 0.5, 7.0]
