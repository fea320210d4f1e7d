"""Janus: sentences for boxes, answers about scenes, pictures of sentences."""

from d2ext.projects.janus.config import add_janus_config
from d2ext.projects.janus.evaluator import JanusEvaluator
from d2ext.projects.janus.predictor import JanusPredictor
from d2ext.projects.janus.trainer import JanusTrainer

__all__ = ["JanusEvaluator", "JanusPredictor", "JanusTrainer", "add_janus_config"]
