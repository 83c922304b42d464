"""Renders the built-in body in known motion: pictures to measure the 2D stage with.

    scripts/render_people.py motions.npz sheet.png

draws a contact sheet. Skin, hair and clothes are painted on the rest pose; one lamp and the sky
light the body, the room behind it is made up, and each clip has its own blur, grain and JPEG
quality. A z-buffer in numba: about 15 ms for a picture of 720 × 540 on one core, no GPU.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from genmo_rt.data.batch import TrainingBatch
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body, load_body

LONGER_EDGE = 720  # pixels of the pictures
EYE, EAR = (0.029, 0.653, 0.088), (0.066, 0.638, 0.006)  # on the built-in body at rest, metres
MOUTH, NOSE = (0.0, 0.583, 0.091), (0.0, 0.615, 0.114)
NEAR = 0.1  # metres; triangles that come nearer are not drawn
SHUTTER = 0.4  # of a tick, the longest time that the shutter stays open

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

J = {name: index for index, name in enumerate(JOINT_NAMES)}
SKIN = [(241, 204, 177), (224, 172, 138), (198, 134, 96), (141, 85, 54), (92, 58, 41)]
HAIR = [(30, 24, 20), (70, 45, 28), (120, 82, 45), (190, 160, 100), (128, 128, 128)]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture and what is true of it, all in this picture's pixels.

    Attributes:
        clip, tick: of the batch.
        image: (H, W, 3) uint8 RGB.
    """

    clip: int
    tick: int
    image: Picture


@dataclass(frozen=True, slots=True)
class Mesh:
    """The body's surface with every edge halved, so that paint may follow a collar or a brow.

    Attributes:
        coarse_faces: (F / 4, 3) before.
        faces: (F, 3).
        edges: (E, 2) the coarse vertices that each added vertex lies between.
        rest: (V, 3) in the T-pose at shape zero, metres.
        part: (V,) the joint with the greatest share in each vertex.
    """

    coarse_faces: NDArray[np.int64]
    faces: NDArray[np.int64]
    edges: NDArray[np.int64]
    rest: Array
    part: NDArray[np.int64]

    def refine(self, coarse: Array) -> Array:
        """(..., N, C) values at the coarse vertices to (..., V, C)."""
        return _refined(coarse, self.edges)


def fine_mesh(body: Body) -> Mesh:
    faces = body.faces.numpy()
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=-1)
    edges, at = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True)
    a, b, c = faces.T
    ab, bc, ca = at.reshape(-1, 3).T + len(body.vertex_mean)
    quarters = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    fine = np.concatenate([np.stack(q, -1) for q in quarters])
    rest = _refined(body.vertex_mean.numpy(), edges)
    return Mesh(faces, fine, edges, rest, _refined(body.weights.numpy(), edges).argmax(-1))


def _refined(coarse: Array, edges: NDArray[np.int64]) -> Array:
    between = (coarse[..., edges[:, 0], :] + coarse[..., edges[:, 1], :]) / 2
    return np.concatenate((coarse, between), axis=-2).astype(np.float32)


# --- Paint ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """What one person wears.

    Attributes:
        colour: (V, 3) 0..1.
        thickness: (V,) of clothes and hair over the body, metres.
    """

    colour: Array
    thickness: Array


def draw_look(mesh: Mesh, body: Body, random: np.random.Generator) -> Look:
    """Dresses the body: shirt, trousers or shorts, shoes, hair, a face."""
    x, y, z = mesh.rest.T
    joints = body.joint_mean.numpy()
    skin = np.array(SKIN[random.integers(len(SKIN))]) / 255
    colour = np.tile(skin, (len(x), 1))
    thickness = np.zeros(len(x))
    shirt, trousers, shoes = (_cloth_colour(random) for _ in range(3))
    crotch = joints[J["left_hip"], 1] - 0.06
    waist = random.uniform(-0.02, 0.1)
    sleeve = random.choice([0.27, 0.32, 0.45, 0.66])
    leg = random.choice([-0.4, -0.55, -0.87, -0.87, -0.87])
    head = np.isin(mesh.part, [J["head"], J["neck"]])
    neckline = joints[J["neck"], 1] - 0.03 - 0.05 * random.random() * (z > 0)

    below_collar = (y < neckline) | (np.abs(x) > 0.1)
    covered = (y > waist) & below_collar & (np.abs(x) < sleeve) & ~head
    colour[covered] = _pattern(shirt, mesh.rest[covered], random)
    thickness[covered] = random.uniform(0.003, 0.02)
    covered = (y <= waist) & (y > leg) & (np.abs(x) < 0.35)
    colour[covered] = _pattern(trousers, mesh.rest[covered], random)
    thickness[covered] = random.uniform(0.003, 0.02)
    thickness[covered & (y > crotch)] *= 0.6
    covered = y < joints[J["left_ankle"], 1] + random.choice([-0.02, 0.04])
    colour[covered] = shoes
    thickness[covered] = 0.006
    _paint_head(colour, thickness, mesh, head, random)
    # Folds and wear: a smooth random field over the rest pose.
    colour *= 1 + 0.12 * _field(mesh.rest, 14.0, random)[:, None] * (thickness[:, None] > 0)
    return Look(np.clip(colour, 0, 1).astype(np.float32), thickness.astype(np.float32))


def _paint_head(
    colour: NDArray[np.float64],
    thickness: NDArray[np.float64],
    mesh: Mesh,
    head: NDArray[np.bool_],
    random: np.random.Generator,
) -> None:
    hair = np.array(HAIR[random.integers(len(HAIR))]) / 255
    _, y, z = mesh.rest.T
    line = EYE[1] + random.uniform(0.045, 0.065)
    length = random.choice([-0.02, -0.06, -0.13])
    grown = head & (
        (y > line)
        | ((z < EAR[2] - 0.005) & (y > EAR[1] + length))
        | ((z < EAR[2] + 0.02) & (y > EYE[1]))
    )
    if random.random() > 0.07:
        colour[grown] = hair * random.uniform(0.9, 1.1)
        thickness[grown] = random.uniform(0.004, 0.02)
    for side in (-1, 1):
        socket = np.multiply(EYE, (side, 1, 1))
        away = np.abs(mesh.rest - socket)
        colour[head & (z > 0.04) & (away[:, 0] < 0.015) & (away[:, 1] < 0.006)] = (0.92, 0.92, 0.9)
        colour[head & (z > 0.04) & (away[:, 0] < 0.006) & (away[:, 1] < 0.006)] = (0.1, 0.08, 0.06)
        brow = np.abs(y - EYE[1] - 0.017) < 0.005
        colour[head & (z > 0.04) & brow & (away[:, 0] < 0.02)] = hair * 0.7
    lips = head & (z > 0.05) & (np.abs(y - MOUTH[1]) < 0.008) & (np.abs(mesh.rest[:, 0]) < 0.024)
    colour[lips] *= (0.85, 0.55, 0.55)
    nostrils = head & (z > 0.08) & (np.abs(y - NOSE[1] + 0.012) < 0.005)
    colour[nostrils] *= 0.7


def _cloth_colour(random: np.random.Generator) -> NDArray[np.float64]:
    value, strength = random.uniform(0.08, 0.95), random.uniform(0, 0.8) ** 2
    tint = random.random(3)
    colour: NDArray[np.float64] = value * ((1 - strength) + strength * tint / tint.max())
    return colour


def _pattern(
    colour: NDArray[np.float64], rest: Array, random: np.random.Generator
) -> NDArray[np.float64]:
    """(N, 3): plain, or stripes along or across the body."""
    other = _cloth_colour(random)
    axis = random.integers(4)
    if axis > 1:
        return np.tile(colour, (len(rest), 1))
    stripe = np.sin(2 * np.pi * rest[:, axis] / random.uniform(0.03, 0.15)) > random.uniform(0, 0.8)
    return np.where(stripe[:, None], other, colour)


def _field(points: Array, frequency: float, random: np.random.Generator) -> NDArray[np.float64]:
    """(N,) smooth, of unit spread."""
    waves = frequency * random.standard_normal((3, 24))
    field: NDArray[np.float64] = np.cos(points @ waves + 7 * random.random(24)).mean(1)
    return np.asarray(field * np.sqrt(48))


# --- Drawing -------------------------------------------------------------------------------------


@numba.njit(cache=True)
def _rasterise(
    points: Array, faces: NDArray[np.int64], colour: Array, image: Array, depth: Array
) -> None:
    """Draws triangles of (V, 3) pixels and inverse depths with (V, 3) colours, nearest first."""
    height, width = depth.shape
    for f in range(len(faces)):
        i, j, k = faces[f]
        x0, y0, w0 = points[i]
        x1, y1, w1 = points[j]
        x2, y2, w2 = points[k]
        if w0 <= 0 or w1 <= 0 or w2 <= 0:
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-9:  # seen from inside; y is down, so that outside is negative
            continue
        left, right = max(0, int(np.ceil(min(x0, x1, x2)))), min(width - 1, int(max(x0, x1, x2)))
        top, bottom = max(0, int(np.ceil(min(y0, y1, y2)))), min(height - 1, int(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                b = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
                c = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
                a = 1 - b - c
                if a < 0 or b < 0 or c < 0:
                    continue
                w = a * w0 + b * w1 + c * w2
                if w > depth[y, x]:
                    depth[y, x] = w
                    for n in range(3):
                        image[y, x, n] = a * colour[i, n] + b * colour[j, n] + c * colour[k, n]


@numba.njit(cache=True)
def _normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    """(V, 3) unit normals, each the sum of the faces' around it."""
    found = np.zeros_like(vertices)
    for f in range(len(faces)):
        i, j, k = faces[f]
        ax, ay, az = vertices[j] - vertices[i]
        bx, by, bz = vertices[k] - vertices[i]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            found[v, 0] += nx
            found[v, 1] += ny
            found[v, 2] += nz
    for i in range(len(found)):
        found[i] /= np.sqrt((found[i] ** 2).sum()) + np.float32(1e-12)
    return found


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays the same during a clip.

    Attributes:
        background: (H, W, 3) 0..1.
        lamp: (3,) unit vector to the lamp in the camera.
        up: (3,) unit vector in the camera.
        ambient, direct: light.
        blur: standard deviation, pixels.
        grain: standard deviation, 0..1.
        quality: of the JPEG.
        shutter: ticks that it stays open.
        oversample: the body is drawn this many times larger.
    """

    background: Array
    lamp: Array
    up: Array
    ambient: float
    direct: float
    blur: float
    grain: float
    quality: int
    shutter: float
    oversample: int = 2


def draw_scene(size: tuple[int, int], up: Array, random: np.random.Generator) -> Scene:
    """A room of the given (width, height): wall, floor and things standing about."""
    lamp = random.standard_normal(3) * [1, 0.4, 0.6] + 1.2 * up - [0, 0, 0.8]
    return Scene(
        background=_room(size, random),
        lamp=(lamp / np.linalg.norm(lamp)).astype(np.float32),
        up=up,
        ambient=random.uniform(0.35, 0.75),
        direct=random.uniform(0.2, 0.75),
        blur=random.uniform(0.3, 1.3),
        grain=random.uniform(0.0, 0.035),
        quality=int(random.integers(35, 92)),
        shutter=float(random.choice([0, 0, SHUTTER / 2, SHUTTER])),
    )


def _room(size: tuple[int, int], random: np.random.Generator) -> Array:
    width, height = size
    room = np.empty((height, width, 3), np.float32)
    horizon = int(height * random.uniform(0.35, 0.75))
    room[:horizon] = _cloth_colour(random)
    room[horizon:] = _cloth_colour(random)
    for _ in range(random.integers(0, 12)):
        colour = tuple(float(c) for c in _cloth_colour(random))
        x, y = int(random.integers(width)), int(random.integers(height * 3 // 4))
        w, h = (int(v) for v in random.integers(15, [width // 3, height // 2]))
        kind = random.integers(3)
        if kind < 2:
            cv2.rectangle(room, (x, y), (x + w, y + h), colour, -1 if kind else 4)
        else:
            cv2.ellipse(room, (x, y), (w // 2, h // 2), 0, 0, 360, colour, -1)
    shade = gaussian_filter(random.standard_normal((height // 8 + 1, width // 8 + 1)), 6)
    shade = cv2.resize(shade / max(float(np.abs(shade).max()), 1e-6), size)
    texture = gaussian_filter(random.standard_normal((height, width)), random.uniform(0.5, 3))
    texture *= random.uniform(0, 0.06) / texture.std()
    lit = room * (1 + 0.3 * shade + texture)[..., None]
    return np.asarray(
        cv2.GaussianBlur(lit, (0, 0), random.uniform(0.5, 2.5)).clip(0, 1), np.float32
    )


def draw(
    mesh: Mesh,
    look: Look,
    scene: Scene,
    exposures: Array,
    intrinsics: Array,
    random: np.random.Generator,
) -> Picture:
    """One picture of a body.

    Args:
        exposures: (N, coarse vertices, 3) in the camera while the shutter is open, metres.
        intrinsics: (4,) fx, fy, cx, cy.
    """
    height, width = scene.background.shape[:2]
    light = np.zeros((height, width, 3), np.float32)
    for coarse in exposures:
        normals = mesh.refine(_normals(coarse, mesh.coarse_faces))
        vertices = mesh.refine(coarse) + look.thickness[:, None] * normals
        lambert = np.clip(normals @ scene.lamp, 0, 1)
        sky = 0.75 + 0.25 * (normals @ scene.up)
        lit = look.colour * (scene.ambient * sky + scene.direct * lambert)[:, None]
        light += _composite(mesh, vertices, lit, scene, intrinsics) / len(exposures)
    grain = scene.grain * random.standard_normal((height, width, 1), np.float32)
    blurred = cv2.GaussianBlur(light, (0, 0), scene.blur) + grain
    picture = (255 * np.clip(blurred, 0, 1)).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, scene.quality])
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])


def _composite(mesh: Mesh, vertices: Array, lit: Array, scene: Scene, intrinsics: Array) -> Array:
    """(H, W, 3) the lit body before the room, which its shadow darkens at the feet."""
    height, width = scene.background.shape[:2]
    inverse = np.where(vertices[:, 2] > NEAR, 1 / np.maximum(vertices[:, 2], NEAR), -1)
    pixels = vertices[:, :2] * np.abs(inverse)[:, None] * intrinsics[:2] + intrinsics[2:]
    image = scene.background.copy()
    _shade_floor(image, vertices, pixels, scene.up)
    visible = pixels[inverse > 0]
    if not len(visible):
        return image
    low = np.clip(np.floor(visible.min(0)) - 2, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(visible.max(0)) + 3, 0, (width, height)).astype(int)
    if (high <= low).any():
        return image
    part = image[low[1] : high[1], low[0] : high[0]]
    times = scene.oversample
    large = np.repeat(np.repeat(part, times, 0), times, 1)
    depth = np.zeros(large.shape[:2], np.float32)
    at = (pixels - low + 0.5) * times - 0.5
    points = np.concatenate((at, inverse[:, None]), axis=1).astype(np.float32)
    _rasterise(points, mesh.faces, np.ascontiguousarray(lit, np.float32), large, depth)
    image[low[1] : high[1], low[0] : high[0]] = cv2.resize(
        large, part.shape[1::-1], interpolation=cv2.INTER_AREA
    )
    return image


def _shade_floor(image: Array, vertices: Array, pixels: Array, up: Array) -> None:
    """A soft shadow under what is within 10 cm of the lowest point."""
    above = vertices @ up
    feet = pixels[(above < above.min() + 0.1) & (vertices[:, 2] > NEAR)]
    if not len(feet):
        return
    (x, y), spread = feet.mean(0), np.ptp(feet, axis=0) * 0.7 + 4
    if not (np.abs((x, y)) < 5000).all() or spread.max() > 3000:
        return
    shade = np.zeros(image.shape[:2], np.float32)
    axes = (int(spread[0]), int(min(spread[1], spread[0])))
    cv2.ellipse(shade, (int(x), int(y)), axes, 0, 0, 360, 0.5, -1)
    image *= (1 - cv2.GaussianBlur(shade, (0, 0), max(3.0, 0.15 * float(spread[0]))))[..., None]


# --- Clips ---------------------------------------------------------------------------------------


def scale_of(image_size: Array) -> float:
    """From a batch's pixels to the pictures'."""
    return LONGER_EDGE / float(image_size.max())


def render_clip(
    batch: TrainingBatch, clip: int, body: Body, mesh: Mesh, seed: int, every: int = 1
) -> Iterator[Shot]:
    """The pictures of one clip of a batch, LONGER_EDGE pixels long, in order."""
    random = np.random.default_rng(seed)
    scale = scale_of(batch.image_size[clip].numpy())
    width, height = (round(float(v) * scale) for v in batch.image_size[clip])
    look = draw_look(mesh, body, random)
    scene = draw_scene((width, height), batch.gravity_cam[clip].numpy(), random)
    intrinsics = (batch.intrinsics_true[clip] * scale).numpy()
    before = None
    for tick in range(0, batch.pixels.shape[1], every):
        with torch.no_grad():
            vertices = body.skin(
                batch.rotmat_cam[clip, tick], batch.root_cam[clip, tick], batch.shape[clip]
            ).numpy()
        exposures = [vertices]
        if scene.shutter and before is not None:
            step = (vertices - before) / every
            exposures = [vertices + at * scene.shutter * step for at in (-1 / 3, 0, 1 / 3)]
        before = vertices
        yield Shot(clip, tick, draw(mesh, look, scene, np.stack(exposures), intrinsics, random))


def main() -> None:
    from genmo_rt.data.dataset import load_dataset
    from genmo_rt.data.loader import LoaderConfig, batches
    from genmo_rt.data.observe import CLEAN

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    body = load_body()
    mesh = fine_mesh(body)
    config = LoaderConfig(batch_size=24, length=31, noise=CLEAN)
    batch = next(batches(load_dataset(args.motions), config, args.seed))
    tiles = []
    for clip in range(24):
        shot = list(render_clip(batch, clip, body, mesh, args.seed + clip, every=30))[-1]
        tiles.append(shot.image)
    draw_sheet(tiles, args.out)


def draw_sheet(pictures: Sequence[Picture], out: Path, across: int = 6, edge: int = 240) -> None:
    """Writes pictures into one, row by row."""
    tiles = [_tile(picture, edge, edge) for picture in pictures]
    tiles += [np.zeros((edge, edge, 3), np.uint8)] * (-len(tiles) % across)
    rows = [np.concatenate(tiles[n : n + across], 1) for n in range(0, len(tiles), across)]
    cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1])


def _tile(image: Picture, width: int, height: int) -> Picture:
    """The picture in a frame of the given size."""
    scale = min(width / image.shape[1], height / image.shape[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((height, width, 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    return tile


if __name__ == "__main__":
    main()
