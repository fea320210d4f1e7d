"""What every grounding model shares: viewing geometry, and boxes in the original pixels."""

import pytest
import torch

from d2ext.modeling.box3d.images import cell_middles, viewing_features
from d2ext.modeling.box3d.records import original_boxes, stack_images
from d2ext.modeling.grounding.grounder import grounding_targets
from d2ext.structures import Camera


def test_viewing_features_equal_the_camera_cell_by_cell():
    plane = torch.tensor([0.02, -0.97, -0.24, 7.0], dtype=torch.float64)
    plane /= plane[:3].norm()
    camera = Camera(
        torch.tensor([[300.0, 0, 120, 20], [0, 310, 60, 0.2], [0, 0, 1, 0.003]], dtype=torch.float64),
        (128, 256),
    )
    cells = cell_middles(16, 8, 16, plane.device)
    seen = viewing_features(camera.P[None], plane[None], torch.tensor([[128, 256]]), cells)
    maps = seen[0].unflatten(1, (8, 16))
    for row in range(8):
        for column in range(16):
            uv = torch.tensor([column * 16 + 7.5, row * 16 + 7.5], dtype=torch.float64)
            _, direction = camera.rays(uv)
            origin = camera.center()
            t = -(plane[:3] @ origin + plane[3]) / (plane[:3] @ direction)
            ground = min(max(10 / t.item(), 0.0), 4.0)
            expected = [direction[0].item(), direction[1].item(), ground, (2 * column + 1) / 16 - 1]
            assert maps[:, row, column].tolist() == pytest.approx(expected, abs=1e-9)


def test_boxes_go_back_to_the_original_pixels():
    camera = Camera(torch.tensor([[300.0, 0, 120, 20], [0, 310, 60, 0.2], [0, 0, 1, 0.003]]), (375, 1242))
    small = camera.resize((192, 636))
    points = torch.tensor([[0.5, 0.2, 9.0], [2.0, 0.9, 12.0]])
    before, after = camera.project(points)[0], small.project(points)[0]
    got = original_boxes(after.flatten()[None], small.image_size, camera.image_size)
    assert torch.allclose(got.tensor, before.flatten()[None], atol=1e-3)


def test_targets_are_all_pairs_of_a_sentence_and_an_object_of_its_image(make_record):
    records = [make_record(0, 64, 96, None), make_record(1, 64, 96, None), make_record(2, 64, 96, None)]
    instances = [records[0]["instances"], records[1]["instances"][:0], records[2]["instances"][:3]]
    none = torch.zeros(0, dtype=torch.long)
    meant = [[torch.tensor([4, 1]), none], [none], [torch.tensor([0]), torch.tensor([2, 0])]]
    owners = [0, 0, 1, 2, 2]
    P = torch.stack([records[i]["camera"].P for i in owners])
    got = grounding_targets(P, instances, meant)
    yes, no = [], []
    for sentence, (image, targets) in enumerate(zip(owners, [t for of in meant for t in of], strict=True)):
        for i in range(len(instances[image])):
            labels, camera = instances[image], records[image]["camera"]
            uv, depth = camera.project(labels.gt_boxes3d.center[i])
            if not labels.gt_has_3d[i]:
                x1, y1, x2, y2 = labels.gt_boxes.tensor[i].tolist()
                uv = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2])
            pair = (sentence, *uv.tolist(), int(labels.gt_classes[i]), *labels.gt_boxes3d.center[i].tolist())
            (yes if i in targets.tolist() else no).append(pair)
    columns = [got.owner[:, None], got.anchor, got.objects.classes[:, None], got.objects.center]
    assert torch.allclose(torch.cat(columns, 1), torch.tensor(yes), atol=1e-3)
    columns = [got.other_owner[:, None], got.other_anchor]
    assert torch.allclose(torch.cat(columns, 1), torch.tensor([p[:3] for p in no]), atol=1e-3)
    assert got.exists.tolist() == [True, False, False, True, True]


def test_padding_of_a_batch_is_zero_and_images_are_normalised(make_record):
    records = [make_record(0, 64, 96, None), make_record(1, 32, 64, None)]
    mean, std = torch.tensor([100.0, 110, 120]).view(3, 1, 1), torch.tensor([50.0, 60, 70]).view(3, 1, 1)
    pixels, P, plane, sizes = stack_images(records, mean, std, 32)
    assert sizes.tolist() == [[64, 96], [32, 64]] and plane.isnan().all()
    assert torch.equal(P, torch.stack([r["camera"].P for r in records]))
    for picture, record in zip(pixels, records, strict=True):
        expected = torch.zeros(3, 64, 96)
        height, width = record["image"].shape[1:]
        expected[:, :height, :width] = (record["image"].float() - mean) / std
        assert torch.equal(picture, expected)
