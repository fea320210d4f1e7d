"""Copies between the host and a device: one for all tensors, and values as they were."""

from __future__ import annotations

import torch
from pretend_device import pretend_device

from d2ext.structures import constant, transfer

HOST, DEVICE = torch.device("cpu"), torch.device("cuda", 0)


def some_tensors() -> list[torch.Tensor]:
    return [
        torch.tensor([True, False, True]),
        torch.arange(6.0).view(2, 3).t(),  # not contiguous
        torch.tensor(7).expand(3),  # one number, seen three times
        torch.tensor(7),
        torch.zeros(0, 4),
        torch.tensor([1.5, -2.5], dtype=torch.float64),
        torch.tensor([[3, 4, 5]], dtype=torch.uint8),
        torch.tensor([float("nan"), float("inf")], dtype=torch.bfloat16),
    ]


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(9.0), b.nan_to_num(9.0))


def test_tensors_of_all_types_go_there_without_a_wait_and_back_with_one() -> None:
    tensors = some_tensors()
    with pretend_device() as waits:
        there = transfer(tensors, DEVICE)
        assert not waits and all(t.device == DEVICE for t in there)
        back = transfer(there, HOST)
        assert len(waits) == 1
        assert all(same(a, b) for a, b in zip(back, tensors, strict=True))


def test_what_is_there_stays_as_it_is() -> None:
    tensors = some_tensors()
    assert all(a is b for a, b in zip(transfer(tensors, HOST), tensors, strict=True))
    assert transfer([], DEVICE) == []


def test_a_constant_is_copied_to_the_device_once() -> None:
    with pretend_device() as waits:
        x = torch.zeros(3).to(DEVICE, non_blocking=True)
        with torch.inference_mode():
            first = constant((0.0, -1.0, 4.0), x)
        count = len(waits)
        second = constant((0.0, -1.0, 4.0), x)
        assert len(waits) == count and second is first
        assert not second.is_inference()  # a gradient may need it
        assert second.cpu().tolist() == [0.0, -1.0, 4.0]
        assert constant((0.0, -1.0, 4.0), x.long()).dtype == torch.long
