"""The Unreal plugin's form: what can be checked of it without an engine."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.clients import native

PLUGIN = native.ROOT / "clients" / "unreal"
SOURCE = PLUGIN / "Source"
HEADERS = sorted(path for path in SOURCE.rglob("*.h") if "generated.h" in path.read_text())


def code(path: Path) -> str:
    """A source file without its comments."""
    return re.sub(r"/\*.*?\*/", "", re.sub(r"//.*", "", path.read_text()), flags=re.DOTALL)


def test_descriptor_names_this_version_and_modules_that_are_there() -> None:
    descriptor = json.loads((PLUGIN / "GenmoRT.uplugin").read_text())
    project = tomllib.loads((native.ROOT / "pyproject.toml").read_text())["project"]
    assert descriptor["VersionName"] == project["version"]
    types = {module["Name"]: module["Type"] for module in descriptor["Modules"]}
    assert types == {"GenmoRT": "Runtime", "GenmoRTEditor": "Editor"}
    for name in types:
        rules = (SOURCE / name / f"{name}.Build.cs").read_text()
        assert f"class {name} : ModuleRules" in rules
        sources = "".join(path.read_text() for path in (SOURCE / name).rglob("*.cpp"))
        assert len(re.findall(rf"IMPLEMENT_MODULE\(\w+, {name}\)", sources)) == 1


def test_the_runtime_module_names_nothing_of_the_editor() -> None:
    rules = code(SOURCE / "GenmoRT" / "GenmoRT.Build.cs")
    modules = set(re.findall(r'"(\w+)"', rules))
    assert modules == {
        *("Core", "CoreUObject", "Engine", "LiveLinkAnimationCore", "LiveLinkInterface"),
        *("SlateCore", "WebSockets"),
    }
    for path in (SOURCE / "GenmoRT").rglob("*"):
        if path.suffix in (".h", ".cpp"):
            assert not re.search(r"UnrealEd|EditorStyle|GEditor|WITH_EDITOR", code(path)), path


def test_the_core_has_no_engine() -> None:
    allowed = r'#include (<\w+(\.h)?>|"(Core/)?Genmo\w+\.h")'
    cores = [*(SOURCE / "GenmoRT").glob("*/Core/*.h"), *(SOURCE / "GenmoRT").glob("*/Core/*.cpp")]
    assert len(cores) > 12
    for path in cores:
        for line in re.findall(r"^#include.*", path.read_text(), re.MULTILINE):
            assert re.fullmatch(allowed, line), (path, line)
        assert not re.search(r"\b(throw|dynamic_cast|typeid|FString|TArray)\b", code(path)), path


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_reflected_headers_are_as_the_header_tool_wants_them(path: Path) -> None:
    text = path.read_text()
    includes = re.findall(r'^#include "(.*)"', text, re.MULTILINE)
    assert includes[-1] == f"{path.stem}.generated.h"
    reflected = re.findall(r"^(?:UCLASS|USTRUCT)\(", text, re.MULTILINE)
    assert len(re.findall(r"GENERATED_BODY\(\)", text)) == len(reflected)
    for declared in re.findall(r"^(?:class|struct) (.*)", text, re.MULTILINE):
        if not declared.endswith(";"):
            assert declared.startswith("GENMORT_API "), declared


def test_every_included_header_of_the_plugin_is_there() -> None:
    for path in [*SOURCE.rglob("*.h"), *SOURCE.rglob("*.cpp")]:
        for name in re.findall(r'^#include "(.*Genmo\w+\.h)"', path.read_text(), re.MULTILINE):
            module = SOURCE / path.relative_to(SOURCE).parts[0]
            folders = [
                path.parent,
                module / "Public",
                module / "Private",
                SOURCE / "GenmoRT/Public",
            ]
            assert any((folder / name).exists() for folder in folders), (path, name)


def test_the_manny_map_is_the_one_that_the_readme_promises() -> None:
    table = (SOURCE / "GenmoRT/Public/Core/GenmoMannyMap.h").read_text()
    bones = re.findall(r'^\t\{"(\w+)"', table, re.MULTILINE)
    sided = ["thigh", "calf", "foot", "ball", "clavicle", "upperarm", "lowerarm", "hand"]
    middle = ["pelvis", "spine_01", "spine_02", "spine_03", "spine_05", "neck_01", "head"]
    assert sorted(bones) == sorted([*middle, *(f"{bone}_{s}" for bone in sided for s in "lr")])
