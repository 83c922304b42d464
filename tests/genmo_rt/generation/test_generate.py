"""Generation with a tiny random model: what holds whatever the weights are."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from genmo_rt.checkpoint import Checkpoint, load_checkpoint
from genmo_rt.conditions import Conditions, Observed, from_landmarks
from genmo_rt.errors import GenmoError, InputError
from genmo_rt.formats.clip import Clip
from genmo_rt.generation import sampler
from genmo_rt.generation.generator import Generator
from genmo_rt.generation.keyframes import Keyframe
from genmo_rt.generation.prompt import Told, encode, gather
from genmo_rt.generation.sampler import Sampling, sample
from genmo_rt.generation.timeline import FileInterval, TextInterval, Timeline
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import SLICES
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.smpl import load_body

CONFIG = ModelConfig(width=24, layers=2, heads=2, head_dim=8, window=8, text_width=6)
SEEN = CONFIG.layers * CONFIG.window // 2  # frames that a frame sees on either side
STATS = load_checkpoint().stats
CPU = torch.device("cpu")


class Letters:
    """An encoder without weights: one token a letter."""

    width = 6

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        shape = (len(texts), max(map(len, texts)))
        tokens, mask = torch.zeros(*shape, self.width), torch.zeros(shape, dtype=torch.bool)
        for row, text in enumerate(texts):
            codes = torch.tensor([[ord(letter)] for letter in text])
            tokens[row, : len(text)] = torch.sin(codes * torch.arange(1, 7))
            mask[row, : len(text)] = True
        return tokens, mask


def _model(config: ModelConfig = CONFIG) -> Model:
    torch.manual_seed(0)
    model = Model(config).eval().requires_grad_(False)
    for weight in model.parameters():
        weight += 0.1 * torch.randn_like(weight)
    return model


@pytest.fixture(scope="module")
def model() -> Model:
    return _model()


@pytest.fixture(scope="module")
def generator(model: Model) -> Generator:
    return Generator(Checkpoint(model, STATS, "builtin", "random"), load_body(), Letters())


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Properties are compared to float32's accuracy; one test below turns bfloat16 on."""
    monkeypatch.setattr(sampler, "is_bfloat16_fast", lambda device: False)


def _texts(*intervals: tuple[str, int, int], length: int = 40) -> Timeline:
    texts = tuple(TextInterval(*interval) for interval in intervals)
    return Timeline(length=length, texts=texts, blend=True)


def _told(timeline: Timeline, videos: Sequence[Conditions] = ()) -> Told:
    told = gather(timeline, videos, STATS)
    return replace(told, texts=encode(timeline.texts, Letters(), CPU)) if timeline.texts else told


def _sample(model: Model, told: Told, steps: int = 4, variations: int = 1) -> Tensor:
    return sample(model, told, Sampling(3, variations, steps, 2.5), lambda done, total: None)


def _joints(clips: Sequence[Clip]) -> np.ndarray:
    return np.stack([clip.joints for clip in clips])


# ---- seeds and variations ----------------------------------------------------------------------


@pytest.mark.parametrize("fast", [False, True])
def test_a_seed_gives_the_same_motion_bit_for_bit(
    generator: Generator, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr(sampler, "is_bfloat16_fast", lambda device: fast)
    walk = _texts(("walk", 0, 40))
    first, again = (_joints(generator.generate(walk, 5, 2, 4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - _joints(generator.generate(walk, 6, 2, 4))).max() > 0.01


def test_variations_differ_and_none_depends_on_how_many_there_are(generator: Generator) -> None:
    walk = _texts(("walk", 0, 40))
    three = _joints(generator.generate(walk, 5, 3, steps=4))
    assert np.abs(three[0] - three[1]).max() > 0.01
    assert np.abs(three[1] - three[2]).max() > 0.01
    alone = _joints(generator.generate(walk, 5, 1, steps=4))
    np.testing.assert_allclose(three[:1], alone, atol=1e-4)


def test_more_variations_than_fit_a_pass_are_made_in_batches(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _told(_texts(("walk", 0, 40)))
    together = _sample(model, told, variations=5)
    monkeypatch.setattr(sampler, "MAX_BATCH", 160)  # two at once
    torch.testing.assert_close(_sample(model, told, variations=5), together, atol=1e-4, rtol=0)


def test_progress_counts_every_pass(model: Model) -> None:
    seen: list[tuple[int, int]] = []
    told = _told(Timeline(length=5))
    sample(model, told, Sampling(0, 1, 7, 1.0), lambda done, total: seen.append((done, total)))
    assert seen == [(i, 7) for i in range(1, 8)]


# ---- what is told ------------------------------------------------------------------------------


def test_a_text_moves_the_frames_of_its_window_and_what_sees_them(model: Model) -> None:
    none = _sample(model, _told(Timeline(length=80)), steps=1)
    walk = _sample(model, _told(_texts(("walk", 25, 55), length=80)), steps=1)
    jump = _sample(model, _told(_texts(("jump", 25, 55), length=80)), steps=1)
    free = torch.ones(181, dtype=torch.bool)
    free[SLICES["betas"]] = False  # the shape is the whole clip's
    moved = (walk - none).abs()[0][:, free].amax(-1)
    assert moved[28:52].min() > 1e-3
    assert (walk - jump).abs()[0, 28:52].amax(-1).min() > 1e-3
    assert moved[: 25 - SEEN].max() < 1e-5
    assert moved[55 + SEEN :].max() < 1e-5


def test_a_text_gives_way_to_the_next_without_a_jump(model: Model) -> None:
    none = _sample(model, _told(Timeline(length=120)), steps=1)
    both = _sample(model, _told(_texts(("walk", 0, 60), ("jump", 60, 120), length=120)), steps=1)
    free = torch.ones(181, dtype=torch.bool)
    free[SLICES["betas"]] = False  # the shape is the whole clip's
    told = (both - none).abs()[0][:, free].amax(-1)
    assert told[[59, 60]].max() < 0.05 * told[[30, 90]].min()
    assert told[[0, 119]].min() > 0.2 * told[30]  # the clip's own ends are no borders


def test_guidance_exaggerates_what_the_text_does(model: Model) -> None:
    told = _told(_texts(("walk", 0, 40)))

    def first_step(guidance: float) -> Tensor:
        return sample(model, told, Sampling(3, 1, 1, guidance), lambda done, total: None)

    without, once, more = first_step(0.0), first_step(1.0), first_step(2.5)
    torch.testing.assert_close(more, without + 2.5 * (once - without), atol=1e-4, rtol=0)


def test_each_step_without_prompts_is_one_pass_of_the_model(model: Model) -> None:
    rows: list[int] = []

    class Counting(Model):
        def forward(self, conditions: Conditions, *args: object, **named: object) -> Tensor:
            rows.append(len(conditions.present))
            return super().forward(conditions, *args, **named)  # type: ignore[arg-type]

    counting = Counting(CONFIG).eval()
    counting.load_state_dict(model.state_dict())
    _sample(counting, _told(Timeline(length=10)), steps=2)
    _sample(counting, _told(_texts(("walk", 0, 10), length=10)), steps=2)
    assert rows == [1, 1, 2, 2]


def _seen(length: int, shift: float = 0.0) -> Conditions:
    """Somebody who stands in a picture."""
    generator = torch.Generator().manual_seed(2)
    pixels = 300 + shift + 80 * torch.randn(1, 1, 33, 2, generator=generator)
    camera = torch.tensor([[500.0, 500.0, 320.0, 240.0]])
    size = torch.tensor([[640.0, 480.0]])
    return from_landmarks(
        pixels.expand(-1, length, -1, -1), torch.ones(1, length, 33), camera, size
    )


def _with_video(start: int, end: int, length: int = 40) -> Timeline:
    from pathlib import Path

    return Timeline(length=length, videos=(FileInterval(Path("me.mp4"), start, end),))


def test_a_video_is_told_in_its_interval_and_nowhere_else() -> None:
    told = gather(_with_video(10, 25), [_seen(15)], STATS).conditions
    assert isinstance(told.keypoints2d, Observed)
    assert told.present[0].nonzero()[:, 0].tolist() == list(range(10, 25))
    assert told.keypoints2d.mask.any(-1)[0].tolist() == told.present[0].tolist()
    view = _seen(15).view
    torch.testing.assert_close(told.view.centre[0, 30], view.centre[0, -1])  # it is kept


def test_a_videos_frames_count_as_seen_in_the_clip(generator: Generator) -> None:
    clip = generator.generate(_with_video(10, 25), steps=2, videos=[_seen(15)])[0]
    assert clip.confidence.nonzero()[0].tolist() == list(range(10, 25))


@pytest.mark.parametrize(
    ("videos", "expected"),
    [([], "1 video intervals; expected as many"), ([14], "gave 14 frames; expected 15")],
)
def test_videos_that_do_not_fit_the_timeline_are_refused(videos: list[int], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        gather(_with_video(10, 25), [_seen(length) for length in videos], STATS)


# ---- any length --------------------------------------------------------------------------------


@pytest.fixture
def _short_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "MAX_PASS", 64)
    monkeypatch.setattr(sampler, "MAX_BATCH", 128)


def _acceleration(joints: np.ndarray) -> np.ndarray:
    """(L − 2,) of the fastest joint about the frames 1 to L − 2, m/s²."""
    return np.asarray(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max(-1) * 900)


def test_pieces_give_what_one_pass_gives(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = _texts(("walk", 0, 90), ("jump", 80, 300), length=300)
    whole = _sample(model, _told(timeline), steps=1, variations=2)
    monkeypatch.setattr(sampler, "MAX_PASS", 64)
    pieces = _sample(model, _told(timeline), steps=1, variations=2)
    free = torch.ones(181, dtype=torch.bool)
    free[SLICES["betas"]] = False  # a piece's mean shape counts the frames around it too
    torch.testing.assert_close(pieces[..., free], whole[..., free], atol=1e-4, rtol=0)


@pytest.mark.usefixtures("_short_passes")
def test_a_long_clip_has_no_seam_where_its_pieces_meet(generator: Generator) -> None:
    timeline = _texts(("walk", 0, 500), ("jump", 400, 900), length=900)
    pieces = sampler._pieces(900, _model())
    assert len(pieces) > 10
    borders = [piece.start for piece in pieces[1:]]
    clip = generator.generate(timeline, steps=3)[0]
    fast = _acceleration(clip.joints)
    at_border = np.zeros(len(fast), bool)
    for border in borders:
        at_border[border - 3 : border + 2] = True
    assert fast[at_border].max() <= 1.2 * fast[~at_border].max()
    assert np.median(fast[at_border]) <= 1.2 * np.median(fast[~at_border])


@pytest.mark.usefixtures("_short_passes")
def test_no_pass_grows_with_the_clip(model: Model) -> None:
    sizes: list[int] = []

    class Measured(Model):
        def forward(self, conditions: Conditions, *args: object, **named: object) -> Tensor:
            sizes.append(conditions.present.numel())
            return super().forward(conditions, *args, **named)  # type: ignore[arg-type]

    measured = Measured(CONFIG).eval()
    measured.load_state_dict(model.state_dict())
    _sample(measured, _told(_texts(("walk", 0, 1000), length=1000)), steps=1, variations=2)
    assert max(sizes) <= 128


# ---- keyframes ---------------------------------------------------------------------------------


def _keyframe(frame: int, place: tuple[float, float, float], seed: int) -> Keyframe:
    generator = torch.Generator().manual_seed(seed)
    axis_angle = 0.5 * torch.randn(24, 3, generator=generator, dtype=torch.float64)
    axis_angle[0] = torch.tensor([0.0, 0.3 * seed, 0.0])
    return Keyframe(
        frame=frame,
        rotmat=axis_angle_to_rotmat(axis_angle).numpy(),
        pelvis=np.array(place),
        joints=np.ones(24, bool),
        shape=np.full(10, 0.3),
        body="builtin",
    )


KEYFRAMES = (
    _keyframe(0, (0.5, 0.95, 0.0), 1),
    _keyframe(45, (0.2, 0.90, 1.5), 2),
    _keyframe(52, (0.1, 0.85, 1.7), 3),
    _keyframe(119, (-1.0, 0.97, 0.5), 4),
)


def _posed(keyframe: Keyframe) -> np.ndarray:
    """(24, 3) joints of a keyframe in the world."""
    assert keyframe.shape is not None
    body = load_body()
    _, joints = body.forward_kinematics(
        torch.from_numpy(keyframe.rotmat),
        torch.from_numpy(keyframe.pelvis),
        body.rest_joints(torch.from_numpy(keyframe.shape)),
    )
    return np.asarray(joints)


@pytest.fixture(scope="module")
def met(generator: Generator) -> Clip:
    texts = (TextInterval("walk", 0, 120),)
    return generator.generate(Timeline(120, texts, keyframes=KEYFRAMES), steps=6)[0]


def test_keyframes_are_met_within_a_millimetre(met: Clip) -> None:
    for keyframe in KEYFRAMES:
        distance = np.linalg.norm(met.joints[keyframe.frame] - _posed(keyframe), axis=-1)
        assert distance.max() < 1e-3


def test_the_way_into_and_out_of_a_keyframe_is_smooth(met: Clip, generator: Generator) -> None:
    """Frames at a keyframe jump no more than those between keyframes do, nor than without."""
    free = generator.generate(Timeline(120, (TextInterval("walk", 0, 120),)), steps=6)[0]
    tremble = np.abs(np.diff(free.joints, 2, axis=0)).max()
    jumps = np.abs(np.diff(met.joints, 2, axis=0)).max((1, 2))  # [t] about frame t + 1
    near = np.concatenate([np.arange(k - 3, k + 1) for k in (45, 52)])
    between = np.setdiff1d(np.arange(20, 100), near)
    assert jumps[near].max() <= 1.2 * max(jumps[between].max(), tremble)
    velocity = np.diff(met.pelvis, axis=0) * 30
    jump = np.linalg.norm(np.diff(velocity, axis=0), axis=1)  # [t] about frame t + 1
    assert jump[[44, 51]].max() <= 1.2 * np.delete(jump, [43, 44, 45, 50, 51, 52]).max()


def test_a_keyframe_of_some_joints_leaves_the_others_free(generator: Generator) -> None:
    names = np.zeros(24, bool)
    names[[16, 18]] = True
    keyframe = replace(_keyframe(20, (3.0, 0.9, 3.0), 5), joints=names, shape=None, body=None)
    clip = generator.generate(Timeline(40, keyframes=(keyframe,)), steps=3)[0]
    rotmat = axis_angle_to_rotmat(torch.from_numpy(clip.axis_angle[20])).numpy()
    assert np.abs(rotmat - keyframe.rotmat)[names].max() < 1e-5
    assert np.abs(rotmat - keyframe.rotmat)[~names].max() > 0.1
    assert np.abs(clip.pelvis[0, [0, 2]]).max() < 1e-9  # its place wasn't held


def test_a_keyframe_of_another_body_is_refused(generator: Generator) -> None:
    keyframe = replace(_keyframe(0, (0, 0.9, 0), 1), body="smpl")
    with pytest.raises(InputError, match="of body 'smpl', and the motion of 'builtin'"):
        generator.generate(Timeline(10, keyframes=(keyframe,)))


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"seed": -1}, "seed is -1; expected 0 to 4294967295"),
        ({"variations": 0}, "variations is 0; expected at least 1"),
        ({"steps": 0}, "steps is 0; expected 1 to 1000"),
        ({"guidance": -1.0}, "guidance is -1.0; expected 0 to 20"),
    ],
)
def test_numbers_out_of_range_are_refused(
    generator: Generator, numbers: dict[str, int], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        generator.generate(Timeline(10), **numbers)


def test_a_checkpoint_that_only_estimates_is_refused(model: Model) -> None:
    estimator = _model()
    estimator.noised.weight.zero_()
    with pytest.raises(GenmoError, match="trained to estimate only"):
        Generator(Checkpoint(estimator, STATS, "builtin", ""), load_body())


def test_an_encoder_of_another_width_is_refused() -> None:
    wide = _model(replace(CONFIG, text_width=10))
    generator = Generator(Checkpoint(wide, STATS, "builtin", ""), load_body(), Letters())
    with pytest.raises(InputError, match="gives 6 numbers a token, the checkpoint was trained"):
        generator.generate(_texts(("walk", 0, 40)), steps=1)
