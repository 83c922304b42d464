"""Picks the device the model runs on, says clearly when it isn't there, and how busy it is.

NVIDIA's driver is asked through cuda-python, which knows of GPUs that this PyTorch was built
without; where that isn't installed, PyTorch is asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from genmo_rt.errors import DeviceError

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """A device at this moment.

    Attributes:
        name: what people call it: the GPU's product name, or CPU.
        memory_used: bytes, of all processes; None where nobody says.
        memory_total: bytes.
        utilisation: 0..1, the share of the last moment in which anything ran on it.
    """

    name: str
    memory_used: int | None = None
    memory_total: int | None = None
    utilisation: float | None = None

    def __str__(self) -> str:
        parts = [self.name]
        if self.memory_used is not None and self.memory_total is not None:
            parts.append(f"{self.memory_used / 2**30:.1f} of {self.memory_total / 2**30:.1f} GiB")
        if self.utilisation is not None:
            parts.append(f"{self.utilisation:.0%} busy")
        return ", ".join(parts)


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
        if not 0 <= gpu < count:
            raise DeviceError(
                f"GPU {gpu} isn't on this machine, which has {_there(count)}; "
                "run without --gpu for the CPU, or `genmo-rt doctor` for what is missing"
            )
        return f"cuda:{gpu}"
    if device == "cuda" and not count:
        raise DeviceError(
            f"device 'cuda' isn't on this machine, which has {_there(count)}; "
            "use --device cpu or auto"
        )
    if device == "auto":
        return "cuda:0" if count else "cpu"
    return "cuda:0" if device == "cuda" else device


def device_name(device: str) -> str:
    """What people call the device: the GPU's product name, or CPU."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"


def device_figures(device: str) -> DeviceFigures:
    """Memory and utilisation of the device now; what can't be found out is None."""
    if not device.startswith("cuda"):
        return DeviceFigures("CPU")
    number = torch.device(device).index or 0
    figures = _from_driver(number)
    if figures is not None:
        return figures
    free, total = torch.cuda.mem_get_info(number)
    return DeviceFigures(device_name(device), total - free, total)


def driver_gpus() -> tuple[str, ...]:
    """Names of the GPUs that NVIDIA's driver knows of, in CUDA's order."""

    def ask() -> tuple[str, ...]:
        from cuda.bindings import runtime

        count = _checked(runtime.cudaGetDeviceCount())
        properties = [_checked(runtime.cudaGetDeviceProperties(n)) for n in range(count)]
        return tuple(_text(each.name) for each in properties)

    return _asked(ask) or ()


def _there(count: int) -> str:
    """What GPUs this machine has, for an error."""
    if count:
        names = ", ".join(f"{n} {torch.cuda.get_device_name(n)}" for n in range(count))
        return f"GPUs 0..{count - 1} ({names})"
    unused = driver_gpus()
    if unused:
        return (
            f"{', '.join(unused)}, but this PyTorch ({torch.__version__}) can't use it: "
            "install PyTorch's CUDA build"
        )
    return "no CUDA GPU"


def _from_driver(number: int) -> DeviceFigures | None:
    """What the driver says of a GPU, whichever process uses it."""

    def ask() -> DeviceFigures:
        from cuda.bindings import nvml, runtime

        # NVML counts all GPUs; CUDA may be shown a few of them, in another order.
        bus = _text(_checked(runtime.cudaDeviceGetPCIBusId(32, number)))
        nvml.init_v2()
        try:
            handle = nvml.device_get_handle_by_pci_bus_id_v2(bus)
            memory = nvml.device_get_memory_info_v2(handle)
            busy = nvml.device_get_utilization_rates(handle).gpu / 100
        finally:
            nvml.shutdown()
        name = torch.cuda.get_device_name(number)
        return DeviceFigures(name, int(memory.used), int(memory.total), busy)

    return _asked(ask)


def _asked(ask: Callable[[], Answer]) -> Answer | None:
    """The one place where cuda-python may be missing, or find no driver: then None.

    It raises whatever the call that failed first is called after, so anything is caught.
    """
    try:
        return ask()
    except Exception:
        return None


def _checked(answer: tuple[Any, ...]) -> Any:
    """The value of a CUDA runtime call."""
    error, value = answer
    if int(error) != 0:
        raise DeviceError(f"the CUDA runtime says {error}")
    return value


def _text(value: bytes | str) -> str:
    """A name as the bindings give it."""
    return (value.decode() if isinstance(value, bytes) else value).rstrip("\0")
