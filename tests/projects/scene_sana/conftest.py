"""A tiny autoencoder and SceneSana, trained for a few steps on toy scenes, and the commands."""

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from toy_scenes import AUTOENCODER, call_train_net, records, toy_config

from d2ext.data.builtin import register_dataset
from d2ext.structures import ROAD


@pytest.fixture(scope="module")
def toy_scenes(tmp_path_factory):
    """Two registered datasets of pictures with boxes that stand on the ground."""
    folder = tmp_path_factory.mktemp("pictures")
    sets = {"toy_scenes_train": range(6), "toy_scenes_test": range(6, 9)}
    for name, numbers in sets.items():
        made = records(folder, numbers)
        register_dataset(name, lambda made=made: made, classes=list(ROAD.names), evaluator_type="rope3d")
    yield folder
    for name in sets:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture(scope="module")
def trained(toy_scenes, tmp_path_factory):
    """The folder of a trained autoencoder (``ae``) and SceneSana (``scene``), each with ``toy.yaml``."""
    folder = tmp_path_factory.mktemp("trained")
    for name, base in (("ae", "Base-Autoencoder"), ("scene", "Base-SceneSana")):
        (folder / name).mkdir()
        toy_config(folder / name / "toy.yaml", base)
    call_train_net(folder / "ae/toy.yaml", "MODEL.AUTOENCODER.PERCEPTUAL_WEIGHT", 0.0)
    weights = folder / "ae/output/model_final.pth"
    call_train_net(folder / "scene/toy.yaml", "MODEL.SCENE.AUTOENCODER_WEIGHTS", weights)
    assert weights.is_file() and AUTOENCODER["LATENT_CHANNELS"] == 4
    return folder


@pytest.fixture
def model_options(trained) -> tuple[object, ...]:
    """Arguments of a command that runs the trained model."""
    return ("--opts", "MODEL.WEIGHTS", trained / "scene/output/model_final.pth")
