"""OpenVocab3D's commands on a few made-up roadside images."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import default_argument_parser
from project_scripts import ROOT, call_script, load_script

from d2ext.data import register_coco, register_dataset
from d2ext.data.formats.kitti import read_ground
from d2ext.data.open_vocab.names import ExemplarBox, Name
from d2ext.engine import D2Checkpointer, load_config, save_safetensors
from d2ext.engine.shards import cut_list, write_folder_list
from d2ext.evaluation import named_rows
from d2ext.projects.open_vocab3d import OpenVocabPredictor, OpenVocabTrainer, add_open_vocab3d_config
from d2ext.projects.open_vocab3d.batch import NamePredictor, as_rows, of_rows
from d2ext.projects.open_vocab3d.calibration import calibrate, conformal_threshold, shift_to_half
from d2ext.structures import Camera
from tests.toy_backbone import NARROW

TOY = {
    "_BASE_": str(ROOT / "configs/OpenVocab3D/openvocab_tiny_synthroad.yaml"),
    "MODEL": {
        "DEVICE": "cpu",
        "BACKBONE": {"WEIGHTS": ""},
        **NARROW,
        "OPEN_VOCAB": {"TEXT_DIM": 16, "PROMPT_DIM": 16},
        "DETECTION3D": {
            "NUM_BOXES": 12,
            "NUM_HEADS": 1,
            "HIDDEN_DIM": 16,
            "ATTENTION_HEADS": 2,
            "FFN_DIM": 32,
            "DYNAMIC_DIM": 8,
            "HEAD_DIM": 32,
            "SCORE_THRESHOLD": 0.0,
        },
    },
    "INPUT": {"SIZE": [64, 96]},
    "DATASETS": {"TRAIN": ["toy_roads_train"], "TEST": ["toy_roads_val"]},
    "DATALOADER": {"NUM_WORKERS": 0},
    "SOLVER": {"MAX_ITER": 2, "WARMUP_ITERS": 1, "IMS_PER_BATCH": 2, "AMP": {"ENABLED": False}},
    "TEST": {"DTYPE": "float32", "SCORE_THRESHOLD": 0.0},
}
KINDS = ("car", "truck", "bus", "pedestrian")
P = [[100.0, 0, 48, 0], [0, 100, 32, 0], [0, 0, 1, 0]]


def write_roads(root: Path) -> None:
    """Rope3D's layout with eight images of noise, a box of each of four classes in every one, and looks."""
    folder, rng = root / "training", np.random.default_rng(0)
    for name in ("image_2", "label_2", "calib", "denorm"):
        (folder / name).mkdir(parents=True)
    looks = []
    for i in range(8):
        image = rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"image_2/r{i}.png"), image)
        (folder / f"calib/r{i}.txt").write_text("P2: " + " ".join(str(x) for row in P for x in row) + "\n")
        (folder / f"denorm/r{i}.txt").write_text("0 -0.995037 -0.0995037 6.0\n")
        rows, objects = [], []
        for k, kind in enumerate(KINDS):
            box = [5.0 + 22 * k, 20.0, 23.0 + 22 * k, 40.0]
            place = [-6.0 + 4 * k, 4.5, 18.0 + i]
            numbers = [*box, 1.5, 1.7, 4.0, *place, 0.1]
            rows.append(f"{kind} 0 0 0.0 " + " ".join(f"{x:.6f}" for x in numbers))
            objects.append({"bbox": box, "color": "red" if i % 2 else "white", "shape": ""})
        (folder / f"label_2/r{i}.txt").write_text("\n".join(rows) + "\n")
        looks.append(json.dumps({"image": f"r{i}", "objects": objects}))
    (root / "looks.jsonl").write_text("\n".join(looks) + "\n")
    (folder / "train.txt").write_text("".join(f"r{i}\n" for i in range(5)))
    (folder / "val.txt").write_text("".join(f"r{i}\n" for i in range(5, 8)))


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    root = tmp_path_factory.mktemp("roads")
    write_roads(root)
    for split in ("train", "val"):
        register_dataset(f"toy_roads_{split}", "rope3d", root, split)
    yield root / "training"
    for split in ("train", "val"):
        DatasetCatalog.remove(f"toy_roads_{split}")
        MetadataCatalog.remove(f"toy_roads_{split}")


def toy_file(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY | {"OUTPUT_DIR": str(folder / "output")}))
    return path


def read_config(path: Path, *options: object):
    return load_config(add_open_vocab3d_config, str(path), list(map(str, options)))


@pytest.fixture(scope="module")
def trained(roads, tmp_path_factory):
    """The toy config with random weights in a file."""
    folder = tmp_path_factory.mktemp("toy")
    config, weights = toy_file(folder), folder / "weights.safetensors"
    torch.manual_seed(0)
    save_safetensors(OpenVocabTrainer.build_model(read_config(config)), weights)
    return config, weights


@pytest.fixture
def train_net():
    main = load_script("train_net", "OpenVocab3D").main

    def call(config: Path, *arguments: object):
        command = ["--config-file", str(config), *map(str, arguments)]
        return main(default_argument_parser().parse_args(command))

    return call


def test_evaluation_after_training_and_eval_only_agree(train_net, roads, tmp_path):
    config = toy_file(tmp_path)
    train_net(config, "TEST.EXEMPLARS", 1)
    folder = tmp_path / "output/inference/toy_roads_val"
    weights = tmp_path / "output/model_final.pth"
    options = ("MODEL.WEIGHTS", weights, "TEST.EXEMPLARS", 1, "OUTPUT_DIR", tmp_path / "again")
    again = train_net(config, "--eval-only", *options)
    assert again == json.loads((folder / "metrics.json").read_text())
    assert {"base", "novel", "described", "exemplar", "harmonic", "absent", "recall", "unseen pairs"} <= set(
        again
    )
    assert "bus/3d@0.5" in again["exemplar"] and "car/3d@0.5" in again["base"]
    earlier = ("TEST.EARLIER", folder / "metrics.json", "TEST.CATEGORIES", "base")
    base = train_net(config, "--eval-only", *options, *earlier)
    assert base["forgetting"]["3d@0.5"] == 0 and "novel" not in base


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("TEST.CATEGORIES", "old"), "TEST.CATEGORIES: expected one of base, novel, all, got 'old'"),
        (("INPUT.NOVEL.PAIRS", "['mauve car']"), "INPUT.NOVEL.PAIRS: expected a list, each a colour"),
        (
            ("INPUT.NOVEL.SHAPES", "['truck/boat']"),
            "INPUT.NOVEL.SHAPES: expected a list of some of car/sedan",
        ),
        (("MODEL.OPEN_VOCAB.FUSION", "mamba"), "FUSION: expected one of none, ssm, got 'mamba'"),
        (("MODEL.OPEN_VOCAB.CLASSIFIER", "dot"), "CLASSIFIER: expected one of cosine, got 'dot'"),
        (("MODEL.OPEN_VOCAB.TEXT_DIM", 18), "TEXT_DIM: expected a multiple of 4, got 18"),
        (("TEST.EARLIER", "nowhere.json"), "nowhere.json: no such file"),
        (("MODEL.META_ARCHITECTURE", "DiffusionDet3D"), "expected a OpenVocabDet3D, got 'DiffusionDet3D'"),
    ],
)
def test_training_says_what_is_wrong_before_it_starts(
    train_net, roads, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        train_net(toy_file(tmp_path), *options)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not list((tmp_path / "output").glob("*.pth"))


@pytest.fixture(scope="module")
def predictor(trained):
    config, weights = trained
    return OpenVocabPredictor(read_config(config, "MODEL.WEIGHTS", weights))


@pytest.fixture
def picture(roads):
    return cv2.imread(str(roads / "image_2/r5.png")), Camera(P, (64, 96))


def test_names_are_looked_for_together_and_sizes_are_as_told(predictor, picture, roads):
    exemplar = ExemplarBox(str(roads / "image_2/r0.png"), (5.0, 20.0, 23.0, 40.0))
    told = Name("crane", ("crane", "tower crane"), size=(9.0, 3.0, 12.0))
    predictor.look_for(
        ["car", told, Name("like it", exemplars=(exemplar,)), Name("both", ("bus",), (exemplar,))]
    )
    found = predictor(*picture)
    assert predictor.class_names == ["car", "crane", "like it", "both"]
    assert set(found.pred_classes.tolist()) == {0, 1, 2, 3}
    sizes = [found.pred_boxes3d.size[found.pred_classes == k].mean(0) for k in (0, 1)]
    assert (sizes[1] > 1.5 * sizes[0]).all()
    predictor.look_for([Name("strict", ("car",), threshold=1.0)])
    assert not len(predictor(*picture))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "expected at least one name"),
        ("car", "expected a list, got one text"),
        (["car", "car"], "the name car twice"),
        (["not a car"], "has the negation 'not'"),
        ([Name("a", exemplars=(ExemplarBox("nowhere.png", (1, 2, 30, 40)),))], "nowhere.png: no such"),
    ],
)
def test_names_that_are_none_are_told_in_one_line(predictor, names, message):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        predictor.look_for(names)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_box_outside_of_its_picture_is_no_exemplar(predictor, roads):
    one = ExemplarBox(str(roads / "image_2/r0.png"), (50.0, 20.0, 223.0, 40.0))
    with pytest.raises(ValueError, match="box 50 20 223 40: expected x1 y1 x2 y2 inside 96x64"):
        predictor.look_for([Name("a", exemplars=(one,))])


@pytest.fixture
def demo(trained, roads, tmp_path):
    """Calls demo.py as a command; returns its exit status."""
    config, weights = trained
    script = load_script("demo", "OpenVocab3D")
    given = ["--config-file", config, "--input", roads / "image_2/r5.png", "--calib", roads / "calib/r5.txt"]
    given += [
        "--ground",
        roads / "denorm/r5.txt",
        "--output",
        tmp_path / "o.png",
        "--json",
        tmp_path / "o.json",
    ]

    def call(*options: object) -> int:
        return call_script(script, *given, *options, "--opts", "MODEL.WEIGHTS", weights)

    return call


def test_demo_draws_and_writes_what_is_named(demo, tmp_path, capsys):
    names = tmp_path / "names.yaml"
    names.write_text("- name: big one\n  prompts: [truck, bus]\n  color: [255, 0, 255]\n- name: dog\n")
    assert demo("--names", names) == 0
    rows = json.loads((tmp_path / "o.json").read_text())["objects"]
    assert {row["class"] for row in rows} == {"big one", "dog"}
    pink = (cv2.imread(str(tmp_path / "o.png")) == (255, 0, 255)).all(-1)
    assert pink.sum() > 20
    assert "x big one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ((), 2, "expected --prompts, --names or --exemplar"),
        (("--prompts", "car without wheels"), 1, "has the negation 'without'"),
        (("--prompts", ";"), 1, "expected at least one name"),
        (("--names", "nowhere.yaml"), 2, "nowhere.yaml: no such file"),
        (("--exemplar", "a.png", 1, 2, 3, "x"), 2, "--exemplar: expected a file and 4 numbers"),
        (("--prompts", "a; b", "--exemplar", "a.png", 1, 2, 3, 4), 1, "expected one name in --prompts"),
        (("--exemplar", "nowhere.png", 1, 2, 30, 40), 1, "nowhere.png: no such"),
    ],
)
def test_demo_says_what_is_wrong_in_one_line(demo, tmp_path, capsys, monkeypatch, options, status, message):
    monkeypatch.chdir(tmp_path)
    assert demo(*options) == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and message in error and "\n" not in error
    assert not (tmp_path / "o.png").exists()


def test_exemplars_of_novel_classes_are_asked_in_evaluation_and_not_their_words(trained, roads):
    config, weights = trained
    cfg = read_config(config, "MODEL.WEIGHTS", weights, "TEST.EXEMPLARS", 2)
    model = OpenVocabTrainer.build_model(cfg)
    D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
    seen = []
    model.register_forward_hook(lambda m, *_: seen.append(dict(m.prompt_encoder.defined)))
    OpenVocabTrainer.test(cfg, model)
    assert len(seen) == 3 and all(set(defined) == {"[like one bus]"} for defined in seen)
    assert model.training and not model.prompt_encoder.defined  # it trains on as it was


def test_the_threshold_is_the_least_that_holds_the_risk_on_the_pictures_seen():
    rng = np.random.default_rng(0)
    scores = [rng.random(rng.integers(0, 4)).tolist() for _ in range(400)]
    t = conformal_threshold(scores, 0.1)

    def bound(threshold: float) -> float:
        return (sum(min(5, sum(s >= threshold for s in own)) for own in scores) + 5) / 401

    every = sorted({s for own in scores for s in own})
    assert bound(t) <= 0.1
    assert bound(max(s for s in every if s < t)) > 0.1
    assert conformal_threshold(scores[:20], 0.1) == 1.0  # too few for such a risk
    assert conformal_threshold([[]] * 400, 0.1) == 0.0


def test_new_pictures_keep_the_risk_on_average():
    rng, risk, losses = np.random.default_rng(1), 0.2, []
    for _ in range(60):
        scores = [rng.random(rng.poisson(0.6)).tolist() for _ in range(120)]
        t = conformal_threshold(scores[:100], risk)
        losses += [sum(s >= t for s in own) for own in scores[100:]]
    assert np.mean(losses) <= risk + 3 * np.std(losses) / len(losses) ** 0.5


def test_one_half_becomes_the_threshold_of_every_prompt():
    rng = np.random.default_rng(0)
    scores = {
        name: [(rng.random(2) * top).tolist() for _ in range(500)] for name, top in (("a", 0.3), ("b", 0.9))
    }
    found = calibrate(scores, 0.05)
    assert set(found["shifts"]) == {"a", "b"}
    for name, own in scores.items():
        t = conformal_threshold(own, 0.05)
        moved = 1 / (1 + np.exp(-(np.log(t / (1 - t)) + found["shifts"][name])))
        assert moved == pytest.approx(0.5)
    assert found["shifts"]["a"] > found["default"] > found["shifts"]["b"]
    assert shift_to_half(0.5) == 0


def test_thresholds_are_chosen_and_used(trained, roads, tmp_path, picture):
    config, weights = trained
    path = tmp_path / "calibration.json"
    command = ["--config-file", config, "--dataset", "toy_roads_val", "--output", path, "--risk", 2]
    script = load_script("choose_thresholds", "OpenVocab3D")
    assert call_script(script, *command, "--opts", "MODEL.WEIGHTS", weights) == 0
    found = json.loads(path.read_text())
    assert found["risk"] == 2 and np.isfinite(found["default"])
    cfg = read_config(config, "MODEL.WEIGHTS", weights, "MODEL.OPEN_VOCAB.CALIBRATION", path)
    shifts = OpenVocabPredictor(cfg, ["some other thing"]).table.shifts
    assert shifts.item() == pytest.approx(found["default"])
    path.write_text('{"shifts": {"a": "x"}, "default": 0}')
    with pytest.raises(ValueError, match="expected finite numbers as shifts"):
        OpenVocabPredictor(cfg)


def test_a_detector_of_fixed_classes_is_compared(trained, roads, tmp_path):
    config, _ = trained
    box = {"bbox": [5.0, 20.0, 23.0, 40.0], "location": [-6.0, 4.5, 23.0], "dimensions": [1.5, 1.7, 4.0]}
    rows = [{"category_id": 0, "score": 0.9, "yaw": 0.1, "alpha": 0.0, **box}]
    predictions = tmp_path / "predictions.json"
    predictions.write_text(json.dumps([{"image_id": "r5", "predictions": rows}]))
    command = ["--config-file", config, "--dataset", "toy_roads_val", "--predictions", predictions]
    assert call_script(load_script("compare", "OpenVocab3D"), *command, "--output", tmp_path / "as_open") == 0
    found = json.loads((tmp_path / "as_open/metrics.json").read_text())
    assert found["base"]["car/3d@0.5"] == pytest.approx(100 * 13 / 40)  # one of three cars
    assert found["novel"]["3d@0.5"] == 0


@pytest.mark.parametrize("way", ["embedding", "low-rank"])
def test_a_name_is_learnt_from_few_pictures(trained, roads, tmp_path, picture, way):
    config, weights = trained
    command = ["--config-file", config, "--dataset", "toy_roads_train", "--name", "bus", "--pictures", 2]
    command += ["--steps", 2, "--way", way, "--output", tmp_path]
    script = load_script("learn_name", "OpenVocab3D")
    assert call_script(script, *command, "--opts", "MODEL.WEIGHTS", weights) == 0
    before = OpenVocabPredictor(read_config(config, "MODEL.WEIGHTS", weights), ["car", "bus"])
    after = OpenVocabPredictor(read_config(tmp_path / "config.yaml"), ["car", "bus"])
    a, b = (p.detect(*picture)["instances"] for p in (before, after))
    cars = [x.scores[x.pred_classes == 0] for x in (a, b)]
    same = len(cars[0]) == len(cars[1]) and torch.allclose(*cars, atol=1e-6)
    assert same == (way == "embedding")  # which changes no other answer
    assert not torch.allclose(before.table.vectors[1], after.table.vectors[1])


def test_more_pictures_than_there_are_are_refused(trained, roads, tmp_path, capsys):
    config, weights = trained
    command = ["--config-file", config, "--dataset", "toy_roads_train", "--name", "bus", "--pictures", 9]
    script = load_script("learn_name", "OpenVocab3D")
    options = ("--output", tmp_path / "x", "--opts", "MODEL.WEIGHTS", weights)
    assert call_script(script, *command, *options) == 1
    assert "5 pictures have a bus, expected 9" in capsys.readouterr().err


def test_a_coco_file_with_names_of_its_own_trains_beside_roads(train_net, roads, tmp_path):
    images = [{"id": i, "file_name": f"image_2/r{i}.png", "width": 96, "height": 64} for i in range(3)]
    box = {"category_id": 7, "bbox": [5, 20, 18, 20], "area": 360, "iscrowd": 0}
    rows = [{"id": i, "image_id": i, **box} for i in range(3)]
    file = tmp_path / "animals.json"
    kinds = [{"id": 7, "name": "water buffalo"}, {"id": 9, "name": "sofa"}]
    file.write_text(json.dumps({"images": images, "annotations": rows, "categories": kinds}))
    register_coco("toy_animals", file, roads)
    try:
        both = ("DATASETS.TRAIN", "('toy_roads_train','toy_animals')", "DATASETS.TEST", "()")
        train_net(toy_file(tmp_path), *both)
        cfg = read_config(tmp_path / "toy.yaml", "DATASETS.TRAIN", "('toy_animals',)")
        batch = next(iter(OpenVocabTrainer.build_train_loader(cfg)))
        for record in batch:
            place = [text.rstrip("s") for text in record["prompts"]].index("water buffalo")
            assert record["prompt_truth"][:, place].tolist() == [1.0] * len(record["instances"])
            assert not record["instances"].gt_has_3d.any()
    finally:
        DatasetCatalog.remove("toy_animals")
        MetadataCatalog.remove("toy_animals")
    assert (tmp_path / "output/model_final.pth").is_file()


def test_lists_of_images_get_the_predictors_answers(trained, roads, tmp_path, picture):
    config, weights = trained
    cfg = read_config(config, "MODEL.WEIGHTS", weights)
    names = [Name("big one", ("truck", "bus"), size=(3.0, 2.5, 9.0)), Name("dog", ("dog",))]
    assert of_rows(json.loads(json.dumps(as_rows(names)))) == names
    write_folder_list(roads, None, tmp_path / "list.jsonl")
    (tmp_path / "out").mkdir()
    (shard,) = cut_list(tmp_path / "list.jsonl", 10, texts=False)
    worker = NamePredictor(cfg, tmp_path / "list.jsonl", tmp_path / "out", as_rows(names))
    assert worker.work(shard) == (8, 0, "")
    lines = [json.loads(line) for line in shard.file(tmp_path / "out").read_text().splitlines()]
    predictor, plane = OpenVocabPredictor(cfg, names), read_ground(roads / "denorm/r5.txt")
    found = predictor(picture[0], picture[1], plane)
    expected = named_rows(found, predictor.box_plane(plane), predictor.class_names)
    got = next(line["objects"] for line in lines if line["image"].endswith("r5.png"))
    assert [row["class"] for row in got] == [row["class"] for row in expected] and len(got) > 3
    for a, b in zip(got, expected, strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=1e-4)
        assert a["location"] == pytest.approx(b["location"], abs=1e-2)


def test_a_list_for_names_has_no_sentences(tmp_path):
    path = tmp_path / "list.jsonl"
    path.write_text('{"image": "a.png", "calib": "a.txt", "sentences": ["x"]}\n')
    with pytest.raises(ValueError, match="list.jsonl:1: field 'sentences': expected image, calib or ground"):
        cut_list(path, 10, texts=False)
