"""Picks the device the model runs on, and says clearly when it isn't there."""

import torch

from genmo_rt.errors import DeviceError


def resolve_device(device: str = "auto", gpu: int | None = None) -> str:
    """Torch's name of the device to use.

    Args:
        device: "auto" (the first CUDA device, else the CPU), "cpu" or "cuda".
        gpu: number of one CUDA device; it wins over `device`.
    Raises:
        DeviceError: the device isn't on this machine; says which are.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpu is not None:
        if gpu >= count:
            there = f"GPUs 0..{count - 1}" if count else "no CUDA GPU"
            raise DeviceError(
                f"GPU {gpu} isn't on this machine, which has {there}; "
                "run without --gpu for the CPU, or `genmo-rt doctor` for what is missing"
            )
        return f"cuda:{gpu}"
    if device == "cuda" and not count:
        raise DeviceError(
            "device 'cuda' isn't on this machine, which has no CUDA GPU; use --device cpu or auto"
        )
    if device == "auto":
        return "cuda:0" if count else "cpu"
    return "cuda:0" if device == "cuda" else device


def device_name(device: str) -> str:
    """What people call the device: the GPU's product name, or CPU."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
