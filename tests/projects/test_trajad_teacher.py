"""Teachers of other projects, and EfficientAD's training as published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from project_scripts import load_script
from safetensors.torch import load_file
from torch import Tensor, nn

from d2ext.engine import load_config, save_safetensors
from d2ext.modeling.anomaly.pdn import PDN
from d2ext.projects.trajad import TrajADTrainer, add_trajad_config
from d2ext.projects.trajad.trainer import load_teacher

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/TrajAD/efficientad_mvtec.yaml"
OUT, WIDTH = 24, 0.0625  # a sixteenth of the channels


class Foreign(nn.Module):
    """anomalib's layout: named convolutions, everything else in forward; reads RGB."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        widths = {"small": [(3, 8, 4), (8, 16, 4), (16, 16, 3), (16, OUT, 4)]}
        widths["medium"] = [(3, 16, 4), (16, 32, 4), (32, 32, 1), (32, 32, 3), (32, OUT, 4), (OUT, OUT, 1)]
        self.count = len(widths[kind])
        for i, (cin, cout, kernel) in enumerate(widths[kind], start=1):
            setattr(self, f"conv{i}", nn.Conv2d(cin, cout, kernel))
            nn.init.kaiming_normal_(getattr(self, f"conv{i}").weight)
        self.half().float()

    def forward(self, rgb: Tensor) -> Tensor:
        x = rgb
        for i in range(1, self.count + 1):
            x = getattr(self, f"conv{i}")(x)
            x = x if i == self.count else x.relu()
            x = F.avg_pool2d(x, 2, 2) if i <= 2 else x
        return x

    def sequential(self) -> dict[str, Tensor]:
        """nelson1425's layout: places in an nn.Sequential."""
        places = {"small": (0, 3, 6, 8), "medium": (0, 3, 6, 8, 10, 12)}[
            "small" if self.count == 4 else "medium"
        ]
        state = self.state_dict()
        kinds = ("weight", "bias")
        return {f"{p}.{k}": state[f"conv{i}.{k}"] for i, p in enumerate(places, 1) for k in kinds}


def command(capsys, *arguments) -> tuple[int, str]:
    script = load_script("distill_teacher", "TrajAD")
    from d2ext_cli import run_command

    try:
        run_command(script.build_parser(), script.main, [str(a) for a in arguments])
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().err
    return 0, ""


@pytest.mark.parametrize("layout", ["anomalib", "nelson1425"])
@pytest.mark.parametrize("kind", ["small", "medium"])
def test_a_converted_teacher_sees_in_bgr_what_it_saw_in_rgb(kind, layout, tmp_path, capsys):
    torch.manual_seed(0)
    foreign = Foreign(kind)
    state = foreign.state_dict() if layout == "anomalib" else foreign.sequential()
    torch.save(state, tmp_path / "teacher.pth")
    output = tmp_path / "teacher.safetensors"
    arguments = ["--convert", tmp_path / "teacher.pth", "--output", output, "--pdn", kind, "--width", WIDTH]
    assert command(capsys, *arguments) == (0, "")
    pdn = PDN(kind, OUT, WIDTH)
    load_teacher(pdn, str(output))
    rgb = torch.randn(1, 3, 64, 70)
    assert torch.allclose(pdn(rgb.flip(1)), foreign(rgb), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(pdn(rgb), foreign(rgb), atol=1e-2)
    assert {t.dtype for t in load_file(output).values()} == {torch.float16}


@pytest.mark.parametrize("name", ["teacher.pth", "teacher.safetensors"])
def test_a_foreign_teacher_is_not_taken_as_it_is(name, tmp_path):
    foreign = Foreign("small")
    if name.endswith(".pth"):  # this layout would fit, with its colours swapped
        torch.save(foreign.sequential(), tmp_path / name)
    else:
        save_safetensors(foreign, tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: expected a .safetensors .*--convert FILE") as error:
        load_teacher(PDN("small", OUT, WIDTH), str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_not_converted(tmp_path, capsys):
    torch.save(Foreign("small").state_dict(), tmp_path / "teacher.pth")
    arguments = ["--convert", tmp_path / "teacher.pth", "--output", tmp_path / "a.safetensors"]
    code, error = command(capsys, *arguments, "--pdn", "medium", "--width", WIDTH)
    assert code == 1 and error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "a.safetensors").exists()


def test_the_config_for_mvtec_asks_for_penalty_images_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(add_trajad_config, str(CONFIG), ["MODEL.DEVICE", "cpu"])
    with pytest.raises(FileNotFoundError, match="INPUT.PENALTY_FOLDER .*ImageNet.* '' to train without") as e:
        TrajADTrainer(cfg)
    assert "\n" not in str(e.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("iterations", [1000, 200])
def test_the_published_optimizer_and_its_rate(iterations):
    """Adam at 1e-4, a tenth of it for the last 5 % of the iterations, however many there are."""
    cfg = load_config(add_trajad_config, str(CONFIG), ["SOLVER.MAX_ITER", iterations])
    model = nn.Linear(2, 2)
    optimizer = TrajADTrainer.build_optimizer(cfg, model)
    assert type(optimizer) is torch.optim.Adam
    assert all(g["weight_decay"] == 1e-5 for g in optimizer.param_groups)
    scheduler = TrajADTrainer.build_lr_scheduler(cfg, optimizer)
    rates = []
    for _ in range(iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    drop = round(0.95 * iterations)
    assert rates[:drop] == pytest.approx([1e-4] * drop)
    assert rates[drop:] == pytest.approx([1e-5] * (iterations - drop))
