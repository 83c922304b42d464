"""Who viewers are told of, and how often their bones are."""

from typing import Any, Literal, cast

import numpy as np
import pytest

from genmo_rt.estimate import StreamEstimator
from genmo_rt.smpl import load_body
from genmo_stream.hub import Hub
from genmo_stream.subjects import Subjects
from tests.genmo_stream.test_hub import Listener

T_POSE = load_body().rest_joints(load_body().joint_mean.new_zeros(10)).numpy().astype(np.float32)


class Person:
    """What Subjects reads of an estimator."""

    def __init__(self) -> None:
        self.shape = np.full(10, 0.5, np.float32)
        self.rest_joints = T_POSE.copy()
        self.height_m = 1.7

    def grow(self, metres: float) -> None:
        """Makes the right shin longer."""
        self.rest_joints = self.rest_joints.copy()
        self.rest_joints[[8, 11], 1] -= metres


class Scene:
    """Subjects of one hub with one viewer, and a clock set by hand."""

    def __init__(self, body: Literal["builtin", "smpl"] = "builtin") -> None:
        self.now = 50.0
        self.viewer = Listener()
        hub = Hub("cam", server="test 0")
        hub.attach(self.viewer)
        self.subjects = Subjects(hub, body, clock=lambda: self.now)
        self.person = Person()

    def update(self, *persons: int) -> None:
        body = cast(StreamEstimator, self.person)
        self.subjects.update(persons, dict.fromkeys(persons, body))

    @property
    def told(self) -> list[tuple[str, int | str]]:
        """Skeletons with their rev and subjects with their state, in order."""
        return [
            (m["type"], m["rev"] if m["type"] == "skeleton" else f"{m['state']} {m['person']}")
            for m in self.messages
        ]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [m for m in self.viewer.messages if m["type"] in ("skeleton", "subject")]


def test_who_comes_is_told_once_with_their_skeleton() -> None:
    scene = Scene()
    for _ in range(90):
        scene.update(1)
        scene.now += 1 / 30
    assert scene.told == [("skeleton", 1), ("subject", "enter 1")]
    assert len(scene.subjects) == 1


def test_another_person_enters_after_the_one_before_has_left() -> None:
    scene = Scene()
    for persons in ((1,), (1,), (), (1,), (2,)):
        scene.update(*persons)
    assert [entry for kind, entry in scene.told if kind == "subject"] == [
        "enter 1",
        "leave 1",
        "enter 1",
        "leave 1",
        "enter 2",
    ]
    assert [entry for kind, entry in scene.told if kind == "skeleton"] == [1, 2, 3]


def test_the_skeleton_is_the_oldest_persons_whoever_else_comes_and_goes() -> None:
    scene = Scene()
    for persons in ((1,), (1, 2), (2,), (2, 3), ()):
        scene.update(*persons)
    assert scene.told == [
        ("skeleton", 1),
        ("subject", "enter 1"),
        ("subject", "enter 2"),
        ("subject", "leave 1"),
        ("skeleton", 2),
        ("subject", "enter 3"),
        ("subject", "leave 2"),
        ("skeleton", 3),
        ("subject", "leave 3"),
    ]


def test_who_is_there_without_a_pose_neither_enters_nor_leaves() -> None:
    scene = Scene()
    scene.update(1)
    scene.subjects.update((1, 2), {})
    assert [entry for _, entry in scene.told] == [1, "enter 1"]


@pytest.mark.parametrize(("metres", "updates"), [(0.004, 0), (0.006, 1)])
def test_bones_are_told_anew_when_one_changed_by_over_5_mm(metres: float, updates: int) -> None:
    scene = Scene()
    scene.update(1)
    scene.person.grow(metres)
    scene.now += 1.0
    for _ in range(3):
        scene.update(1)
    assert [entry for _, entry in scene.told].count("update 1") == updates


def test_bones_are_told_at_most_once_a_second() -> None:
    scene = Scene()
    for _ in range(31):
        scene.update(1)
        scene.person.grow(0.01)
        scene.now += 0.1
    updates = [entry for _, entry in scene.told].count("update 1")
    assert updates == 3


def test_small_changes_add_up() -> None:
    scene = Scene()
    for _ in range(10):
        scene.update(1)
        scene.person.grow(0.001)
        scene.now += 1.0
    assert [entry for _, entry in scene.told].count("update 1") == 1


@pytest.mark.parametrize(("body", "betas"), [("builtin", 0.0), ("smpl", 0.5)])
def test_betas_are_smpls_and_zero_for_the_built_in_body(
    body: Literal["builtin", "smpl"], betas: float
) -> None:
    scene = Scene(body)
    scene.update(1)
    subject = scene.messages[-1]
    assert subject["body"] == body
    assert subject["shape"] == [0.5] * 10
    assert subject["betas"] == [betas] * 10
    assert subject["height_m"] == 1.7
