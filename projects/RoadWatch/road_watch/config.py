"""Configuration keys of RoadWatch, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import Expected, declare, every, number, rising, whole
from d2ext.engine.config import add_engine_config

_LINE = Expected(
    "lists of a lane's name and metres along it",
    lambda x: all(isinstance(name, str) and number(0).holds(place) for name, place in x),
)
#: Classes that lanes are about: what drives on them.
VEHICLES = ("car", "van", "truck", "bus", "big_vehicle", "motorcyclist", "tricyclist")
_TEXT = Expected("a text", lambda x: isinstance(x, str))


def add_road_watch_config(cfg: CfgNode) -> None:
    """Add the keys of the chain to Detectron2's defaults."""
    add_engine_config(cfg)
    cfg.ROAD_WATCH = CfgNode()
    _add_models(cfg.ROAD_WATCH)
    _add_rules(cfg.ROAD_WATCH)
    _add_files(cfg.ROAD_WATCH)


def _add_models(watch: CfgNode) -> None:
    # The detector: a config of DiffusionDet3D, its checkpoint, and keys and values over the config.
    watch.DETECTOR = CfgNode()
    watch.DETECTOR.CONFIG = ""
    watch.DETECTOR.WEIGHTS = ""
    watch.DETECTOR.OPTIONS = []
    # Steps a picture, and boxes to start from; 0: as the config has it.
    watch.DETECTOR.STEPS = 1
    watch.DETECTOR.NUM_BOXES = 0
    # Start from the tracks' boxes too, moved by their motion and noised to this level; needs one step.
    watch.DETECTOR.WARM_START = True
    watch.DETECTOR.WARM_TIME = 100

    # Settings of d2ext.tracking.TrackerConfig.
    watch.TRACKER = CfgNode()
    watch.TRACKER.HIGH_SCORE = 0.4
    watch.TRACKER.LOW_SCORE = 0.1
    watch.TRACKER.BIRTH_HITS = 2
    watch.TRACKER.BIRTH_EVIDENCE = 1.0
    watch.TRACKER.BRIDGE_SECONDS = 2.5
    watch.TRACKER.REPORT_SECONDS = 0.3

    # The model of space-time graphs: a config of TrajAD, its checkpoint, and keys and values over the config,
    # INPUT.GRAPH among them. An empty CONFIG: rules alone.
    watch.ANOMALY = CfgNode()
    watch.ANOMALY.CONFIG = ""
    watch.ANOMALY.WEIGHTS = ""
    watch.ANOMALY.OPTIONS = []
    # Columns from one look to the next, and seconds at the end of the graph in which what is found is new.
    watch.ANOMALY.STEP = 4
    watch.ANOMALY.NEW_SECONDS = 8.0
    # Seconds after the first vehicle in which the model says nothing: vehicles that were on the road before
    # seem to come out of nothing, as far as the model sees around a column.
    watch.ANOMALY.SETTLE_SECONDS = 4.0
    # Shares of the model's threshold from which on an alarm is raised, and below which it is over.
    watch.ANOMALY.RAISE = 1.0
    watch.ANOMALY.KEEP = 0.8


def _add_rules(watch: CfgNode) -> None:
    # Classes that the rules, the model and the counts are about, by name; others have tracks only.
    watch.VEHICLES = list(VEHICLES)
    watch.RULES = CfgNode()
    watch.RULES.ENABLED = True
    # m/s below which a vehicle stands, and seconds after which that is an alarm.
    watch.RULES.STANDING_SPEED = 0.7
    watch.RULES.STANDING_SECONDS = 8.0
    # It stands for no reason if this many metres ahead of it are free, or up to the next stop line if it
    # stands so many metres before it or less.
    watch.RULES.FREE_METRES = 15.0
    watch.RULES.STOP_METRES = 25.0
    # Stop lines: [lane, metres along it].
    watch.RULES.STOP_LINES = []
    # m/s against the lane, backwards or facing the traffic.
    watch.RULES.AGAINST_SPEED = 1.0
    # m/s: the speed limit, and the share of it from which on a vehicle speeds.
    watch.RULES.SPEED_LIMIT = 13.9
    watch.RULES.SPEEDING = 1.3
    # Seconds after which the speed of a new track is believed, and for which a vehicle must be on another
    # lane before it has changed lanes.
    watch.RULES.SURE_SECONDS = 0.8
    watch.RULES.LANE_SECONDS = 0.5
    # Lane changes within seconds that are weaving.
    watch.RULES.WEAVING_CHANGES = 3
    watch.RULES.WEAVING_SECONDS = 12.0
    # A cut-in leaves less than so many seconds to the vehicle behind.
    watch.RULES.CUT_IN_SECONDS = 0.6
    # Vehicles that stand or crawl behind each other in a lane, none of them before a stop line.
    watch.RULES.QUEUE_VEHICLES = 3
    watch.RULES.QUEUE_SPEED = 2.0

    # Seconds for which a rule or the model must speak before an alarm is raised, and be silent before it is
    # over; standing has its own.
    watch.ALARMS = CfgNode()
    watch.ALARMS.LEAST_SECONDS = 0.6
    watch.ALARMS.OVER_SECONDS = 1.5
    # Seconds at the beginning in which no alarm is raised: tracks are not sure yet.
    watch.ALARMS.QUIET_SECONDS = 1.0
    # Where vehicles are counted, as a share of the lane's length.
    watch.COUNT_LINE = 0.5


def _add_files(watch: CfgNode) -> None:
    watch.SOURCE = CfgNode()
    # Pictures a second that are looked at, at most; 0: all. Of a folder: pictures a second that it has.
    watch.SOURCE.FPS = 0.0
    watch.SOURCE.FOLDER_RATE = 10.0
    # Pictures that wait, at most.
    watch.SOURCE.QUEUE = 4
    # Seconds before a stream that stopped is opened again: the first time, doubled up to the second.
    watch.SOURCE.BACK_OFF = (0.5, 30.0)
    # Seconds without a picture after which a stream has stopped.
    watch.SOURCE.SILENCE = 10.0

    watch.OUTPUT = CfgNode()
    # Seconds of video after which what was found is on the disk: what `kill -9` makes the chain do again.
    watch.OUTPUT.COMMIT_SECONDS = 1.0
    # Annotated video in parts of so many seconds; 0: none.
    watch.OUTPUT.VIDEO_SECONDS = 60.0
    # Parts that are kept, the latest; 0: all.
    watch.OUTPUT.VIDEO_PARTS = 0
    # Write all tracks of every picture as boxes, which evaluations read: some GB a day.
    watch.OUTPUT.BOXES = True
    # Seconds for which a full disk is waited for, before the chain ends with an error.
    watch.OUTPUT.DISK_PATIENCE = 3600.0

    watch.NOTIFY = CfgNode()
    # Where events are told as they are raised: an http(s) address that takes JSON by POST, and
    # mqtt://HOST[:PORT]/TOPIC. Empty: nowhere.
    watch.NOTIFY.WEBHOOK = ""
    watch.NOTIFY.MQTT = ""
    # Seconds before another try, as SOURCE.BACK_OFF, and those after which a try is given up.
    watch.NOTIFY.BACK_OFF = (1.0, 60.0)
    watch.NOTIFY.TIMEOUT = 5.0


declare(
    {
        "ROAD_WATCH.DETECTOR.STEPS": whole(1),
        "ROAD_WATCH.DETECTOR.NUM_BOXES": whole(0),
        "ROAD_WATCH.DETECTOR.WARM_TIME": whole(0),
        "ROAD_WATCH.TRACKER.HIGH_SCORE": number(0, 1),
        "ROAD_WATCH.TRACKER.LOW_SCORE": number(0, 1),
        "ROAD_WATCH.TRACKER.BIRTH_HITS": whole(1),
        "ROAD_WATCH.TRACKER.BIRTH_EVIDENCE": number(0),
        "ROAD_WATCH.TRACKER.BRIDGE_SECONDS": number(0),
        "ROAD_WATCH.TRACKER.REPORT_SECONDS": number(0),
        "ROAD_WATCH.ANOMALY.STEP": whole(4),
        "ROAD_WATCH.ANOMALY.NEW_SECONDS": number(above=0),
        "ROAD_WATCH.ANOMALY.SETTLE_SECONDS": number(0),
        "ROAD_WATCH.ANOMALY.RAISE": number(above=0),
        "ROAD_WATCH.ANOMALY.KEEP": number(above=0),
        "ROAD_WATCH.VEHICLES": every(_TEXT),
        **{
            f"ROAD_WATCH.RULES.{name}": number(0)
            for name in (
                "STANDING_SPEED", "STANDING_SECONDS", "FREE_METRES", "STOP_METRES",
                "WEAVING_SECONDS", "CUT_IN_SECONDS", "QUEUE_SPEED", "SURE_SECONDS", "LANE_SECONDS",
            )
        },
        "ROAD_WATCH.RULES.STOP_LINES": _LINE,
        "ROAD_WATCH.RULES.AGAINST_SPEED": number(above=0),
        "ROAD_WATCH.RULES.SPEED_LIMIT": number(above=0),
        "ROAD_WATCH.RULES.SPEEDING": number(above=0),
        "ROAD_WATCH.RULES.WEAVING_CHANGES": whole(1),
        "ROAD_WATCH.RULES.QUEUE_VEHICLES": whole(2),
        "ROAD_WATCH.ALARMS.LEAST_SECONDS": number(0),
        "ROAD_WATCH.ALARMS.OVER_SECONDS": number(0),
        "ROAD_WATCH.ALARMS.QUIET_SECONDS": number(0),
        "ROAD_WATCH.COUNT_LINE": number(0, 1),
        "ROAD_WATCH.SOURCE.FPS": number(0),
        "ROAD_WATCH.SOURCE.FOLDER_RATE": number(above=0),
        "ROAD_WATCH.SOURCE.QUEUE": whole(1),
        "ROAD_WATCH.SOURCE.BACK_OFF": rising(number(above=0)),
        "ROAD_WATCH.SOURCE.SILENCE": number(above=0),
        "ROAD_WATCH.OUTPUT.COMMIT_SECONDS": number(0),
        "ROAD_WATCH.OUTPUT.VIDEO_SECONDS": number(0),
        "ROAD_WATCH.OUTPUT.VIDEO_PARTS": whole(0),
        "ROAD_WATCH.OUTPUT.DISK_PATIENCE": number(0),
        "ROAD_WATCH.NOTIFY.WEBHOOK": _TEXT,
        "ROAD_WATCH.NOTIFY.MQTT": _TEXT,
        "ROAD_WATCH.NOTIFY.BACK_OFF": rising(number(above=0)),
        "ROAD_WATCH.NOTIFY.TIMEOUT": number(above=0),
    }
)  # fmt: skip
