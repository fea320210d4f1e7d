"""mamba-ssm's Triton kernel against PyTorch's ``ssd_scan``: equality and time by length, both passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from d2ext.engine.benchmark import Clock, milliseconds
from d2ext.layers import ssd_scan

from .models import free_memory, without_kernel
from .part import Task

# As in the SSD blocks of U2ENet's semantic filter, whose kernels are tuned here once for all parts.
HEADS, HEAD_DIM, STATE, CHUNK = 8, 32, 32, 64
BATCH = 8
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
#: Largest error against float64, relative to the largest value, that counts as equal.
TOLERANCES = {torch.bfloat16: 3e-2, torch.float32: 1e-2}
HEADER = (
    "dtype", "pass", "length", "PyTorch ms", "Triton ms", "PyTorch / Triton", "error of PyTorch",
    "error of Triton", "equal",
)  # fmt: skip


def run(task: Task) -> None:
    """Raises RuntimeError if results differ, or ``ssd_scan`` does not take the kernel where it should."""
    device, part = task.context.device, task.part
    kernel = _kernel(task) if device == "cuda" else None
    if device == "cuda":
        torch.set_float32_matmul_precision("high")  # the kernel multiplies float32 in TF32
    lengths = (64, 128) if task.context.smoke else LENGTHS
    clock = Clock(1 if task.context.smoke else 15)
    title = f"Scan, {BATCH} sequences, {HEADS} heads of {HEAD_DIM}, state {STATE}"
    part.table(f"{title}; errors are against float64 and relative to its largest value", *HEADER)
    equal = True
    cases = itertools.product(TOLERANCES, ("forward", "forward and backward"), lengths)
    for dtype, direction, length in cases:
        if task.left() < 2:
            part.note(f"no time left for {dtype} {direction} from {length} steps")
            break
        inputs = scan_inputs(length, device, dtype)
        calls = [passes(_torch_scan, inputs, direction)]
        calls += [passes(kernel, inputs, direction)] if kernel else []
        truth = passes(_torch_scan, [t.double() for t in inputs], direction)()
        errors = [max(relative_error(a, b) for a, b in zip(call(), truth, strict=True)) for call in calls]
        times = clock.alternate(*calls)
        same = all(e <= TOLERANCES[dtype] for e in errors)
        equal &= same
        cells = [str(dtype).removeprefix("torch."), direction, length, milliseconds(times[0])]
        if kernel:
            cells += [
                milliseconds(times[1]),
                f"{times[0] / times[1]:.2f}",
                f"{errors[0]:.1e}",
                f"{errors[1]:.1e}",
            ]
        else:
            cells += ["-", "-", f"{errors[0]:.1e}", "-"]
        part.row(*cells, "yes" if same else "NO")
        free_memory()
    if not equal:
        raise RuntimeError("results differ by more than rounding")


def _kernel(task: Task) -> Callable[..., Tensor]:
    """The kernel, after a look whether ``ssd_scan`` finds and takes it.

    Raises:
        RuntimeError: it is not there, or ``ssd_scan`` computes something else than the kernel does.
    """
    try:
        from mamba_ssm.ops.triton import ssd_combined
    except ImportError as e:
        raise RuntimeError(f"mamba_ssm's Triton files are not on the path: {e}") from e
    kernel, taken = ssd_combined.mamba_chunk_scan_combined, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        taken.append(1)
        return kernel(*args, **kwargs)

    ssd_combined.mamba_chunk_scan_combined = watched
    try:
        ssd_scan(*scan_inputs(64, "cuda", torch.bfloat16), chunk_size=CHUNK)
    finally:
        ssd_combined.mamba_chunk_scan_combined = kernel
    if not taken:
        raise RuntimeError("ssd_scan does not take the kernel for bfloat16 on the GPU")
    task.part.note("ssd_scan takes mamba_ssm's kernel for bfloat16")
    return lambda *inputs: kernel(*inputs, CHUNK)


def scan_inputs(
    length: int, device: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x, dt, A, B and C as after an SSD block's projections; A and dt are float32."""
    g = torch.Generator().manual_seed(length)
    x, B, C = (
        torch.randn(BATCH, length, *shape, generator=g)
        for shape in ((HEADS, HEAD_DIM), (1, STATE), (1, STATE))
    )
    dt = torch.rand(BATCH, length, HEADS, generator=g) * 0.1 + 1e-3
    A = -torch.rand(HEADS, generator=g) * 15 - 1
    return x.to(device, dtype), dt.to(device), A.to(device), B.to(device, dtype), C.to(device, dtype)


def _torch_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    with without_kernel():
        return ssd_scan(x, dt, A, B, C, chunk_size=CHUNK)


def passes(
    scan: Callable[..., Tensor], inputs: Sequence[Tensor], direction: str
) -> Callable[[], list[Tensor]]:
    """A call that returns the output, with "backward" in ``direction`` also the gradients of all inputs."""
    if "backward" not in direction:

        def forward() -> list[Tensor]:
            with torch.no_grad():
                return [scan(*inputs)]

        return forward

    leaves = [t.clone().requires_grad_() for t in inputs]
    weights = torch.linspace(-1, 1, inputs[0].numel(), device=inputs[0].device).view_as(inputs[0])

    def both() -> list[Tensor]:
        y = scan(*leaves)
        return [y.detach(), *torch.autograd.grad((y * weights.to(y.dtype)).sum(), leaves)]

    return both


def relative_error(value: Tensor, truth: Tensor) -> float:
    """Largest difference over the largest true value."""
    return float((value.double() - truth).abs().max() / truth.abs().max())
