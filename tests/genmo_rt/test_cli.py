"""The command line as a user meets it: exit codes, help, clear errors."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    ("serve",),
    ("estimate",),
    ("send",),
    ("doctor",),
    ("bench",),
    ("bench", "step"),
    ("bench", "engine"),
    ("bench", "live"),
    ("token",),
)


def genmo_rt(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genmo_rt.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    done = genmo_rt(*command, "--help")
    assert done.returncode == 0
    assert "usage: genmo-rt" in done.stdout
    assert f"example: genmo-rt {' '.join(command)}" in done.stdout
    for blot in ("SUPPRESS", "default: None", "default: False"):
        assert blot not in done.stdout


def test_an_unknown_command_is_wrong_use() -> None:
    assert genmo_rt("conjure").returncode == 2


def test_serving_on_a_gpu_that_is_not_there_is_wrong_use() -> None:
    done = genmo_rt("serve", "--port", "0", "--gpu", "99")
    assert done.returncode == 2
    assert "GPU 99 isn't on this machine" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("serve", "--gpu", "1", "--device", "cpu"), "not allowed with"),
        (("serve", "--port", "70000"), "expected 0..65535"),
        (("serve", "--host", "0.0.0.0"), "expected tokens and TLS"),
        (("serve", "--ice-interfaces", "nosuch0"), "nosuch0"),
        (("serve", "--tls-cert", "no.pem", "--tls-key", "no.key"), "can't be used"),
        (("send", "walk.mp4", "localhost:8080"), "is no URL"),
        (("send", "walk.mp4", "http://127.0.0.1:1/whip/x", "--size", "3"), "is no size"),
        (("estimate", "walk.mp4", "-o", "nowhere/walk.npz"), "expected a folder that exists"),
        (("estimate", "walk.mp4", "-o", "walk.npz", "--delay", "3"), "with --streaming"),
        (("import-gem", "gem.ckpt", "-o", "gem.pt"), "ends in .safetensors"),
        (("bench", "step", "--threads", "0"), "above 0"),
        (("bench", "live", "walk.mp4", "--gpu", "99"), "isn't on this machine"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_said_and_ends_with_2(arguments: tuple[str, ...], complaint: str) -> None:
    done = genmo_rt(*arguments)
    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_variable_may_name_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMO_RT_CONFIG", str(tmp_path / "missing.toml"))
    done = genmo_rt("serve")
    assert done.returncode == 2
    assert "missing.toml can't be read" in done.stderr


def test_a_port_in_use_is_said_and_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = genmo_rt("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "stop what uses it" in done.stderr


def test_a_server_that_refuses_the_connection_fails_the_sender(videos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = genmo_rt("send", videos / "demo.mp4", f"http://127.0.0.1:{port}/whip/camera")
    assert done.returncode == 1
    assert "genmo-rt serve" in done.stderr


def test_the_doctor_names_every_part() -> None:
    done = genmo_rt("doctor", "--port", "0")
    parts = ("genmo-rt", "device", "model", "2D stage", "capacity", "address", "media", "web page")
    lines = done.stdout.splitlines()
    assert len(lines) == len(parts)
    for part, line in zip(parts, lines, strict=True):
        assert line[4:].strip().startswith(part)
    assert done.returncode == int(any(line.startswith("FAIL") for line in lines))


def test_an_unknown_config_key_is_wrong_use(tmp_path: Path) -> None:
    file = tmp_path / "genmo.toml"
    file.write_text("prot = 1\n")
    done = genmo_rt("serve", "--config", file)
    assert done.returncode == 2
    assert "unknown key 'prot'" in done.stderr


def test_estimating_a_file_that_is_no_video_fails_and_names_it(tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("no pictures here")
    done = genmo_rt("estimate", notes, "-o", tmp_path / "out.npz")
    assert done.returncode == 1
    assert "notes.mp4" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_delay_ends_the_reading_of_the_video_in_order(tmp_path: Path, videos: Path) -> None:
    out = tmp_path / "out.npz"
    done = genmo_rt("estimate", videos / "demo.mp4", "-o", out, "--streaming", "--delay", "9")
    assert done.returncode == 2
    assert "expected 0 to 8 frames" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_output_of_another_kind_is_wrong_use(tmp_path: Path) -> None:
    done = genmo_rt("estimate", tmp_path / "in.mp4", "-o", tmp_path / "out.fbx")
    assert done.returncode == 2
    assert ".npz or .bvh" in done.stderr


def test_a_token_is_printed_with_its_digest() -> None:
    done = genmo_rt("token", "--scopes", "view")
    assert done.returncode == 0
    assert 'scopes = ["view"]' in done.stdout


def test_bench_step_prints_both_windows() -> None:
    done = genmo_rt("bench", "step", "--threads", "1")
    assert done.returncode == 0
    rows = [line for line in done.stdout.splitlines() if line.startswith("| small")]
    assert [row.split("|")[2].strip() for row in rows] == ["60", "120"]
