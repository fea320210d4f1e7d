"""SynthTraffic: simulated traffic on a road section, normal and with labelled anomalies."""

from d2ext.data.synthtraffic.generate import generate

__all__ = ["generate"]
