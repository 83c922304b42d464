"""Hostile messages against the C# and C++ decoders, and all three decoders against each other."""

import random
import struct
import subprocess
from pathlib import Path

import pytest

import genmo_client
from tests import golden
from tests.clients import native

ENGINES = ("unity", "unreal")
MESSAGES = 4000
SEED = 20261122


def mutated(seeds: list[bytes], rng: random.Random) -> bytes:
    """A golden message with a few bytes, its length or a field of it changed."""
    message = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 3)):
        match rng.randrange(4):
            case 0 if message:
                message[rng.randrange(min(len(message), 112))] = rng.choice((0, 1, 24, 127, 255))
            case 1 if message:
                message[rng.randrange(len(message))] ^= 1 << rng.randrange(8)
            case 2:
                del message[rng.randint(0, len(message)) :]
            case _:
                message += bytes(8 * rng.randint(0, 60))
    return bytes(message)


def verdict(message: bytes) -> str:
    """What the Python client makes of it."""
    try:
        return f"ok {len(genmo_client.decode_pose(message).persons)}"
    except genmo_client.DecodeError:
        return "refused"


def test_three_decoders_agree_on_every_message(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    seeds = [path.read_bytes() for path in sorted(golden.FOLDER.glob("*/*.bin"))]
    messages = [*seeds, *(mutated(seeds, rng) for _ in range(MESSAGES))]
    corpus = tmp_path / "corpus.bin"
    corpus.write_bytes(b"".join(struct.pack("<I", len(m)) + m for m in messages))
    expected = [verdict(message) for message in messages]
    assert 200 < sum(word != "refused" for word in expected) < MESSAGES - 200
    for engine in ENGINES:
        run = subprocess.run(
            [*native.core_tests(engine), "verdicts", str(corpus)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.splitlines() == expected, engine


@pytest.mark.slow
def test_fuzzed_messages_break_neither_decoder() -> None:
    commands = [
        [*native.core_tests(engine), "fuzz", str(native.PROTOCOL), str(native.FUZZ_SECONDS), "7"]
        for engine in ENGINES  # compiled before the clock starts
    ]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    for run in runs:
        output, _ = run.communicate(timeout=native.FUZZ_SECONDS + 60)
        assert run.returncode == 0, output
        assert "poses accepted" in output
