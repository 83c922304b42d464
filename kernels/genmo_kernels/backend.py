"""Chooses who computes an op: Triton on CUDA devices, the reference everywhere else."""

import os
from typing import Literal, cast, get_args

import torch
from torch import Tensor

Backend = Literal["reference", "triton"]
VARIABLE = "GENMO_KERNELS_BACKEND"
FORCED = os.environ.get(VARIABLE)  # read once: a look at the environment costs as much as a check


def choose_backend(tensor: Tensor, wanted: Backend | None) -> Backend:
    """The one place where a backend is chosen.

    Args:
        tensor: on the device that counts.
        wanted: what the caller asks for; None leaves it to the environment variable
            GENMO_KERNELS_BACKEND as it was on import, and without that to the device.
    Raises:
        ValueError: no such backend.
    """
    backend = wanted or FORCED
    if backend is None:
        return "triton" if tensor.is_cuda else "reference"
    if backend not in get_args(Backend):
        raise ValueError(f"backend is {backend!r}; expected 'reference' or 'triton'")
    return cast(Backend, backend)


KERNEL_DTYPES = (torch.bfloat16, torch.float16, torch.float32)
KERNEL_HEAD_DIMS = (32, 64, 128)  # halves of which tl.dot takes
ALIGNMENT = 16  # bytes, for the widest loads


def check_kernel_input(kernel: object, **tensors: Tensor) -> None:
    """What the attention kernels ask for beyond the public shapes.

    Args:
        kernel: a jitted function of theirs.
        tensors: by argument name, each (..., D).
    Raises:
        ValueError: a dtype, head size, alignment or device they can't work with.
    """
    check_kernel_placement(kernel, **tensors)
    for name, tensor in tensors.items():
        if tensor.shape[-1] not in KERNEL_HEAD_DIMS:
            raise ValueError(f"{name} has head size {tensor.shape[-1]}; expected 32, 64 or 128")
        if tensor.data_ptr() % ALIGNMENT:
            raise ValueError(
                f"{name} starts at an odd address; expected {ALIGNMENT}-byte alignment"
            )


def check_kernel_placement(kernel: object, **tensors: Tensor) -> None:
    """What every kernel asks for.

    Args:
        kernel: a jitted function.
        tensors: by argument name.
    Raises:
        ValueError: a dtype or device it can't work with.
    """
    from triton import JITFunction

    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype not in KERNEL_DTYPES:
            raise ValueError(
                f"{name} has dtype {tensor.dtype}; expected bfloat16, float16, float32"
            )
        if tensor.device.type != "cuda" and isinstance(kernel, JITFunction):
            raise ValueError(
                f"{name} is on {tensor.device}; expected a CUDA device, "
                "or TRITON_INTERPRET=1 before triton is imported"
            )


def check_like(dtype: torch.dtype, device: torch.device, of: str, **tensors: Tensor) -> None:
    """Tensors of the dtype and on the device that follow from the argument `of`.

    Raises:
        ValueError: names the first that isn't.
    """
    for name, tensor in tensors.items():
        if tensor.dtype != dtype:
            raise ValueError(f"{name} has dtype {tensor.dtype}; expected {dtype}, as {of}")
        if tensor.device != device:
            raise ValueError(f"{name} is on {tensor.device}; expected {device}, as {of}")


def check_contiguous(**tensors: Tensor) -> None:
    """Tensors without gaps.

    Raises:
        ValueError: names the first that has some.
    """
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(f"{name} has strides {tensor.stride()}; expected it contiguous")
