"""The ring decode kernel, in Triton's interpreter, against float64."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.api import windowed_attention

HEADS, HEAD_DIM, WINDOW = 1, 32, 20
TOLERANCE = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""Of the largest value: a few roundings each; the interpreter cuts bfloat16 off, one bit worse."""


def _random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def _rings(slots: int, fills: list[int], window: int = WINDOW) -> tuple[Tensor, Tensor]:
    """Rings of random keys and values, NaN where nothing has been cached."""
    rings = _random(2, slots, HEADS, window, HEAD_DIM, seed=1)
    for slot, fill in enumerate(fills):
        rings[:, slot, :, min(fill, window) :] = torch.nan
    return rings[0], rings[1]


def _truth(qkv: Tensor, keys: Tensor, values: Tensor, tick: Tensor, **more: Tensor) -> Tensor:
    """The definition in float64; the caller's rings stay as they are."""
    exact: dict[str, Any] = {
        name: x.double() if x.is_floating_point() else x for name, x in more.items()
    }
    rings = keys.double().nan_to_num(), values.double().nan_to_num()
    return ring_decode(qkv.double(), *rings, tick, backend="reference", **exact)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("window", [1, 20, 24])
def test_kernel_equals_float64_at_every_fill(window: int, dtype: torch.dtype) -> None:
    fills = [0, 1, window - 1, window, 3 * window + window // 2]
    tick = torch.tensor(fills)
    keys, values = (x.to(dtype) for x in _rings(len(fills), fills, window))
    qkv, bias = _random(len(fills), 3, HEADS, HEAD_DIM), _random(3, HEADS, HEAD_DIM, seed=2)
    qkv, bias = qkv.to(dtype), bias.to(dtype)
    truth = _truth(qkv, keys, values, tick, bias=bias)
    out = ring_decode(qkv, keys, values, tick, bias=bias, backend="triton")
    assert (out - truth).abs().max() < TOLERANCE[dtype] * max(1.0, truth.abs().max().item())


def test_streaming_equals_windowed_attention_for_three_laps() -> None:
    window, length = 16, 50
    qkv = _random(1, length, 3, HEADS, HEAD_DIM)
    whole = windowed_attention(qkv.double(), window - 1, 0, backend="reference")
    keys, values = torch.full((2, 1, HEADS, window, HEAD_DIM), torch.nan)
    for t in range(length):
        tick = torch.tensor([t])
        out = ring_decode(qkv[:, t].contiguous(), keys, values, tick, backend="triton")
        assert (out - whole[:, t]).abs().max() < TOLERANCE[torch.float32]


def test_bits_do_not_depend_on_how_long_a_stream_runs() -> None:
    start = (2**40 // WINDOW) * WINDOW
    qkv = _random(2, 5, 3, HEADS, HEAD_DIM)
    outs = []
    for first in (WINDOW, start):
        keys, values = _rings(2, [WINDOW, WINDOW])
        tick = torch.tensor([first, first + 17])
        outs.append(ring_decode(qkv, keys, values, tick, backend="triton"))
    assert torch.equal(*outs)


def test_padding_rows_touch_nothing_and_give_zeros() -> None:
    keys, values = _rings(4, [9, 40, 3, 0])
    before = keys.clone(), values.clone()
    tick = torch.tensor([9, 40, 3, 0])
    rows = torch.tensor([2, -1, 1, -1])
    qkv = _random(4, 3, HEADS, HEAD_DIM)
    truth = _truth(qkv, keys, values, tick, rows=rows)
    qkv[[1, 3]] = torch.nan
    out = ring_decode(qkv, keys, values, tick, rows=rows, backend="triton")
    assert torch.equal(out[[1, 3]], torch.zeros(2, HEADS, HEAD_DIM))
    assert (out - truth).abs().max() < TOLERANCE[torch.float32]
    for ring, old in zip((keys, values), before, strict=True):
        changed = [
            (slot, place)
            for slot in range(4)
            for place in range(WINDOW)
            if not torch.equal(ring[slot, :, place].nan_to_num(), old[slot, :, place].nan_to_num())
        ]
        assert changed == [(1, 40 % WINDOW), (2, 3)]


def test_neighbours_cannot_reach_a_stream() -> None:
    qkv, tick = _random(1, 3, HEADS, HEAD_DIM), torch.tensor([50, 50, 50])
    outs = []
    for poison in (0.0, torch.nan):
        keys, values = _rings(3, [50, 50, 50])
        for ring in (keys, values):
            ring[[0, 2]] = poison
        rows = torch.tensor([1])
        outs.append(ring_decode(qkv, keys, values, tick, rows=rows, backend="triton"))
        assert not keys[1].isnan().any()
    assert torch.equal(*outs)


def test_a_stream_has_the_same_bits_in_every_batch_slot_and_run() -> None:
    qkv = _random(3, 3, HEADS, HEAD_DIM)
    keys, values = _rings(3, [31, 31, 31])
    tick = torch.tensor([31, 7, 31])
    keys[0], values[0] = keys[2], values[2]
    first = ring_decode(
        qkv, keys.clone(), values.clone(), tick, rows=torch.tensor([2, 1, 0]), backend="triton"
    )
    alone = ring_decode(qkv[:1], keys, values, tick, rows=torch.tensor([0]), backend="triton")
    assert torch.equal(first[:1], alone)


def test_a_stream_has_the_same_bits_in_every_bucket() -> None:
    qkv = _random(2, 3, HEADS, HEAD_DIM)
    outs = []
    for bucket in (2, 4, 8):
        keys, values = _rings(3, [31, 5, 0])
        rows = torch.tensor([0, 1] + [-1] * (bucket - 2))
        padded = torch.full((bucket, 3, HEADS, HEAD_DIM), torch.nan)
        padded[:2] = qkv
        out = ring_decode(
            padded, keys, values, torch.tensor([31, 5, 0]), rows=rows, backend="triton"
        )
        outs.append((out[:2], keys.nan_to_num(), values.nan_to_num()))
    for one, other in zip(outs[0] * 2, outs[1] + outs[2], strict=True):
        assert torch.equal(one, other)


def test_a_later_token_cannot_reach_an_earlier_output() -> None:
    qkv, tick = _random(1, 4, 3, HEADS, HEAD_DIM), torch.tensor([WINDOW - 2])
    outs = []
    for change in (0.0, 100.0):
        qkv[:, 2:] += change
        rings = _rings(1, [WINDOW - 2])
        outs.append(ring_decode(qkv, *rings, tick, backend="triton")[:, :2])
    assert torch.equal(*outs)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_catching_up_long_ago_with_padding_equals_float64(dtype: torch.dtype) -> None:
    fills = [2**40 + 3, 0, WINDOW - 2]
    tick, rows = torch.tensor(fills), torch.tensor([2, -1, 0, 1])
    keys, values = (x.to(dtype) for x in _rings(3, fills))
    qkv = _random(4, 3, 3, HEADS, HEAD_DIM, dtype=dtype)
    bias = _random(3, HEADS, HEAD_DIM, dtype=dtype, seed=2)
    truth = _truth(qkv, keys, values, tick, bias=bias, rows=rows)
    out = ring_decode(qkv, keys, values, tick, bias=bias, rows=rows, backend="triton")
    assert (out - truth).abs().max() < TOLERANCE[dtype] * max(1.0, truth.abs().max().item())


def test_no_rows_give_nothing() -> None:
    keys, values = _rings(2, [9, 9])
    none, rows = torch.empty(0, 3, HEADS, HEAD_DIM), torch.empty(0, dtype=torch.int64)
    for backend in ("triton", "reference"):
        out = ring_decode(none, keys, values, torch.tensor([9, 9]), rows=rows, backend=backend)
        assert out.shape == (0, HEADS, HEAD_DIM)


@pytest.mark.parametrize("start", [0, 18, 33])
def test_catching_up_equals_one_token_after_the_other(start: int) -> None:
    qkv = _random(2, 4, 3, HEADS, HEAD_DIM)
    rows = torch.tensor([2, 0])
    tick = torch.tensor([start, 0, start + 1])
    fills = tick.tolist()
    together, apart = _rings(3, fills), _rings(3, fills)
    out = ring_decode(qkv, *together, tick, rows=rows, backend="triton")
    for n in range(4):
        one = ring_decode(qkv[:, n].contiguous(), *apart, tick + n, rows=rows, backend="triton")
        assert torch.equal(out[:, n], one)
    for ring, other in zip(together, apart, strict=True):
        assert torch.equal(ring.nan_to_num(), other.nan_to_num())


def test_definition_catches_up_as_one_token_after_the_other() -> None:
    qkv = _random(2, 4, 3, HEADS, HEAD_DIM, dtype=torch.float64)
    tick = torch.tensor([18, 5])
    keys, values = (x.double().nan_to_num() for x in _rings(2, [18, 5]))
    one_keys, one_values = keys.clone(), values.clone()
    out = ring_decode(qkv, keys, values, tick)
    for n in range(4):
        one = ring_decode(qkv[:, n].contiguous(), one_keys, one_values, tick + n)
        torch.testing.assert_close(out[:, n], one, rtol=0, atol=1e-12)
    assert torch.equal(keys, one_keys)
    assert torch.equal(values, one_values)


def test_op_is_registered_as_torch_expects() -> None:
    keys, values = torch.zeros(2, 1, HEADS, WINDOW, HEAD_DIM)
    cos = sin = torch.zeros(2 * WINDOW, HEAD_DIM // 2)
    qkv, tick = _random(1, 1, 3, HEADS, HEAD_DIM), torch.tensor([3])
    torch.library.opcheck(
        torch.ops.genmo.ring_decode.default,
        (qkv, None, keys, values, tick, None, cos, sin),
    )


def _good() -> dict[str, object]:
    keys, values = torch.zeros(2, 5, 1, 8, 32)
    return {
        "qkv": torch.zeros(2, 3, 1, 32),
        "keys": keys,
        "values": values,
        "tick": torch.zeros(5, dtype=torch.int64),
        "bias": torch.zeros(3, 1, 32),
        "rows": torch.tensor([0, -1]),
    }


@pytest.mark.parametrize("backend", ["reference", "triton"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("qkv", torch.zeros(2, 2, 1, 32), r"qkv has shape \(2, 2, 1, 32\); expected \(S, 3"),
        ("qkv", torch.zeros(2, 3, 1, 64)[..., ::2], "qkv has strides"),
        ("qkv", torch.zeros(2, 3, 1, 32, dtype=torch.int32), "qkv has dtype torch.int32"),
        ("qkv", torch.zeros(2, 3, 0, 32), r"qkv has shape \(2, 3, 0, 32\); expected"),
        ("keys", torch.zeros(5, 1, 32, 8).mT, "keys has strides"),
        ("keys", torch.zeros(5, 1, 8, 32, device="meta"), "keys is on meta; expected cpu"),
        ("tick", torch.zeros(5, dtype=torch.int64, device="meta"), "tick is on meta"),
        ("tick", torch.zeros(10, dtype=torch.int64)[::2], "tick has strides"),
        ("bias", torch.zeros(3, 1, 64)[..., ::2], "bias has strides"),
        ("bias", torch.zeros(3, 1, 32, device="meta"), "bias is .* on meta; expected"),
        ("rows", torch.tensor([0, 9, 1])[::2], "rows has strides"),
        ("rows", torch.zeros(2, dtype=torch.int64, device="meta"), "rows is on meta"),
        ("keys", torch.zeros(5, 1, 0, 32), "keys has shape .* W at least 1"),
        ("keys", torch.zeros(5, 2, 8, 32), r"keys has shape .* expected \(A, 1, W, 32\)"),
        ("keys", torch.zeros(5, 1, 8, 32, dtype=torch.float16), "keys has dtype torch.float16"),
        ("values", torch.zeros(4, 1, 8, 32), r"values has shape \(4, 1, 8, 32\)"),
        ("values", torch.zeros(5, 1, 8, 32, device="meta"), "values is on meta; expected cpu"),
        ("values", torch.zeros(5, 8, 1, 32).transpose(1, 2)[:, :, ::1, :], None),
        ("tick", torch.zeros(5), "tick has .* expected .* int64"),
        ("tick", torch.zeros(2, dtype=torch.int64), r"tick has shape \(2,\)"),
        ("bias", torch.zeros(3, 32), r"bias has shape \(3, 32\); expected \(3, 1, 32\)"),
        ("bias", torch.zeros(3, 1, 32, dtype=torch.float64), "bias is torch.float64"),
        ("rows", torch.tensor([0, 5]), "rows holds 5; expected -1 or a slot 0..4"),
        ("rows", torch.tensor([-2, 0]), "rows holds -2"),
        ("rows", torch.tensor([3, 3]), "rows names a slot twice"),
        ("rows", torch.tensor([0, 1, 2]), r"rows has shape \(3,\)"),
        ("rows", torch.tensor([0, 1], dtype=torch.int32), "rows has .* expected .* int64"),
        ("rows", None, "keys has 5 slots; expected 2"),
    ],
)
def test_bad_arguments_are_named(
    name: str, value: object, message: str | None, backend: str
) -> None:
    arguments = _good() | {name: value, "backend": backend}
    if message is None:  # a transposition that moves nothing in memory is as good as none
        ring_decode(**arguments)  # type: ignore[arg-type]
        return
    with pytest.raises(ValueError, match=message):
        ring_decode(**arguments)  # type: ignore[arg-type]


def test_unvalidated_rows_outside_the_arena_are_padding() -> None:
    keys, values = _rings(2, [9, 9])
    before = keys.clone().nan_to_num()
    out = ring_decode(
        _random(2, 3, HEADS, HEAD_DIM),
        keys,
        values,
        torch.tensor([9, 9]),
        rows=torch.tensor([2, -7]),
        validate=False,
        backend="triton",
    )
    assert torch.equal(out, torch.zeros_like(out))
    assert torch.equal(keys.nan_to_num(), before)


@pytest.mark.parametrize("name", ["qkv", "keys", "values", "bias"])
def test_misaligned_tensors_are_named(name: str) -> None:
    good = _good()[name]
    assert isinstance(good, Tensor)
    arguments = _good() | {name: torch.zeros(good.numel() + 1)[1:].view_as(good)}
    with pytest.raises(ValueError, match=f"{name} starts at an odd address; expected 16-byte"):
        ring_decode(**arguments, backend="triton")  # type: ignore[arg-type]
