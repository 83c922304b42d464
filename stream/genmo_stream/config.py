"""The server's settings: one frozen dataclass, filled from TOML, environment and flags.

Later sources win: defaults, then the TOML file, then GENMO_RT_* variables, then flags.
"""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from genmo_stream.auth import SCOPES, Token
from genmo_stream.errors import ConfigError, SinkError
from genmo_stream.keypoints.landmarker import PoseModel
from genmo_stream.sinks.config import SinkConfig, SinkKind

ENV_PREFIX = "GENMO_RT_"
OTHER_VARIABLES = ("GENMO_RT_CONFIG", "GENMO_RT_TOKEN")  # which file this is, and `send`'s token
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything `genmo-rt serve` can be told.

    Attributes:
        host, port: where to listen; anything but a loopback address needs tokens and TLS.
        device: "auto", "cpu" or "cuda"; `gpu` names one CUDA device instead.
        gpu: CUDA device number, or None.
        checkpoint: safetensors file instead of the one that ships.
        body: a user's SMPL .npz/.pkl instead of the built-in body.
        keypoints: MediaPipe model of the 2D stage, "full" or "lite".
        max_streams: cameras at once, one more gets 503; None: as many as this machine carries,
            measured at the start.
        max_keypoint_streams: likewise of publishers that send keypoints.
        max_persons: people followed in one stream at once.
        max_viewers: viewers of one stream at once; one more is refused.
        ice_interfaces: addresses or interface names media may use; empty = all.
        udp_ports: (first, last) UDP port media may use; None = any.
        ice_servers: STUN/TURN urls given to browsers and used by the server.
        tls_cert, tls_key: PEM files; together they turn on HTTPS.
        insecure: allow a non-loopback address without TLS or tokens.
        allowed_origins: further web origins whose pages may use the API.
        vmc, vrchat, zmq: addresses of sinks with the defaults of their kind.
        sinks: further sinks, with settings (TOML `[[sinks]]` tables).
        takes_dir: folder that takes are recorded into.
        take_minutes: longest take.
        take_megabytes: largest file of one take, MiB.
        tokens: bearer tokens with their scopes (TOML `[[tokens]]` tables).
    """

    host: str = "127.0.0.1"
    port: int = 8080
    device: str = "auto"
    gpu: int | None = None
    checkpoint: Path | None = None
    body: Path | None = None
    keypoints: PoseModel = "full"
    max_streams: int | None = None
    max_keypoint_streams: int | None = None
    max_persons: int = 4
    max_viewers: int = 64
    ice_interfaces: tuple[str, ...] = ()
    udp_ports: tuple[int, int] | None = None
    ice_servers: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    allowed_origins: tuple[str, ...] = ()
    vmc: tuple[str, ...] = ()
    vrchat: tuple[str, ...] = ()
    zmq: tuple[str, ...] = ()
    sinks: tuple[SinkConfig, ...] = ()
    takes_dir: Path = field(default_factory=lambda: default_takes_dir(os.environ))
    take_minutes: int = 60
    take_megabytes: int = 2048
    tokens: tuple[Token, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Checks values and that what they ask for together is safe.

        Raises:
            ConfigError: names the key, the value and what was expected.
        """
        _check("port", self.port, 0 <= self.port <= 65535, "0..65535")
        _check("device", self.device, self.device in DEVICES, " or ".join(DEVICES))
        _check("gpu", self.gpu, self.gpu is None or self.gpu >= 0, "0 or more")
        models = get_args(PoseModel)
        _check("keypoints", self.keypoints, self.keypoints in models, " or ".join(models))
        for key in ("max_streams", "max_keypoint_streams"):
            limit = getattr(self, key)
            _check(key, limit, limit is None or limit >= 1, "1 or more")
        _check("max_persons", self.max_persons, 1 <= self.max_persons <= 16, "1..16")
        _check("max_viewers", self.max_viewers, self.max_viewers >= 1, "1 or more")
        _check("take_minutes", self.take_minutes, self.take_minutes >= 1, "1 or more")
        _check("take_megabytes", self.take_megabytes, self.take_megabytes >= 1, "1 or more")
        if self.udp_ports is not None:
            first, last = self.udp_ports
            _check("udp_ports", self.udp_ports, 1 <= first <= last <= 65535, "[first, last]")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key go together; only one of them is set")
        try:
            self.all_sinks()
        except SinkError as error:
            raise ConfigError(str(error)) from error
        if not self.on_loopback and not self.insecure and not (self.tokens and self.tls_cert):
            raise ConfigError(
                f"host {self.host} is reachable from other machines; expected tokens and TLS "
                "(tls_cert, tls_key and [[tokens]] in the config; `genmo-rt token` makes one), "
                "or --insecure to do without"
            )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def all_sinks(self) -> tuple[SinkConfig, ...]:
        """Every sink that the server starts with.

        Raises:
            SinkError: an address can't be read.
        """
        kinds: tuple[tuple[SinkKind, tuple[str, ...]], ...] = (
            ("vmc", self.vmc),
            ("vrchat", self.vrchat),
            ("zmq", self.zmq),
        )
        return self.sinks + tuple(SinkConfig(kind, to) for kind, tos in kinds for to in tos)

    def url(self, port: int) -> str:
        """The address to open in a browser on this machine, with the port that was bound."""
        scheme = "https" if self.tls_cert else "http"
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


def default_takes_dir(environ: Mapping[str, str]) -> Path:
    """Where the user's data goes (XDG's base directories)."""
    data = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "genmo-rt" / "takes"


def load_config(
    path: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> ServerConfig:
    """Merges the TOML file, GENMO_RT_* variables and flags into one ServerConfig.

    Args:
        path: TOML file, or None.
        environ: environment variables; GENMO_RT_MAX_STREAMS sets max_streams, lists are comma
            separated.
        flags: command line values by field name; None means not given.
    Raises:
        ConfigError: the file can't be read, a key is unknown or a value is wrong.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = {k: _coerce(k, v, f"{path}") for k, v in _read_toml(path).items()}
    variables = {}
    for name, text in environ.items():
        if name.startswith(ENV_PREFIX) and name not in OTHER_VARIABLES:
            key = name.removeprefix(ENV_PREFIX).lower()
            variables[key] = _coerce(key, _from_text(key, text), name)
    given = {key: _coerce(key, v, f"--{key}") for key, v in flags.items() if v is not None}
    for later in (variables, given):
        if "device" in later and "gpu" not in later:
            values.pop("gpu", None)  # one of the two is meant, the later one
        values |= later
    return replace(ServerConfig(), **values) if values else ServerConfig()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"config file {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} is not TOML: {error}") from error


def _from_text(key: str, text: str) -> Any:
    """An environment variable's text as the value TOML would hold."""
    if key in _INTS:
        return int(text) if _is_whole(text) else text
    if key in _LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    if key == "udp_ports":
        return [int(part) if _is_whole(part) else part for part in text.split(",")]
    if key == "insecure":
        return {"1": True, "true": True, "0": False, "false": False}.get(text.lower(), text)
    return text


def _is_whole(text: str) -> bool:
    digits = text.strip().removeprefix("-")
    return digits.isascii() and digits.isdigit()


_STRINGS = ("host", "device", "keypoints")
_INTS = (
    "port",
    "gpu",
    "max_streams",
    "max_keypoint_streams",
    "max_persons",
    "max_viewers",
    "take_minutes",
    "take_megabytes",
)
_PATHS = ("checkpoint", "body", "tls_cert", "tls_key", "takes_dir")
_LISTS = ("ice_interfaces", "ice_servers", "allowed_origins", "vmc", "vrchat", "zmq")


def _coerce(key: str, value: Any, source: str) -> Any:
    """Checks one value's type and gives it the field's form."""
    known = [f.name for f in fields(ServerConfig)]
    if key not in known:
        raise ConfigError(f"{source}: unknown key '{key}'; known keys are {', '.join(known)}")
    where = f"{source}: {key}"
    if key in _STRINGS:
        _check(where, value, isinstance(value, str) and value != "", "text")
    elif key in _INTS:
        _check(where, value, isinstance(value, int) and not isinstance(value, bool), "a number")
    elif key == "insecure":
        _check(where, value, isinstance(value, bool), "true or false")
    elif key in _PATHS:
        _check(where, value, isinstance(value, str | Path) and value != "", "a file path")
        return Path(value).expanduser()
    elif key in _LISTS:
        ok = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
        _check(where, value, ok, "a list of texts")
        return tuple(value)
    elif key == "udp_ports":
        ok = isinstance(value, list | tuple) and len(value) == 2
        ok = ok and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
        _check(where, value, ok, "two port numbers, first and last")
        return tuple(value)
    elif key == "tokens":
        return _tokens(value, where)
    elif key == "sinks":
        return _sinks(value, where)
    return value


def _sinks(value: Any, where: str) -> tuple[SinkConfig, ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ConfigError(f"{where} is {type(value).__name__}; expected [[sinks]] tables")
    try:
        return tuple(SinkConfig.from_fields(row) for row in value)
    except SinkError as error:
        raise ConfigError(f"{where}: {error}") from error


def _tokens(value: Any, where: str) -> tuple[Token, ...]:
    expected = f"tables with sha256 (of the token, hex) and scopes (of {', '.join(SCOPES)})"
    if not isinstance(value, list):
        raise ConfigError(f"{where} is {type(value).__name__}; expected {expected}")
    tokens = []
    for row in value:
        match row:
            case {"sha256": str(digest), "scopes": [*scopes], **rest} if (
                len(digest) == 64 and set(scopes) <= set(SCOPES) and not rest
            ):
                tokens.append(Token(sha256=digest.lower(), scopes=frozenset(scopes)))
            case _:
                raise ConfigError(f"{where} has an entry that can't be used; expected {expected}")
    return tuple(tokens)


def _check(key: str, value: Any, ok: bool, expected: str) -> None:
    if not ok:
        raise ConfigError(f"{key} is {value!r}; expected {expected}")
