"""Where traffic is recorded: a section of a road with a signal, and where and how its anomalies happen there.

Positions are metres from where the recording begins; vehicles appear before it and leave behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Section:
    """A road section. The defaults are SynthTraffic's.

    Args:
        length: m that are recorded.
        stop_line: m, of the signal.
        solid: m before the stop line in which nobody changes lanes.
        breakdown: m, where a vehicle is that begins to brake for a breakdown.
        turn_back: m, where one is that begins to brake and will go back.
        backing: m that it goes back.
        wrong_way: s that a vehicle must be seen on the wrong way.
        speeding: s that one must be seen speeding.
        weave: m, where a vehicle is that will weave.
        weave_end: m, where it stops to.
        weave_period: s between its changes of lane.
        weave_changes: so many must come within ``weave_time`` s.
        weave_least: s that it must be seen.
        cut_in: m, where a vehicle is that cuts in.
        phantom: m, where a queue without a cause begins.
        spill_back: vehicles that must queue back into the junction.
    """

    length: float = 381.0
    stop_line: float = 290.0
    solid: float = 40.0
    breakdown: Range = (70.0, 190.0)
    turn_back: Range = (120.0, 230.0)
    backing: Range = (28.0, 45.0)
    wrong_way: float = 25.0
    speeding: float = 7.0
    weave: Range = (5.0, 40.0)
    weave_end: float = 250.0
    weave_period: float = 3.0
    weave_changes: int = 5
    weave_time: float = 25.0
    weave_least: float = 10.0
    cut_in: Range = (60.0, 210.0)
    phantom: Range = (80.0, 200.0)
    spill_back: int = 16

    @property
    def solid_line(self) -> Range:
        """m, from where to where nobody changes lanes."""
        return self.stop_line - self.solid, self.stop_line + 5.0

    @property
    def exit(self) -> float:
        """m, where vehicles leave the simulation."""
        return self.length + 130.0


ARTERIAL = Section()
