"""Readers of single files: any bytes give what is asked for, or one line that says what is wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hostile import changed_json, fuzz, mutated, result_or_message
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from d2ext.data.formats import read_kitti_tracks, read_tumtraf
from d2ext.data.formats.calibration import read_lanes, read_points, read_vehicles
from d2ext.data.formats.kitti import read_calib, read_ground, read_labels, read_regions
from d2ext.data.formats.rows import BrokenRows, list_fields, read_names
from d2ext.data.image_io import read_image, read_image_size, read_mask
from d2ext.engine import D2Checkpointer, add_engine_config, load_config, load_weights, read_checkpoint
from d2ext.engine.shards import cut_list, read_shard
from d2ext.engine.sharing import model_card
from d2ext.reading import read_json, read_text

CALIB = (
    b"P0: 1 0 0\nP2: 721.5 0 609.6 44.86 0 721.5 172.9 0.2163 0 0 1 0.002746\nR0_rect: 1 0 0 0 1 0 0 0 1\n"
)
LABELS = (
    b"Car 0.00 0 1.85 387.6 181.5 423.8 203.1 1.67 1.87 3.69 -16.5 2.39 58.49 1.57\n"
    b"Pedestrian 0.10 1 -10 12 20 30 60 1.7 0.6 0.8 1 1.6 9 -3.1 blue\n"
    b"DontCare -1 -1 -10 503.9 169.7 590.6 190.1 -1 -1 -1 -1000 -1000 -1000 -10\n"
    b"Car 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n"
)
GROUND = b"# Plane\nWidth 4\nHeight 1\n-1.85e-02 -9.99e-01 1.34e-02 1.68e+00\n"
CONFIG = (
    b"_BASE_: base.yaml\nSEED: 3\nSOLVER:\n  EMA: {ENABLED: True}\n  BEST_METRIC: a/b\nINPUT: {SIZE: 3}\n"
)
TEXTS = {
    read_text: b"some text\nof two lines \xc3\xa4\n",
    read_names: b"000000.png\n000008\n\n000009.JPG\n",
    read_calib: CALIB,
    read_ground: GROUND,
    read_kitti_tracks: b"0 1 Car 0 0 1.7 360 181 463 270 1.6 1.7 3.6 -4 1.8 15 1.4\n"
    b"2 -1 DontCare -1 -1 -10 700 160 730 185 -1000 -1000 -1000 -10 -1 -1 -1\n",
    read_points: b"u,v,lat,lon,alt\n1.5,2,48.1,11.5,500\n3,4,48.1001,11.5,501\n",
    read_lanes: b"offset;u;v;along\n0;1;2;\n3.5;5;6;0\n3.5;7;8;12\n",
    read_vehicles: b'{"frame": 0, "objects": [{"class": "car", "score": 0.5, "bbox": [1, 2, 3.5, 4]}]}\n'
    b'{"frame": 1, "error": "none"}\n{"sentences": [{"text": "a", "objects": []}]}\n',
}


@pytest.mark.parametrize("read", TEXTS, ids=lambda f: f.__name__)
def test_text_files(read, tmp_path):
    @fuzz
    @given(mutated(TEXTS[read]))
    def holds(content: bytes) -> None:
        path = tmp_path / "file.txt"
        path.write_bytes(content)
        found = result_or_message(lambda: read(path), path)
        if found is not None and read in (read_calib, read_ground):
            assert np.isfinite(np.array(found, np.float32)).all()

    holds()


@fuzz
@given(mutated(LABELS), st.booleans())
def test_label_rows(tmp_path, content, skip):
    path = tmp_path / "000001.txt"
    path.write_bytes(content)
    for read in (read_labels, read_regions):
        result_or_message(lambda r=read: r(path, BrokenRows(skip)), path)


@fuzz
@given(changed_json({"a": [1, 2.5, "text", {"b": None, "c": [True]}], "d": "ä"}))
def test_json(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    found = result_or_message(lambda: read_json(path), path)
    json.dumps(found, allow_nan=True)


@fuzz
@given(
    changed_json(
        {
            "openlabel": {
                "frames": {
                    "7": {
                        "frame_properties": {"timestamp": 12.5},
                        "objects": {
                            "0f": {
                                "object_data": {
                                    "type": "CAR",
                                    "cuboid": {"val": [20.0, 3, -6, 0, 0, 0, 1, 4.2, 1.8, 1.5]},
                                }
                            }
                        },
                    }
                }
            }
        }
    )
)
def test_openlabel_files(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found = result_or_message(lambda: read_tumtraf(path), path)
    assert found is None or np.isfinite(found.location).all()


@fuzz
@given(mutated(b"['Car', '0.00', '0', '1.85', '387.6', \"a\", 3, [1, 2]]"))
def test_texts_of_lists(content):
    text = content.decode("utf-8", "surrogateescape")
    fields = result_or_message(lambda: list_fields(text, "f.json: item 0"), Path("f.json"))
    assert fields is None or all(isinstance(field, str) for field in fields)


@fuzz
@given(mutated(CONFIG))
def test_configs(tmp_path, content):
    (tmp_path / "base.yaml").write_text("SEED: 4\n")
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    result_or_message(lambda: load_config(add_engine_config, str(path)), path)


def _image_bytes(suffix: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    return cv2.imencode(suffix, cv2.resize(pixels, (72, 48)))[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_images(suffix, tmp_path):
    @fuzz
    @given(mutated(_image_bytes(suffix)))
    def holds(content: bytes) -> None:
        path = tmp_path / f"image{suffix}"
        path.write_bytes(content)
        size = result_or_message(lambda: read_image_size(path), path)
        image = result_or_message(lambda: read_image(path, 100_000), path)
        result_or_message(lambda: read_mask(path, 100_000), path)
        if image is not None:
            assert image.dtype == np.uint8 and image.shape[2] == 3
            assert size is None or image.shape[:2] == size

    holds()


def _checkpoint(suffix: str) -> bytes:
    state = nn.Linear(3, 2).state_dict()
    if suffix == ".safetensors":
        return save(state)
    buffer = io.BytesIO()
    torch.save({"model": state, "iteration": 3}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights(suffix, tmp_path):
    @fuzz
    @given(mutated(_checkpoint(suffix)))
    def holds(content: bytes) -> None:
        path = tmp_path / f"weights{suffix}"
        path.write_bytes(content)
        network = nn.Linear(3, 2)

        def load() -> None:
            load_weights(network, read_checkpoint(path)["model"], path)

        result_or_message(load, path)
        assert all(bool(torch.isfinite(p).all()) for p in network.parameters())

    holds()


@fuzz
@given(mutated(b"model_0000009.pth"))
def test_last_checkpoint(tmp_path, content):
    (tmp_path / "last_checkpoint").write_bytes(content)
    found = D2Checkpointer(nn.Identity(), str(tmp_path)).get_checkpoint_file()
    assert found == "" or Path(found).parent == tmp_path


ROW = {"image": "a.png", "calib": "a.txt", "ground": None, "sentences": ["The car.", "ä"]}


@fuzz
@given(changed_json(ROW))
def test_lists_for_prediction(tmp_path, content):
    path = tmp_path / "list.jsonl"
    good = json.dumps(ROW).encode()
    path.write_bytes(good + b"\n" + content + b"\n" + good)
    shards = result_or_message(lambda: cut_list(path, 2), path)
    if shards is not None:
        rows = [row for shard in shards for row in read_shard(path, shard)]
        assert len(rows) == sum(shard.images for shard in shards) and rows[0] == rows[-1] == ROW


@fuzz
@given(changed_json({"published": {"Acc@0.25": 61.25, "Near/Acc@0.25": 80.0}, "exact": {"F1": 3}}))
def test_metrics_in_a_card(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    card = result_or_message(lambda: model_card("U2ENet", {"TRAIN": ["a"]}, [path]), path)
    assert card is None or card.encode()
