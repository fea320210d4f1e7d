"""Config keys of the data, each documented where its default stands; a project adds those that it reads."""

from __future__ import annotations

from detectron2.config import CfgNode as CN

from d2ext.checks import Expected, declare, every, number, one_of, rising, whole
from d2ext.moved_keys import moved

from .box_plane import CHOICES, can_be_ground

NAME = Expected("a name", lambda x: isinstance(x, str) and bool(x))


def add_image_config(cfg: CN) -> None:
    """Add the keys of everything that reads images."""
    # (height, width) into which an image is fitted, keeping its aspect ratio.
    cfg.INPUT.SIZE = (384, 1280)
    # An image of more pixels is an error before it is decoded: a file of a few bytes can claim any size.
    cfg.INPUT.MAX_PIXELS = 50_000_000

    # Photometric jitter in training: factors uniform in 1 +- value, hue shift uniform in +- value full turns.
    cfg.INPUT.COLOR_JITTER = CN()
    cfg.INPUT.COLOR_JITTER.BRIGHTNESS = 0.3
    cfg.INPUT.COLOR_JITTER.CONTRAST = 0.3
    cfg.INPUT.COLOR_JITTER.SATURATION = 0.3
    # Off: sentences name colours.
    cfg.INPUT.COLOR_JITTER.HUE = 0.0

    # Relative frequency of each of DATASETS.TRAIN in the batches; empty: by number of images.
    cfg.DATALOADER.DATASET_WEIGHTS = ()


def add_box_plane_config(cfg: CN) -> None:
    """Add the key of images that are of no dataset."""
    # What boxes stand on in an image that is of no dataset and whose ground is given: "level": the camera's
    # x-z plane, as KITTI's; "ground": the ground; "auto": level if they are in all of DATASETS.TEST (of
    # DATASETS.TRAIN where that is empty) that are registered, else the ground. Those of datasets stand as
    # their labels do.
    cfg.INPUT.BOX_PLANE = "auto"


def add_detection_data_config(cfg: CN) -> None:
    """Add the keys of images with objects, those of :func:`add_image_config` among them."""
    add_image_config(cfg)
    # Probability of a horizontal flip in training (never when a sentence cannot be mirrored safely).
    cfg.INPUT.FLIP_PROB = 0.5
    # (height, width) of which a training batch gets one, drawn for it, for all of its images, whatever their
    # aspect. Cameras of many sizes need it on a GPU: for every new size of a batch cuDNN builds its kernels
    # anew, which can take a minute. Empty: images are fitted into INPUT.SIZE and padded to the largest of
    # their batch.
    cfg.INPUT.TRAIN_SIZES = ()
    # Zoom in training, log-uniform in this range relative to the fitted size. Below 1 the image is padded,
    # above 1 it is cropped.
    cfg.INPUT.SCALE_RANGE = (0.8, 1.25)
    # Where the crop (or the padded image) lies: 0 in the centre, which keeps sentences about the picture true
    # ("in the left half of the image"), 1 anywhere.
    cfg.INPUT.CROP_SHIFT = 0.0
    # An object is dropped when less than this fraction of its 2D box is left after cropping.
    cfg.INPUT.MIN_VISIBLE = 0.3
    add_box_plane_config(cfg)
    # Ground plane a b c d (unit normal that points up, height of the camera in metres) of images whose boxes
    # are level and whose ground is not known: of datasets such as KITTI and Mono3DRefer without planes/, and
    # in prediction where BOX_PLANE comes to "level". KITTI's cameras look straight ahead, 1.65 m above the
    # road (Geiger et al., IJRR 2013, Fig. 3). Empty: such images have no ground.
    cfg.INPUT.DEFAULT_GROUND = (0.0, -1.0, 0.0, 1.65)
    # Degrees by which the ground may be tilted, standard deviations: of one that is given for a camera that
    # stands still; of one that is given where boxes are level, below a car, which nods; of DEFAULT_GROUND.
    # What is found is moved along the ground to where its 3D box agrees with its 2D box, the more the smaller
    # they are. Empty: boxes stay where they were predicted.
    cfg.INPUT.GROUND_ERROR = (0.2, 0.5, 1.0)
    # Share of the training images of which the model is not told the ground; and by what that of the others
    # is turned and raised: standard deviations, of pitch and roll in degrees, of the camera's height as a
    # share of it. Real planes are measured, and often there is none.
    cfg.INPUT.DROP_PLANE = 0.0
    cfg.INPUT.PLANE_NOISE = (0.0, 0.0)
    # Controls: images of evaluation have no ground, and boxes stand on what the model takes for it; or the
    # model is told a ground that is pitched by so many degrees more, or a focal length that is longer by such
    # a share.
    cfg.TEST.DROP_PLANE = False
    cfg.TEST.PITCH_ERROR = 0.0
    cfg.TEST.FOCAL_ERROR = 0.0
    # Names of the classes that a detector is to learn; objects of the others are background. Empty: all.
    cfg.INPUT.CLASSES = ()


def add_grounding_data_config(cfg: CN) -> None:
    """Add the keys of images with sentences, those of :func:`add_detection_data_config` among them."""
    add_detection_data_config(cfg)
    # Most sentences of one image in one training step; a sample is spread over the objects they refer to.
    cfg.INPUT.MAX_SENTENCES = 10
    # Sentences that are added to an image in training and that mean nothing in it: no words, other topics,
    # classes that none of its labels has. The mean of their number, which takes the whole numbers beside it;
    # they come on top of MAX_SENTENCES.
    cfg.INPUT.NEGATIVE_SENTENCES = 0.0
    # Share of the training sentences that get a typing mistake.
    cfg.INPUT.TYPO_PROB = 0.0
    # Control: give every sentence of a test image the text of one about other objects of the image.
    cfg.TEST.SHUFFLE_SENTENCES = False


declare(
    {
        "INPUT.SIZE": every(whole(1), 2, "height, width"),
        "INPUT.FORMAT": one_of("BGR", "RGB"),
        "INPUT.MAX_PIXELS": whole(1),
        "INPUT.MAX_SENTENCES": whole(1),
        "INPUT.NEGATIVE_SENTENCES": number(0),
        "INPUT.TYPO_PROB": number(0, 1),
        "INPUT.CLASSES": every(NAME),
        "INPUT.BOX_PLANE": one_of(*CHOICES),
        "INPUT.DEFAULT_GROUND": Expected(
            "4 numbers a b c d of a plane below the camera, or none",
            lambda x: not isinstance(x, str) and (len(x) == 0 or can_be_ground(x)),
        ),
        "INPUT.GROUND_ERROR": Expected(
            "3 numbers from 0 to 90, degrees, or none",
            lambda x: len(x) == 0 or every(number(0, 90), 3).holds(x),
        ),
        "INPUT.FLIP_PROB": number(0, 1),
        "INPUT.SCALE_RANGE": rising(number(above=0)),
        "INPUT.TRAIN_SIZES": every(every(whole(1), 2, "height, width")),
        "INPUT.CROP_SHIFT": number(0, 1),
        "INPUT.DROP_PLANE": number(0, 1),
        "TEST.PITCH_ERROR": number(-45, 45),
        "TEST.FOCAL_ERROR": number(-0.9, 10),
        "INPUT.PLANE_NOISE": every(number(0), 2, "degrees, share"),
        "INPUT.MIN_VISIBLE": number(0, 1),
        **{
            f"INPUT.COLOR_JITTER.{name}": number(0)
            for name in ("BRIGHTNESS", "CONTRAST", "SATURATION", "HUE")
        },
        "DATALOADER.DATASET_WEIGHTS": every(number(above=0)),
        "DATALOADER.NUM_WORKERS": whole(0),
        **{f"DATASETS.{name}": every(NAME) for name in ("TRAIN", "VAL", "TEST", "NORMAL")},
    }
)


#: Keys that the configs of every project had, and that some do not read.
moved(
    dict.fromkeys(
        (
            "INPUT.MAX_SENTENCES", "INPUT.FLIP_PROB", "INPUT.SCALE_RANGE", "INPUT.CROP_SHIFT",
            "INPUT.MIN_VISIBLE", "INPUT.CLASSES", "TEST.SHUFFLE_SENTENCES",
        ),
        "",
    )
)  # fmt: skip


def add_anomaly_data_config(cfg: CN) -> None:
    """Add the keys of normal and abnormal images and recordings, those of :func:`add_image_config` among
    them."""
    add_image_config(cfg)
    # Datasets of normal images by which anomaly maps are normalised. Empty: a part of each of DATASETS.TRAIN,
    # which is then not trained on.
    cfg.DATASETS.NORMAL = ()
    # That part: a tenth is every tenth image, in the dataset's order.
    cfg.DATASETS.HELD_OUT = 0.1
    # Folder of images of anything but the normal ones (published: ImageNet), on which the student is kept
    # away from the teacher. Empty: no such images.
    cfg.INPUT.PENALTY_FOLDER = ""
    _add_graph_keys(cfg)
    _add_recording_keys(cfg)


def _add_graph_keys(cfg: CN) -> None:
    # Space-time graphs of recordings; the size of a graph follows from its scale, not from INPUT.SIZE.
    cfg.INPUT.GRAPH = CN()
    # Names or numbers of the lanes, one panel each, from top to bottom, as the recordings have them: 1 is
    # the lane "1", not "01".
    cfg.INPUT.GRAPH.LANES = [1, 2]
    # Part of the road that is shown, in m.
    cfg.INPUT.GRAPH.START = 0.0
    cfg.INPUT.GRAPH.END = 381.0
    # Scale, in s and m.
    cfg.INPUT.GRAPH.SECONDS_PER_PIXEL = 0.5
    cfg.INPUT.GRAPH.METRES_PER_PIXEL = 3.0
    # m/s, the speed limit: the scale of the colours.
    cfg.INPUT.GRAPH.TOP_SPEED = 13.9
    # Length at which vehicles are drawn, in m.
    cfg.INPUT.GRAPH.VEHICLE_LENGTH = 5.0
    # A track is not drawn between two rows that are farther apart, in s.
    cfg.INPUT.GRAPH.MAX_GAP = 1.0
    # Pixels between two panels.
    cfg.INPUT.GRAPH.SEPARATOR = 2
    # Columns of one graph, and columns that the graphs of a long recording share with the next one.
    cfg.INPUT.GRAPH.WIDTH = 256
    cfg.INPUT.GRAPH.OVERLAP = 64
    # Most columns of a recording; a longer one (200,000 are 28 h at the scale above) is taken for one with a
    # wrong time, and refused.
    cfg.INPUT.GRAPH.MAX_COLUMNS = 200_000


def _add_recording_keys(cfg: CN) -> None:
    # Files of recordings.
    cfg.INPUT.RECORDING = CN()
    # Names and units of their columns: "plain" (track_id, time, lane, position or x and y, speed; s, m, m/s),
    # "highd", "ind", "ngsim", "citysim", "pneuma", "sumo", "dair_v2x_seq" or "kitti_tracking"
    # (d2ext.data.trajectories.COLUMN_MAPS).
    cfg.INPUT.RECORDING.LAYOUT = "plain"
    # Names of columns that differ from the layout's. Empty: the layout's.
    cfg.INPUT.RECORDING.TRACK_ID = ""
    cfg.INPUT.RECORDING.TIME = ""
    cfg.INPUT.RECORDING.LANE = ""
    cfg.INPUT.RECORDING.POSITION = ""
    cfg.INPUT.RECORDING.X = ""
    cfg.INPUT.RECORDING.Y = ""
    cfg.INPUT.RECORDING.SPEED = ""
    # s, m and m/s of a unit: 0.001 for ms, 0.04 for frames of 25 a second, 0.3048 for feet, 0.44704 for mph.
    # 0: the layout's.
    cfg.INPUT.RECORDING.TIME_UNIT = 0.0
    cfg.INPUT.RECORDING.LENGTH_UNIT = 0.0
    cfg.INPUT.RECORDING.SPEED_UNIT = 0.0
    # s and m that are added to times and to positions along the lane.
    cfg.INPUT.RECORDING.TIME_OFFSET = 0.0
    cfg.INPUT.RECORDING.POSITION_OFFSET = 0.0
    # Lanes that are driven towards falling positions, beside those that road.json names.
    cfg.INPUT.RECORDING.BACKWARD_LANES = []
    # Rows that are read: "COLUMN=VALUE" or "COLUMN!=VALUE", such as ["Location=us-101"]. Empty: the layout's.
    cfg.INPUT.RECORDING.WHERE = []
    # Between fields, one character. Empty: what the first line has of ; , tab and space.
    cfg.INPUT.RECORDING.SEPARATOR = ""


declare({"DATASETS.HELD_OUT": number(0, 1)})
