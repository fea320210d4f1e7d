"""A clip's files: KITTI tracking's layout with ground planes, events and the road, and its traffic recorded.

``kitti_tracking/training``: ``image_02/NNNN/FFFFFF.jpg``, ``label_02/NNNN.txt``, ``calib/NNNN.txt`` (P2),
``denorm/NNNN.txt`` (a b c d of the ground plane), ``road/NNNN.json`` (lanes as TrajAD's recordings have them)
and ``events/NNNN.json``. ``trajectories/<split>``: ``NNNN.csv`` with ``NNNN.json``, its labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from d2ext.data.image_io import read_image
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.labels import MIN_VISIBLE_FRACTION, OCCLUSION_STEPS
from d2ext.data.synthroad.objects import truncated_fraction
from d2ext.data.synthroad.video.clip import Clip
from d2ext.data.synthroad.video.film import Film, Shot
from d2ext.data.synthroad.video.section import RATE, WATCHED
from d2ext.data.synthroad.video.tracks import Track
from d2ext.data.trajectories import Interval, LabelledAnomaly, Tracks, labels_to_json, tracks_to_csv
from d2ext.files import write_bytes

KITTI = "kitti_tracking/training"
_JPEG_QUALITY = 92
# Metres beside the outer lanes in which a vehicle still counts as on the road; parked ones are farther away.
_ASIDE = 0.4
# KITTI's row of what is in the picture and has no track.
_NOT_LABELLED = "-1000 -1000 -1000 -10 -1 -1 -1"
#: Level of occlusion of what is so well hidden that nobody could see it; evaluations leave it out.
HIDDEN = 3


def name_of(clip: int) -> str:
    """A clip's name."""
    return f"{clip:04d}"


def label_file(root: Path, name: str) -> Path:
    """A clip's tracks."""
    return root / KITTI / "label_02" / f"{name}.txt"


def write_picture(root: Path, name: str, frame: int, image: np.ndarray) -> None:
    """One picture of a clip."""
    path = root / KITTI / "image_02" / name / f"{frame:06d}.jpg"
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    write_bytes(path, data.tobytes())


def write_video(root: Path, name: str, frames: int) -> None:
    """A clip's pictures as ``video/NNNN.mp4``, with the same bytes for the same pictures."""
    folder, path = root / KITTI / "image_02" / name, root / KITTI / "video" / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    first = read_image(folder / f"{0:06d}.jpg")
    # The codec takes even sizes only.
    size = first.shape[1] // 2 * 2, first.shape[0] // 2 * 2
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(unfinished), cv2.CAP_FFMPEG, codec, RATE, size)
    if not writer.isOpened():
        raise OSError(f"{path}: this OpenCV cannot write it")
    for frame in range(frames):
        writer.write(read_image(folder / f"{frame:06d}.jpg")[: size[1], : size[0]])
    writer.release()
    unfinished.replace(path)


def label_rows(shot: Shot, frame: int, view: View) -> str:
    """The rows of one picture, as in KITTI tracking's label_02, by number."""
    rows = []
    for (track, row), seen in zip(shot.shown, shot.seen, strict=True):
        box = " ".join(f"{value:.4f}" for value in track.box[row])
        if track.labelled[row]:
            rows.append((track.number, _row(track, row, float(seen), box, view)))
        elif track.shown[row]:
            rows.append((len(rows) + 10**6, f"-1 DontCare -1 -1 -10 {box} {_NOT_LABELLED}"))
    return "".join(f"{frame} {text}\n" for _, text in sorted(rows))


def _row(track: Track, row: int, seen: float, box: str, view: View) -> str:
    outside = truncated_fraction(track.item(row), view)
    truncated = (outside > 0.005) + (outside > 0.5)
    hidden = 1 - seen
    occluded = HIDDEN if seen < MIN_VISIBLE_FRACTION else sum(hidden >= step for step in OCCLUSION_STEPS)
    model = track.body.model
    numbers = (*model.size, *track.location[row], track.yaw[row])
    rest = " ".join(f"{value:.6f}" for value in numbers)
    kind = model.category.capitalize()
    return f"{track.number} {kind} {truncated} {occluded} {track.alpha[row]:.6f} {box} {rest}"


def write_truth(root: Path, name: str, film: Film, split: str, camera: bool) -> None:
    """All of a clip but its pictures and tracks; without ``camera`` the recording of its traffic alone."""
    clip, tracks = film.clip, film.tracks
    recorded, folder = recording(tracks), root / "trajectories" / split
    anomalies = _anomalies(clip, tracks, set(recorded.ids.tolist()))
    write_bytes(folder / f"{name}.csv", tracks_to_csv(recorded))
    write_bytes(folder / f"{name}.json", labels_to_json(anomalies, hour=round(clip.hour, 2)))
    if not camera:
        return
    base, view = root / KITTI, clip.site.scene.view
    p2 = " ".join(f"{value:.12e}" for value in view.projection.ravel())
    write_bytes(base / "calib" / f"{name}.txt", f"P2: {p2}\n".encode())
    plane = " ".join(f"{value:.12f}" for value in view.plane)
    write_bytes(base / "denorm" / f"{name}.txt", f"{plane}\n".encode())
    for kind, content in (("road", _road(clip)), ("events", _events(clip, tracks, anomalies))):
        text = json.dumps(content, indent=1) + "\n"
        write_bytes(base / kind / f"{name}.json", text.encode())


def recording(tracks: Sequence[Track]) -> Tracks:
    """The vehicles in the watched section, as TrajAD reads them: ids are those of the tracks."""
    found = sorted((t for t in tracks if t.number >= 0 and t.body.vehicle), key=lambda t: t.number)
    kept = [(t, _inside(t)) for t in found]
    kept = [(t, inside) for t, inside in kept if inside.sum() > 1]
    bodies = [(t.body, inside) for t, inside in kept]
    return Tracks(
        ids=np.array([str(t.number) for t, _ in kept]),
        track=np.repeat(np.arange(len(kept)), [int(inside.sum()) for _, inside in kept]),
        time=_joined([body.frame[inside] / RATE for body, inside in bodies]),
        lane=_joined([body.lane[inside] for body, inside in bodies]).astype(str),
        position=_joined([body.position[inside] for body, inside in bodies]),
        speed=_joined([body.speed[inside] for body, inside in bodies]),
    )


def _inside(track: Track) -> np.ndarray:
    return (track.body.position >= 0) & (track.body.position <= WATCHED.length)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _anomalies(clip: Clip, tracks: Sequence[Track], recorded: set[str]) -> list[LabelledAnomaly]:
    """The clip's anomaly with those of its tracks that are recorded; none in normal traffic."""
    names = {t.body.vehicle: str(t.number) for t in tracks if t.body.vehicle}
    known = [(names.get((clip.site.way, int(i.track_id))), i) for i in clip.intervals]
    intervals = tuple(Interval(name, i.start, i.end) for name, i in known if name in recorded)
    return [LabelledAnomaly(clip.kind, intervals)] if intervals else []


def _events(clip: Clip, tracks: Sequence[Track], anomalies: Sequence[LabelledAnomaly]) -> dict:
    """A label file of recordings, with the time and the place of each anomaly beside."""
    content = json.loads(labels_to_json(anomalies, hour=round(clip.hour, 2)))
    by_number = {str(track.number): track for track in tracks}
    for item, anomaly in zip(content["anomalies"], anomalies, strict=True):
        first = anomaly.intervals[0]
        item["start"] = min(i.start for i in anomaly.intervals)
        item["end"] = max(i.end for i in anomaly.intervals)
        item["place"] = _place(clip, by_number[first.track_id], first)
    return content


def _place(clip: Clip, track: Track, interval: Interval) -> dict:
    """Where the responsible vehicle is while it shows the anomaly: lane and position when it begins, the
    range of its positions, and metres right of the camera and ahead."""
    time = track.body.frame / RATE
    during = np.flatnonzero((time >= interval.start - 1e-6) & (time <= interval.end + 1e-6))
    inside = during[_inside(track)[during]]
    during = inside if len(inside) else during
    row, position = during[0], track.body.position[during]
    right, ahead = clip.site.scene.road.to_plane(track.body.p[row], track.body.q[row])
    return {
        "lane": str(track.body.lane[row]),
        "position": round(float(position[0]), 2),
        "from": round(float(position.min()), 2),
        "to": round(float(position.max()), 2),
        "x": round(float(right), 2),
        "y": round(float(ahead), 2),
    }


def _road(clip: Clip) -> dict:
    """The lanes in metres right of the camera (x) and ahead of it (y) on the ground, and what leads there
    from camera coordinates."""
    view, road = clip.site.scene.view, clip.site.scene.road
    lines = {name: np.round(line, 4).tolist() for name, line in clip.site.lane_lines().items()}
    axes = view.ground_axes
    rows = np.stack([[*axes[:, 0], 0.0], [*axes[:, 2], 0.0], [*-axes[:, 1], view.plane[3]]])
    return {
        "lanes": dict(sorted(lines.items())),
        "half_width": round(road.lane_width / 2 + _ASIDE, 4),
        "camera_to_road": np.round(rows, 12).tolist(),
    }


def part_file(root: Path, name: str, first: int) -> Path:
    """The rows of some pictures of a clip that is not complete."""
    return parts_folder(root, name) / f"{first:06d}.txt"


def parts_folder(root: Path, name: str) -> Path:
    """Of a clip that is not complete."""
    return root / KITTI / ".parts" / name


def finish(root: Path, name: str, rows: Iterable[str]) -> None:
    """Write a clip's tracks, which makes it complete, and remove its parts."""
    write_bytes(label_file(root, name), "".join(rows).encode())
    folder = parts_folder(root, name)
    for path in folder.glob("*.txt"):
        path.unlink()
    for place in (folder, folder.parent):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
