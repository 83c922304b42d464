"""Measuring the noise: bodies are drawn where they are, and the fit finds what was drawn."""

import importlib.util
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from genmo_rt.bodies.landmarks import seen_offsets
from genmo_rt.data.cameras import CameraConfig
from genmo_rt.data.loader import LoaderConfig, batches
from genmo_rt.data.noise_table import CONFIDENCE_KNOTS, FACING_KNOTS, load_table
from genmo_rt.data.observe import CLEAN
from tests.genmo_rt.data.tiny_clips import BODY
from tests.genmo_rt.data.tiny_dataset import tiny_dataset

SCRIPTS = Path(__file__).parents[3] / "scripts"
TABLE = load_table()


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fit() -> ModuleType:
    return _script("fit_landmark_noise")


def _nothing_seen(fit: ModuleType) -> Any:
    return fit.Seen(**{field.name: None for field in fields(fit.Seen)})


def test_a_body_is_drawn_where_its_landmarks_are() -> None:
    render = _script("render_people")
    config = LoaderConfig(
        batch_size=1, length=2, noise=CLEAN, camera=CameraConfig(close=0, follow_path=1)
    )
    batch = next(batches(tiny_dataset(clips=2), config, 0))
    mesh = render.fine_mesh(BODY)
    scale = render.scale_of(batch.image_size[0].numpy())
    width, height = (round(float(v) * scale) for v in batch.image_size[0])
    black = np.zeros((height, width, 3), np.float32)
    random = np.random.default_rng(0)
    scene = render.draw_scene((width, height), batch.gravity_cam[0].numpy(), random)
    scene = replace(scene, background=black, grain=0.0, blur=0.3, ambient=1.0)
    look = replace(render.draw_look(mesh, BODY, random), colour=np.ones_like(mesh.rest))
    vertices = BODY.skin(batch.rotmat_cam[0, 0], batch.root_cam[0, 0], batch.shape[0]).numpy()
    intrinsics = (batch.intrinsics_true[0] * scale).numpy()
    picture = render.draw(mesh, look, scene, vertices[None], intrinsics, random)
    drawn = picture.max(-1) > 60
    points = (batch.landmarks_px[0, 0, 11:29] * scale).round().long().numpy()
    inside = ((points >= 3) & (points < (width - 3, height - 3))).all(1)
    assert inside.sum() > 10
    on_body = [drawn[y - 3 : y + 4, x - 3 : x + 4].any() for x, y in points[inside]]
    assert np.mean(on_body) > 0.9
    assert drawn.mean() < 0.5


def test_the_fit_finds_the_spread_and_the_memory_that_were_drawn(fit: ModuleType) -> None:
    random = np.random.default_rng(0)
    clips, ticks, travel, kept = 40, 90, 3.0, 0.3
    speed = np.repeat(random.uniform(0, 1.5, (clips, 1, 1)), ticks, 1).repeat(33, 2)
    left = np.exp(-travel * speed / fit.FPS)[..., None]
    fresh = random.standard_normal((clips, ticks, 33, 2))
    passing = fresh.copy()
    for tick in range(1, ticks):
        k = left[:, tick]
        passing[:, tick] = k * passing[:, tick - 1] + np.sqrt(1 - k * k) * fresh[:, tick]
    constant = random.standard_normal((clips, 1, 33, 2))
    units = np.sqrt(kept) * constant + np.sqrt(1 - kept) * passing
    usable = np.ones((clips, ticks, 33), bool)
    found = fit.fit_memory(units, usable, speed)
    assert found == pytest.approx((kept, 0.0, travel), abs=0.4)
    assert fit.fit_tail(units, usable) < 0.15
    assert fit.fit_tail(units * np.exp(0.6 * constant[..., :1]), usable) > 0.45

    confidence = np.broadcast_to(random.choice(CONFIDENCE_KNOTS, (clips, 1, 33)), usable.shape)
    true = TABLE.error_std.double().numpy()
    scale = np.stack(
        [np.interp(confidence[..., i], CONFIDENCE_KNOTS, true[i]) for i in range(33)], -1
    )
    seen = _nothing_seen(fit)
    seen = replace(seen, confidence=confidence, usable=usable)
    spread = fit.fit_spread(units * scale[..., None], seen)
    np.testing.assert_allclose(spread, true, rtol=0.5)
    assert (spread / true).mean() == pytest.approx(1, abs=0.08)


def test_the_fit_finds_what_the_view_makes_of_errors(fit: ModuleType) -> None:
    random = np.random.default_rng(0)
    clips, ticks = 40, 30
    facing = np.repeat(np.resize(FACING_KNOTS, (clips, 1)), ticks, 1)
    cut = np.arange(clips) % 2
    beyond = np.zeros((clips, ticks, 33))
    beyond[cut == 1, :, 29:] = 0.1  # four of 33 landmarks
    true = np.array([0.7, 0.9, 1.2, 1.3, 1.0])
    size = np.resize(true, clips) * np.where(cut == 1, 1.5, 1.0)
    error = 0.02 * size[:, None, None, None] * random.standard_normal((clips, ticks, 33, 2))
    seen = replace(
        _nothing_seen(fit),
        confidence=np.full((clips, ticks, 33), 0.96),
        usable=np.ones((clips, ticks, 33), bool),
        beyond=beyond,
        facing=-facing,  # to the other side
    )
    view = fit.fit_view(error, seen)
    np.testing.assert_allclose(view.facing / view.facing[0], true / true[0], rtol=0.04)
    assert (view.cut[1] / view.cut[0]).item() == pytest.approx(1.5, rel=0.03)
    even = fit.without_view(error, seen, view)
    assert even.std() == pytest.approx(error.std(), rel=0.02)


def test_a_whole_clip_of_swapped_legs_is_one_swap(fit: ModuleType) -> None:
    swapped = np.zeros((2, 90, 4), bool)
    swapped[0, 30:42, 3] = True
    seen = _nothing_seen(fit)
    present = np.ones((2, 90), bool)
    seen = replace(seen, swapped=swapped, present=present, facing=np.full((2, 90), 10.0))
    rates = fit.fit_swaps(seen)
    assert rates[3][0] == pytest.approx(1 / 6)  # in six seconds
    assert np.sum(rates) == pytest.approx(1 / 6)
    assert fit.runs(swapped[..., 3]) == [12]


def test_landmarks_are_seen_symmetrically_and_near_what_they_are_named_after() -> None:
    offsets = torch.from_numpy(seen_offsets())
    assert offsets.norm(dim=-1).max() < 0.035
    mean = BODY.landmark_mean
    torch.testing.assert_close(mean[12], mean[11] * torch.tensor([-1.0, 1, 1]), atol=1e-3, rtol=0)
    assert mean[0, 0].abs() < 1e-3
