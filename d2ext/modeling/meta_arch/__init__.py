"""Whole models registered in Detectron2's META_ARCH_REGISTRY."""
