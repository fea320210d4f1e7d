"""Clips of simulated traffic as a camera on a pole sees it, with tracks and labelled anomalies."""

from d2ext.data.synthroad.video.generate import Settings, generate_video

__all__ = ["Settings", "generate_video"]
