"""No op looks at a value on its way: it can be captured as a CUDA graph."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from genmo_kernels.nv12_crop.api import nv12_crop
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.rot6d_fk.api import rot6d_fk
from genmo_kernels.windowed_attention.api import windowed_attention

WAITS = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select"}
UPLOADS = {"lift_fresh"}  # of numbers that Python holds


class HostIsAsked(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what would make a capture fail."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS | UPLOADS:
            self.calls.append(name)
        return func(*args, **(kwargs or {}))


def _attend() -> None:
    qkv = torch.ones(5, 3, 1, 32, requires_grad=True)
    out = windowed_attention(
        qkv, 2, 0, cu_seqlens=BOUNDS, max_length=5, validate=False, backend="triton"
    )
    torch.autograd.grad(out, qkv, torch.ones_like(out))


def _decode() -> None:
    keys, values = torch.zeros(2, 2, 1, 4, 32)
    ring_decode(
        torch.ones(2, 3, 1, 32), keys, values, TICK, rows=ROWS, validate=False, backend="triton"
    )


def _pose() -> None:
    inputs = [torch.ones(2, 2, 6), torch.ones(2, 3), torch.ones(2, 3)]
    for x in inputs:
        x.requires_grad_()
    rot6d, root, rest = inputs
    rotmat, joints = rot6d_fk(rot6d, root, rest, (-1, 0), backend="triton")
    torch.autograd.grad(rotmat.sum() + joints.sum(), inputs)


def _crop() -> None:
    luma, chroma = torch.zeros(8, 8, dtype=torch.uint8), torch.zeros(4, 8, dtype=torch.uint8)
    nv12_crop(
        luma[None],
        chroma.view(1, 4, 4, 2),
        torch.ones(2, 2, 3),
        (2, 2),
        frames=ROWS,
        validate=False,
        backend="triton",
    )


def _refuse(_: Tensor) -> None:
    raise AssertionError("the host waits in tolist")


BOUNDS = torch.tensor([0, 2, 5])
TICK = torch.tensor([3, 0])
ROWS = torch.tensor([0, -1])


@pytest.mark.parametrize("run", [_attend, _decode, _pose, _crop], ids=lambda run: run.__name__)
def test_an_unvalidated_op_leaves_the_host_alone(
    run: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run()  # tables are made once, before a capture
    monkeypatch.setattr(Tensor, "tolist", _refuse, raising=False)  # the mode doesn't see it
    with HostIsAsked() as asked:
        run()
    assert asked.calls == []


def test_the_detector_sees_what_would_make_a_capture_fail() -> None:
    x = torch.ones(2)
    with HostIsAsked() as asked:
        x[0].item()
        x.nonzero()
        torch.tensor([1.0])
    assert asked.calls == ["_local_scalar_dense", "nonzero", "lift_fresh"]
