"""Draws samples of every set as stick figures in one SVG: how one sees that retargeting worked."""

from collections.abc import Iterator
from html import escape

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import FPS, FloatArray
from genmo_rt.data.dataset import Dataset
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import Body

POSES = 8  # of each clip
SCALE = 60  # pixels a metre
CELL, ROW = 110, 150  # pixels
LABEL = 250  # pixels left of the figures
VIEW = np.radians(25)  # the figures are seen from a little to their left
COLOURS = {"left": "#c2410c", "right": "#1d4ed8", "": "#334155"}
CONTACT_DOTS = ("left_ankle", "left_foot", "right_ankle", "right_foot", "left_wrist", "right_wrist")


def draw_samples(dataset: Dataset, body: Body, per_set: int = 6, seed: int = 0) -> str:
    """An SVG: a row for each of `per_set` clips of every set; the left side is orange."""
    random = np.random.default_rng(seed)
    rows: list[str] = []
    for name in dict.fromkeys(dataset.sets):
        clips = np.flatnonzero(np.array(dataset.sets) == name)
        chosen = np.sort(random.choice(clips, min(per_set, len(clips)), replace=False))
        rows += [_row(dataset, body, int(clip)) for clip in chosen]
    height = ROW * len(rows) + 20
    width = LABEL + CELL * POSES
    placed = "".join(
        f'<g transform="translate(0 {ROW * n + 10})">{row}</g>' for n, row in enumerate(rows)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="#f8fafc"/>{placed}</svg>\n'
    )


def clip_joints(dataset: Dataset, body: Body, clip: int, frames: NDArray[np.int64]) -> FloatArray:
    """(N, 24, 3) joints of some frames of a clip, metres."""
    at = dataset.starts[clip] + frames
    rotmat = quat_xyzw_to_rotmat(torch.from_numpy(dataset.quat_xyzw[at]).float())
    rest = body.rest_joints(torch.from_numpy(np.array(dataset.shape[clip])))
    _, joints = body.forward_kinematics(rotmat, torch.from_numpy(dataset.pelvis[at]), rest)
    found: FloatArray = joints.numpy()
    return found


def _row(dataset: Dataset, body: Body, clip: int) -> str:
    length = int(dataset.lengths[clip])
    frames = np.linspace(0, length - 1, POSES).astype(np.int64)
    joints = clip_joints(dataset, body, clip, frames)
    contacts = dataset.contacts[dataset.starts[clip] + frames]
    lines = (
        f"{dataset.sets[clip]} / {dataset.names[clip]}",
        f"{length / FPS:.1f} s, {dataset.labels[clip] or 'no label'}"
        f"{', held out' if dataset.held_out[clip] else ''}"
        f"{', music' if dataset.music.first[clip] >= 0 else ''}",
        _first_text(dataset, clip)[:38],
    )
    text = "".join(
        f'<text x="8" y="{50 + 18 * n}" fill="#0f172a">{escape(line)}</text>'
        for n, line in enumerate(lines)
    )
    figures = (
        f'<g transform="translate({LABEL + CELL * n + CELL // 2} {ROW - 20})">'
        f"{''.join(_figure(pose, contact, dataset.joint_mask[clip]))}</g>"
        for n, (pose, contact) in enumerate(zip(joints, contacts, strict=True))
    )
    floor = f'<path d="M{LABEL} {ROW - 20}H{LABEL + CELL * POSES}" stroke="#cbd5e1"/>'
    return text + floor + "".join(figures)


def _first_text(dataset: Dataset, clip: int) -> str:
    first, last = dataset.texts.caption_starts[clip : clip + 2]
    return dataset.texts.strings[dataset.texts.caption_text[first]] if first < last else ""


def _figure(
    joints: FloatArray, contacts: NDArray[np.bool_], known: NDArray[np.bool_]
) -> Iterator[str]:
    """Bones and contact dots of one pose, its pelvis at x = 0 and the floor at y = 0, in pixels."""
    away = joints - joints[0] * (1, 0, 1)
    x = SCALE * (np.cos(VIEW) * away[:, 0] + np.sin(VIEW) * away[:, 2])
    y = -SCALE * away[:, 1]
    for joint, parent in enumerate(PARENTS):
        if parent >= 0 and known[joint]:
            side = JOINT_NAMES[joint].split("_")[0] if "_" in JOINT_NAMES[joint] else ""
            yield (
                f'<path d="M{x[parent]:.1f} {y[parent]:.1f}L{x[joint]:.1f} {y[joint]:.1f}" '
                f'stroke="{COLOURS[side]}" stroke-width="3" stroke-linecap="round"/>'
            )
    head = JOINT_NAMES.index("head")
    yield f'<circle cx="{x[head]:.1f}" cy="{y[head] - 5:.1f}" r="6" fill="{COLOURS[""]}"/>'
    for name, touching in zip(CONTACT_DOTS, contacts, strict=True):
        if touching:
            joint = JOINT_NAMES.index(name)
            yield f'<circle cx="{x[joint]:.1f}" cy="{y[joint]:.1f}" r="3" fill="#16a34a"/>'
