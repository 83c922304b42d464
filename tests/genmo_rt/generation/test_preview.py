"""Pictures of a clip."""

import numpy as np
import torch

from genmo_rt.formats.clip import Clip
from genmo_rt.generation.preview import TURN, draw
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import load_body

BODY = load_body()
SIZE = (160, 120)
LEFT_SHOULDER = JOINT_NAMES.index("left_shoulder")


def _clip(places: list[tuple[float, float, float]], yaw: float = 0.0) -> Clip:
    count = len(places)
    turned = np.zeros((count, 24, 3))
    turned[:, 0, 1] = yaw
    return Clip(
        fps=30.0,
        body="builtin",
        shape=np.zeros(10),
        rest_joints=BODY.rest_joints(torch.zeros(10, dtype=torch.float64)).numpy(),
        axis_angle=turned,
        pelvis=np.array(places),
        joints=np.zeros((count, 24, 3)),
        contacts=np.zeros((count, 6)),
        confidence=np.zeros(count),
        t_capture_us=np.arange(count),
        camera=None,
    )


def _body(picture: np.ndarray) -> np.ndarray:
    """Where there is skin: redder than anything else."""
    return picture[..., 0].astype(int) - picture[..., 2] > 30


def test_the_body_is_drawn_upright_and_whole() -> None:
    (picture,) = draw(_clip([(0, 0.93, 0)]), BODY, size=SIZE)
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    rows, columns = _body(picture).nonzero()
    assert 55 < np.ptp(rows) < 90  # 1.7 m at about four metres
    assert np.ptp(columns) > 30  # arms to the sides
    arms = _body(picture).sum(1).argmax()
    assert arms < (rows.min() + rows.max()) / 2  # y is up
    filled = [_body(picture)[y, 76:84].all() for y in range(arms + 3, arms + 12)]
    assert sum(filled) >= 8  # no holes in the trunk


def test_the_camera_follows_and_the_floor_passes() -> None:
    still = list(draw(_clip([(0, 0.93, 0)] * 2), BODY, size=SIZE))
    np.testing.assert_array_equal(still[0], still[1])
    there, far = (
        next(draw(_clip([place]), BODY, size=SIZE)) for place in ((0, 0.93, 0), (9.2, 0.93, 0.3))
    )
    np.testing.assert_array_equal(_body(there), _body(far))
    assert (there[80:] != far[80:]).any()


def test_who_jumps_is_drawn_higher() -> None:
    low, high = (next(draw(_clip([(0, y, 0)]), BODY, size=SIZE)) for y in (0.93, 1.4))
    assert _body(high).nonzero()[0].max() < _body(low).nonzero()[0].max() - 10


def test_the_left_arm_of_who_faces_the_camera_is_on_the_right() -> None:
    clip = _clip([(0, 0.93, 0)], yaw=float(TURN))
    (both,) = draw(clip, BODY, size=SIZE)
    clip.axis_angle[:, LEFT_SHOULDER, 2] = -1.4  # down
    (right,) = draw(clip, BODY, size=SIZE)
    lost = (_body(both) & ~_body(right)).nonzero()[1]
    assert len(lost) > 30
    assert lost.mean() > SIZE[0] / 2 + 10
