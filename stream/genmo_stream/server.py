"""Runs the whole server: loads, listens, prints where to look, and closes in order."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from genmo_rt.device import device_figures, resolve_device
from genmo_rt.engine.folding import live_precision
from genmo_rt.estimate import Estimator
from genmo_rt.smpl import load_body
from genmo_stream.admission import NAMES, Admission
from genmo_stream.app import create_app
from genmo_stream.calibration import TOGETHER, measure
from genmo_stream.capacity import Costs, capacity_of
from genmo_stream.config import ServerConfig
from genmo_stream.errors import AddressTaken, ConfigError
from genmo_stream.eye import FrameTap
from genmo_stream.ice import MediaNetwork, ice_servers
from genmo_stream.keypoints import KeypointStage, PeopleStage
from genmo_stream.memory import settle, share_arenas
from genmo_stream.page import WEB_ROOT
from genmo_stream.process_mind import ProcessMind
from genmo_stream.sockets import ViewerSocket
from genmo_stream.streams import Streams
from genmo_stream.thinker_process import Weights
from genmo_stream.turns import usable_cores

# Bytes. What is over a route's own limit is answered with an error, and the connection lives; also
# a thousand people in a frame, every number in full.
MAX_WS_MESSAGE = 8 << 20
FAREWELL_S = 0.2  # viewers have this long to be told bye before sockets close
GRACE_S = 3
# Python's lock is handed on after so long: a stage that lets go of it for a moment gets it back
# soon. With Python's own 5 ms, 16 streams of keypoints have a p95 of 126 ms instead of 35.
SWITCH_S = 0.0005
PLACES_KEPT = 1  # in the engine, per stream: for those who may come back

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn that tells viewers bye before it closes their sockets."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Says bye, ends the streams, then closes what is left."""
        for server in self.servers:
            server.close()  # who reconnects at once finds nobody
        self._streams.say_bye("the server stops")
        await asyncio.sleep(FAREWELL_S)
        await super().shutdown(sockets)


def make_streams(config: ServerConfig, *, tap: FrameTap | None = None) -> Streams:
    """Loads body and model as the config says, ready to take publishers.

    Raises:
        DeviceError: the device isn't there.
        FileFormatError: the body or the checkpoint can't be read.
    """
    share_arenas()
    mind = ProcessMind(weights(config))
    try:
        estimator = load_estimator(config)
        mind.wait()  # what is measured now should have the machine for itself
        admission = Admission(
            capacity_of(frame_costs(config, estimator), usable_cores()),
            config.max_streams,
            config.max_keypoint_streams,
        )
        limits = [admission.limit(kind) for kind in NAMES]
        mind.open(places=(config.max_persons + PLACES_KEPT) * sum(limits))
    except BaseException:
        mind.abandon()
        raise
    return Streams(
        estimator,
        lambda: make_stage(config),
        admission=admission,
        mind=mind,
        max_persons=config.max_persons,
        tap=tap,
    )


def weights(config: ServerConfig) -> Weights:
    """What the model's process loads.

    Raises:
        DeviceError: the device isn't there.
    """
    device = resolve_device(config.device, config.gpu)
    return Weights(config.checkpoint, config.body, device, live_precision(device))


def load_estimator(config: ServerConfig) -> Estimator:
    """Body and model as the config says, with room for a measurement."""
    device = resolve_device(config.device, config.gpu)
    return Estimator.load(
        config.checkpoint,
        device=device,
        body=load_body(config.body),
        streams=TOGETHER,
        precision=live_precision(device),
    )


def make_stage(config: ServerConfig) -> KeypointStage:
    """A 2D stage as the config says."""
    return PeopleStage(config.keypoints, limit=config.max_persons)


def frame_costs(config: ServerConfig, estimator: Estimator) -> Costs:
    """What a frame costs here; measured once in a process for each device, model and 2D model."""
    key = (str(estimator.engine.device), config.checkpoint, config.keypoints)
    if key not in _costs:
        _costs[key] = measure(estimator, lambda: make_stage(config))
    return _costs[key]


_costs: dict[tuple[str, Path | None, str], Costs] = {}


def listen(config: ServerConfig) -> socket.socket:
    """Binds the server's one TCP port.

    Raises:
        AddressTaken: the address can't be bound; says why and what to do.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=128)
    except OSError as error:
        raise AddressTaken(
            f"can't listen on {config.host} port {config.port}: {error.strerror}; "
            "stop what uses it or choose another with --host and --port"
        ) from error


def check_media(config: ServerConfig) -> None:
    """Says at the start what else a first publisher would find.

    Raises:
        ConfigError: an interface isn't there or an ICE server's address can't be read.
    """
    ice_servers(config.ice_servers)
    MediaNetwork(config.ice_interfaces, config.udp_ports).addresses()


def make_server(config: ServerConfig, streams: Streams) -> Server:
    """The server, not yet running: `serve(sockets=[listen(config)])` runs it.

    Raises:
        ConfigError: the TLS files can't be used.
    """
    settings = uvicorn.Config(
        create_app(config, streams),
        ws=ViewerSocket,
        ws_per_message_deflate=False,
        ws_max_size=MAX_WS_MESSAGE,
        ssl_certfile=config.tls_cert,
        ssl_keyfile=config.tls_key,
        timeout_graceful_shutdown=GRACE_S,
        log_level="warning",
        server_header=False,
    )
    try:
        settings.load()
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ConfigError(
            f"TLS with {config.tls_cert} and {config.tls_key} can't be used: {reason}; "
            "expected a certificate chain and its private key, as PEM"
        ) from error
    return Server(settings, streams)


def model_name(config: ServerConfig, estimator: Estimator) -> str:
    """Which weights run, for people."""
    name = "the default checkpoint" if config.checkpoint is None else str(config.checkpoint)
    parameters = sum(weight.numel() for weight in estimator.checkpoint.model.parameters())
    return f"{name} ({parameters / 1e6:.1f} M parameters)"


def serve(config: ServerConfig, say: Callable[[str], None]) -> None:
    """Runs the server until it is interrupted.

    Args:
        config: all settings.
        say: gets the lines a person should read (URL, device, model, body).
    Raises:
        AddressTaken, ConfigError, DeviceError, FileFormatError: before anything is served.
    """
    check_media(config)
    listener = listen(config)
    try:
        streams = make_streams(config)
        server = make_server(config, streams)
    except BaseException:
        listener.close()
        raise
    estimator = streams.estimator
    port = listener.getsockname()[1]
    say(f"genmo-rt is at {config.url(port)}")
    engine = estimator.engine
    say(f"  device  {device_figures(str(engine.device))}, {engine.precision} weights")
    say(f"  model   {model_name(config, estimator)}, 2D {config.keypoints}")
    say(f"  body    {estimator.body.name}")
    say(f"  carries {streams.admission}")
    for sink in config.all_sinks():
        say(f"  {sink.kind:<7} {sink.to}")
    if not WEB_ROOT.is_dir():
        say("  page    not built: run `make setup` in the source tree (needs Node.js)")
    if config.insecure and not config.on_loopback:
        say("  WARNING --insecure: anyone who reaches this address can watch and publish")
    settle()
    sys.setswitchinterval(SWITCH_S)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, in order
    with suppress(KeyboardInterrupt):  # uvicorn hands the signal on once all is closed
        server.run(sockets=[listener])
