"""The pinhole camera: what lands where, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genmo_rt.camera import Intrinsics, project, unproject
from genmo_rt.errors import InputError


def test_default_focal_length_is_the_longer_side() -> None:
    assert Intrinsics.default(1080, 1920) == Intrinsics(1920, 1920, 540, 960, 1080, 1920)


def test_fov_spans_the_longer_side() -> None:
    portrait = Intrinsics.from_fov(720, 1280, 90)
    assert portrait.fx == portrait.fy == pytest.approx(640)
    edge = project(torch.tensor([[0.0, math.tan(math.radians(45)) * 3, 3.0]]), portrait.matrix())
    assert edge[0].tolist() == pytest.approx([360, 1280], abs=1e-3)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (720, 1280)])
def test_the_fov_of_a_camera_made_from_a_fov_is_that(width: int, height: int) -> None:
    assert Intrinsics.from_fov(width, height, 71.5).fov_degrees == pytest.approx(71.5)


def test_x_is_right_and_y_is_down() -> None:
    K = Intrinsics.default(640, 480).matrix()
    pixel = project(torch.tensor([[0.5, 0.25, 2.0]]), K)
    assert pixel[0].tolist() == [320 + 640 * 0.25, 240 + 640 * 0.125]


@pytest.mark.parametrize("fov", [0.0, -10.0, 180.0, math.nan])
def test_an_impossible_fov_is_refused(fov: float) -> None:
    with pytest.raises(InputError, match="field of view"):
        Intrinsics.from_fov(640, 480, fov)


@pytest.mark.parametrize(
    ("fx", "cx", "width"), [(0.0, 320.0, 640), (math.nan, 320.0, 640), (500.0, 320.0, 0)]
)
def test_impossible_intrinsics_are_refused(fx: float, cx: float, width: int) -> None:
    with pytest.raises(InputError):
        Intrinsics(fx, 500.0, cx, 240.0, width, 480)


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 30), st.floats(20, 150))
def test_unproject_inverts_project(x: float, y: float, z: float, fov: float) -> None:
    K = Intrinsics.from_fov(1280, 720, fov).matrix(torch.float64)
    point = torch.tensor([[x, y, z]], dtype=torch.float64)
    back = unproject(project(point, K), point[:, 2], K)
    assert torch.allclose(back, point, atol=1e-9)


def test_points_behind_the_camera_stay_finite_with_gradients() -> None:
    points = torch.tensor([[0.1, 0.2, -1.0], [0.0, 0.0, 0.0]], requires_grad=True)
    pixels = project(points, Intrinsics.default(640, 480).matrix())
    pixels.sum().backward()  # type: ignore[no-untyped-call]
    assert points.grad is not None
    assert bool(torch.isfinite(pixels).all())
    assert bool(torch.isfinite(points.grad).all())


def test_each_batch_row_uses_its_own_camera() -> None:
    cameras = [Intrinsics.default(640, 480), Intrinsics.from_fov(1920, 1080, 40)]
    K = torch.stack([camera.matrix() for camera in cameras])  # (2, 3, 3)
    points = torch.rand(2, 5, 3) + 1
    together = project(points, K)
    for b in range(2):
        assert torch.equal(together[b], project(points[b], K[b]))
