from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from d2ext.engine import D2Checkpointer, load_backbone, load_weights, read_checkpoint, save_safetensors


def model(width: int = 4) -> nn.Sequential:
    torch.manual_seed(width)
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def checkpointer(folder: Path, **kwargs) -> D2Checkpointer:
    net = model()
    return D2Checkpointer(net, str(folder), optimizer=torch.optim.AdamW(net.parameters()), **kwargs)


def one_line(error: pytest.ExceptionInfo, *parts: object) -> None:
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


class Malicious:
    """A pickle that writes a file when it is loaded without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("name", ["model.pth", "model.pkl"])
@pytest.mark.parametrize(
    "writer", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, name: str, writer) -> None:
    writer({"model": {"a": Malicious(tmp_path / "owned")}}, tmp_path / name)
    with pytest.raises(ValueError) as error:
        checkpointer(tmp_path).load(str(tmp_path / name))
    one_line(error, tmp_path / name)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file_is_one_line_naming_it(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"model": model().state_dict()}, path)
    else:
        save_safetensors(model(), path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(ValueError) as error:
        read_checkpoint(path)
    one_line(error, path)


@pytest.mark.parametrize("content", [b"not a checkpoint", b"\x89PNG\r\n\x1a\n" * 9])
def test_other_file_is_one_line_naming_it(tmp_path: Path, content: bytes) -> None:
    for name in ("weights.pth", "weights.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError) as error:
            read_checkpoint(tmp_path / name)
        one_line(error, tmp_path / name)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        checkpointer(tmp_path).load(str(tmp_path / "absent.pth"))
    one_line(error, tmp_path / "absent.pth")


def test_shape_mismatch_names_file_parameter_and_shapes(tmp_path: Path) -> None:
    save_safetensors(model(5), tmp_path / "w.safetensors")
    with pytest.raises(ValueError) as error:
        checkpointer(tmp_path).load(str(tmp_path / "w.safetensors"))
    one_line(error, tmp_path / "w.safetensors", "0.bias", "(5,)", "(4,)")


def test_missing_and_unexpected_names(tmp_path: Path) -> None:
    state = model().state_dict()
    del state["2.weight"]
    with pytest.raises(ValueError) as error:
        load_weights(model(), state, "f.pth")
    one_line(error, "f.pth", "lacks 2.weight")
    with pytest.raises(ValueError) as error:
        load_weights(
            model(), {**model().state_dict(), "extra.a": torch.ones(1), "extra.b": torch.ones(1)}, "f"
        )
    one_line(error, "f", "extra.a and 1 more")
    load_weights(model(), {**state, "extra.a": torch.ones(1)}, "f", optional=("2.", "extra."))


def test_weights_saved_under_ddp_names_load() -> None:
    target = model(4)
    source = {f"module.{k}": v + 1 for k, v in model(4).state_dict().items()}
    load_weights(target, source, "f")
    assert all(torch.equal(v, source[f"module.{k}"]) for k, v in target.state_dict().items())


@pytest.mark.parametrize("half", [False, True])
def test_safetensors_roundtrip(tmp_path: Path, half: bool) -> None:
    source, target, path = model(), model(), tmp_path / "w.safetensors"
    with torch.no_grad():
        source[0].weight.mul_(3.3)
        source[2].bias.fill_(1e6)  # beyond float16: stays float32
    save_safetensors(source, path, {"note": "a word"}, half=half)
    checkpointer = D2Checkpointer(target)
    checkpointer.load(str(path))
    for (name, a), b in zip(source.state_dict().items(), target.state_dict().values(), strict=True):
        assert b.dtype == a.dtype
        wide = not half or not a.is_floating_point() or name == "2.bias"
        assert torch.equal(b, a if wide else a.half().float()), name
    with safe_open(path, "pt") as f:
        assert f.metadata()["note"] == "a word"
        assert f.get_tensor("0.weight").dtype == (torch.float16 if half else torch.float32)


def test_shared_and_strided_tensors_can_be_saved(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    net[0].weight.data = net[0].weight.data.t()
    save_safetensors(net, tmp_path / "w.safetensors")
    D2Checkpointer(net).load(str(tmp_path / "w.safetensors"))


def save_three(folder: Path) -> None:
    saver = checkpointer(folder)
    for i in range(3):
        nn.init.constant_(saver.model[0].bias, i)
        saver.save(f"model_{i}", iteration=i)
        os.utime(folder / f"model_{i}.pth", (i, i))


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_resume_falls_back_to_the_newest_whole_checkpoint(tmp_path: Path, damage: str, caplog) -> None:
    save_three(tmp_path)
    last = tmp_path / "model_2.pth"
    data = bytearray(last.read_bytes())
    last.unlink()
    if damage == "truncated":
        last.write_bytes(data[:-100])
    elif damage == "flipped":
        data[data.index(struct.pack("<4f", 2, 2, 2, 2))] ^= 0xFF  # of the bias
        last.write_bytes(data)
    (tmp_path / ".model_3.pth.tmp").write_bytes(b"half")
    resumed = checkpointer(tmp_path)
    resumed.logger.propagate = True
    with caplog.at_level("WARNING"):
        assert resumed.resume_or_load("")["iteration"] == 1
    assert resumed.model[0].bias.tolist() == [1.0] * 4
    assert not (tmp_path / ".model_3.pth.tmp").exists()
    assert [r.message.count("\n") for r in caplog.records] == [0]
    assert "model_2.pth" in caplog.text and "model_1.pth" in caplog.text


def test_resume_takes_the_tagged_checkpoint(tmp_path: Path) -> None:
    save_three(tmp_path)
    (tmp_path / "last_checkpoint").write_text(
        "model_0.pth"
    )  # a new run in the folder of an older, longer one
    assert checkpointer(tmp_path).resume_or_load("")["iteration"] == 0


def test_resume_in_an_empty_folder_loads_the_weights_only(tmp_path: Path) -> None:
    save_three(tmp_path)
    weights = str(tmp_path / "model_2.pth")
    fresh = checkpointer(tmp_path / "new")
    fresh.resume_or_load(weights, resume=True)
    assert fresh.model[0].bias.tolist() == [2.0] * 4


def test_state_of_another_optimizer_is_one_line(tmp_path: Path) -> None:
    save_three(tmp_path)
    net = model()
    groups = [{"params": [p]} for p in net.parameters()]
    other = D2Checkpointer(net, str(tmp_path), optimizer=torch.optim.AdamW(groups))
    with pytest.raises(ValueError) as error:
        other.resume_or_load("")
    one_line(error, "model_2.pth", "optimizer")


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    checkpointer(tmp_path, save_to_disk=False).save("model")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor([1.0, float("nan")]), "a holds NaN or infinity"),
        (torch.tensor([1.0, float("inf")]), "a holds NaN or infinity"),
        (torch.tensor([1.0, 1e39], dtype=torch.float64), "a holds NaN or infinity"),
        (torch.tensor([1.0, 1j]), "a is complex"),
        (torch.tensor([True, False]), "a holds bool, the model expects fractions"),
        (torch.tensor([1, 2]), "a holds whole numbers, the model expects fractions"),
        (torch.zeros(2).to_sparse(), "a is no plain tensor"),
        (torch.zeros(2, device="meta"), "a is no plain tensor"),
        (torch.zeros(1).expand(10**12), "a is no plain tensor"),
        ("text", "a is str, expected a tensor"),
    ],
)
def test_weights_are_tensors_of_finite_numbers(value, message):
    model = nn.Module()
    model.a = nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match=f"w.pth: {message}"):
        load_weights(model, {"a": value}, "w.pth")
    assert (model.a == 0).all()


def test_names_of_weights_are_text(shared_dir, tmp_path):
    torch.save({1: torch.zeros(2)}, tmp_path / "w.pth")
    for path in (tmp_path / "w.pth", shared_dir / "cases/bad_input/intkeys.pth"):
        for read in (read_checkpoint, lambda p: load_backbone(nn.Linear(1, 1), str(p))):
            with pytest.raises(ValueError, match=f"{path.name}: expected names of parameters, got"):
                read(path)


def test_a_compressed_archive_is_refused_before_it_fills_the_memory(tmp_path):
    torch.save({"a": torch.zeros(100_000)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as whole:
        with zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED) as small:
            for part in whole.namelist():
                small.writestr(part, whole.read(part))
    assert (tmp_path / "small.pth").stat().st_size < 10_000
    with pytest.raises(ValueError, match="small.pth: not a whole checkpoint, .*: compressed"):
        read_checkpoint(tmp_path / "small.pth")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"../../etc/passwd", b"", b"a\x00b", b"none.pth"])
def test_an_odd_last_checkpoint_is_passed_over(tmp_path, content):
    checkpointer = D2Checkpointer(nn.Linear(1, 1), str(tmp_path))
    checkpointer.save("model_0000009")
    (tmp_path / "last_checkpoint").write_bytes(content)
    assert checkpointer.find_whole_checkpoint() == str(tmp_path / "model_0000009.pth")


def test_a_pipe_in_the_place_of_a_checkpoint_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(ValueError, match="w.pth: not a whole checkpoint.*got a pipe"):
        read_checkpoint(tmp_path / "w.pth")
    assert D2Checkpointer(nn.Linear(1, 1), str(tmp_path)).find_whole_checkpoint() == ""


@pytest.mark.parametrize("state", [3, {"a": 1}, [1], {"param_groups": 1, "state": 2}])
def test_the_state_of_something_else_is_one_line(tmp_path, state):
    model = nn.Linear(1, 1)
    torch.save({"model": model.state_dict(), "optimizer": state}, tmp_path / "w.pth")
    checkpointer = D2Checkpointer(model, str(tmp_path), optimizer=torch.optim.SGD(model.parameters(), 1.0))
    with pytest.raises(ValueError, match="w.pth: the state of the optimizer does not fit"):
        checkpointer.load(str(tmp_path / "w.pth"))
