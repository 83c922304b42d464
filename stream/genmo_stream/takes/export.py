"""A take's persons as files: npz, bvh, glb, jsonl, and several of them as one zip."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from genmo_rt.errors import InputError
from genmo_rt.formats.bones import BoneNames
from genmo_rt.formats.bvh import write_bvh
from genmo_rt.formats.clip import Clip
from genmo_rt.formats.glb import write_glb
from genmo_rt.formats.npz import read_npz, write_npz
from genmo_rt.smpl import Body
from genmo_stream.errors import TakeError
from genmo_stream.takes.take import Take
from genmo_stream.wire import PoseMessage, Skeleton, Space, Subject, encode_control, pose_to_json

Format = Literal["npz", "bvh", "glb", "jsonl"]
FORMATS: tuple[str, ...] = get_args(Format)
Solve = Literal["live", "second"]
SOLVES: tuple[str, ...] = get_args(Solve)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is written, and how.

    Attributes:
        format: one of FORMATS.
        person: whose; None for everyone's.
        solve: the poses that went out live, or those of the second solve.
        bones: what joints are called in bvh and glb.
    """

    format: Format
    person: int | None = None
    solve: Solve = "live"
    bones: BoneNames = "smpl"


def export_take(
    take: Take, folder: Path | None, options: ExportOptions, body: Body, out: Path
) -> Path:
    """Writes what was asked for.

    Args:
        take: its content.
        folder: where the second solve of the take is, if there is any.
        options: what to write.
        body: whose mesh a glb gets.
        out: path of the file; for several persons it becomes a .zip beside it.
    Returns:
        The file that was written.
    Raises:
        InputError: the person isn't in the take, or the body isn't the take's.
        TakeError: nobody is in the take, or it wasn't solved again.
        OSError: the file can't be written.
    """
    persons = take.persons if options.person is None else (options.person,)
    if not persons:
        raise TakeError("nobody has poses in this take; there is nothing to export")
    if len(persons) == 1:
        _write(take, folder, replace(options, person=persons[0]), body, out)
        return out
    archive = out.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for person in persons:
            part = out.with_name(f"{out.stem}-person-{person}.{options.format}")
            _write(take, folder, replace(options, person=person), body, part)
            file.write(part, part.name)
            part.unlink()
    return archive


def second_path(folder: Path, person: int) -> Path:
    """Where the second solve of one person is kept."""
    return folder / f"second-{person}.npz"


def clip_of(take: Take, folder: Path | None, person: int, solve: Solve) -> Clip:
    """One person's poses, live or of the second solve.

    Raises:
        InputError: the person has no live poses in the take.
        TakeError: the take wasn't solved again.
    """
    if solve == "live":
        return take.clip(person)
    path = None if folder is None else second_path(folder, person)
    if path is None or not path.is_file():
        raise TakeError(
            f"person {person} of this take wasn't solved again; POST /v1/takes/TAKE/solve or "
            "`genmo-rt export --solve second` does it"
        )
    return read_npz(path)


def json_lines(take: Take, person: int) -> Iterator[str]:
    """The JSON pose stream of one person, as viewers got it: skeletons, subjects and poses."""
    if person not in take.persons:
        raise InputError(f"person {person} has no poses in this take; it has {take.persons}")
    for message in take.told:
        match message:
            case Skeleton():
                yield encode_control(message, Space.SMPL)
            case Subject() if message.person == person:
                yield encode_control(message, Space.SMPL)
            case PoseMessage():
                persons = tuple(p for p in message.persons if p.person == person)
                yield pose_to_json(replace(message, persons=persons), Space.SMPL)


def file_stem(name: str) -> str:
    """A take's name as part of a file's name: letters, digits, dots, dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "take"


def _write(take: Take, folder: Path | None, options: ExportOptions, body: Body, out: Path) -> None:
    assert options.person is not None
    if options.format == "jsonl":
        if options.solve != "live":
            raise TakeError("jsonl is the stream as viewers got it; a second solve has none")
        with out.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in json_lines(take, options.person))
        return
    clip = clip_of(take, folder, options.person, options.solve)
    match options.format:
        case "npz":
            write_npz(out, clip)
        case "bvh":
            write_bvh(out, clip, options.bones)
        case "glb":
            write_glb(out, clip, body, options.bones)
