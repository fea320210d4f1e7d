"""What goes wrong in a recording, and which vehicles show it when.

Structural anomalies are vehicles that drive as none should. In a logical anomaly every vehicle drives as it
may, and the pattern is wrong.
"""

from __future__ import annotations

from d2ext.data.synthtraffic.anomaly import Anomaly
from d2ext.data.synthtraffic.logical import PhantomQueue, SkippedGreen, SpillBack
from d2ext.data.synthtraffic.structural import CutIn, Reversing, Speeding, Stopped, Weaving, WrongWay

STRUCTURAL: dict[str, type[Anomaly]] = {
    "stopped": Stopped,
    "reversing": Reversing,
    "wrong_way": WrongWay,
    "speeding": Speeding,
    "weaving": Weaving,
    "cut_in": CutIn,
}
LOGICAL: dict[str, type[Anomaly]] = {
    "spill_back": SpillBack,
    "phantom_queue": PhantomQueue,
    "skipped_green": SkippedGreen,
}
KINDS = {**STRUCTURAL, **LOGICAL}
