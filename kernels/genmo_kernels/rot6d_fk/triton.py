"""Forward kinematics in Triton: the whole tree in one launch, and its gradient in another.

Tile plan. One thread per pose, [B] poses per program, which walks the joints in order and reads
back what it wrote for the parent: in the cache, and behind a barrier, whichever thread holds it.
(Unrolled over the joints, with the parents in registers, Triton needed a minute to compile.) The
bytes of a pose lie together, so cache lines are used in full although each thread walks alone.

The gradient walks from the last joint to the first. What joints owe their parent is added up in
`owed`; every sum has one order and one owner: the same bits in every run.

Vectors are tuples of 3 tiles [B], matrices of 9, row by row.
"""

# Triton gives parameters their types at launch:
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from genmo_kernels.rot6d_fk.reference import SHORTEST

BLOCK, WARPS = 32, 1
EPS = tl.constexpr(SHORTEST)


@triton.jit
def _load_vector(x, o, m):
    return (
        tl.load(x + o, mask=m, other=0.0).to(tl.float32),
        tl.load(x + o + 1, mask=m, other=0.0).to(tl.float32),
        tl.load(x + o + 2, mask=m, other=0.0).to(tl.float32),
    )


@triton.jit
def _load_matrix(x, o, m):
    return _load_vector(x, o, m) + _load_vector(x, o + 3, m) + _load_vector(x, o + 6, m)


@triton.jit
def _store_vector(x, o, m, value):
    tl.store(x + o, value[0].to(x.dtype.element_ty), mask=m)
    tl.store(x + o + 1, value[1].to(x.dtype.element_ty), mask=m)
    tl.store(x + o + 2, value[2].to(x.dtype.element_ty), mask=m)


@triton.jit
def _store_matrix(x, o, m, value):
    _store_vector(x, o, m, (value[0], value[1], value[2]))
    _store_vector(x, o + 3, m, (value[3], value[4], value[5]))
    _store_vector(x, o + 6, m, (value[6], value[7], value[8]))


@triton.jit
def _plus(a, b):
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


@triton.jit
def _minus(a, b):
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


@triton.jit
def _scaled(a, s):
    return (a[0] * s, a[1] * s, a[2] * s)


@triton.jit
def _inner(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@triton.jit
def _cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@triton.jit
def _turned(r, a):
    """A matrix times a vector."""
    return (
        r[0] * a[0] + r[1] * a[1] + r[2] * a[2],
        r[3] * a[0] + r[4] * a[1] + r[5] * a[2],
        r[6] * a[0] + r[7] * a[1] + r[8] * a[2],
    )


@triton.jit
def _transposed(r):
    return (r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8])


@triton.jit
def _product(a, b):
    """A matrix times a matrix."""
    x = _turned(a, (b[0], b[3], b[6]))
    y = _turned(a, (b[1], b[4], b[7]))
    z = _turned(a, (b[2], b[5], b[8]))
    return (x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2])


@triton.jit
def _outer(a, b):
    return _scaled(b, a[0]) + _scaled(b, a[1]) + _scaled(b, a[2])


@triton.jit
def _sum(a, b):
    """Of two matrices."""
    return (
        a[0] + b[0], a[1] + b[1], a[2] + b[2],
        a[3] + b[3], a[4] + b[4], a[5] + b[5],
        a[6] + b[6], a[7] + b[7], a[8] + b[8],
    )  # fmt: skip


@triton.jit
def _normalised(a):
    """The vector at length 1, and its length."""
    b_length = tl.sqrt(_inner(a, a))
    return _scaled(a, 1.0 / tl.maximum(b_length, EPS)), b_length


@triton.jit
def _normalised_gradient(unit, b_length, g):
    """The gradient of a vector whose unit vector has the gradient g."""
    along = tl.where(b_length > EPS, _inner(unit, g), 0.0)
    return _scaled(_minus(g, _scaled(unit, along)), 1.0 / tl.maximum(b_length, EPS))


@triton.jit
def _matrix(x, y, z):
    """From columns."""
    return (x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2])


@triton.jit
def _local(rot6d, o, m):
    """A joint's own rotation, by Gram-Schmidt."""
    b_x, _ = _normalised(_load_vector(rot6d, o, m))
    b_second = _load_vector(rot6d, o + 3, m)
    b_y, _ = _normalised(_minus(b_second, _scaled(b_x, _inner(b_x, b_second))))
    return _matrix(b_x, b_y, _cross(b_x, b_y))


@triton.jit
def _store_local_gradient(d_rot6d, rot6d, o, m, g):
    """From the gradient of a joint's own rotation to that of its two columns."""
    b_x, b_length = _normalised(_load_vector(rot6d, o, m))
    b_second = _load_vector(rot6d, o + 3, m)
    b_along = _inner(b_x, b_second)
    b_y, b_rest = _normalised(_minus(b_second, _scaled(b_x, b_along)))
    b_dz = (g[2], g[5], g[8])
    b_dy = _plus((g[1], g[4], g[7]), _cross(b_dz, b_x))
    b_dx = _plus((g[0], g[3], g[6]), _cross(b_y, b_dz))
    b_du = _normalised_gradient(b_y, b_rest, b_dy)  # of second − along x
    b_across = _inner(b_x, b_du)
    b_dx = _minus(_minus(b_dx, _scaled(b_du, b_along)), _scaled(b_second, b_across))
    _store_vector(d_rot6d, o, m, _normalised_gradient(b_x, b_length, b_dx))
    _store_vector(d_rot6d, o + 3, m, _minus(b_du, _scaled(b_x, b_across)))


@triton.jit(do_not_specialize=("poses", "rest_stride"))
def forward_kernel(
    rot6d, root, rest, parents, rotmat, joints, poses, rest_stride,
    J: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    o_n = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)  # [B]
    m_n = o_n < poses
    _store_matrix(rotmat, o_n * J * 9, m_n, _local(rot6d, o_n * J * 6, m_n))
    _store_vector(joints, o_n * J * 3, m_n, _load_vector(root, o_n * 3, m_n))
    for j in range(1, J):
        parent = tl.load(parents + j)
        o_j, o_p = o_n * J + j, o_n * J + parent
        b_local = _local(rot6d, o_j * 6, m_n)
        b_here = _load_vector(rest, o_n * rest_stride + j * 3, m_n)
        b_there = _load_vector(rest, o_n * rest_stride + parent * 3, m_n)
        tl.debug_barrier()  # the parent may be the joint just written
        b_parent = _load_matrix(rotmat, o_p * 9, m_n)
        b_from = _load_vector(joints, o_p * 3, m_n)
        b_at = _plus(b_from, _turned(b_parent, _minus(b_here, b_there)))
        _store_matrix(rotmat, o_j * 9, m_n, _product(b_parent, b_local))
        _store_vector(joints, o_j * 3, m_n, b_at)


@triton.jit(do_not_specialize=("poses", "rest_stride"))
def backward_kernel(
    rot6d, rest, parents, rotmat, d_rotmat, d_joints, owed, d_rot6d, d_root, d_rest,
    poses, rest_stride, J: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    o_n = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)  # [B]
    m_n = o_n < poses
    for back in range(1, J):
        j = J - back
        parent = tl.load(parents + j)
        o_j, o_p = o_n * J + j, o_n * J + parent
        tl.debug_barrier()  # the joint just done may have paid this one
        b_dr = _sum(_load_matrix(d_rotmat, o_j * 9, m_n), _load_matrix(owed, o_j * 15, m_n))
        b_dx = _plus(_load_vector(d_joints, o_j * 3, m_n), _load_vector(owed, o_j * 15 + 9, m_n))
        b_parent = _load_matrix(rotmat, o_p * 9, m_n)
        b_here = _load_vector(rest, o_n * rest_stride + j * 3, m_n)
        b_there = _load_vector(rest, o_n * rest_stride + parent * 3, m_n)

        b_dbone = _turned(_transposed(b_parent), b_dx)
        b_paid = _load_vector(owed, o_j * 15 + 12, m_n)  # by the bones that begin here
        _store_vector(d_rest, o_j * 3, m_n, _minus(b_dbone, b_paid))
        b_dlocal = _product(_transposed(b_parent), b_dr)
        _store_local_gradient(d_rot6d, rot6d, o_j * 6, m_n, b_dlocal)

        b_local = _local(rot6d, o_j * 6, m_n)
        b_dparent = _product(b_dr, _transposed(b_local))
        b_dparent = _sum(b_dparent, _outer(b_dx, _minus(b_here, b_there)))
        o_owed = o_p * 15
        _store_matrix(owed, o_owed, m_n, _sum(_load_matrix(owed, o_owed, m_n), b_dparent))
        _store_vector(owed, o_owed + 9, m_n, _plus(_load_vector(owed, o_owed + 9, m_n), b_dx))
        _store_vector(owed, o_owed + 12, m_n, _plus(_load_vector(owed, o_owed + 12, m_n), b_dbone))
    tl.debug_barrier()
    o_n = o_n * J
    b_dr = _sum(_load_matrix(d_rotmat, o_n * 9, m_n), _load_matrix(owed, o_n * 15, m_n))
    b_dx = _plus(_load_vector(d_joints, o_n * 3, m_n), _load_vector(owed, o_n * 15 + 9, m_n))
    b_paid = _load_vector(owed, o_n * 15 + 12, m_n)
    _store_vector(d_root, o_n // J * 3, m_n, b_dx)
    _store_vector(d_rest, o_n * 3, m_n, _scaled(b_paid, -1.0))
    _store_local_gradient(d_rot6d, rot6d, o_n * 6, m_n, b_dr)


def forward(
    rot6d: Tensor, root: Tensor, rest: Tensor, parents: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Launches the forward kernel; all tensors contiguous.

    Args:
        rot6d: (N, J, 6).
        root: (N, 3) float32.
        rest: (N, J, 3) float32, or (1, J, 3) for all.
        parents: of each joint.
    Returns:
        (N, J, 3, 3) and (N, J, 3) float32.
    """
    poses, count, _ = rot6d.shape
    rotmat = rot6d.new_empty(poses, count, 3, 3, dtype=torch.float32)
    joints = rot6d.new_empty(poses, count, 3, dtype=torch.float32)
    forward_kernel[(triton.cdiv(poses, BLOCK),)](
        rot6d, root, rest, _table(parents, rot6d.device), rotmat, joints, poses, _stride(rest),
        J=count, B=BLOCK, num_warps=WARPS, num_stages=1, enable_fp_fusion=True,
    )  # fmt: skip
    return rotmat, joints


def backward(
    rot6d: Tensor,
    rest: Tensor,
    rotmat: Tensor,
    d_rotmat: Tensor,
    d_joints: Tensor,
    parents: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Launches the gradient's kernel; arguments as `forward` took and gave them.

    Returns:
        (N, J, 6) in rot6d's dtype, (N, 3) and (N, J, 3): the last of each pose, not yet summed
        where they share their rest joints.
    """
    poses, count, _ = rot6d.shape
    d_rot6d = torch.empty_like(rot6d)
    d_root = rest.new_empty(poses, 3)
    d_rest = rest.new_empty(poses, count, 3)
    owed = rest.new_zeros(poses, count, 15)  # to each joint: dR, dx, and what its bones take back
    backward_kernel[(triton.cdiv(poses, BLOCK),)](
        rot6d, rest, _table(parents, rot6d.device), rotmat, d_rotmat, d_joints,
        owed, d_rot6d, d_root, d_rest, poses, _stride(rest),
        J=count, B=BLOCK, num_warps=WARPS, num_stages=1, enable_fp_fusion=True,
    )  # fmt: skip
    return d_rot6d, d_root, d_rest


@lru_cache(maxsize=32)
def _table(parents: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(parents, dtype=torch.int32, device=device)


def _stride(rest: Tensor) -> int:
    """From one pose's rest joints to the next's."""
    return 0 if len(rest) == 1 else rest.shape[1] * 3
