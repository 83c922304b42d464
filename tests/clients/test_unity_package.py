"""The Unity package as Unity would find it: metas, assemblies, manifest."""

import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

from tests.clients import native

PACKAGE = native.ROOT / "clients" / "unity"


def visible(folder: Path) -> list[Path]:
    """Every file and folder that Unity imports."""
    found = []
    for path in folder.iterdir():
        if path.suffix != ".meta" and not path.name.startswith(".") and not path.name.endswith("~"):
            found.append(path)
            found += visible(path) if path.is_dir() else []
    return found


def test_every_asset_has_a_meta_file_with_an_id_of_its_own() -> None:
    ids = []
    for asset in visible(PACKAGE):
        meta = asset.with_name(asset.name + ".meta")
        assert meta.exists(), f"{asset} has none; run scripts/unity_meta.py"
        (guid,) = re.findall(r"^guid: ([0-9a-f]{32})$", meta.read_text(), re.MULTILINE)
        assert ("folderAsset: yes" in meta.read_text()) == asset.is_dir()
        ids.append(guid)
    assert len(set(ids)) == len(ids) > 40


def test_no_meta_file_is_left_without_its_asset() -> None:
    for meta in PACKAGE.rglob("*.meta"):
        assert meta.with_suffix("").exists(), meta


def test_manifest_names_this_version_and_samples_that_are_there() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text())
    project = tomllib.loads((native.ROOT / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"]
    assert f"## [{manifest['version']}]" in (PACKAGE / "CHANGELOG.md").read_text()
    for sample in manifest["samples"]:
        assert list((PACKAGE / sample["path"]).glob("*.cs"))
    readme = (PACKAGE / "README.md").read_text()
    assert (PACKAGE / "Documentation~" / "index.md").read_text() == readme


def test_the_core_has_no_engine_and_assemblies_name_each_other() -> None:
    assemblies = {
        json.loads(path.read_text())["name"]: (path.parent, json.loads(path.read_text()))
        for path in PACKAGE.rglob("*.asmdef")
    }
    assert set(assemblies) == {"GenmoRT", "GenmoRT.Core", "GenmoRT.Editor", "GenmoRT.Tests"}
    for _, definition in assemblies.values():
        named = {name for name in definition["references"] if name.startswith("GenmoRT")}
        assert named <= set(assemblies)
    folder, core = assemblies["GenmoRT.Core"]
    assert core["noEngineReferences"]
    assert core["references"] == []
    for path in folder.rglob("*.cs"):
        assert "UnityEngine" not in re.sub(r"//.*", "", path.read_text()), path
    for name in ("GenmoRT.Editor", "GenmoRT.Tests"):
        assert assemblies[name][1]["includePlatforms"] == ["Editor"]


def test_what_runs_in_players_uses_no_reflection() -> None:
    forbidden = r"System\.Reflection|\bdynamic\b|Activator|GetType\(\)|Enum\.Parse|DynamicInvoke"
    for path in (PACKAGE / "Runtime").rglob("*.cs"):
        found = re.findall(forbidden, re.sub(r"//.*", "", path.read_text()))
        assert not found, (path, found)


def test_the_linker_keeps_every_assembly_of_the_package() -> None:
    root = ElementTree.parse(PACKAGE / "Runtime" / "link.xml").getroot()
    kept = {element.get("fullname") for element in root.findall("assembly")}
    assert kept == {"System", "GenmoRT", "GenmoRT.Core"}
    assert "Runtime/link.xml" in (PACKAGE / "Editor" / "LinkXml.cs").read_text()
