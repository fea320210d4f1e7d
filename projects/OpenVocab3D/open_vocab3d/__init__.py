"""OpenVocab3D: 3D boxes of everything that names, phrases or examples ask for."""

from d2ext.projects.open_vocab3d.config import add_open_vocab3d_config
from d2ext.projects.open_vocab3d.evaluator import PromptEvaluator
from d2ext.projects.open_vocab3d.predictor import OpenVocabPredictor
from d2ext.projects.open_vocab3d.trainer import OpenVocabTrainer

__all__ = ["OpenVocabPredictor", "OpenVocabTrainer", "PromptEvaluator", "add_open_vocab3d_config"]
