"""The command line as a user meets it: exit codes, help, clear errors."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("serve", "estimate", "send", "doctor", "bench", "token")


def genmo_rt(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genmo_rt.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = genmo_rt(command, "--help")
    assert done.returncode == 0
    assert "usage: genmo-rt" in done.stdout
    if command != "bench":
        assert f"example: genmo-rt {command}" in done.stdout


def test_an_unknown_command_is_wrong_use() -> None:
    assert genmo_rt("conjure").returncode == 2


def test_serving_on_a_gpu_that_is_not_there_is_wrong_use() -> None:
    done = genmo_rt("serve", "--port", "0", "--gpu", "99")
    assert done.returncode == 2
    assert "GPU 99 isn't on this machine" in done.stderr


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
