"""Timelines from TOML, JSON and flags, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.generation.timeline import (
    FileInterval,
    TextInterval,
    Timeline,
    parse_text,
    read_keyframes,
    read_timeline,
)

POSE = {"at": 1.0, "pelvis": [0, 0.93, 0], "rotations": [[0, 0, 0, 1]] * 24}

TOML = """
seconds = 12

[[text]]
text = "a person walks"
end = 4.0

[[video]]
file = "me.mp4"
start = 4
end = 7
from = 1.5

[[music]]
file = "song.wav"
start = 7

[[keyframe]]
at = 11.5
pelvis = [0.0, 0.93, 2.0]
rotations = [ROTATIONS]
joints = ["pelvis", "left_elbow"]
"""


def _write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_toml_file_tells_everything(tmp_path: Path) -> None:
    toml = TOML.replace("ROTATIONS", ", ".join(["[0.0, 0.0, 0.0, 1.0]"] * 24))
    timeline = read_timeline(_write(tmp_path / "dance.toml", toml))
    assert timeline.length == 360
    assert timeline.texts == (TextInterval("a person walks", 0, 120),)
    assert timeline.videos == (FileInterval(tmp_path / "me.mp4", 120, 210, 1.5),)
    assert timeline.music == (FileInterval(tmp_path / "song.wav", 210, 360),)
    (keyframe,) = timeline.keyframes
    assert keyframe.frame == 345
    assert keyframe.joints.nonzero()[0].tolist() == [0, 18]
    np.testing.assert_allclose(keyframe.rotmat, np.tile(np.eye(3), (24, 1, 1)))


def test_the_manuals_example_can_be_read(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[3] / "docs" / "generate.md").read_text()
    toml = re.search("```toml\n(.*?)```", manual, re.DOTALL)
    assert toml is not None
    rotations = ", ".join(["[0.0, 0.0, 0.0, 1.0]"] * 24)
    written_out = f"pelvis = [0.0, 0.93, 2.5]\nrotations = [{rotations}]\n"
    example = toml[1].replace("[…]", f"[{rotations}]")
    example = re.sub("take = .*\ntake_at = .*\n", written_out, example)  # there is no such take
    timeline = read_timeline(_write(tmp_path / "show.toml", example))
    assert timeline.length == 360
    assert [len(part) for part in (timeline.texts, timeline.videos, timeline.music)] == [1, 1, 1]
    assert [keyframe.frame for keyframe in timeline.keyframes] == [270, 345]


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    table = {"seconds": 2, "fps": 30, "text": [{"text": "walk"}], "keyframe": [POSE]}
    timeline = read_timeline(_write(tmp_path / "t.json", table))
    assert timeline.texts == (TextInterval("walk", 0, 60),)
    assert timeline.keyframes[0].frame == 30


def test_without_seconds_the_clip_ends_with_what_comes_last(tmp_path: Path) -> None:
    table = {"text": [{"text": "walk", "end": 1.5}], "keyframe": [POSE | {"at": 2}]}
    assert read_timeline(_write(tmp_path / "t.json", table)).length == 61


def test_keyframes_come_in_order_of_time(tmp_path: Path) -> None:
    poses = [POSE | {"at": at} for at in (2.0, 0.5, 1.0)]
    keyframes = read_keyframes(_write(tmp_path / "k.json", {"keyframe": poses}))
    assert [keyframe.frame for keyframe in keyframes] == [15, 30, 60]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("a person walks@0-3.5", TextInterval("a person walks", 0, 105)),
        ("walk @ noon@1-2", TextInterval("walk @ noon", 30, 60)),
        ("walk@2-", TextInterval("walk", 60, 300)),
        ("walk@home", TextInterval("walk@home", 0, 300)),
        ("walk", TextInterval("walk", 0, 300)),
    ],
)
def test_a_text_flag_may_have_a_window(flag: str, expected: TextInterval) -> None:
    assert parse_text(flag, 300) == expected


WALK = {"text": "walk", "start": 0, "end": 1}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"audio": []}, "unknown modality or setting 'audio'; expected text, video, music"),
        ({"fps": 25, "seconds": 1}, "fps is 25; expected 30"),
        ({"fps": "30", "seconds": 1}, "fps is '30'; expected 30"),
        ({"seconds": 1e300}, "a time is 1e\\+300 s; expected 0 to 3600 s"),
        ({"text": [WALK | {"text": " "}]}, "expected words"),
        ({"text": [{"start": 0, "end": 1}]}, "text = None; expected words"),
        ({"text": [WALK | {"start": 2}]}, "2 to 1 s; expected its end after its start"),
        ({"seconds": 4, "text": [WALK | {"end": 5}]}, "0 to 5 s; expected 0 to 4 s, inside"),
        ({"text": [WALK, WALK | {"start": 0.5}]}, "they overlap; set blend .--blend. where both"),
        ({"text": [WALK | {"begin": 3}]}, "a text interval has a key 'begin'; expected end, start"),
        ({"text": [WALK | {"end": "one"}]}, "a text interval has end = 'one'; expected seconds"),
        ({"text": [{"text": "walk"}]}, "a text interval has no end, and the timeline no 'seconds'"),
        ({"text": WALK}, r"'text' is no list of tables; expected \[\[text\]\] for each"),
        ({"seconds": 0}, "the clip is 0 s long; expected more than 0"),
        ({"seconds": 1, "blend": 1}, "blend is 1; expected true or false"),
        (
            {"blend": True, "video": [{"file": "a", "start": s, "end": s + 2} for s in (0, 1)]},
            "a video interval is 1 to 3 s and another 0 to 2 s: they overlap; expected one at a",
        ),
        ({"seconds": 1, "music": [{"file": 3}]}, "file = 3; expected the name of a file"),
        ({"seconds": 1, "music": [{"file": "a", "from": -1}]}, "from = -1; expected 0 or more"),
        ({"seconds": 1, "keyframe": [POSE | {"at": 1.5}]}, "a keyframe is at 1.5 s; expected 0 to"),
        ({"keyframe": [POSE, POSE]}, "at 1 s and then at 1 s; expected each at a later frame"),
        ({"keyframe": [{"at": 1}]}, "a keyframe has at; expected a take"),
        ({"keyframe": [POSE | {"pose": 1}]}, "a keyframe has a key 'pose'; expected a take"),
        ({"keyframe": [POSE | {"pelvis": [0, "x", 0]}]}, "'x', 0]; expected 3 finite numbers"),
        ({"keyframe": [POSE | {"pelvis": [1]}]}, "pelvis of shape .* expected 3 finite numbers"),
        (
            {"keyframe": [POSE | {"rotations": [[0, 0, 0, 2]] * 24}]},
            "rotations that are not of length 1",
        ),
        ({"keyframe": [POSE | {"joints": ["tail"]}]}, "joints = .*tail.*; expected names out of"),
    ],
)
def test_a_timeline_that_makes_no_sense_is_refused(
    tmp_path: Path, table: dict[str, object], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        read_timeline(_write(tmp_path / "t.json", table))


def test_texts_may_overlap_where_they_blend(tmp_path: Path) -> None:
    table = {"blend": True, "text": [WALK, WALK | {"start": 0.5, "end": 2}]}
    assert len(read_timeline(_write(tmp_path / "t.json", table)).texts) == 2


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.toml", "text = [", "can't be read"),
        ("t.json", "{", "can't be read"),
        ("t.json", "[1]", "holds a list; expected a timeline"),
    ],
)
def test_a_file_that_is_no_timeline_is_refused(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    with pytest.raises(FileFormatError, match=expected):
        read_timeline(_write(tmp_path / name, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.toml: No such file"):
        read_timeline(tmp_path / "none.toml")


def test_a_keyframe_file_holds_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds text; expected keyframes"):
        read_keyframes(_write(tmp_path / "k.json", {"text": [WALK]}))


@pytest.mark.parametrize("flag", ["walk@1.2.3-4", "walk@.-2"])
def test_a_window_that_is_no_number_is_refused(flag: str) -> None:
    with pytest.raises(InputError, match="expected TEXT@START-END in seconds"):
        parse_text(flag, 300)


def test_a_clip_of_an_hour_is_the_longest() -> None:
    with pytest.raises(InputError, match="at most 3600 s"):
        Timeline(length=30 * 3601)
