"""SceneSana: labelled scenes drawn from layouts and sentences."""

from d2ext.projects.scene_sana.config import add_scene_sana_config
from d2ext.projects.scene_sana.evaluator import AutoencoderEvaluator, SceneEvaluator
from d2ext.projects.scene_sana.predictor import SceneSanaPredictor
from d2ext.projects.scene_sana.trainer import SceneSanaTrainer

__all__ = [
    "AutoencoderEvaluator",
    "SceneEvaluator",
    "SceneSanaPredictor",
    "SceneSanaTrainer",
    "add_scene_sana_config",
]
