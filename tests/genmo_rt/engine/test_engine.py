"""The engine: the same numbers as the model, streams apart, slots that keep nothing."""

import gc
import threading
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from genmo_rt.conditions import Conditions, Observed, concatenate
from genmo_rt.engine.arena import StreamState
from genmo_rt.engine.engine import Engine, Slot
from genmo_rt.engine.folding import Precision
from genmo_rt.errors import EngineFull, FileFormatError, InputError
from genmo_rt.model import Model
from tests.genmo_rt.tiny_model import CONFIG, frame, tiny_model, watched, whole_pass

FRAMES = 3 * CONFIG.window + 4


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def stream_through(slot: Slot, conditions: Conditions, start: int = 0) -> Tensor:
    """(L − start, 181) frame by frame."""
    length = conditions.present.shape[1]
    return torch.cat([slot.step(frame(conditions, t)) for t in range(start, length)])


# ---- the same numbers as the model --------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 7, 64])
@pytest.mark.parametrize("delay", [0, 5])
def test_frame_by_frame_equals_the_whole_pass(model: Model, window: int, delay: int) -> None:
    conditions = watched(FRAMES)
    slot = Engine(model, window=window).open(delay)
    expected = whole_pass(model, conditions, delay, window)
    assert (stream_through(slot, conditions) - expected).abs().max() < 1e-10  # float64


def test_in_float32_folding_costs_no_accuracy() -> None:
    model = tiny_model(torch.float32)
    conditions = watched(FRAMES, dtype=torch.float32)
    cache = model.new_cache()
    slot = Engine(model).open()
    for t in range(FRAMES):
        expected = model.step(frame(conditions, t), cache)
        assert (
            slot.step(frame(conditions, t)) - expected
        ).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(("precision", "bound"), [("bfloat16", 0.04), ("int8", 0.08)])
def test_fewer_bits_stay_near(precision: Precision, bound: float) -> None:
    """Weights of the tiny model are large; the shipped one moves joints by 0.5 and 2 mm."""
    model = tiny_model(torch.float32)
    conditions = watched(FRAMES, dtype=torch.float32)
    out = stream_through(Engine(model, precision=precision).open(), conditions)
    expected = whole_pass(model, conditions)
    assert 0 < (out - expected).norm() / expected.norm() < bound


def test_a_stream_of_any_age_answers_as_a_young_one(model: Model) -> None:
    """Slots of the ring, not ticks, turn keys: 2^40 laps change nothing."""
    conditions = watched(FRAMES)
    engine = Engine(model)
    young = engine.open()
    stream_through(young, conditions)
    state = young.save()
    old = engine.restore(replace(state, tick=state.tick + (CONFIG.window << 40)))
    for t in (3, 4):
        assert torch.equal(young.step(frame(conditions, t)), old.step(frame(conditions, t)))


@pytest.mark.parametrize("missed", [2, 7, 20])
def test_missed_frames_can_come_at_once(model: Model, missed: int) -> None:
    conditions = watched(FRAMES)
    expected = whole_pass(model, conditions)
    slot = Engine(model).open()
    stream_through(slot, conditions.cut(slice(0, 4)))
    together = slot.step(conditions.cut(slice(4, 4 + missed)))
    assert (together - expected[4 : 4 + missed]).abs().max() < 1e-10
    after = slot.step(frame(conditions, 4 + missed))
    assert (after - expected[4 + missed]).abs().max() < 1e-10


def test_modalities_that_live_never_has_can_be_asked_for(model: Model) -> None:
    conditions = watched(FRAMES)
    generator = torch.Generator().manual_seed(3)
    value = torch.randn(1, FRAMES, 1, 35, generator=generator, dtype=torch.float64)
    mask = torch.rand(1, FRAMES, 1, generator=generator) < 0.5
    heard = replace(conditions, music=Observed(value, mask))
    engine = Engine(model, modalities=("keypoints2d", "bbox", "music"))
    expected = whole_pass(model, heard)
    assert (stream_through(engine.open(), heard) - expected).abs().max() < 1e-10
    assert (whole_pass(model, conditions) - expected).abs().max() > 1e-3
    with pytest.raises(InputError, match="music is observed"):
        Engine(model).open().step(frame(heard, 0))


def test_what_is_masked_is_not_read(model: Model) -> None:
    conditions = watched(3)
    landmarks = conditions.keypoints2d
    poisoned = torch.where(landmarks.mask[..., None], landmarks.value, torch.nan)
    hidden = replace(conditions, keypoints2d=Observed(poisoned, landmarks.mask))
    engine = Engine(model)
    assert torch.equal(
        stream_through(engine.open(), conditions), stream_through(engine.open(), hidden)
    )


# ---- streams and slots --------------------------------------------------------------------------


def test_streams_together_say_what_each_says_alone(model: Model) -> None:
    """Any mixture of streams: all five, some, not neighbours, of different ages and delays."""
    clips = [watched(FRAMES, seed) for seed in range(5)]
    engine = Engine(model, slots=5)
    slots = [engine.open(delay=k % 3) for k in range(5)]
    said: list[list[Tensor]] = [[] for _ in clips]
    for t in range(FRAMES):
        present = [k for k in range(5) if t % (k + 1) == 0]
        packed = [frame(clips[k], len(said[k])) for k in present]
        together = engine.step_together([slots[k] for k in present], packed)
        for k, out in zip(present, together, strict=True):
            said[k].append(out)
    for k, rows in enumerate(said):
        expected = whole_pass(model, clips[k].cut(slice(0, len(rows))), delay=k % 3)
        assert (torch.cat(rows) - expected).abs().max() < 1e-10


def test_a_neighbour_s_nan_stays_with_the_neighbour(model: Model) -> None:
    engine = Engine(model, slots=3)
    slots = [engine.open() for _ in range(3)]
    alone = stream_through(Engine(model).open(), watched(4))
    for t in range(4):
        engine._arena.keys[:, [0, 2, 3]] = torch.nan
        engine._arena.values[:, [0, 2, 3]] = torch.nan
        engine._arena.betas_sum[[0, 2, 3]] = torch.nan
        frames = [frame(watched(4, seed), t) for seed in (4, 1, 5)]
        middle = engine.step_together(slots, frames)[1]
        assert (middle[0] - alone[t]).abs().max() < 1e-10


def test_a_slot_used_again_keeps_nothing_of_the_former_stream(model: Model) -> None:
    engine = Engine(model, slots=1)
    first = engine.open(delay=4)
    stream_through(first, watched(FRAMES, seed=9))
    first.close()
    assert not engine._arena.keys.any()
    assert not engine._arena.values.any()
    second = engine.open()
    assert second.index == 0
    conditions = watched(FRAMES)
    assert torch.equal(
        stream_through(second, conditions), stream_through(Engine(model).open(), conditions)
    )


def test_clearing_starts_at_frame_zero_and_may_keep_the_shape(model: Model) -> None:
    slot = Engine(model).open()
    conditions = watched(FRAMES)
    stream_through(slot, conditions)
    before = slot.save()
    slot.clear(keep_shape=True)
    kept = slot.save()
    assert int(kept.tick) == 0
    assert not kept.keys.any()
    assert torch.equal(kept.betas_sum, before.betas_sum)
    slot.clear()
    assert slot.save().betas_count == 0
    expected = stream_through(Engine(model).open(), conditions)
    assert torch.equal(stream_through(slot, conditions), expected)


def test_an_engine_takes_as_many_streams_as_it_has_slots(model: Model) -> None:
    engine = Engine(model, slots=2)
    first, second = engine.open(), engine.open()
    with pytest.raises(EngineFull, match="all 2 slots"):
        engine.open()
    assert engine.free == 0
    second.close()
    second.close()  # closing twice gives one place back
    assert engine.free == 1
    assert engine.open().index != first.index


def test_a_slot_that_nobody_holds_any_more_is_free(model: Model) -> None:
    engine = Engine(model, slots=1)
    stream_through(engine.open(), watched(3))
    gc.collect()
    assert engine.free == 1
    assert int(engine.open().save().tick) == 0


# ---- saved and restored -------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32", "int8"])
def test_a_restored_stream_goes_on_as_if_it_had_never_stopped(precision: Precision) -> None:
    model = tiny_model(torch.float64 if precision == "float64" else torch.float32)
    conditions = watched(FRAMES, dtype=model.head.weight.dtype)
    slot = Engine(model, precision=precision).open(delay=3)
    stream_through(slot, conditions.cut(slice(0, 11)))
    content = slot.save().to_bytes()
    elsewhere = Engine(model, precision=precision, slots=3)
    elsewhere.open()
    moved = elsewhere.restore(StreamState.from_bytes(content))
    rest = concatenate([conditions.cut(slice(11, FRAMES))])
    assert torch.equal(stream_through(moved, rest), stream_through(slot, rest))  # bit for bit


def test_a_saved_state_does_not_change_with_the_stream(model: Model) -> None:
    slot = Engine(model).open()
    state = slot.save()
    stream_through(slot, watched(3))
    assert int(state.tick) == 0
    assert not state.keys.any()


def test_a_state_that_does_not_fit_is_refused_and_takes_no_slot(model: Model) -> None:
    state = Engine(model).open().save()
    other = tiny_model()
    other.head.bias.add_(1)
    engine = Engine(other, slots=1)
    with pytest.raises(InputError, match="other weights"):
        engine.restore(state)
    wide = Engine(model, window=9, slots=1)
    with pytest.raises(InputError, match=r"keys are \(3, 2, 7, 16\).*\(3, 2, 9, 16\)"):
        wide.restore(state)
    assert (engine.free, wide.free) == (1, 1)
    with pytest.raises(FileFormatError, match="7 bytes are not a stream's state"):
        StreamState.from_bytes(b"nothing")


def test_what_an_engine_cannot_do_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="delay is 9"):
        Engine(model).open(9)
    with pytest.raises(InputError, match="window is 0"):
        Engine(model, window=0)
    with pytest.raises(InputError, match="slots is 0"):
        Engine(model, slots=0)
    with pytest.raises(InputError, match="precision is 'int4'; expected float64, float32"):
        Engine(model, precision="int4")  # type: ignore[arg-type]


# ---- threads ------------------------------------------------------------------------------------


def test_streams_of_many_threads_get_their_own_answers() -> None:
    model = tiny_model(torch.float32)
    engine = Engine(model, slots=6)
    clips = [watched(FRAMES, seed, torch.float32) for seed in range(6)]
    said: dict[int, Tensor] = {}

    def camera(k: int) -> None:
        said[k] = stream_through(engine.open(), clips[k])

    threads = [threading.Thread(target=camera, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, clip in enumerate(clips):
        expected = whole_pass(model, clip)
        assert (said[k] - expected).abs().max() < 1e-5 * expected.abs().max()
    figures = engine.figures
    assert figures.frames == 6 * FRAMES
    assert FRAMES <= figures.batches <= figures.frames
    assert figures.slots == 6
    assert figures.arena_bytes > 6 * 2 * 4 * 3 * 2 * 7 * 16  # keys and values of six rings
