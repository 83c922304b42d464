"""The C# and C++ cores, their tests and their console clients, compiled once."""

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "clients" / "protocol"
FUZZ_SECONDS = 20


@functools.cache
def unity_core() -> Path:
    """Folder with core_tests.exe and console.exe, to be run with mono."""
    return _build("unity", (".cs",))


@functools.cache
def unreal_core() -> Path:
    """Folder with core_tests and console, both with address and undefined-behaviour sanitizers."""
    return _build("unreal", (".cpp", ".h"))


def core_tests(engine: str) -> list[str]:
    """The command of an engine's core tests: `unity` or `unreal`."""
    if engine == "unity":
        return ["mono", "--debug", str(unity_core() / "core_tests.exe")]
    return [str(unreal_core() / "core_tests")]


def console(engine: str) -> list[str]:
    """The command of an engine's console client."""
    if engine == "unity":
        return ["mono", str(unity_core() / "console.exe")]
    return [str(unreal_core() / "console")]


def run_checks(engine: str) -> dict[str, str]:
    """Runs the core's checks: name → "" if it held, else what was seen."""
    run = subprocess.run(
        [*core_tests(engine), "checks", str(PROTOCOL)], capture_output=True, text=True, timeout=120
    )
    results = {}
    for line in run.stdout.splitlines():
        verdict, _, rest = line.partition(" ")
        name, _, seen = rest.partition(": ")
        results[name] = "" if verdict == "ok" else seen or "failed"
    assert results, run.stderr
    assert (run.returncode == 0) == (not any(results.values())), run.stderr
    return results


def _build(engine: str, endings: tuple[str, ...]) -> Path:
    """Compiles into build/ unless nothing has changed there since."""
    script = ROOT / "scripts" / f"build_{engine}_core"
    out = ROOT / "build" / engine
    stamp = out / "stamp"
    sources = [path for path in (ROOT / "clients" / engine).rglob("*") if path.suffix in endings]
    newest = max(path.stat().st_mtime for path in [script, *sources])
    if not stamp.exists() or stamp.stat().st_mtime <= newest:
        run = subprocess.run([str(script), str(out)], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        stamp.touch()
    return out
