"""Attention over rings with what layers share: the same numbers as the op."""

import pytest
import torch

from genmo_kernels.ring_decode.api import ring_decode
from genmo_rt.engine.ring import RingPlan, ring_attend

HEADS, WINDOW, HEAD_DIM, SLOTS = 3, 5, 8, 7


@pytest.mark.parametrize("rows", [[0], [6], [2, 3, 4], [0, 2, 5], list(range(7))])
def test_a_plan_gives_what_ring_decode_gives(rows: list[int]) -> None:
    """From the first token on over two laps, in slots that are neighbours or not."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.zeros(SLOTS, HEADS, WINDOW, HEAD_DIM, dtype=torch.float64)
    values, tick = torch.zeros_like(keys), torch.arange(SLOTS)
    for slot in range(SLOTS):  # each is of another age
        keys[slot, :, :slot] = 1.0
        values[slot, :, :slot] = 2.0
    other_keys, other_values, other_tick = keys.clone(), values.clone(), tick.clone()
    index = torch.tensor(rows)
    for _ in range(2 * WINDOW + 1):
        shape = (len(rows), 3, HEADS, HEAD_DIM)
        qkv = torch.randn(shape, generator=generator, dtype=torch.float64)
        plan = RingPlan.of(rows, tick[index], keys)
        out = ring_attend(qkv, keys, values, plan)
        expected = ring_decode(qkv, other_keys, other_values, other_tick, rows=index)
        assert (out - expected.flatten(1)).abs().max() < 1e-12
        assert (keys - other_keys).abs().max() < 1e-12
        assert torch.equal(values, other_values)
        tick[index] += 1
        other_tick[index] += 1


def test_rings_of_neighbouring_slots_are_not_copied() -> None:
    keys = torch.zeros(SLOTS, HEADS, WINDOW, HEAD_DIM)
    assert RingPlan.of([2, 3], torch.tensor([1, 9]), keys).slots == slice(2, 4)
    assert isinstance(RingPlan.of([2, 4], torch.tensor([1, 9]), keys).slots, torch.Tensor)
