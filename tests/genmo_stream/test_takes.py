"""Takes: what is in them, what survives a crash or a full disk, and that no picture gets in."""

import asyncio
import errno
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.estimate import Estimator
from genmo_rt.formats.npz import read_npz
from genmo_rt.rotation import angle_between, axis_angle_to_rotmat, quat_xyzw_to_rotmat
from genmo_stream.admission import Admission
from genmo_stream.errors import NoRoom, TakeBusy, TakeError, UnknownTake
from genmo_stream.frame import Frame
from genmo_stream.hub import Hub
from genmo_stream.ingest import FrameSource, SourceEnded
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import SeenPerson
from genmo_stream.streams import Streams
from genmo_stream.takes import TakeInfo, TakeLimits, Takes, read_take
from genmo_stream.takes.export import ExportOptions, export_take, file_stem
from genmo_stream.takes.records import MAGIC, PERSON, SIGHTING, SOLVED, Kind, read_records
from genmo_stream.takes.solve import comparison_table, solve_person, solve_take
from genmo_stream.takes.take import FILE_NAME
from genmo_stream.takes.writer import TakeWriter
from genmo_stream.wire import pose_from_json
from tests.genmo_rt import walk
from tests.genmo_stream.recorded import START_US, Live, record_walk

Recorded = tuple[Takes, TakeInfo, Live]


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, estimator: Estimator) -> Recorded:
    """Two walkers for a second and a half, with frames missing."""
    folder = tmp_path_factory.mktemp("takes")
    return record_walk(folder, estimator, seconds=1.5, persons=2, drop=0.2)


@pytest.fixture
def hub_and_takes(tmp_path: Path) -> Iterator[tuple[Hub, Takes]]:
    takes = Takes(tmp_path / "takes", body="builtin", limits=TakeLimits(min_free=0))
    yield Hub("camera", server="test 0", listeners=(takes,)), takes
    takes.close()


# ---- what is in a take ---------------------------------------------------------------------------


def test_a_take_has_every_tick_of_every_person_as_it_was_estimated(two: Recorded) -> None:
    takes, info, live = two
    take = takes.read(info.id)
    assert (info.persons, take.persons) == ((1, 2), (1, 2))
    for person, ticks in live.poses.items():
        clip = take.clip(person)
        assert clip.t_capture_us.tolist() == [at for at, _ in ticks]
        assert len(ticks) == 46  # of 1.5 s, though a fifth of the frames was missing
        assert np.array_equal(clip.confidence, [np.float32(pose.confidence) for _, pose in ticks])
        quat_xyzw = torch.as_tensor(np.array([pose.quat_xyzw for _, pose in ticks])).double()
        rotmat = axis_angle_to_rotmat(torch.as_tensor(clip.axis_angle))
        apart = angle_between(rotmat, quat_xyzw_to_rotmat(quat_xyzw))
        assert float(apart.max()) < 1e-5
        pelvis = np.array([pose.pelvis for _, pose in ticks])
        assert np.abs(clip.pelvis - pelvis).max() < 1e-6
        assert clip.camera is not None
        assert clip.camera.K[0, 0] == walk.INTRINSICS.fx
        joints_cam = np.array([pose.joints_cam for _, pose in ticks])
        assert np.abs(clip.camera.joints[:, 0] - joints_cam[:, 0]).max() < 1e-6


def test_a_take_has_the_landmarks_and_messages_of_the_stream(two: Recorded) -> None:
    takes, info, live = two
    take = takes.read(info.id)
    assert len(take.sightings) == live.frames == info.frames
    first = take.sightings[0]
    keypoints = first.persons[1].keypoints
    assert keypoints is not None
    assert keypoints.world is not None
    assert (first.tick.index, first.image_size, first.fov) == (0, (1280, 720), None)
    assert [m.frame for m in take.poses] == [m.frame for m in live.messages]
    ours, theirs = take.poses[3].persons[0], live.messages[3].persons[0]
    assert np.array_equal(ours.quat_xyzw, theirs.quat_xyzw)
    assert np.array_equal(np.asarray(ours.landmarks), np.asarray(theirs.landmarks))


def test_ticks_without_a_pose_are_blended_and_have_no_confidence(
    tmp_path: Path, estimator: Estimator
) -> None:
    takes, info, _ = record_walk(tmp_path, estimator, seconds=0.5)
    take = takes.read(info.id)
    rows = take.solved[1]
    whole = take.clip(1)
    take.solved[1] = np.delete(rows, [5, 6])  # as if the person had been away
    clip = take.clip(1)
    assert len(clip.pelvis) == len(whole.pelvis)
    assert (clip.confidence[[5, 6]] == 0).all()
    assert (clip.confidence[[4, 7]] > 0).all()
    between = whole.pelvis[4] + (whole.pelvis[7] - whole.pelvis[4]) / 3
    assert clip.pelvis[5] == pytest.approx(between)
    assert np.abs(clip.axis_angle[5] - whole.axis_angle[5]).max() < 0.2


def test_no_byte_of_a_take_can_be_of_a_picture(two: Recorded) -> None:
    """Every byte belongs to a record of a known kind with exactly the room its numbers need."""
    takes, info, _ = two
    folder = takes.path(info.id)
    assert sorted(path.name for path in folder.iterdir()) == ["info.json", "take.genmo"]
    size = len(MAGIC)
    with (folder / FILE_NAME).open("rb") as file:
        file.read(len(MAGIC))
        for record in read_records(file):
            size += 12 + len(record.payload)
            match record.kind:
                case Kind.SIGHTING:
                    assert len(record.payload) == SIGHTING.itemsize + 2 * PERSON.itemsize
                case Kind.SOLVED:
                    assert len(record.payload) == SOLVED.itemsize
                case Kind.POSE:
                    assert len(record.payload) == 48 + 2 * 832
                case Kind.CONTROL:
                    assert json.loads(record.payload)["type"] in ("skeleton", "subject")
                case _:
                    assert len(json.loads(record.payload)) <= 4
    assert size == info.bytes == (folder / FILE_NAME).stat().st_size
    assert max(SIGHTING.itemsize, PERSON.itemsize, SOLVED.itemsize) < 1000  # less than 18x18 RGB


class NoiseCamera:
    """A publisher whose pictures are noise that nothing else can look like."""

    sensors = None

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(5)
        self.images = [rng.integers(0, 256, (72, 128, 3), np.uint8) for _ in range(count)]
        self.received = self.dropped = 0
        self.fps_in = 30.0
        self.last_media_monotonic = 0.0

    async def next(self) -> Frame:
        """The next picture, a thirtieth of a second on."""
        if self.received == len(self.images):
            raise SourceEnded("the publisher left")
        t_us = START_US + round(self.received * 1e6 / 30)
        image = self.images[self.received].copy()
        self.received += 1
        return Frame(image, self.received - 1, t_us, "arrival", 1.0)

    def newest(self) -> None:
        """No picture overtakes another."""

    def develop(self, frame: Frame) -> Frame:
        """It is one already."""
        return frame

    async def close(self) -> None:
        """Nothing to give back."""


class WalkerStage:
    """A 2D stage that sees the walker in whatever picture."""

    def look(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        """The walker at that time."""
        return (SeenPerson(walk.seen((t_us - START_US) / 1e6)),)

    def close(self) -> None:
        """Nothing to give back."""


def test_no_frame_of_video_is_on_the_disk(tmp_path: Path, estimator: Estimator) -> None:
    """Not one run of 12 bytes of any picture that went through, by rows, columns or channels."""
    takes = Takes(tmp_path / "takes", body="builtin", limits=TakeLimits(min_free=0))
    camera = NoiseCamera(30)

    async def main() -> TakeInfo:
        streams = Streams(estimator, WalkerStage, admission=Admission.to(1))
        streams.listen(takes)
        info = takes.start(streams.open("camera").hub)
        streams.publish("camera", cast(FrameSource, camera), PublishOptions())
        async with asyncio.timeout(20):
            while streams.open("camera").hub.state.state != "ended":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await streams.close()
        return takes.stop(info.id)

    info = asyncio.run(main())
    assert info.frames == 30
    assert len(takes.read(info.id).clip(1).pelvis) == 30  # it was a take of something
    on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    pieces = set()
    for image in camera.images:
        for view in (image, image.transpose(1, 0, 2), image.transpose(2, 0, 1), image[..., ::-1]):
            content = view.tobytes()
            pieces |= {content[at : at + 12] for at in range(0, len(content) - 12, 997)}
    assert len(pieces) > 3000
    assert not any(piece in on_disk for piece in pieces)


# ---- crashes and disks ---------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.3, 0.75, 0.999])
def test_a_take_that_was_cut_short_is_read_up_to_there(
    tmp_path: Path, two: Recorded, kept: float
) -> None:
    takes, info, _ = two
    whole = (takes.path(info.id) / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole[: int(len(whole) * kept)])
    take = read_take(tmp_path)
    assert take.ended is None
    assert 0 < len(take.sightings) <= info.frames
    assert len(take.clip(1).pelvis) > 3


def test_a_damaged_record_ends_the_take_there(tmp_path: Path, two: Recorded) -> None:
    takes, info, _ = two
    content = bytearray((takes.path(info.id) / FILE_NAME).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / FILE_NAME).write_bytes(content)
    assert 0 < len(read_take(tmp_path).sightings) < info.frames


def test_a_take_of_a_server_that_died_is_listed_and_can_be_read(
    tmp_path: Path, estimator: Estimator
) -> None:
    takes, info, _ = record_walk(tmp_path, estimator, seconds=0.5)
    folder = takes.path(info.id)
    written = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(written[:-400])
    told = json.loads((folder / "info.json").read_text())
    (folder / "info.json").write_text(json.dumps({**told, "recording": True, "frames": 0}))
    (again,) = Takes(tmp_path, body="builtin").all()
    assert (again.recording, again.ended, again.name) == (False, "cut short", info.name)
    assert 0 < again.frames <= info.frames
    (folder / "info.json").unlink()
    assert Takes(tmp_path, body="builtin").get(info.id).frames == again.frames


class FullDisk:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file, self._room = file, room

    def write(self, content: bytes) -> int:
        self._room -= len(content)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def test_a_full_disk_ends_the_take_and_keeps_what_is_written(tmp_path: Path, two: Recorded) -> None:
    takes, info, _ = two
    sightings = takes.read(info.id).sightings
    writer = TakeWriter(
        tmp_path / FILE_NAME,
        {"stream": "camera", "started_us": 0, "body": "builtin"},
        TakeLimits(min_free=0),
        open_file=lambda path: FullDisk(path.open("xb"), 10_000),  # type: ignore[arg-type, return-value]
    )
    for sighting in sightings:
        writer.write(sighting)
    writer.stop()
    assert writer.ended == "the disk can't be written: No space left on device"
    writer.write(sightings[0])  # goes nowhere, and hurts nobody
    assert len(read_take(tmp_path).sightings) == (10_000 - 100) // (12 + SIGHTING.itemsize + 1600)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (TakeLimits(seconds=0, min_free=0), "minutes long, the limit"),
        (TakeLimits(size=1, min_free=0), "MiB, the limit"),
        (TakeLimits(min_free=1 << 60), "MiB left"),
    ],
)
def test_limits_end_a_take_by_themselves(tmp_path: Path, limits: TakeLimits, reason: str) -> None:
    about = {"stream": "camera", "started_us": 0, "body": "builtin"}
    writer = TakeWriter(tmp_path / FILE_NAME, about, limits)
    writer._thread.join(20)
    assert writer.ended is not None
    assert reason in writer.ended
    assert read_take(tmp_path).ended == writer.ended
    writer.stop()


def test_no_take_starts_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    takes = Takes(tmp_path / "takes", body="builtin", limits=TakeLimits(min_free=1 << 60))
    with pytest.raises(NoRoom, match="MiB left; expected more than"):
        takes.start(Hub("camera", server="test 0"))
    assert takes.all() == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "takes").write_text("a file")
    takes = Takes(tmp_path / "takes", body="builtin", limits=TakeLimits(min_free=0))
    with pytest.raises(NoRoom, match="takes_dir"):
        takes.start(Hub("camera", server="test 0"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "doesn't start"), (b"RIFFxxxxAVI ", "doesn't start"), (MAGIC, "first record")],
)
def test_what_is_no_take_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.genmo").write_bytes(content)
    with pytest.raises(FileFormatError, match=reason):
        read_take(tmp_path / "x.genmo")


# ---- the folder of takes -------------------------------------------------------------------------


def test_one_recording_a_stream_and_none_deleted_meanwhile(
    hub_and_takes: tuple[Hub, Takes],
) -> None:
    hub, takes = hub_and_takes
    info = takes.start(hub, "first")
    with pytest.raises(TakeBusy, match=info.id):
        takes.start(hub)
    with pytest.raises(TakeBusy, match="stop it first"):
        takes.delete(info.id)
    assert takes.get(info.id).recording
    assert takes.stop(info.id).ended == "stopped"
    assert takes.stop(info.id).ended == "stopped"  # and again
    takes.delete(info.id)
    assert takes.all() == []


def test_renaming_keeps_all_else_also_while_recording(hub_and_takes: tuple[Hub, Takes]) -> None:
    hub, takes = hub_and_takes
    info = takes.start(hub, "first")
    takes.rename(info.id, "  walk/../ über “alles” ")
    assert takes.stop(info.id).name == "walk/../ über “alles”"
    assert takes.rename(info.id, "last").name == "last"
    assert [take.name for take in Takes(takes.folder, body="builtin").all()] == ["last"]


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "\x00", "x" * 101, 5])
def test_names_that_cannot_be_used_are_refused(hub_and_takes: tuple[Hub, Takes], name: Any) -> None:
    hub, takes = hub_and_takes
    info = takes.start(hub)
    with pytest.raises(TakeError, match="expected"):
        takes.rename(info.id, name)


@pytest.mark.parametrize(
    "take", ["", "..", "../takes", "20261122-184009-a3f1c2/..", "20261122-184009-a3f1c2", "/etc"]
)
def test_ids_lead_nowhere_but_to_takes(hub_and_takes: tuple[Hub, Takes], take: str) -> None:
    _, takes = hub_and_takes
    for use in (takes.get, takes.read, takes.delete, takes.stop, takes.path):
        with pytest.raises(UnknownTake, match="there is no take"):
            use(take)


def test_file_names_are_made_of_harmless_characters() -> None:
    assert file_stem("../../etc/passwd") == "etc-passwd"
    assert file_stem("walk “über” 3") == "walk-ber-3"
    assert file_stem("…") == "take"


# ---- exports -------------------------------------------------------------------------------------


def test_one_person_is_a_file_and_several_are_a_zip(
    tmp_path: Path, two: Recorded, estimator: Estimator
) -> None:
    import zipfile

    takes, info, live = two
    take = takes.read(info.id)
    one = export_take(
        take, None, ExportOptions("npz", person=2), estimator.body, tmp_path / "a.npz"
    )
    assert len(read_npz(one).pelvis) == len(live.poses[2])
    both = export_take(take, None, ExportOptions("bvh"), estimator.body, tmp_path / "b.bvh")
    assert both == tmp_path / "b.zip"
    with zipfile.ZipFile(both) as file:
        assert file.namelist() == ["b-person-1.bvh", "b-person-2.bvh"]
        assert file.read("b-person-2.bvh").startswith(b"HIERARCHY")
    with pytest.raises(InputError, match="it has persons 1, 2"):
        export_take(take, None, ExportOptions("glb", person=7), estimator.body, tmp_path / "c.glb")


def test_jsonl_is_the_pose_stream_of_one_person(
    tmp_path: Path, two: Recorded, estimator: Estimator
) -> None:
    takes, info, live = two
    out = export_take(
        takes.read(info.id), None, ExportOptions("jsonl", person=2), estimator.body, tmp_path / "a"
    )
    lines = out.read_text().splitlines()
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds[:3] == ["skeleton", "skeleton", "subject"]
    poses = [pose_from_json(line) for line in lines if json.loads(line)["type"] == "pose"]
    assert [pose.frame for pose in poses] == [message.frame for message in live.messages]
    assert all([person.person for person in pose.persons] == [2] for pose in poses)


# ---- second solve --------------------------------------------------------------------------------


def test_the_second_solve_is_smoother_and_nearer_to_the_truth_than_the_live_one(
    tmp_path: Path, estimator: Estimator
) -> None:
    takes, info, _ = record_walk(tmp_path, estimator, seconds=4.0)
    take, folder = takes.read(info.id), takes.path(info.id)
    (comparison,) = solve_take(take, folder, estimator)
    assert comparison.ticks > 110
    assert comparison.second.jitter < comparison.live.jitter
    assert "second" in comparison_table([comparison])
    second = read_npz(folder / "second-1.npz")
    errors = []
    for clip in (take.clip(1), second):
        assert clip.camera is not None
        times = (clip.t_capture_us - take.sightings[0].t_capture_us) / 1e6
        truth = np.array([walk.walker(float(t)).joints_cam for t in times])
        mine = clip.camera.joints
        apart = (mine - mine[:, :1]) - (truth - truth[:, :1])
        errors.append(float(np.linalg.norm(apart, axis=-1)[15:].mean()))
    assert errors[1] < errors[0]


def test_the_second_solve_has_every_tick_too_where_the_camera_was_away(
    tmp_path: Path, estimator: Estimator
) -> None:
    takes, info, _ = record_walk(tmp_path, estimator, seconds=0.5)
    take = takes.read(info.id)
    away = 3.0  # over MAX_CATCH_UP: the estimator's caches restart
    later = [
        replace(
            sighting,
            number=sighting.number + 16,
            t_capture_us=sighting.t_capture_us + round((0.5 + away) * 1e6),
        )
        for sighting in take.sightings
    ]
    second = solve_person(replace(take, sightings=[*take.sightings, *later]), 1, estimator)
    assert len(second.pelvis) == 16 + round(away * 30) - 1 + 16
    assert (np.abs(np.diff(second.t_capture_us) - 33_333) < 20).all()
    assert (second.confidence[16 : 16 + 89] == 0).all()
    assert (second.confidence[[15, 105]] > 0).all()
