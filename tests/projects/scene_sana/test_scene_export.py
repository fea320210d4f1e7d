"""The exported step of the sampler."""

import torch
from project_scripts import call_script, load_script

from d2ext.data.scenes.mapper import SceneMapper
from d2ext.engine import load_config
from d2ext.modeling.meta_arch.scene_sana import SceneSana
from d2ext.projects.scene_sana import add_scene_sana_config
from d2ext.projects.scene_sana.export import SamplerStep, example_inputs, export_step, load_step


def test_the_program_predicts_as_the_model_for_other_captions(trained, toy_scenes, tmp_path):
    from detectron2.data import DatasetCatalog

    cfg = load_config(add_scene_sana_config, str(trained / "scene/toy.yaml"))
    torch.manual_seed(0)
    model, mapper = SceneSana(cfg), SceneMapper(cfg, False)
    records = [mapper(r) for r in DatasetCatalog.get("toy_scenes_test")]
    export_step(model, records[:2], tmp_path / "step.pt2")
    program = load_step(tmp_path / "step.pt2")
    others = [x | {"caption": "one word and then many more"} for x in records[1:]]
    for chosen in (records[:2], others):
        inputs = example_inputs(model, chosen)
        with torch.no_grad():
            assert torch.allclose(program(*inputs), SamplerStep(model)(*inputs), atol=1e-4)


def test_the_command_writes_it_and_says_how_near_it_is(trained, model_options, tmp_path, capsys):
    script = load_script("export_step", "SceneSana")
    start = ("--config-file", trained / "scene/toy.yaml", "--output", tmp_path / "step.pt2", "--pictures", 2)
    assert call_script(script, *start, *model_options) == 0
    assert "differs from the model by at most" in capsys.readouterr().out
