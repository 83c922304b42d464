"""Builds the page of clients/web into the package: a hatch build hook, and a command.

The output goes to stream/genmo_stream/web (not in git, but in every wheel), with a digest of the
sources beside it: when that still fits, nothing is built, so an installed wheel or an unpacked
source distribution needs no Node.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("clients/web")
OUTPUT = Path("stream/genmo_stream/web")
DIGEST = "sources.sha256"
NOT_SOURCES = ("node_modules", "tests", "dist")


class BuildWebHook(BuildHookInterface[Any]):
    """Runs before a wheel, a source distribution or an editable install is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds the page where it is older than its sources.

        Raises:
            RuntimeError: Node's npm is missing or one of its commands failed.
        """
        build_web(Path(self.root))


def build_web(root: Path) -> bool:
    """Builds the page of the checkout at `root`; False when it was up to date.

    Raises:
        RuntimeError: Node's npm is missing or one of its commands failed.
    """
    digest = sources_digest(root / SOURCES)
    stamp = root / OUTPUT / DIGEST
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return False
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            f"npm not found: the page in {SOURCES} is built with Node 20 or newer "
            "(on Debian: apt install nodejs npm); install it and run this again"
        )
    if not installed(root / SOURCES):
        run(npm, "ci", folder=root / SOURCES)
    run(npm, "run", "build", folder=root / SOURCES)
    stamp.write_text(digest, encoding="utf-8")
    return True


def sources_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files that the built page depends on."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] not in NOT_SOURCES:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def installed(folder: Path) -> bool:
    """Whether node_modules is at least as new as the lock file that says what belongs in it."""
    mark = folder / "node_modules" / ".package-lock.json"
    lock = folder / "package-lock.json"
    return mark.is_file() and mark.stat().st_mtime >= lock.stat().st_mtime


def run(*command: str, folder: Path) -> None:
    """Runs a command and shows what it said only when it failed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"`{' '.join(command[1:])}` failed with status {done.returncode} in {folder}:\n"
            f"{done.stdout}{done.stderr}"
        )


if __name__ == "__main__":
    try:
        built = build_web(Path(__file__).parent.parent)
    except RuntimeError as error:
        sys.exit(f"build_web: {error}")
    print(f"{OUTPUT}: {'built' if built else 'up to date'}")
