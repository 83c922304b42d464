"""What works on this machine, and what to do about what doesn't."""

import importlib.metadata
import shutil
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from genmo_rt.camera import Intrinsics
from genmo_rt.conditions import from_keypoints
from genmo_rt.device import device_figures, resolve_device
from genmo_rt.engine.engine import Engine
from genmo_rt.engine.folding import live_precision
from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator
from genmo_rt.smpl import load_body
from genmo_stream.admission import Admission
from genmo_stream.capacity import capacity_of
from genmo_stream.config import ServerConfig
from genmo_stream.ice import MediaNetwork
from genmo_stream.keypoints import MediaPipeStage
from genmo_stream.page import WEB_ROOT
from genmo_stream.server import check_media, frame_costs, listen, load_estimator, model_name
from genmo_stream.turns import usable_cores

STEPS = 15  # timed by the doctor
PACKAGES = ("torch", "mediapipe", "aiortc", "av", "uvicorn", "websockets")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried.

    Attributes:
        ok: it works.
        needed: the server can't run without it.
        text: what was found; when it failed, why and what to do.
    """

    ok: bool
    needed: bool
    text: str


def examine(config: ServerConfig) -> Iterator[Finding]:
    """Tries every part of a server with this config, without serving; one after the other."""
    checks: list[tuple[str, bool, Callable[[ServerConfig], str]]] = [
        ("device", True, _device),
        ("model", True, _model),
        ("2D stage", True, _keypoints),
        ("capacity", False, _capacity),
        ("address", True, _address),
        ("media", True, _media),
        ("web page", False, _page),
    ]
    yield Finding(True, True, _versions())
    for check in checks:
        yield _try(*check, config)


def _try(
    name: str, needed: bool, check: Callable[[ServerConfig], str], config: ServerConfig
) -> Finding:
    try:
        return Finding(True, needed, f"{name}: {check(config)}")
    except GenmoError as error:
        return Finding(False, needed, f"{name}: {error}")
    except Exception as error:
        # A doctor that dies of what it finds is no help: say what broke, whatever it was.
        return Finding(False, needed, f"{name}: {type(error).__name__}: {error}")


def _versions() -> str:
    names = ("genmo-rt", *PACKAGES)
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def _device(config: ServerConfig) -> str:
    return str(device_figures(resolve_device(config.device, config.gpu)))


def _model(config: ServerConfig) -> str:
    device = resolve_device(config.device, config.gpu)
    estimator = Estimator.load(
        config.checkpoint,
        device=device,
        body=load_body(config.body),
        precision=live_precision(device),
    )
    milliseconds = _step_ms(estimator.engine)
    return (
        f"{model_name(config, estimator)}; body {estimator.body.name}; "
        f"{estimator.engine.precision} weights, {milliseconds:.1f} ms a step"
    )


def _step_ms(engine: Engine) -> float:
    """The median time of a few steps of one stream."""
    nobody = from_keypoints(None, Intrinsics.default(640, 480), None)
    slot = engine.open()
    took = []
    for _ in range(STEPS):
        started = time.perf_counter()
        slot.step(nobody)
        took.append((time.perf_counter() - started) * 1e3)
    slot.close()
    return statistics.median(took)


def _keypoints(config: ServerConfig) -> str:
    stage = MediaPipeStage(config.keypoints)
    try:
        stage.detect(np.zeros((480, 640, 3), np.uint8), 0)
    finally:
        stage.close()
    return f"MediaPipe {config.keypoints} runs"


def _capacity(config: ServerConfig) -> str:
    costs = frame_costs(config, load_estimator(config))
    cores = usable_cores()
    admission = Admission(
        capacity_of(costs, cores), config.max_streams, config.max_keypoint_streams
    )
    return (
        f"{admission}, of one person each at 640x480 and 30 fps, on {cores} cores; a frame takes "
        f"{costs.packets + costs.decode:.1f} ms to arrive, {costs.look:.1f} to be looked at and "
        f"{costs.batch + costs.think:.1f} to become a pose"
    )


def _address(config: ServerConfig) -> str:
    listen(config).close()
    return f"{config.host} port {config.port} is free"


def _media(config: ServerConfig) -> str:
    check_media(config)
    network = MediaNetwork(config.ice_interfaces, config.udp_ports)
    bound = list(_bindable(network))
    if not bound:
        raise GenmoError("no address can be used for media (UDP); check ice_interfaces, udp_ports")
    return f"UDP on {', '.join(bound)}"


def _bindable(network: MediaNetwork) -> Iterator[str]:
    first, last = network.ports or (0, 0)
    for address in network.addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in range(first, last + 1):
            with socket.socket(family, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind((address, port))
                except OSError:
                    continue
                yield address
                break


def _page(config: ServerConfig) -> str:
    if WEB_ROOT.is_dir():
        return "built"
    hint = "" if shutil.which("npm") else "install Node.js 20 or newer, then "
    raise GenmoError(f"not built; {hint}run `make setup` in the source tree")
