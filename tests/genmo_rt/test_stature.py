"""The published shape: the model's, on another body, or of a stated height."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.skeleton import PARENTS
from genmo_rt.smpl import Body, load_body
from genmo_rt.stature import ShapeRule

BODY = load_body()


def _bones(body: Body, shape: NDArray[np.float64]) -> torch.Tensor:
    joints = body.rest_joints(torch.from_numpy(shape))
    return joints[1:] - joints[list(PARENTS[1:])]


def _body_with_another_basis() -> Body:
    """The same people under other coefficients, as an SMPL file has them."""
    mix = torch.linalg.qr(torch.randn(10, 10, generator=torch.Generator().manual_seed(1))).Q * 0.7
    mean = torch.full((10,), 0.3)
    return replace(
        BODY,
        name="smpl",
        joint_mean=BODY.joint_mean + BODY.joint_dirs @ mean,
        joint_dirs=BODY.joint_dirs @ mix,
        vertex_mean=BODY.vertex_mean + BODY.vertex_dirs @ mean,
        vertex_dirs=BODY.vertex_dirs @ mix,
    )


def test_on_the_built_in_body_the_models_shape_is_published_as_it_is() -> None:
    shape = np.linspace(-1, 1, 10)
    published, scale = ShapeRule(BODY).apply(shape)
    np.testing.assert_array_equal(published, shape)
    assert scale == 1


def test_a_users_body_gets_the_same_bones() -> None:
    body = _body_with_another_basis()
    rule = ShapeRule(body)
    for seed in range(5):
        shape = np.random.default_rng(seed).normal(size=10)
        published, _ = rule.apply(shape)
        apart = (_bones(body, published) - _bones(BODY, shape)).norm(dim=-1)
        assert apart.max() < 0.01
        assert apart.mean() < 0.003


@pytest.mark.parametrize("height_m", [1.2, 1.75, 2.1])
def test_a_stated_height_is_met_with_the_bodys_proportions_kept(height_m: float) -> None:
    shape = np.array([0.5, -0.5, 0.5, 0, 0, 1, 0, 0, 0, 0])
    rule = ShapeRule(BODY, height_m)
    published, scale = rule.apply(shape)
    assert rule.height(published) == pytest.approx(height_m)
    height = BODY.rest_vertices(torch.from_numpy(published))[:, 1]
    assert float(height.max() - height.min()) == pytest.approx(height_m, abs=0.03)
    assert scale == pytest.approx(height_m / ShapeRule(BODY).height(shape))


@pytest.mark.parametrize("height_m", [0.0, -1.8, 180.0, float("nan")])
def test_a_height_in_other_units_is_refused_with_what_was_expected(height_m: float) -> None:
    with pytest.raises(InputError, match=r"expected 0\.5 to 2\.6 metres"):
        ShapeRule(BODY, height_m)
