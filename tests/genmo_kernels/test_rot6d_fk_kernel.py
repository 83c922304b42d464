"""Forward kinematics: its definition, and the kernel in Triton's interpreter against float64."""

import pytest
import torch
from torch import Tensor

from genmo_kernels.rot6d_fk.api import rot6d_fk
from genmo_rt.rotation import rot6d_to_rotmat
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smpl import load_body

TREE = (-1, 0, 1, 0, 3, 1)  # a trunk with two branches, one of which forks
JOINTS = len(TREE)
TOLERANCE = {torch.float32: 4e-6, torch.float16: 4e-6, torch.bfloat16: 4e-6}
"""Of values around 1: arithmetic is float32 whatever the input's dtype."""
ROUNDING = {torch.float32: 4e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}
"""Of the gradient that is stored in the input's dtype; the interpreter cuts bfloat16 off."""


def _poses(
    *lead: int, joints: int = JOINTS, dtype: torch.dtype = torch.float32, shared: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """6D rotations of any length, root positions, rest joints."""
    generator = torch.Generator().manual_seed(joints)
    turn = torch.randn(*lead, joints, 6, generator=generator)
    rot6d = torch.tensor([1.0, 0, 0, 0, 1, 0]) * 2 + 0.5 * turn
    root = torch.randn(*lead, 3, generator=generator)
    rest = torch.randn(*(() if shared else lead), joints, 3, generator=generator)
    return rot6d.to(dtype), root, rest


def _with_gradients(rot6d: Tensor, root: Tensor, rest: Tensor, backend: str) -> tuple[Tensor, ...]:
    """Rotations, joints, and the gradients of a weighted sum of both."""
    inputs = [x.detach().requires_grad_() for x in (rot6d, root, rest)]
    out = rot6d_fk(inputs[0], inputs[1], inputs[2], TREE, backend=backend)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(5)
    weights = [torch.randn(x.shape, generator=generator).to(x.dtype) for x in out]
    return (*(x.detach() for x in out), *torch.autograd.grad(out, inputs, weights))


def test_definition_poses_smpl_as_the_body_does() -> None:
    body = load_body()
    rot6d, root, _ = _poses(2, 3, joints=NUM_JOINTS)
    rest = body.rest_joints(torch.zeros(10))
    rotmat, joints = rot6d_fk(rot6d, root, rest, PARENTS, backend="reference")
    expected = body.forward_kinematics(rot6d_to_rotmat(rot6d), root, rest)
    torch.testing.assert_close((rotmat, joints), expected, rtol=0, atol=1e-6)


def test_gradient_of_the_definition_is_right() -> None:
    def pose(rot6d: Tensor, root: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        return rot6d_fk(rot6d, root, rest, TREE)

    assert torch.autograd.gradcheck(pose, [x.double().requires_grad_() for x in _poses(2)])


@pytest.mark.parametrize("shared", [True, False], ids=["one-skeleton", "own-skeletons"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_kernel_and_gradients_equal_float64(dtype: torch.dtype, shared: bool) -> None:
    rot6d, root, rest = _poses(33, dtype=dtype, shared=shared)  # two programs, one almost empty
    mine = _with_gradients(rot6d, root, rest, "triton")
    true = _with_gradients(rot6d.double(), root.double(), rest.double(), "reference")
    assert [x.dtype for x in mine] == [torch.float32] * 2 + [dtype] + [torch.float32] * 2
    for part, (one, other) in enumerate(zip(mine, true, strict=True)):
        bound = ROUNDING[dtype] if part == 2 else TOLERANCE[dtype]
        assert (one - other).abs().max() < bound * max(1.0, other.abs().max().item())


def test_leading_dimensions_and_broadcast_skeletons_are_kept() -> None:
    rot6d, root, _ = _poses(2, 3)
    rest = _poses(1, 3, shared=False)[2]
    for mine, true in zip(
        rot6d_fk(rot6d, root, rest, TREE, backend="triton"),
        rot6d_fk(rot6d, root, rest, TREE, backend="reference"),
        strict=True,
    ):
        torch.testing.assert_close(mine, true, rtol=0, atol=4e-6)


def test_a_pose_has_the_same_bits_in_every_batch_and_run_whatever_its_neighbours() -> None:
    rot6d, root, rest = _poses(33, shared=False)
    batch = _with_gradients(rot6d, root, rest, "triton")
    for one, again in zip(batch, _with_gradients(rot6d, root, rest, "triton"), strict=True):
        assert torch.equal(one, again)
    rot6d[:7], root[8:] = torch.nan, torch.nan
    for one, poisoned in zip(batch, _with_gradients(rot6d, root, rest, "triton"), strict=True):
        assert torch.equal(one[7], poisoned[7])


def test_columns_without_length_stay_finite() -> None:
    rot6d, root, rest = _poses(2)
    rot6d[0, 1, :3] = 0
    rot6d[1, 2, 3:] = rot6d[1, 2, :3]
    for out in _with_gradients(rot6d, root, rest, "triton"):
        assert out.isfinite().all()


def test_no_poses_give_nothing() -> None:
    rotmat, joints = rot6d_fk(*_poses(0), TREE, backend="triton")
    assert rotmat.shape == (0, JOINTS, 3, 3)
    assert joints.shape == (0, JOINTS, 3)


def test_op_is_registered_as_torch_expects() -> None:
    rot6d, root, rest = (x.requires_grad_() for x in _poses(2, shared=False))
    torch.library.opcheck(torch.ops.genmo.rot6d_fk.default, (rot6d, root, rest, TREE))


@pytest.mark.parametrize("backend", ["reference", "triton"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "rot6d",
            torch.zeros(4, JOINTS, 5),
            r"rot6d has shape .*; expected \(..., 6, 6\)",
        ),
        ("rot6d", torch.zeros(4, JOINTS - 1, 6), r"rot6d has shape \(4, 5, 6\)"),
        ("rot6d", torch.zeros(4, JOINTS, 6, dtype=torch.int64), "rot6d has dtype torch.int64"),
        ("rot6d", torch.zeros(4, JOINTS, 12)[..., ::2], "rot6d has strides"),
        ("root", torch.zeros(3, 3), r"root has shape \(3, 3\); expected \(4, 3\)"),
        ("root", torch.zeros(4, 3, dtype=torch.float64), "root has dtype torch.float64; expected"),
        ("root", torch.zeros(4, 3, device="meta"), "root is on meta; expected cpu"),
        ("rest_joints", torch.zeros(3, JOINTS, 3), r"rest_joints has shape .* broadcasts against"),
        ("rest_joints", torch.zeros(1, 4, JOINTS, 3), "rest_joints has shape"),
        ("rest_joints", torch.zeros(JOINTS, 6)[:, ::2], "rest_joints has strides"),
        ("parents", (), r"parents is \(\); expected -1"),
        ("parents", (0, 0, 1, 0, 3, 1), "parents is .* expected -1"),
        ("parents", (-1, 0, 2, 0, 3, 1), "parents is .* one that comes before"),
        ("parents", (-1, 0, -1, 0, 3, 1), "parents is"),
    ],
)
def test_bad_arguments_are_named(name: str, value: object, message: str, backend: str) -> None:
    good = {
        "rot6d": torch.ones(4, JOINTS, 6),
        "root": torch.zeros(4, 3),
        "rest_joints": torch.zeros(JOINTS, 3),
        "parents": TREE,
    }
    with pytest.raises(ValueError, match=message):
        rot6d_fk(**(good | {name: value}), backend=backend)  # type: ignore[arg-type]


def test_float64_is_for_the_definition_only() -> None:
    rot6d, root, rest = (x.double() for x in _poses(2))
    with pytest.raises(ValueError, match=r"rot6d has dtype torch.float64; expected bfloat16"):
        rot6d_fk(rot6d, root, rest, TREE, backend="triton")
