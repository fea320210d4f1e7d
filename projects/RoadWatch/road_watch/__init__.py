"""RoadWatch: from the video of a fixed camera to tracks, speeds, counts and alarms."""

from d2ext.projects.road_watch.alarms import AlarmBook, Event, Signal
from d2ext.projects.road_watch.chain import Look, Watch
from d2ext.projects.road_watch.config import add_road_watch_config
from d2ext.projects.road_watch.detector import LabelFinder, PictureFinder
from d2ext.projects.road_watch.learned import LearnedAlarms
from d2ext.projects.road_watch.outputs import Recorder
from d2ext.projects.road_watch.run import Run, Tally
from d2ext.projects.road_watch.source import Reader, make_source

__all__ = [
    "AlarmBook",
    "Event",
    "LabelFinder",
    "LearnedAlarms",
    "Look",
    "PictureFinder",
    "Reader",
    "Recorder",
    "Run",
    "Signal",
    "Tally",
    "Watch",
    "add_road_watch_config",
    "make_source",
]
