"""What the model says, read for several persons at once: the same as motion.decode."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import torch

from genmo_rt import motion
from genmo_rt.motion import MOTION_WIDTH, MotionStats, View
from genmo_rt.posing import Posing, _say


def test_vectors_of_several_persons_are_read_as_motion_decodes_them() -> None:
    random = torch.Generator().manual_seed(3)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random, dtype=torch.float64)

    stats = MotionStats(numbers(MOTION_WIDTH) / 4, numbers(MOTION_WIDTH).abs() + 0.1)
    vectors = numbers(5, MOTION_WIDTH)
    focal = 500 + numbers(5, 1, 2).abs()
    view = View(
        320 + 50 * numbers(5, 1, 2),
        60 + numbers(5, 1).abs(),
        torch.cat((focal, 300 + numbers(5, 1, 2)), dim=-1),
    )
    views = [
        View(view.centre[n : n + 1], view.scale[n : n + 1], view.intrinsics[n : n + 1])
        for n in range(5)
    ]
    asked = [
        cast(Posing, SimpleNamespace(vector=vector, stats=stats, view=own))
        for vector, own in zip(vectors, views, strict=True)
    ]
    said = _say(asked)
    whole = View(view.centre[:, 0], view.scale[:, 0], view.intrinsics[:, 0])
    expected = motion.decode(stats.denormalise(vectors), whole)
    velocity = (expected.rotmat_cam[:, 0] @ expected.root_vel[..., None])[..., 0]
    for mine, theirs in (
        (said.rotmat_cam, expected.rotmat_cam),
        (said.root_cam, expected.root_cam),
        (said.velocity_cam, velocity),
        (said.up_cam, expected.R_c2gv[:, 1]),
        (said.shape, expected.shape),
        (said.contacts, expected.contacts),
    ):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-12, atol=1e-12)
