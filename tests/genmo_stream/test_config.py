"""Settings come from defaults, TOML, environment and flags, in that order."""

from pathlib import Path

import pytest

from genmo_stream.config import ServerConfig, load_config
from genmo_stream.errors import ConfigError


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "genmo.toml"
    file.write_text('port = 1111\nkeypoints = "lite"\nmax_streams = 7\n')
    environ = {"GENMO_RT_PORT": "2222", "GENMO_RT_MAX_STREAMS": "8", "HOME": "/"}
    config = load_config(file, environ, {"port": 3333, "gpu": None})
    assert (config.port, config.max_streams, config.keypoints) == (3333, 8, "lite")
    assert config.host == ServerConfig().host


def test_lists_and_switches_come_from_the_environment() -> None:
    environ = {
        "GENMO_RT_UDP_PORTS": "40000,40100",
        "GENMO_RT_ICE_INTERFACES": "lo, eth0",
        "GENMO_RT_INSECURE": "1",
    }
    config = load_config(None, environ, {})
    assert config.udp_ports == (40000, 40100)
    assert config.ice_interfaces == ("lo", "eth0")
    assert config.insecure


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prot = 8080", "unknown key 'prot'"),
        ("port = 'x'", "expected a number"),
        ("port = 70000", "expected 0..65535"),
        ("device = 'gpu'", "expected auto or cpu or cuda"),
        ("keypoints = 'heavy'", "expected lite or full"),
        ("udp_ports = [2, 1]", r"expected \[first, last\]"),
        ("tls_cert = 'a.pem'", "go together"),
        ("host = '0.0.0.0'", "expected tokens and TLS"),
        ("[[tokens]]\nsha256 = 'short'\nscopes = ['view']", "can't be used"),
        ("port = ", "is not TOML"),
    ],
)
def test_a_wrong_config_file_says_what_was_expected(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "genmo.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_config(file, {}, {})


def test_a_missing_config_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml can't be read"):
        load_config(Path("nowhere.toml"), {}, {})


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(ConfigError, match="GENMO_RT_PROT: unknown key 'prot'"):
        load_config(None, {"GENMO_RT_PROT": "1"}, {})


def test_other_machines_are_let_in_only_with_tokens_and_tls_or_insecure() -> None:
    with pytest.raises(ConfigError, match="reachable from other machines"):
        ServerConfig(host="192.0.2.1")
    assert ServerConfig(host="192.0.2.1", insecure=True).insecure


def test_variables_of_other_commands_are_no_unknown_keys() -> None:
    environ = {"GENMO_RT_TOKEN": "for send", "GENMO_RT_CONFIG": "genmo.toml"}
    assert load_config(None, environ, {}) == ServerConfig()


@pytest.mark.parametrize(
    ("environ", "flags", "expected"),
    [
        ({}, {}, ("auto", 1)),
        ({}, {"device": "cpu"}, ("cpu", None)),
        ({"GENMO_RT_DEVICE": "cpu"}, {}, ("cpu", None)),
        ({"GENMO_RT_DEVICE": "cpu"}, {"gpu": 0}, ("cpu", 0)),  # gpu wins over device
        ({"GENMO_RT_GPU": "2"}, {"device": "cuda"}, ("cuda", None)),
    ],
)
def test_a_device_that_is_named_later_wins_over_a_gpu(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, object], expected: tuple[str, int]
) -> None:
    file = tmp_path / "genmo.toml"
    file.write_text("gpu = 1\n")
    config = load_config(file, environ, flags)
    assert (config.device, config.gpu) == expected


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("PORT", "--5", "expected a number"),
        ("PORT", "²", "expected a number"),
        ("UDP_PORTS", "1", "two port numbers"),
        ("INSECURE", "yes", "expected true or false"),
        ("HOST", "", "expected text"),
        ("TLS_CERT", "", "expected a file path"),
    ],
)
def test_a_wrong_variable_says_what_was_expected(name: str, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"GENMO_RT_{name}: .*{complaint}"):
        load_config(None, {f"GENMO_RT_{name}": text}, {})
