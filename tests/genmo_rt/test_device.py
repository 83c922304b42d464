"""Devices: what is said when one isn't there, and what the driver tells of one that is."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from genmo_rt.device import DeviceFigures, device_figures, driver_gpus, resolve_device
from genmo_rt.errors import DeviceError

GIB = 2**30


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that knows of one GPU, half full and a third busy, as CUDA's second device."""
    runtime: Any = ModuleType("runtime")
    runtime.cudaGetDeviceCount = lambda: (0, 1)
    runtime.cudaGetDeviceProperties = lambda n: (0, SimpleNamespace(name=b"NVIDIA Test\0"))
    runtime.cudaDeviceGetPCIBusId = lambda length, n: (0, b"0000:0%d:00.0\0" % (n + 5))
    nvml: Any = ModuleType("nvml")
    nvml.init_v2 = nvml.shutdown = lambda: None
    nvml.device_get_handle_by_pci_bus_id_v2 = lambda bus: {"0000:06:00.0": 7}[bus]
    nvml.device_get_memory_info_v2 = lambda handle: SimpleNamespace(used=4 * GIB, total=8 * GIB)
    nvml.device_get_utilization_rates = lambda handle: SimpleNamespace(gpu=33)
    bindings: Any = ModuleType("bindings")
    bindings.runtime, bindings.nvml = runtime, nvml
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA Test")


def test_a_gpu_that_is_not_there_is_named_with_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="GPU 3 isn't on this machine, which has no CUDA GPU"):
        resolve_device(gpu=3)
    with pytest.raises(DeviceError, match="device 'cuda' isn't on this machine"):
        resolve_device("cuda")


def test_a_number_that_no_gpu_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: f"NVIDIA Test {n}")
    assert resolve_device(gpu=1) == "cuda:1"
    for gpu in (2, -1):
        with pytest.raises(DeviceError, match=r"GPUs 0..1 \(0 NVIDIA Test 0, 1 NVIDIA Test 1\)"):
            resolve_device(gpu=gpu)


def test_a_gpu_that_this_pytorch_cannot_use_is_told_apart(
    one_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert driver_gpus() == ("NVIDIA Test",)
    with pytest.raises(DeviceError, match=r"NVIDIA Test, but this PyTorch .* CUDA build"):
        resolve_device(gpu=0)


def test_memory_and_utilisation_are_of_the_gpu_that_cuda_means(one_gpu: None) -> None:
    figures = device_figures("cuda:1")
    assert figures == DeviceFigures("NVIDIA Test", 4 * GIB, 8 * GIB, 0.33)
    assert str(figures) == "NVIDIA Test, 4.0 of 8.0 GiB, 33% busy"


def test_without_the_driver_s_library_pytorch_is_asked(
    one_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda n: (GIB, 3 * GIB))
    assert device_figures("cuda:0") == DeviceFigures("NVIDIA Test", 2 * GIB, 3 * GIB)
    assert driver_gpus() == ()


def test_a_cpu_has_no_figures() -> None:
    assert device_figures(resolve_device("cpu")) == DeviceFigures("CPU")
