"""Detection that starts from boxes which are expected in the picture."""

from __future__ import annotations

import math

import pytest
import torch

from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.detection.diffusion import BoxDiffusion
from d2ext.modeling.detection.inference import DiffusionDetection, LearnedDetection, WarmStart
from d2ext.structures import Camera

T, N, SCALE = 1000, 6, 2.0
#: Height and width that the network sees, and those of the original.
SIZE, ORIGINAL = (40, 80), (80, 160)


class Objects:
    """What a step that changes nothing finds."""

    def __init__(self, boxes: torch.Tensor) -> None:
        self.box2d = boxes.flatten(0, 1)
        self.class_scores = torch.full((boxes.shape[0] * boxes.shape[1],), 0.5)


class Recorded:
    """A step that keeps what it was given."""

    def __call__(self, encoded, signal, time):
        self.signal, self.time = signal, time
        boxes = encoded.to_pixels(DIFFUSION.to_boxes(signal))

        class Result:
            objects = Objects(boxes)

        return Result


DIFFUSION = BoxDiffusion(T, "squaredcos_cap_v2", SCALE, "ddim", 0.0)


def detection() -> DiffusionDetection:
    return DiffusionDetection(DIFFUSION, 1, None, 3, N, 0.0, False, None)


def images(count: int) -> EncodedImages:
    camera = Camera(torch.tensor([[50.0, 0, 40, 0], [0, 50.0, 20, 0], [0, 0, 1.0, 0]]), SIZE)
    records = [{"camera": camera, "height": ORIGINAL[0], "width": ORIGINAL[1]}] * count
    sizes = torch.tensor([SIZE] * count)
    P = camera.P.float()[None].expand(count, -1, -1)
    return EncodedImages(None, P, torch.full((count, 4), math.nan), sizes, records)


def kept(time: int) -> float:
    """Share of the signal that is left: Nichol and Dhariwal, 2021, Eq. 17, with betas of at most 0.999."""

    def f(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    share = 1.0
    for i in range(time + 1):
        share *= 1 - min(1 - f((i + 1) / T) / f(i / T), 0.999)
    return share


@pytest.mark.parametrize("time", [0, 100, 700])
def test_expected_boxes_stand_among_the_noise(time):
    boxes = torch.tensor([[20.0, 10.0, 60.0, 50.0], [100.0, 30.0, 110.0, 36.0]])
    cold, warm = Recorded(), Recorded()
    detection().run(cold, images(2), None, None, None)
    detection().run(warm, images(2), None, None, None, WarmStart([boxes, boxes[:1]], time))
    for image, count in ((0, 2), (1, 1)):
        assert torch.equal(warm.signal[image, count:], cold.signal[image, count:])
        assert warm.time[image].tolist() == [time] * count + [T - 1] * (N - count)
        for row in range(count):
            low, high = ((boxes[row].view(2, 2) + 0.5) / torch.tensor(ORIGINAL[::-1])).unbind()
            signal = (torch.cat([(low + high) / 2, high - low]) * 2 - 1) * SCALE
            share = kept(time)
            expected = math.sqrt(share) * signal + math.sqrt(1 - share) * cold.signal[image, row]
            assert torch.allclose(warm.signal[image, row], expected, atol=1e-4)


def test_nothing_expected_is_a_cold_start():
    cold, warm = Recorded(), Recorded()
    detection().run(cold, images(1), None, None, None)
    detection().run(warm, images(1), None, None, None, WarmStart([torch.zeros(0, 4)], 100))
    assert torch.equal(cold.signal, warm.signal)
    assert (warm.time == cold.time[:, None]).all()


def test_boxes_for_which_there_is_no_room_are_left_out_and_others_cut_to_the_picture():
    boxes = torch.tensor([[-50.0, -50.0, 300.0, 300.0]] * (N + 3))
    warm = Recorded()
    detection().run(warm, images(1), None, None, None, WarmStart([boxes], 0))
    assert warm.signal.shape == (1, N, 4) and (warm.time == 0).all()
    whole = DIFFUSION.to_boxes(warm.signal)[0]
    assert torch.allclose(whole, torch.tensor([0.5, 0.5, 1.0, 1.0]).expand(N, -1), atol=0.05)


@pytest.mark.parametrize(
    "steps, warm, message",
    [
        (2, WarmStart([torch.zeros(0, 4)], 5), "expected 1 step"),
        (1, WarmStart([torch.zeros(0, 4)], T), "below 1000"),
        (1, WarmStart([], 5), "boxes of 1 images, got 0"),
    ],
)
def test_what_cannot_be_is_refused(steps, warm, message):
    with pytest.raises(ValueError, match=message):
        detection().run(Recorded(), images(1), None, steps, None, warm)


def test_learned_boxes_take_none():
    with pytest.raises(ValueError, match="learned boxes, expected none"):
        learned = LearnedDetection(N, 0.0, False, None)
        learned.run(Recorded(), images(1), None, None, None, WarmStart([torch.zeros(0, 4)], 5))
