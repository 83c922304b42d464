"""Writes a .meta file beside every asset of the Unity package that has none: scripts/unity_meta.py

Unity wants them in packages. A file's id is made of its path, so that it never changes by accident.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "clients" / "unity"
IMPORTERS = {
    ".cs": "MonoImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  defaultReferences: []\n"
    "  executionOrder: 0\n  icon: {instanceID: 0}\n",
    ".asmdef": "AssemblyDefinitionImporter:\n  externalObjects: {}\n",
    ".md": "TextScriptImporter:\n  externalObjects: {}\n",
    ".xml": "TextScriptImporter:\n  externalObjects: {}\n",
}
DEFAULT = "DefaultImporter:\n  externalObjects: {}\n"
PACKAGE_JSON = "PackageManifestImporter:\n  externalObjects: {}\n"
ENDING = "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"


def assets(folder: Path = PACKAGE) -> Iterator[Path]:
    """Every file and folder that Unity sees: not .meta files, hidden ones and names with a ~."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".meta" or path.name.startswith(".") or path.name.endswith("~"):
            continue
        yield path
        if path.is_dir():
            yield from assets(path)


def meta_of(asset: Path) -> Path:
    """Where an asset's .meta file is."""
    return asset.with_name(asset.name + ".meta")


def meta_text(asset: Path) -> str:
    """What is in it."""
    name = asset.relative_to(PACKAGE).as_posix()
    guid = hashlib.md5(f"org.genmo-rt.unity/{name}".encode(), usedforsecurity=False).hexdigest()
    importer = IMPORTERS.get(asset.suffix, DEFAULT)
    if asset.name == "package.json":
        importer = PACKAGE_JSON
    folder = "folderAsset: yes\n" if asset.is_dir() else ""
    return f"fileFormatVersion: 2\nguid: {guid}\n{folder}{importer}{ENDING}"


def main() -> int:
    for asset in assets():
        if not meta_of(asset).exists():
            meta_of(asset).write_text(meta_text(asset))
            print(meta_of(asset).relative_to(PACKAGE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
