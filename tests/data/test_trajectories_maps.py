"""Roads out of maps, by optional libraries."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from d2ext.data.trajectories import COLUMN_MAPS, read_road, read_tracks

NET = """<net version="1.16">
<location netOffset="0,0" convBoundary="0,0,400,0" origBoundary="0,0,0,0" projParameter="!"/>
<edge id=":J1_0" function="internal">
  <lane id=":J1_0_0" index="0" speed="13.9" length="1" shape="400,0 401,0"/></edge>
<edge id="E0" from="J0" to="J1" priority="-1">
  <lane id="E0_0" index="0" speed="13.89" length="400" shape="0,-4.8 400,-4.8"/>
  <lane id="E0_1" index="1" speed="13.89" length="400" shape="0,-1.6 200,-1.6 200,-1.6 400,-1.6"/>
  <lane id="E0_2" index="2" allow="bicycle" speed="13.89" length="400" shape="0,1.6 400,1.6"/></edge>
<junction id="J0" type="dead_end" x="0" y="0" incLanes="" intLanes="" shape="0,0 0,-6.4"/>
<junction id="J1" type="dead_end" x="400" y="0" incLanes="E0_0 E0_1" intLanes="" shape="400,-6.4 400,0"/>
</net>
"""
WIDTH = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>'
XODR = f"""<?xml version="1.0"?>
<OpenDRIVE><header revMajor="1" revMinor="4"/>
<road name="r" length="100" id="7" junction="-1"><link/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="60"><line/></geometry>
<geometry s="60" x="60" y="0" hdg="0" length="40"><arc curvature="0.02"/></geometry></planView>
<elevationProfile><elevation s="0" a="0" b="0" c="0" d="0"/></elevationProfile>
<lanes><laneOffset s="0" a="0" b="0" c="0" d="0"/><laneSection s="0">
<left><lane id="1" type="driving" level="false">{WIDTH}</lane></left>
<center><lane id="0" type="none" level="false"/></center>
<right><lane id="-1" type="driving" level="false">{WIDTH}</lane>
<lane id="-2" type="sidewalk" level="false">{WIDTH}</lane></right>
</laneSection></lanes></road></OpenDRIVE>
"""


def test_lanes_of_a_sumo_net_are_those_for_cars(tmp_path):
    pytest.importorskip("sumolib")
    path = tmp_path / "a.net.xml"
    path.write_text(NET)
    road = read_road(path)
    assert {name: line.tolist() for name, line in road.lanes.items()} == {
        "E0_0": [[0, -4.8], [400, -4.8]],
        "E0_1": [[0, -1.6], [200, -1.6], [400, -1.6]],
    }


def test_places_in_sumo_s_coordinates_get_the_lanes_and_positions_that_sumo_wrote(tmp_path, shared_dir):
    pytest.importorskip("sumolib")
    path = tmp_path / "a.net.xml"
    path.write_text(NET)
    fcd = shared_dir / "cases/tracks/fcd_comma.csv"
    if not fcd.is_file():
        pytest.skip("needs ../shared")
    text = fcd.read_text().replace("vehicle_lane", "their_lane").replace("vehicle_pos", "their_pos")
    (tmp_path / "fcd.csv").write_text(text)
    found = read_tracks(tmp_path / "fcd.csv", COLUMN_MAPS["sumo"], read_road(path))
    wanted = read_tracks(fcd, COLUMN_MAPS["sumo"])
    assert found.lane.tolist() == wanted.lane.tolist()
    np.testing.assert_allclose(found.position, wanted.position)


def test_opendrive_lanes_lie_beside_the_reference_line_and_run_as_they_are_driven(tmp_path):
    pytest.importorskip("pyxodr")
    path = tmp_path / "a.xodr"
    path.write_text(XODR)
    road = read_road(path)
    assert set(road.lanes) == {"7_1", "7_-1"}
    # A line of 60 m, then an arc of 50 m radius to the left around (60, 50): half a lane to either side.
    for name, offset in (("7_-1", -1.75), ("7_1", 1.75)):
        line = road.lanes[name]
        straight = line[:, 0] < 60
        np.testing.assert_allclose(line[straight, 1], offset, atol=1e-3)
        radii = np.hypot(line[~straight, 0] - 60, line[~straight, 1] - 50)
        np.testing.assert_allclose(radii, 50 - offset, atol=0.01)
    assert road.lanes["7_-1"][0, 0] < 1 < 90 < road.lanes["7_-1"][-1, 0]
    assert road.lanes["7_1"][0, 0] > 90 > 1 > road.lanes["7_1"][-1, 0]


BOMB = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><net>&b;</net>'


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.net.xml", BOMB, "a.net.xml:1: expected XML without a document type"),
        ("a.xodr", BOMB.replace("net", "OpenDRIVE"), "without a document type"),
        ("a.net.xml", "<net>", "expected XML: no element found"),
        ("a.xml", "<routes/>", "expected SUMO's <net> or <OpenDRIVE>, got <routes>"),
        ("a.net.xml", '<net><edge id="E"><lane id="E_0"/></edge></net>', "not a whole map"),
        ("a.net.xml", """<net version="1.16"/>""", "no lane for cars"),
        ("a.xodr", XODR.replace('hdg="0"', 'hdg="x"'), "not a whole map"),
    ],
)
def test_faults_of_a_map_are_one_line(tmp_path, name, text, message):
    pytest.importorskip("sumolib")
    pytest.importorskip("pyxodr")
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_road(path)
    assert message in str(error.value) and name in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sumolib", None)
    path = tmp_path / "a.net.xml"
    path.write_text(NET)
    with pytest.raises(ValueError, match=r"sumolib is missing, which reads it: pip install d2ext\[maps\]"):
        read_road(path)
