"""Motion in the release's layout: what is written is read back, in its frames of reference."""

from dataclasses import fields

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from genmo_rt.gem import layout as gem
from genmo_rt.gem.layout import GEM_FIELDS, GEM_LAYOUT, GEM_WIDTH, Box, GemMotion, GemStatistics
from genmo_rt.motion import Motion
from tests.genmo_rt.some_motion import some_motion

BOX = Box(torch.tensor([310.0, 260.0]), torch.tensor(350.0), torch.tensor([600.0, 600, 320, 240]))
REST = torch.tensor([0.0, -0.35, 0.01])


def test_table_has_the_release_s_151_numbers() -> None:
    assert GEM_WIDTH == 151
    assert [field.width for field in GEM_FIELDS] == [126, 10, 6, 6, 3]
    assert GEM_LAYOUT == "body_pose:126+betas:10+orient:6+orient_gv:6+root_vel:3"
    assert GemStatistics.published().motion.mean.shape == (151,)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_decode_reads_what_encode_wrote(seed: int) -> None:
    """All but the hands, which the release's body has not, and the camera's place."""
    motion = some_motion(seed, frames=3)
    read = gem.decode(gem.encode(motion, BOX, REST), BOX, REST)
    hands = torch.eye(3).expand(3, 2, 3, 3)
    torch.testing.assert_close(read.rotmat_cam[:, 22:], hands)
    for field in fields(Motion):
        one, other = getattr(read, field.name), getattr(motion, field.name)
        if field.name == "rotmat_cam":
            one, other = one[:, :22], other[:, :22]
        if field.name != "camera_pos":
            torch.testing.assert_close(one, other, atol=2e-4, rtol=2e-4)


def test_six_numbers_of_a_rotation_are_its_first_two_rows() -> None:
    motion = some_motion(0, frames=1)
    vector = gem.encode(motion, BOX, REST).vector
    rows = motion.rotmat_cam[0, 0, :2].flatten()
    torch.testing.assert_close(vector[0, gem.GEM_SLICES["orient"]], rows)


def test_a_level_camera_turns_nothing_in_the_release_s_gravity_view() -> None:
    """Its gravity view is the camera's own axes, upright: the root is the same in both."""
    made = gem.encode(some_motion(1, frames=1), BOX, REST)
    vector = made.vector.clone()
    vector[:, gem.GEM_SLICES["orient_gv"]] = vector[:, gem.GEM_SLICES["orient"]]
    read = gem.decode(GemMotion(vector, made.camera, made.contacts), BOX, REST)
    level = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # ours: y up, −z forward
    torch.testing.assert_close(read.R_c2gv[0], level, atol=1e-5, rtol=0)


def test_the_root_is_seen_where_the_camera_head_says() -> None:
    """s is the size of the crop over that of two metres there; y and x are metres."""
    motion = some_motion(2, frames=1)
    made = gem.encode(motion, BOX, torch.zeros(3))
    size, depth = made.camera[0, 0] * BOX.size, motion.root_cam[0, 2]
    torch.testing.assert_close(size, 2 * BOX.intrinsics[0] / depth)
