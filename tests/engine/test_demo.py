"""What a demo looks at, with which camera, and what it leaves; the model is one that finds red pixels."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import d2ext_cli
from d2ext.data.frames import VideoFile
from d2ext.engine.demo import Look, run_demo
from d2ext.structures import tilt_of_plane
from d2ext_cli.camera import add_camera, add_ground, given_cameras
from d2ext_cli.pictures import add_pictures, given_pictures

SIZE = (48, 64)
FOV = ("--fov", "90")


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Runs a command; returns its exit status. ``seen`` holds (camera, plane) of each picture."""
    monkeypatch.chdir(tmp_path)

    def look(image, camera, plane):
        if image[0, 0, 0] > 200:
            raise RuntimeError("a fault of the model")
        if image[0, 0, 1] > 200:
            raise KeyboardInterrupt
        call.seen.append((camera, plane))
        return Look({"red": int(image[0, 0, 2])}, image.copy(), [f"red {image[0, 0, 2]}"], 1)

    def call(*words):
        parser = d2ext_cli.CommandParser("")
        for add in (add_pictures, add_camera, add_ground):
            add(parser)
        call.seen = []
        try:
            d2ext_cli.run_command(
                parser,
                lambda args: run_demo(given_pictures(args), given_cameras(args), look, "red"),
                list(map(str, words)),
            )
        except SystemExit as end:
            return end.code
        return 0

    return call


def picture(path, red=0, size=SIZE, blue=0, green=0):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*size, 3), (blue, green, red), np.uint8)
    assert cv2.imwrite(str(path), image)


def video(path, reds, fps=10.0, code="mp4v", size=SIZE):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, size[::-1])
    for red in reds:
        writer.write(np.full((*size, 3), (0, 0, red), np.uint8))
    writer.release()


def rows(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.parametrize(
    ("words", "focal", "center"),
    [
        (["--calib", "calib.txt"], 70, (30, 20)),
        (["--calib", "calibs"], 90, (31, 21)),
        (["--intrinsics", "80 0 33 0 80 22 0 0 1"], 80, (33, 22)),
        (["--intrinsics", "K.txt"], 60, (32, 24)),
        (["--focal", "55"], 55, (31.5, 23.5)),
        (["--fov", "90"], 32, (31.5, 23.5)),
        (["--sensor-width", "8"], 4 / 8 * 64, (31.5, 23.5)),
        (
            [],
            26 / math.hypot(36, 24) * 80,
            (31.5, 23.5),
        ),  # the photograph's EXIF: 80 pixels along the diagonal
    ],
)
def test_the_camera_comes_in_each_form(demo, words, focal, center):
    Path("calibs").mkdir()
    Path("calib.txt").write_text("P2: 70 0 30 0 0 70 20 0 0 0 1 0\n")
    Path("calibs/a.txt").write_text("P2: 90 0 31 0 0 90 21 0 0 0 1 0\n")
    Path("K.txt").write_text("60 0 32\n0 60 24\n0 0 1\n")
    image = Image.fromarray(np.zeros((*SIZE, 3), np.uint8))
    exif = Image.Exif()
    exif[0x8769] = {0xA405: 26, 0x920A: 4.0}
    image.save("a.jpg", exif=exif)
    assert demo("--input", "a.jpg", "--output", "out.png", *words) == 0
    ((camera, plane),) = demo.seen
    assert camera.fx == pytest.approx(focal, rel=1e-4) and plane is None
    assert camera.K[:2, 2].tolist() == pytest.approx(center)


def test_nothing_is_sixty_degrees(demo):
    picture("a.png")
    assert demo("--input", "a.png", "--output", "out.png") == 0
    assert demo.seen[0][0].fx == pytest.approx(32 / math.tan(math.radians(30)))


@pytest.mark.parametrize(
    ("words", "tilt", "height"),
    [
        (["--ground", "denorm.txt"], (0, 0), 1.7),
        (["--ground", "grounds"], (0, 0), 6.5),
        (["--height", "7"], (0, 0), 7),
        (["--height", "7", "--pitch", "12", "--roll", "-2"], (12, -2), 7),
    ],
)
def test_the_ground_comes_in_each_form(demo, words, tilt, height):
    Path("grounds").mkdir()
    Path("denorm.txt").write_text("0 -1 0 1.7\n")
    Path("grounds/a.txt").write_text("0 -1 0 6.5\n")
    picture("a.png")
    assert demo("--input", "a.png", "--output", "out.png", *FOV, *words) == 0
    plane = demo.seen[0][1].tolist()
    assert np.degrees(tilt_of_plane(plane)) == pytest.approx(tilt, abs=1e-4)
    assert plane[3] == pytest.approx(height)


def test_one_picture_gives_a_picture_and_json(demo, capsys):
    picture("in/a.png", 7)
    assert demo("--input", "in/a.png", "--output", "new/out.png", "--json", "out.json", *FOV) == 0
    assert json.loads(Path("out.json").read_text()) == {"image": "in/a.png", "red": 7}
    assert cv2.imread("new/out.png")[0, 0].tolist() == [0, 0, 7]
    assert capsys.readouterr().out == "red 7\nwrote new/out.png and out.json\n"


def test_a_folder_gives_a_line_and_a_picture_each_and_what_is_bad_stops_nothing(demo, capsys):
    for name, red in (("a.png", 1), ("b/c.png", 2), ("d.png", 3)):
        picture(f"in/{name}", red)
    picture("in/blue.png", blue=255)
    whole = Path("in/a.png").read_bytes()
    Path("in/cut.png").write_bytes(whole[: len(whole) // 2])
    assert demo("--input", "in", "--output", "in/out", *FOV) == 1
    found = {row["image"]: row for row in rows("in/out/results.jsonl")}
    assert {name: row.get("red") for name, row in found.items()} == {
        "a.png": 1, "b/c.png": 2, "blue.png": None, "cut.png": None, "d.png": 3
    }  # fmt: skip
    assert "a fault of the model" in found["blue.png"]["error"] and "cut off" in found["cut.png"]["error"]
    assert {p.relative_to("in/out").as_posix() for p in Path("in/out").rglob("*.jpg")} == {
        "a.png.jpg", "b/c.png.jpg", "d.png.jpg"
    }  # fmt: skip
    out, err = capsys.readouterr()
    assert "5 images: 3 objects; 2 could not be used" in out and "5/5" in err
    assert "cut.png: " in err and err.splitlines()[-1].startswith(
        "error: 2 of 5 could not be used: blue.png: "
    )
    (Path("in/cut.png")).unlink()
    (Path("in/blue.png")).unlink()
    assert demo("--input", "in", "--output", "in/out", *FOV) == 0  # its own pictures are no input
    assert len(rows("in/out/results.jsonl")) == 3


def test_globs_and_several_files_are_looked_at_in_order(demo):
    for k in range(5):
        picture(f"in/{k}.png", k)
    Path("in/notes.txt").write_text("none")
    for words in (["in/*.png"], [f"in/{k}.png" for k in range(5)], [f"{Path('in').absolute()}/?.png"]):
        assert demo("--input", *words, "--output", "out", "--json", "lines.jsonl", "--every", "2", *FOV) == 0
        assert rows("lines.jsonl") == [{"image": f"{k}.png", "red": k} for k in (0, 2, 4)]
    assert sorted(p.name for p in Path("out").iterdir()) == ["0.png.jpg", "2.png.jpg", "4.png.jpg"]


@pytest.mark.parametrize(("suffix", "code"), [("mp4", "mp4v"), ("avi", "MJPG")])
def test_a_video_gives_a_video_and_a_line_a_frame(demo, suffix, code, capsys):
    reds = [20 * k for k in range(12)]
    video(f"in.{suffix}", reds, code=code)
    assert demo("--input", f"in.{suffix}", "--output", "out.mp4", "--every", "3", *FOV) == 0
    found = rows("out.jsonl")
    assert [(row["frame"], row["time"]) for row in found] == [(k, k / 10) for k in (0, 3, 6, 9)]
    assert [row["red"] for row in found] == pytest.approx(reds[::3], abs=6)
    written = VideoFile(Path("out.mp4"))
    frames = [image for _, image in written]
    assert written.fps == pytest.approx(10 / 3, rel=0.01)
    assert [int(image[..., 2].mean()) for image in frames] == pytest.approx(reds[::3], abs=10)
    assert "4/4" in capsys.readouterr().err
    assert demo("--input", f"in.{suffix}", "--output", "frames", "--every", "6", *FOV) == 0
    assert {p.name for p in Path("frames").iterdir()} == {"000000.jpg", "000006.jpg", "results.jsonl"}


def test_pictures_become_a_video_of_the_first_ones_size(demo):
    for k, size in enumerate([(48, 64), (50, 60), (47, 63)]):
        picture(f"in/{k}.png", 100, size)
    assert demo("--input", "in", "--output", "new/out.mp4", "--fps", "5", *FOV) == 0
    written = VideoFile(Path("new/out.mp4"))
    assert [image.shape for _, image in written] == [(48, 64, 3)] * 3 and written.fps == 5


def test_a_camera_of_one_size_refuses_another(demo, capsys):
    for k, size in enumerate([SIZE, SIZE, (50, 60)]):
        picture(f"in/{k}.png", k, size)
    assert demo("--input", "in", "--output", "out", "--focal", "50") == 1
    assert [row.get("red") for row in rows("out/results.jsonl")] == [0, 1, None]
    error = capsys.readouterr().err.splitlines()[-1]
    assert "2.png: image of 60 x 50 pixels: the camera is given for 64 x 48" in error
    assert demo("--input", "in", "--output", "out", *FOV) == 0


def test_what_is_interrupted_leaves_what_was_written(demo, capsys):
    for k in range(4):
        picture(f"in/{k}.png", k, green=255 if k == 2 else 0)
    assert demo("--input", "in", "--output", "out.mp4", *FOV) == 130
    assert [row["red"] for row in rows("out.jsonl")] == [0, 1]
    assert len(list(VideoFile(Path("out.mp4")))) == 2
    assert "error: interrupted" in capsys.readouterr().err


def test_a_video_that_is_cut_off_is_used_to_its_end_and_told(demo, capsys):
    video("in.avi", [10 * k for k in range(24)], code="MJPG", size=(480, 640))
    data = Path("in.avi").read_bytes()
    index = data.rindex(b"idx1")
    Path("in.avi").write_bytes(data[: index // 2])
    assert demo("--input", "in.avi", "--output", "out.mp4", *FOV) == 1
    found = rows("out.jsonl")
    assert 8 <= sum("red" in row for row in found) <= 14 and "error" in found[-1]
    assert "of 24 frames: it is damaged or cut off" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--input", "no.png", "--output", "out.png"], 2, "argument --input: no.png: no such file or folder"),
        (["--input", "no*.png", "--output", "out"], 2, "argument --input: no*.png: no such file"),
        (["--input", "empty", "--output", "out"], 1, "empty: expected a folder of images"),
        (["--input", "in", "--output", "in"], 1, "in: expected another folder for what is found"),
        (["--input", "in", "--output", "out.docx"], 1, "out.docx: expected a folder for many pictures"),
        (["--input", "in/a.png", "--output", "out.docx"], 1, "out.docx: expected a picture name"),
        (["--input", "in", "bad.mp4", "--output", "out"], 1, "bad.mp4: a video, expected it alone"),
        (["--input", "bad.mp4", "--output", "out"], 1, "bad.mp4: expected a video that OpenCV can read"),
        (["--input", "in", "--output", "bad.mp4/out"], 2, "bad.mp4 is a file, expected a folder"),
        (["--input", "in", "--output", "out", "--every", "0"], 2, "--every: expected a whole number"),
        (["--input", "good.avi", "--output", "o.mp4", "--calib", "in"], 1, "in: expected a file"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(demo, words, status, message, capfd):
    Path("empty").mkdir()
    picture("in/a.png")
    Path("bad.mp4").write_bytes(b"no video")
    video("good.avi", [1], code="MJPG")
    assert demo(*words) == status
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error and len(error) < 300
    assert not Path("out").exists()


def test_a_real_drive_is_looked_at_frame_by_frame(demo, shared_dir):
    drive = shared_dir / "data/video/kitti_drive0052"
    size = (374, 1242)  # a video has even sides
    writer = cv2.VideoWriter("drive.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10.0, size[::-1])
    for k in range(10):
        writer.write(cv2.imread(str(drive / f"frames/{k:06d}.jpg"))[:374])
    writer.release()
    common = ("--calib", drive / "calib.txt", "--height", "1.65", "--every", "5")
    assert demo("--input", "drive.mp4", "--output", "a.mp4", *common) == 0
    (camera, plane), _ = demo.seen
    assert (
        camera.image_size == size and camera.fx == pytest.approx(721.5377) and plane[3] == pytest.approx(1.65)
    )
    assert demo("--input", drive / "frames", "--output", "b.mp4", *common) == 0
    assert len(demo.seen) == -(-len(list((drive / "frames").iterdir())) // 5)


def test_pictures_of_a_video_have_the_times_of_the_file(tmp_path, monkeypatch):
    """A phone's: 10 a second, then 4; and of a file without times, those of its rate."""
    made = [0.0, 100.0, 200.0, 450.0, 700.0]

    class Phone:
        times: list[float] = []

        def __init__(self, _: str) -> None:
            self.at = -1

        def get(self, what: int) -> float:
            known = {cv2.CAP_PROP_FRAME_WIDTH: 8, cv2.CAP_PROP_FRAME_HEIGHT: 6, cv2.CAP_PROP_FPS: 5}
            told = 40.0 + self.times[self.at] if what == cv2.CAP_PROP_POS_MSEC else 0
            return known.get(what, told)

        def isOpened(self) -> bool:
            return True

        def grab(self) -> bool:
            self.at += 1
            return self.at < len(self.times)

        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, np.zeros((6, 8, 3), np.uint8)

    path = tmp_path / "a.mp4"
    path.write_bytes(b"")
    monkeypatch.setattr(cv2, "VideoCapture", Phone)
    for Phone.times, every, expected in (
        (made, 1, [0.0, 0.1, 0.2, 0.45, 0.7]),
        (made, 2, [0.0, 0.2, 0.7]),
        ([0.0] * 4, 1, [0.0, 0.2, 0.4, 0.6]),
    ):
        assert [frame.head["time"] for frame, _ in VideoFile(path, every)] == expected
