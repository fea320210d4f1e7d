"""ablate.py: what its runs start from, and the commands of a run."""

from pathlib import Path

import pytest
import torch
from project_scripts import load_script

from d2ext.engine import load_config, metrics_file, read_checkpoint
from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config


@pytest.fixture(scope="module")
def ablate():
    return load_script("ablate")


def start(ablate, folder: Path, variant: str, seed: int = 0) -> dict[str, torch.Tensor]:
    path = folder / f"{variant}-{seed}.safetensors"
    ablate.write_start(ablate.VARIANTS[variant][1], seed, path)
    return read_checkpoint(path)["model"]


def test_a_start_is_the_shipped_model_but_for_what_is_compared(ablate, tmp_path):
    shipped = read_checkpoint(ablate.WEIGHTS)["model"]
    first, second = (start(ablate, tmp_path, "full", seed) for seed in range(2))
    for name, value in first.items():
        if not name.startswith(ablate.COMPARED):
            assert torch.equal(value, shipped[name].to(value.dtype)), name
        elif value.ndim > 1:
            assert not torch.equal(value, second[name]), name
    assert {name.split(".")[0] for name in first if name.startswith(ablate.COMPARED)} == {
        "semantic_filter",
        "fusion",
    }


def test_the_detector_of_two_stages_starts_as_the_shipped_box_head_without_a_sentence(ablate, tmp_path):
    def box_head(variant: str) -> torch.nn.Module:
        options = ablate.VARIANTS[variant][1]
        model = U2ENetTrainer.build_model(
            load_config(add_u2enet_config, str(ablate.ROOT / ablate.CONFIG), options)
        )
        model.load_state_dict(start(ablate, tmp_path, variant))
        return model.head.box_head

    with_words, without = box_head("full"), box_head("two-stage")
    seen = torch.randn(5, without.mlp[0].in_features)
    nothing = torch.zeros(5, with_words.mlp[0].in_features - seen.shape[1])
    expected, found = with_words(torch.cat([seen, nothing], 1)), without(seen)
    for part, value in expected.items():
        assert torch.allclose(found[part], value, atol=1e-5), part


def test_a_run_trains_chooses_and_evaluates_with_what_was_chosen(ablate, tmp_path):
    run = ablate.Run(tmp_path, "concat", 2, ["SOLVER.MAX_ITER", "7"])
    run.folder.mkdir(parents=True)
    (run.folder / ablate.CHOSEN).write_text('{"score": 0.3, "existence": 0.45, "f1": 50.0, "none_acc": null}')
    train, choose, evaluate = run.commands().values()
    assert train[:2] == ["train_net.py", "--resume"] and choose[0] == "choose_thresholds.py"
    assert evaluate[:2] == ["train_net.py", "--eval-only"]
    for command in (train, choose, evaluate):
        pairs = dict(zip(command[-2::-2], command[-1::-2], strict=False))
        assert pairs["SEED"] == "2" and pairs["MODEL.U2ENET.FUSION"] == "concat"
    assert pairs["MODEL.GROUNDING.SCORE_THRESHOLD"] == "0.3"
    assert pairs["MODEL.GROUNDING.EXISTENCE_THRESHOLD"] == "0.45"
    assert pairs["MODEL.WEIGHTS"] == str(run.folder / "model_final.pth")


def test_other_depths_are_tried_on_the_network_of_the_full_model(ablate, tmp_path):
    run = ablate.Run(tmp_path, "depth-ground", 1, [])
    assert list(run.commands()) == [ablate.CHOSEN, metrics_file(ablate.MULTI)]
    for command in run.commands().values():
        assert str(tmp_path / "full/1/model_final.pth") in command
