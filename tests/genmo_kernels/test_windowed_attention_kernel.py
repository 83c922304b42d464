"""The windowed attention kernels, in Triton's interpreter, against float64."""

import pytest
import torch
from torch import Tensor

from genmo_kernels.windowed_attention.api import windowed_attention
from genmo_kernels.windowed_attention.reference import windowed_attention_packed

HEADS, HEAD_DIM = 1, 32
TOLERANCE = {torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 4e-2}
"""Of values around 1: a few roundings each; the interpreter cuts bfloat16 off, two bits worse."""


def _qkv(tokens: int, dtype: torch.dtype = torch.float32, heads: int = HEADS) -> Tensor:
    generator = torch.Generator().manual_seed(tokens)
    qkv = torch.randn(tokens, 3, heads, HEAD_DIM, generator=generator)
    return qkv.to(dtype)


def _bounds(lengths: tuple[int, ...]) -> Tensor:
    return torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0).int()


def _run(
    qkv: Tensor, lengths: tuple[int, ...], left: int, right: int, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The kernel's output, and the gradient of its sum weighted by `weight`."""
    qkv = qkv.detach().requires_grad_()
    bounds = _bounds(lengths)
    out = windowed_attention(qkv, left, right, cu_seqlens=bounds, backend="triton")
    (out * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert qkv.grad is not None
    return out.detach(), qkv.grad


def _truth(
    qkv: Tensor, lengths: tuple[int, ...], left: int, right: int, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The same in float64 by the definition."""
    exact = qkv.double().requires_grad_()
    out = windowed_attention_packed(exact, _bounds(lengths), left, right)
    (out * weight.double()).sum().backward()  # type: ignore[no-untyped-call]
    assert exact.grad is not None
    return out.detach(), exact.grad


@pytest.mark.parametrize(
    ("lengths", "left", "right", "dtype"),
    [
        pytest.param((1,), 5, 0, torch.float32, id="T1"),
        pytest.param((37,), 15, 0, torch.float32, id="T37-causal"),
        pytest.param((37,), 15, 0, torch.float16, id="T37-causal-fp16"),
        pytest.param((37,), 15, 0, torch.bfloat16, id="T37-causal-bf16"),
        pytest.param((33,), 4, 9, torch.float32, id="T33-lookahead"),
        pytest.param((33,), 0, 0, torch.float32, id="T33-only-itself"),
        pytest.param((19,), 1000, 2**31 - 1, torch.float32, id="T19-wider-than-the-sequence"),
        pytest.param((3, 0, 21, 1), 7, 3, torch.float32, id="varlen-3-0-21-1"),
        pytest.param((3, 0, 21, 1), 7, 3, torch.float16, id="varlen-3-0-21-1-fp16"),
        pytest.param((3, 0, 21, 1), 7, 3, torch.bfloat16, id="varlen-3-0-21-1-bf16"),
    ],
)
def test_kernel_and_gradient_equal_float64(
    lengths: tuple[int, ...], left: int, right: int, dtype: torch.dtype
) -> None:
    qkv = _qkv(sum(lengths), dtype)
    weight = _qkv(sum(lengths) + 1, dtype)[1:, 0]
    out, gradient = _run(qkv, lengths, left, right, weight)
    true_out, true_gradient = _truth(qkv, lengths, left, right, weight)
    bound = TOLERANCE[dtype]
    assert (out - true_out).abs().max() < bound
    assert (gradient - true_gradient).abs().max() < bound * max(
        1.0, true_gradient.abs().max().item()
    )


def test_several_heads_and_equal_lengths_need_no_bounds() -> None:
    batch, length = 2, 18
    qkv = _qkv(batch * length, heads=2).view(batch, length, 3, 2, HEAD_DIM)
    out = windowed_attention(qkv, 5, 1, backend="triton")
    by_definition = windowed_attention(qkv.double(), 5, 1, backend="reference")
    assert (out - by_definition).abs().max() < TOLERANCE[torch.float32]


def test_a_sequence_has_the_same_bits_in_every_batch_and_run() -> None:
    qkv, weight = _qkv(40), _qkv(41)[1:, 0]
    alone = _run(qkv[11:32], (21,), 9, 2, weight[11:32])
    batch = _run(qkv, (11, 21, 8), 9, 2, weight)
    for one, among_others in zip(alone, batch, strict=True):
        assert torch.equal(one, among_others[11:32])
    for one, again in zip(batch, _run(qkv, (11, 21, 8), 9, 2, weight), strict=True):
        assert torch.equal(one, again)


def test_neighbours_cannot_reach_a_sequence() -> None:
    qkv, weight = _qkv(40), _qkv(41)[1:, 0]
    calm = _run(qkv, (11, 21, 8), 9, 2, weight)
    qkv[:11], qkv[32:] = torch.nan, torch.nan
    for before, after in zip(calm, _run(qkv, (11, 21, 8), 9, 2, weight), strict=True):
        assert torch.equal(before[11:32], after[11:32])


@pytest.mark.parametrize(("left", "right"), [(9, 0), (9, 4)])
def test_a_token_changes_only_outputs_that_see_it(left: int, right: int) -> None:
    qkv = _qkv(36)
    bounds = _bounds((36,))
    before = windowed_attention(qkv, left, right, cu_seqlens=bounds, backend="triton")
    qkv[20] += 1
    after = windowed_attention(qkv, left, right, cu_seqlens=bounds, backend="triton")
    changed = (before != after).flatten(1).any(1).nonzero().flatten().tolist()
    assert changed == list(range(20 - right, 20 + left + 1))


def test_gradient_of_the_definition_is_right() -> None:
    qkv = _qkv(7, torch.float64)[..., :4].contiguous().requires_grad_()
    bounds = _bounds((5, 2))

    def attend(x: Tensor) -> Tensor:
        return windowed_attention(x, 2, 1, cu_seqlens=bounds, backend="reference")

    assert torch.autograd.gradcheck(attend, qkv)


def test_op_and_its_gradient_are_registered_as_torch_expects() -> None:
    qkv, bounds = _qkv(5), _bounds((5,))
    cos = sin = torch.zeros(8, HEAD_DIM // 2)
    attend = torch.ops.genmo.windowed_attention.default
    torch.library.opcheck(attend, (qkv.clone().requires_grad_(), bounds, cos, sin, 3, 0))
    out, lse = attend(qkv, bounds, cos, sin, 3, 0)
    torch.library.opcheck(
        torch.ops.genmo.windowed_attention_backward.default,
        (qkv, out, torch.ones_like(out), lse, bounds, cos, sin, 3, 0),
    )


def test_only_the_log_sum_exp_is_kept_for_the_gradient() -> None:
    tokens = 40
    kept: list[tuple[int, ...]] = []

    def keep(x: Tensor) -> Tensor:
        kept.append(tuple(x.shape))
        return x

    qkv = _qkv(tokens).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        windowed_attention(qkv, 9, 0, cu_seqlens=_bounds((tokens,)), backend="triton")
    table = 64, HEAD_DIM // 2  # angles, shared by all calls
    own = [(tokens, 3, HEADS, HEAD_DIM), (tokens, HEADS, HEAD_DIM), (HEADS, tokens)]
    assert sorted(kept) == sorted([*own, (2,), table, table])


def test_sequences_that_do_not_exist_are_not_looked_for() -> None:
    none = torch.empty(0, 5, 3, HEADS, HEAD_DIM)
    assert windowed_attention(none, 2, 0, backend="triton").shape == (0, 5, HEADS, HEAD_DIM)
    empty = torch.empty(2, 0, 3, HEADS, HEAD_DIM)
    for backend in ("triton", "reference"):
        out = windowed_attention(empty, 2, 0, backend=backend)
        assert out.shape == (2, 0, HEADS, HEAD_DIM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qkv": torch.zeros(4, 2, 1, 32)}, r"qkv has shape \(4, 2, 1, 32\); expected"),
        ({"qkv": torch.zeros(4, 3, 1, 31)}, "expected .* with D even"),
        ({"qkv": torch.zeros(4, 3, 1, 0)}, r"qkv has shape \(4, 3, 1, 0\); expected"),
        ({"qkv": torch.zeros(4, 3, 0, 32)}, r"qkv has shape \(4, 3, 0, 32\); expected"),
        ({"qkv": torch.zeros(4, 3, 1, 32, dtype=torch.int64)}, "qkv has dtype torch.int64"),
        ({"qkv": torch.zeros(4, 3, 2, 64)[:, :, :, ::2]}, "qkv has strides"),
        ({"left": -1}, "left is -1"),
        ({"right": -2}, "right is -2"),
        ({"cu_seqlens": torch.zeros(1, dtype=torch.int32)}, r"cu_seqlens has shape \(1,\)"),
        ({"cu_seqlens": torch.tensor([0.0, 4.0])}, "cu_seqlens has dtype torch.float32"),
        ({"cu_seqlens": torch.tensor([0, 3])}, r"cu_seqlens is \[0, 3\]; expected .* 4 rows"),
        ({"cu_seqlens": torch.tensor([0, 3, 2, 4])}, "cu_seqlens is"),
        ({"cu_seqlens": torch.tensor([0, 4], device="meta")}, "cu_seqlens is on meta"),
        ({"cu_seqlens": torch.tensor([0, 9, 4, 9])[::2]}, "cu_seqlens has gaps"),
        ({"max_length": 3}, "max_length is 3; expected 4"),
        ({"backend": "magic"}, "backend is 'magic'"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    good = {
        "qkv": torch.zeros(4, 3, 1, 32),
        "left": 2,
        "right": 0,
        "cu_seqlens": torch.tensor([0, 4]),
        "max_length": None,
        "backend": None,
    }
    with pytest.raises(ValueError, match=message):
        windowed_attention(**(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("qkv", "message"),
    [
        (torch.zeros(1, 4, 3, 1, 32, dtype=torch.float64), "qkv has dtype torch.float64"),
        (torch.zeros(1, 4, 3, 1, 48), "qkv has head size 48"),
        (torch.zeros(385)[1:].view(1, 4, 3, 1, 32), "qkv starts at an odd address"),
    ],
)
def test_what_only_the_kernel_cannot_take_is_named(qkv: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windowed_attention(qkv, 2, 0, backend="triton")
    windowed_attention(qkv, 2, 0, backend="reference")
