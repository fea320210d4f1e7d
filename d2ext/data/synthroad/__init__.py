"""SynthRoad: rendered road scenes with exact 3D labels and sentences, in the formats of the real datasets."""

from d2ext.data.synthroad.generate import generate

__all__ = ["generate"]
