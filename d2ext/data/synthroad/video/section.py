"""The road section that a pole camera watches: SynthTraffic's, as short as such a camera can see."""

from __future__ import annotations

from dataclasses import replace

from d2ext.data.synthtraffic.section import Section

#: Pictures a second.
RATE = 10
#: The stop lines of the two directions lie this far apart, m, with the crosswalk between them.
CROSSING = 6.4
#: All nine anomalies happen within it. A vehicle passes it in seven seconds, so what must be seen is shorter.
WATCHED = Section(
    length=95.0,
    stop_line=60.0,
    solid=25.0,
    breakdown=(-15.0, 12.0),
    turn_back=(8.0, 26.0),
    backing=(24.0, 36.0),
    wrong_way=6.0,
    speeding=2.5,
    weave=(-20.0, 5.0),
    weave_end=85.0,
    weave_period=2.4,
    weave_changes=3,
    weave_time=12.0,
    weave_least=4.0,
    cut_in=(10.0, 40.0),
    phantom=(25.0, 42.0),
    spill_back=5,
)
#: The other direction's, with the same crosswalk.
OPPOSITE = replace(WATCHED, stop_line=WATCHED.length - WATCHED.stop_line - CROSSING)
