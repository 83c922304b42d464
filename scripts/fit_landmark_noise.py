"""Fits the noise table that training observations are drawn from (genmo_rt/data/noise_table.py).

    scripts/fit_landmark_noise.py seen/ genmo_rt/data/landmark_noise.json

reads what scripts/measure_landmarks.py kept and prints what docs/observation.md says: where the
landmarks are on the body, how far they are off, and how the 3D landmarks are distorted. Errors are
in boxes (observe.BOX metres at the pelvis' depth). Left and right are pooled.
"""

import argparse
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import norm, rankdata

from genmo_rt.bodies.landmarks import LANDMARK_JOINTS
from genmo_rt.data.clips import FPS
from genmo_rt.data.noise_table import (
    CONFIDENCE_KNOTS,
    FACING_EDGES,
    HIDDEN_KNOTS,
    SCORE_KNOTS,
    SWAP_GROUPS,
    View,
)
from genmo_rt.data.observe import BOX, facing
from genmo_rt.data.occlusion import hidden_landmarks
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS
from genmo_rt.smpl import Body, load_body
from genmo_stream.keypoints.continuity import MIRROR

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SURE = 0.9
GROSS = 0.4  # boxes; errors are cut off here, so that a single lost clip doesn't make the table
MISPLACED = 0.15  # boxes
ROBUST = 0.015  # metres; the offset fit trusts errors up to this size
GROUPS = {
    "face": range(0, 11),
    "shoulder": (11, 12),
    "elbow": (13, 14),
    "wrist": (15, 16),
    "hand": range(17, 23),
    "hip": (23, 24),
    "knee": (25, 26),
    "ankle": (27, 28),
    "heel, toe": (29, 30, 31, 32),
}
BODY = [*range(11, 17), *range(23, 29)]  # shoulders, elbows, wrists, hips, knees, ankles
GROUP_OF = {i: name for name, members in GROUPS.items() for i in members}
LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 50)  # ticks


@dataclass(frozen=True, slots=True)
class Seen:
    """C clips of T ticks.

    Attributes:
        error: (C, T, 33, 2) seen less true places, boxes.
        confidence, hidden, beyond: (C, T, 33); how far outside the picture is in boxes.
        present: (C, T).
        swapped: (C, T, len(SWAP_GROUPS)) left and right of a group are exchanged.
        misplaced: (C, T) most landmarks are nowhere near the person's.
        usable: (C, T, 33) present, in the picture, not swapped or misplaced.
        facing: (C, T) degrees, 0 towards the camera, 90 to the picture's right.
        raw: the arrays of measure_landmarks.keep, and what the body says of them.
    """

    error: FloatArray
    confidence: FloatArray
    hidden: FloatArray
    beyond: FloatArray
    present: BoolArray
    swapped: BoolArray
    misplaced: BoolArray
    usable: BoolArray
    facing: FloatArray
    raw: dict[str, NDArray[np.float32]]


def load(folder: Path, body: Body) -> Seen:
    clips = [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]
    raw = {name: np.stack([clip[name] for clip in clips]) for name in clips[0]}
    posed = {name: torch.from_numpy(raw[name]) for name in ("rotmat_cam", "root_cam", "shape")}
    shape = posed["shape"][:, None]
    turned, joints = body.forward_kinematics(
        posed["rotmat_cam"], posed["root_cam"], body.rest_joints(shape)
    )
    raw["landmarks_cam"] = body.landmarks(turned, joints, shape).numpy()
    raw["joints_cam"], raw["turned"] = joints.numpy(), turned.numpy()
    focal, centre = np.split(raw["intrinsics"][:, None, None], 2, axis=-1)
    depth = raw["landmarks_cam"][..., 2:].clip(0.2)
    truth = raw["landmarks_px"] = raw["landmarks_cam"][..., :2] / depth * focal + centre
    present = raw["present"].astype(bool)
    box = BOX * raw["intrinsics"][:, None, 0] / raw["joints_cam"][:, :, 0, 2].clip(0.5)
    outside = np.maximum(-truth, truth - raw["image_size"][:, None, None]).clip(0)
    beyond = np.linalg.norm(outside, axis=-1) / box[..., None]
    error = (raw["pixels"] - truth) / box[..., None, None]
    mirrored = (raw["pixels"][:, :, MIRROR] - truth) / box[..., None, None]
    swapped = []
    for group in SWAP_GROUPS:
        plain = np.linalg.norm(error[:, :, group], axis=-1).mean(-1)
        other = np.linalg.norm(mirrored[:, :, group], axis=-1).mean(-1)
        swapped.append(present & (other < 0.5 * plain) & (plain - other > 0.03))
    for whole, part in ((0, 1), (2, 3)):  # not twice
        swapped[part] &= ~swapped[whole]
    misplaced = present & (np.median(np.linalg.norm(error, axis=-1), axis=-1) > MISPLACED)
    usable = np.repeat((present & ~misplaced)[..., None], NUM_LANDMARKS, -1) & (beyond <= 0)
    for group, at in zip(SWAP_GROUPS, swapped, strict=True):
        usable[:, :, group] &= ~at[..., None]
    hidden = hidden_landmarks(torch.from_numpy(raw["landmarks_cam"]), joints)
    return Seen(
        error=error,
        confidence=raw["confidence"].astype(float),
        hidden=hidden.numpy().astype(float),
        beyond=beyond,
        present=present,
        swapped=np.stack(swapped, -1),
        misplaced=misplaced,
        usable=usable,
        facing=np.degrees(facing(joints).numpy()),
        raw=raw,
    )


# --- Where the landmarks are ---------------------------------------------------------------------


def fit_offsets(seen: Seen) -> FloatArray:
    """(33, 3) what to add to the body's landmarks in the T-pose, metres; robust least squares."""
    places = seen.raw["landmarks_cam"].astype(float)
    depth = places[..., 2].clip(0.2)
    focal = seen.raw["intrinsics"][:, None, None, 0]
    metres = (seen.raw["pixels"] - seen.raw["landmarks_px"]) * (depth / focal)[..., None]
    offsets = np.zeros((NUM_LANDMARKS, 3))
    for i, other in enumerate(MIRROR):
        slopes, values = [], []
        for n, side in {(i, 1), (int(other), -1 if other != i else 1)}:
            seen_well = seen.usable[:, :, n] & (seen.confidence[:, :, n] > SURE)
            ray = places[:, :, n, :2] / depth[:, :, n, None]
            flatten = np.concatenate(
                (np.tile(np.eye(2), (*ray.shape[:2], 1, 1)), -ray[..., None]), -1
            )
            slope = flatten @ seen.raw["turned"][:, :, LANDMARK_JOINTS[n]] * [side, 1, 1]
            slopes.append(slope[seen_well])
            values.append(metres[:, :, n][seen_well])
        slope, value = np.concatenate(slopes), np.concatenate(values)
        weight = np.ones(len(slope))
        for _ in range(10):
            weighed = (slope * weight[:, None, None]).reshape(-1, 3)
            normal = weighed.T @ slope.reshape(-1, 3) + 1e-6 * np.eye(3)
            offsets[i] = np.linalg.solve(normal, weighed.T @ value.reshape(-1))
            left = np.linalg.norm(value - slope @ offsets[i], axis=-1)
            weight = np.minimum(1, ROBUST / left.clip(1e-9))
        offsets[i, 0] *= other != i
    return offsets


def without_offsets(seen: Seen, offsets: FloatArray) -> FloatArray:
    """(C, T, 33, 2) errors of landmarks that were moved on the body, boxes."""
    moved = seen.raw["turned"][:, :, list(LANDMARK_JOINTS)] @ offsets[..., None]
    before = seen.raw["landmarks_cam"]
    after = before + moved[..., 0]
    step = after[..., :2] / after[..., 2:].clip(0.2) - before[..., :2] / before[..., 2:].clip(0.2)
    error: FloatArray = seen.error - step * seen.raw["joints_cam"][:, :, :1, 2:].clip(0.5) / BOX
    return error


# --- How far they are off ------------------------------------------------------------------------


def _members(i: int) -> list[int]:
    return sorted({i, int(MIRROR[i])})


def fit_confidence(seen: Seen) -> list[list[list[float]]]:
    """[33][hidden][score] quantiles of the confidence at SCORE_KNOTS, by how hidden it is."""
    edges = [-0.01, *(np.array(HIDDEN_KNOTS[1:]) + HIDDEN_KNOTS[:-1]) / 2, 1.01]
    table = []
    for i in range(NUM_LANDMARKS):
        rows: list[list[float]] = []
        for low, high in pairwise(edges):
            values = np.concatenate(
                [
                    seen.confidence[:, :, n][
                        seen.usable[:, :, n]
                        & (seen.hidden[:, :, n] > low)
                        & (seen.hidden[:, :, n] <= high)
                    ]
                    for n in _members(i)
                ]
            )
            if len(values) < 100:
                rows.append(rows[-1])
                continue
            rows.append([float(v) for v in np.quantile(values, norm.cdf(SCORE_KNOTS))])
        table.append(rows)
    return table


def fit_spread(error: FloatArray, seen: Seen) -> FloatArray:
    """(33, K) standard deviation per axis at CONFIDENCE_KNOTS: weighted around each knot."""
    spread = np.zeros((NUM_LANDMARKS, len(CONFIDENCE_KNOTS)))
    edges = [-0.01, *(np.array(CONFIDENCE_KNOTS[1:]) + CONFIDENCE_KNOTS[:-1]) / 2, 1.01]
    for i in range(NUM_LANDMARKS):
        group = list(GROUPS[GROUP_OF[i]])
        for k, (low, high) in enumerate(pairwise(edges)):
            for members in (_members(i), group):
                inside = seen.usable[:, :, members] & (seen.confidence[:, :, members] > low)
                inside &= seen.confidence[:, :, members] <= high
                if inside.sum() >= 300:
                    break
            if inside.sum() >= 100:
                values = error[:, :, members][inside].clip(-GROSS, GROSS)
                spread[i, k] = np.sqrt((values**2).mean())
        known = spread[i] > 0
        spread[i] = np.interp(CONFIDENCE_KNOTS, np.array(CONFIDENCE_KNOTS)[known], spread[i, known])
    return spread


def fit_view(error: FloatArray, seen: Seen) -> View:
    """What the view makes of errors of the same confidence; their mean square stays."""
    view = View(torch.ones(len(FACING_EDGES) + 1), torch.ones(2))
    place = np.digitize(np.abs(seen.facing), FACING_EDGES)
    cut = (seen.beyond > 0).any(-1).astype(int)
    for _ in range(4):
        for factors, among in ((view.facing, place), (view.cut, cut)):
            even = without_view(error, seen, view)
            units = standardised(even, seen, fit_spread(even, seen))
            for k in range(len(factors)):
                at = seen.usable[:, :, BODY] & (among == k)[..., None]
                if at.any():
                    factors[k] *= float(np.sqrt((units[:, :, BODY][at] ** 2).mean()))
    size = 1 / without_view(np.ones_like(error), seen, view)[:, :, BODY][seen.usable[:, :, BODY]]
    view.facing.div_(float(np.sqrt((size**2).mean())))
    return view


def without_view(error: FloatArray, seen: Seen, view: View) -> FloatArray:
    """(C, T, 33, 2) errors as large as if all views were alike, boxes."""
    outside = torch.from_numpy((seen.beyond > 0).mean(-1)).float()
    factor = view.factor(torch.from_numpy(np.abs(seen.facing)).float(), outside)
    even: FloatArray = error / factor.double().numpy()[..., None, None]
    return even


def standardised(error: FloatArray, seen: Seen, spread: FloatArray) -> FloatArray:
    """(C, T, 33, 2) errors over the spread at their confidence."""
    expected = np.stack(
        [np.interp(seen.confidence[:, :, i], CONFIDENCE_KNOTS, spread[i]) for i in range(33)], -1
    )
    units: FloatArray = (error.clip(-GROSS, GROSS) / expected[..., None]).clip(-6, 6)
    return units


def speeds(seen: Seen) -> FloatArray:
    """(C, T, 33) boxes per second in the picture, since the tick before."""
    box = BOX * seen.raw["intrinsics"][:, None, 0] / seen.raw["joints_cam"][:, :, 0, 2].clip(0.5)
    step = np.diff(seen.raw["landmarks_px"], axis=1, prepend=seen.raw["landmarks_px"][:, :1])
    found: FloatArray = np.linalg.norm(step, axis=-1) / box[..., None] * FPS
    return found


def fit_memory(values: FloatArray, usable: BoolArray, speed: FloatArray) -> tuple[float, ...]:
    """Share kept for good, share forgotten per second, and per box of way (noise_table.Memory).

    Args:
        values: (C, T, N, D) of unit spread.
    """
    way = speed.cumsum(1) / FPS
    rows = []
    for lag in LAGS[1:]:
        both = usable[:, lag:] & usable[:, :-lag]
        gone = (way[:, lag:] - way[:, :-lag])[both]
        product = (values[:, lag:] * values[:, :-lag]).mean(-1)[both]
        for part in np.array_split(gone.argsort(), 6):
            rows.append((lag / FPS, gone[part].mean(), product[part].mean(), len(part)))
    time, gone, product, count = np.array(rows).T
    product = product / (values[usable] ** 2).mean()

    def left(x: FloatArray, kept: float, creep: float, travel: float) -> FloatArray:
        return np.asarray(kept + (1 - kept) * np.exp(-creep * x[0] - travel * x[1]))

    found, _ = curve_fit(
        left,
        np.stack((time, gone)),
        product,
        p0=(0.3, 1.0, 3.0),
        sigma=1 / np.sqrt(count),
        bounds=((0, 0, 0), (0.95, 30, 30)),
    )
    return tuple(float(v) for v in found)


def fit_creep(error: FloatArray, seen: Seen, kept: float) -> float:
    """What is forgotten per second at rest between renewals: from the median tick-to-tick change.

    An even walk changes by √(2 (1 − kept) creep / FPS) of its spread per tick.
    """
    still = seen.usable & (seen.confidence > SURE) & (speeds(seen) < 0.05)
    still[:, 1:] &= still[:, :-1]
    still[:, 0] = False
    change = (np.diff(error, axis=1, prepend=error[:, :1])[still] ** 2).sum(-1)
    return float(np.median(change) / np.median((error[still] ** 2).sum(-1)) * FPS / 2 / (1 - kept))


def fit_correlation(values: FloatArray, usable: BoolArray) -> FloatArray:
    """(33, 33) correlation between landmarks, left-right symmetric and positive definite."""
    found = np.eye(NUM_LANDMARKS)
    for i in range(NUM_LANDMARKS):
        for k in range(i):
            both = usable[:, :, i] & usable[:, :, k]
            a, b = values[:, :, i][both], values[:, :, k][both]
            found[i, k] = found[k, i] = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    found = (found + found[np.ix_(MIRROR, MIRROR)]) / 2
    scale, vectors = np.linalg.eigh(found)
    found = vectors * scale.clip(0.02) @ vectors.T
    size = np.sqrt(np.diag(found))
    symmetric: FloatArray = found / size / size[:, None]
    return symmetric


def fit_tail(values: FloatArray, usable: BoolArray) -> float:
    """Standard deviation of the logarithm of the spread, by clip and landmark.

    The one that makes the median of the squared error as small against its mean as it was seen.
    """
    squares = (values[usable] ** 2).sum(-1)
    normal, worse = np.random.default_rng(0).standard_normal((2, 200_000, 2))
    tails = np.linspace(0, 1.2, 25)
    ratios = [
        np.median(drawn) / drawn.mean()
        for tail in tails
        for drawn in [np.exp(2 * tail * worse[:, 0]) * (normal**2).sum(-1)]
    ]
    return float(np.interp(-np.median(squares) / squares.mean(), -np.array(ratios), tails))


def normal_scores(seen: Seen) -> FloatArray:
    """(C, T, 33) each confidence's rank among those as hidden, as a normal number."""
    scores = np.zeros_like(seen.confidence)
    level = np.abs(seen.hidden[..., None] - HIDDEN_KNOTS).argmin(-1)
    for i in range(NUM_LANDMARKS):
        for k in range(len(HIDDEN_KNOTS)):
            at = seen.usable[:, :, i] & (level[:, :, i] == k)
            if at.sum():
                ranks = rankdata(seen.confidence[:, :, i][at])
                scores[:, :, i][at] = norm.ppf((ranks - 0.5) / at.sum())
    return scores


def fit_lag(error: FloatArray, seen: Seen) -> float:
    """Seconds by which moving landmarks are late, by least squares on their own speed."""
    box = BOX * seen.raw["intrinsics"][:, None, 0] / seen.raw["joints_cam"][:, :, 0, 2].clip(0.5)
    speed = np.gradient(seen.raw["landmarks_px"], axis=1) * FPS / box[..., None, None]
    size = np.linalg.norm(speed, axis=-1)
    good = seen.usable & (seen.confidence > SURE) & (size > 0.1) & (size < 3)
    count = good.sum(1).clip(1)[:, None, :, None]
    mean = np.where(good[..., None], error, 0).sum(1, keepdims=True) / count
    changing = (error - mean)[good]
    return float(-(changing * speed[good]).sum() / (speed[good] ** 2).sum())


def runs(flags: BoolArray) -> list[int]:
    """Lengths of all runs of True along the last axis, in ticks."""
    lengths = []
    for row in flags.reshape(-1, flags.shape[-1]):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(int), [0]))))
        lengths += list(edges[1::2] - edges[::2])
    return lengths


def fit_swaps(seen: Seen) -> list[list[float]]:
    """[group][facing bin] how many swaps begin per second."""
    away = np.digitize(np.abs(seen.facing), FACING_EDGES)
    begins = seen.swapped & ~np.pad(seen.swapped, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    rates = []
    for group in range(len(SWAP_GROUPS)):
        row = []
        for k in range(len(FACING_EDGES) + 1):
            at = seen.present & (away == k)
            row.append(float(begins[..., group][at].sum() / max(at.sum(), 1) * FPS))
        rates.append(row)
    return rates


def fit_outside(error: FloatArray, seen: Seen) -> tuple[float, float]:
    """Error per box outside the picture, and boxes in which confidence drops to 1/e."""
    at = seen.present[..., None] & (seen.beyond > 0.1) & (seen.beyond < 0.8)
    size = np.sqrt((error[at] ** 2).mean(-1)).clip(max=1.0)
    slope = float(np.median(size / seen.beyond[at]))
    near = seen.present[..., None] & (seen.beyond > 0) & (seen.beyond < 0.3)
    kept = np.log(seen.confidence[near].clip(0.01)) - np.log(0.9)
    return slope, float(-(seen.beyond[near] ** 2).sum() / (kept * seen.beyond[near]).sum())


def fit_losses(seen: Seen) -> tuple[float, float]:
    """Losses of a person who is in the picture, per second, and their mean length in seconds."""
    shown = (seen.beyond <= 0).mean(-1) > 0.5
    lost = shown & ~seen.present
    lengths = runs(lost)
    return len(lengths) / (shown.sum() / FPS), float(np.mean(lengths or [0])) / FPS


# --- The 3D landmarks ----------------------------------------------------------------------------


def describe_world(seen: Seen) -> None:
    """Prints how MediaPipe's 3D landmarks differ from the true ones, relative to mid-hip."""
    body = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    true = seen.raw["landmarks_cam"] - seen.raw["landmarks_cam"][:, :, [23, 24]].mean(
        2, keepdims=True
    )
    world = seen.raw["world"] - seen.raw["world"][:, :, [23, 24]].mean(2, keepdims=True)
    whole = seen.present & (seen.beyond <= 0).all(-1) & ~seen.swapped.any(-1)
    whole &= ~seen.misplaced
    true, world = true[whole].astype(float), world[whole].astype(float)
    facing_away = np.abs(seen.facing[whole])
    centre = seen.raw["landmarks_cam"][:, :, [23, 24]].mean(2)[whole]
    print(f"\n3D landmarks, {whole.sum()} frames in which the whole person is in the picture")
    print("facing      frames  MPJPE  PA-MPJPE  scale  slope x   y   z  tilt° (std)")
    for low, high in ((0, 45), (45, 75), (75, 105), (105, 135), (135, 181)):
        at = (facing_away >= low) & (facing_away < high)
        if at.sum() < 50:
            continue
        t, w = true[at][:, body], world[at][:, body]
        slopes = [(t[..., a] * w[..., a]).sum() / (t[..., a] ** 2).sum() for a in range(3)]
        fits = [_procrustes(a, b) for a, b in zip(w, t, strict=True)]
        tilt = np.degrees([np.arctan2(r[2, 1] - r[1, 2], r[1, 1] + r[2, 2]) for _, r, _ in fits])
        mpjpe = 1000 * np.linalg.norm(w - t, axis=-1).mean()
        aligned, scale = np.mean([(1000 * left, 1 / by) for by, _, left in fits], axis=0)
        print(
            f"{low:3}..{high:3}  {at.sum():8}  {mpjpe:5.0f}  {aligned:8.0f}  {scale:5.2f}", end="  "
        )
        print("{:7.2f} {:.2f} {:.2f}".format(*slopes), f" {tilt.mean():.1f} ({tilt.std():.1f})")
    ray = np.degrees(np.arctan2(centre[:, 1], centre[:, 2]))
    fits = [_procrustes(a[body], b[body]) for a, b in zip(world, true, strict=True)]
    tilt = np.degrees([np.arctan2(r[2, 1] - r[1, 2], r[1, 1] + r[2, 2]) for _, r, _ in fits])
    up = seen.raw["gravity_cam"][:, None].repeat(seen.present.shape[1], 1)[whole]
    pitch = np.degrees(np.arctan2(up[:, 2], -up[:, 1]))
    print(f"tilt against the viewing ray's: {np.polyfit(ray, tilt, 1).round(2)}, ", end="")
    print(f"against the camera's pitch: {np.polyfit(pitch, tilt, 1).round(2)} (slope, constant)")
    for name, (a, b) in BONES.items():
        lengths = [np.linalg.norm(p[:, a] - p[:, b], axis=-1) for p in (world, true)]
        ratio = lengths[0] / lengths[1].clip(0.05)
        print(f"  {name:16} {np.median(ratio):.2f} of its length, spread {ratio.std():.2f}")


BONES = {
    "shoulders": (11, 12),
    "hips": (23, 24),
    "left upper arm": (11, 13),
    "right upper arm": (12, 14),
    "left forearm": (13, 15),
    "right forearm": (14, 16),
    "left thigh": (23, 25),
    "right thigh": (24, 26),
    "left shank": (25, 27),
    "right shank": (26, 28),
}


def _procrustes(source: FloatArray, target: FloatArray) -> tuple[float, FloatArray, float]:
    """Scale and rotation that bring (N, 3) nearest to the target, and the mean distance left."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(a.T @ b)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotmat = (u @ sign @ vt).T
    scale = float((s * np.diag(sign)).sum() / (a * a).sum())
    return scale, rotmat, float(np.linalg.norm(scale * a @ rotmat.T - b, axis=-1).mean())


# --- All of it -----------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seen", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    seen = load(args.seen, load_body())
    clips, ticks = seen.present.shape
    print(f"{clips} clips of {ticks} ticks; somebody is seen in {100 * seen.present.mean():.1f} %,")
    print(f"of these {100 * seen.misplaced[seen.present].mean():.1f} % are nowhere near the person")

    offsets = fit_offsets(seen)
    error = without_offsets(seen, offsets)
    print("\nlandmark: move it on the body, mm; frames; robust std per axis, % of the box")
    for i in range(NUM_LANDMARKS):
        if LANDMARK_NAMES[i].startswith("right") or LANDMARK_NAMES[i].endswith("right"):
            continue
        sure = np.concatenate(
            [
                e[:, :, n][seen.usable[:, :, n] & (seen.confidence[:, :, n] > SURE)]
                for n in _members(i)
                for e in [np.stack((seen.error, error), -1)]
            ]
        )
        spread = 100 * np.sqrt(np.median((sure**2).sum(1), axis=0) / 1.386)
        print(
            f"  {LANDMARK_NAMES[i]:16} {np.round(1000 * offsets[i])}  {len(sure):6}  "
            f"{spread[0]:.1f}, moved {spread[1]:.1f}"
        )

    view = fit_view(error, seen)
    even = without_view(error, seen, view)
    spread = fit_spread(even, seen)
    print(f"\nfactors on errors by facing angle: {view.facing.numpy().round(2)};", end=" ")
    print(f"whole, cut off: {view.cut.numpy().round(2)}")
    print(f"error, % of the box per axis, at confidence {CONFIDENCE_KNOTS}")
    for name, members in GROUPS.items():
        print(f"  {name:10} {(100 * spread[list(members)].mean(0)).round(1)}")
    units = standardised(even, seen, spread)
    speed = speeds(seen)
    kept, forgotten, travel = fit_memory(units, seen.usable, speed)
    creep = fit_creep(error, seen, kept)
    scores = normal_scores(seen)
    score = fit_memory(scores[..., None], seen.usable, speed)
    renewals = max(forgotten - creep, 0.0)
    print(
        f"errors: {kept:.2f} kept, {creep:.2f} forgotten per second, {travel:.1f} per box of way,"
    )
    print(f"  {renewals:.2f} renewals a second; scores of confidence: {np.round(score, 2)}")
    swaps = fit_swaps(seen)
    lengths = [float(np.mean(runs(seen.swapped[..., g]) or [3])) / FPS for g in range(len(swaps))]
    outside = fit_outside(error, seen)
    losses = fit_losses(seen)
    table = {
        "clips": clips,
        "frames": int(seen.present.sum()),
        "confidence": fit_confidence(seen),
        "confidence_memory": {
            "kept": score[0],
            "creep": max(score[1] - renewals, 0.0),
            "travel": score[2],
        },
        "confidence_correlation": fit_correlation(scores, seen.usable).tolist(),
        "error_std": spread.tolist(),
        "view": {"facing": view.facing.tolist(), "cut": view.cut.tolist()},
        "error_memory": {"kept": kept, "creep": creep, "travel": travel},
        "renewals": renewals,
        "error_correlation": fit_correlation(units, seen.usable).tolist(),
        "tail": fit_tail(units, seen.usable),
        "lag_s": fit_lag(error, seen),
        "outside_error": outside[0],
        "outside_decay": outside[1],
        "swap_rates": swaps,
        "swap_s": lengths,
        "loss_rate": losses[0],
        "loss_s": losses[1],
    }
    for name in ("tail", "lag_s", "outside_error", "outside_decay"):
        print(f"{name}: {np.round(table[name], 3)}")
    print(f"losses: {losses[0]:.3f} a second, {losses[1]:.2f} s long")
    print(f"swaps begun per second, by facing angle between {FACING_EDGES} degrees:")
    for group, row, length in zip(("upper", "arms", "lower", "legs"), swaps, lengths, strict=True):
        print(f"  {group:6} {np.round(row, 3)}, {length:.2f} s long")
    describe_world(seen)
    args.out.write_text(json.dumps(_rounded(table), separators=(",", ":")) + "\n")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
