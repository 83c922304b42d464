"""Draws a clip as pictures: the body on a floor with lines every half metre, by numpy alone.

The surface is a cloud of points, dense enough to be closed, drawn far to near. The camera keeps
its direction and follows the pelvis, so that the floor shows how far the person goes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.formats.clip import Clip
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.smpl import Body

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

POINTS = 120_000  # on the whole surface
OVERSAMPLING = 2  # body pixels per picture pixel and side
DISTANCE_M = 4.2
TARGET_M = 0.85  # height the camera looks at
TURN, PITCH = np.radians(30.0), np.radians(12.0)  # of the camera about a person who faces +z
FOCAL = 1.25  # in picture heights
FOLLOW_FRAMES = 20  # over which the camera's path is smoothed
LINES_M = 0.5
DOT = (3, 2)  # pixels that a point covers: leaves no holes
SKY, FLOOR, LINE = (
    np.array(c, np.float32) for c in ((236, 240, 244), (214, 219, 225), (178, 186, 196))
)
SKIN, SHADOW = np.array((224, 150, 104), np.float32), 0.72
LIGHT = np.array((0.35, 0.85, 0.4), np.float32) / np.float32(np.linalg.norm((0.35, 0.85, 0.4)))


def draw(clip: Clip, body: Body, *, size: tuple[int, int] = (640, 480)) -> Iterator[Picture]:
    """Draws every pose of a clip.

    Args:
        clip: of that body.
        body: whose surface it is.
        size: width and height, pixels, even.
    Yields:
        (H, W, 3) RGB.
    """
    camera = _Camera.of(size)
    surface = Surface.of(body, clip.shape)
    centre = _followed(clip.pelvis).astype(np.float32)
    rotmat = axis_angle_to_rotmat(torch.from_numpy(clip.axis_angle)).float()
    pelvis = torch.from_numpy(clip.pelvis).float()
    shape = torch.from_numpy(clip.shape).float()
    for frame in range(len(clip.pelvis)):
        with torch.inference_mode():
            vertices = body.skin(rotmat[frame], pelvis[frame], shape).numpy()
        points, normals = surface.at(vertices)
        yield _picture(camera, centre[frame], points, normals)


@dataclass(frozen=True, slots=True)
class _Camera:
    """A pinhole that looks down at the point it follows.

    Attributes:
        size: width and height, pixels.
        R_w2c: (3, 3), OpenCV axes.
        place: (3,) of the camera from the point on the floor it follows, metres.
        floor: (H, W, 2) x and z of each pixel's place on the floor, from that point; nan above
            the horizon.
        width: (H, W) metres of floor that a pixel covers.
    """

    size: tuple[int, int]
    R_w2c: Array
    place: Array
    floor: Array
    width: Array

    @classmethod
    def of(cls, size: tuple[int, int]) -> "_Camera":
        back = np.array((np.sin(TURN) * np.cos(PITCH), np.sin(PITCH), np.cos(TURN) * np.cos(PITCH)))
        place = np.array((0.0, TARGET_M, 0.0)) + DISTANCE_M * back
        right = np.array((np.cos(TURN), 0.0, -np.sin(TURN)))
        R_w2c = np.stack((right, np.cross(-back, right), -back))
        width, height = size
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        focal = FOCAL * height
        rays = np.stack(((x - width / 2) / focal, (y - height / 2) / focal, np.ones_like(x)), -1)
        rays = rays @ R_w2c  # in the world
        far = np.where(rays[..., 1] < -1e-3, -place[1] / np.minimum(rays[..., 1], -1e-3), np.nan)
        floor = place[[0, 2]] + far[..., None] * rays[..., [0, 2]]
        slant = -rays[..., 1] / np.linalg.norm(rays, axis=-1)
        covered = far / focal / np.sqrt(np.maximum(slant, 1e-3))
        return cls(size, *(a.astype(np.float32) for a in (R_w2c, place, floor, covered)))

    def project(self, points: Array, centre: Array, scale: int) -> tuple[NDArray[np.int64], Array]:
        """(N, 3) points to (N, 2) columns and rows, `scale` times as many, and to depths."""
        local = (points - centre - self.place) @ self.R_w2c.T
        middle = np.array(self.size, np.float32) / 2
        focal = FOCAL * self.size[1]
        pixel = (local[:, :2] / local[:, 2:] * focal + middle) * scale
        return np.floor(pixel).astype(np.int64), np.asarray(local[:, 2], np.float32)


@dataclass(frozen=True, slots=True)
class Surface:
    """Points on a mesh.

    Attributes:
        corners: (N, 3) vertices of each point's face.
        shares: (N, 3) of them.
        faces: (F, 3).
        face: (N,) each point's.
    """

    corners: NDArray[np.int64]
    shares: Array
    faces: NDArray[np.int64]
    face: NDArray[np.int64]

    @classmethod
    def of(cls, body: Body, shape: NDArray[np.float64]) -> "Surface":
        """Spreads points evenly over the body at rest; the same every time."""
        faces = body.faces.numpy()
        vertices = body.rest_vertices(torch.from_numpy(shape)).numpy()
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        number = np.arange(POINTS)
        along = np.cumsum(area) / area.sum()
        face = np.searchsorted(along, (number + 0.5) / POINTS).clip(0, len(faces) - 1)
        u, v = np.outer((0.7548776662, 0.5698402910), number) % 1  # R2 sequence: no clumps
        outside = u + v > 1
        u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
        shares = np.stack((1 - u - v, u, v), axis=1).astype(np.float32)
        return cls(faces[face], shares, faces, face)

    def at(self, vertices: Array) -> tuple[Array, Array]:
        """(V, 3) posed vertices to (N, 3) points and their normals."""
        points = np.einsum("nk,nkc->nc", self.shares, vertices[self.corners])
        a, b, c = (vertices[self.faces[:, i]] for i in range(3))
        normals = np.cross(b - a, c - a)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return points, normals[self.face]


def _picture(camera: _Camera, centre: Array, points: Array, normals: Array) -> Picture:
    picture = _floor(camera, centre)
    _shade(picture, camera, centre, points)
    to_camera = centre + camera.place - points
    front = (normals * to_camera).sum(1) > 0
    return _blend(picture, *_body(camera, centre, points[front], normals[front]))


def _floor(camera: _Camera, centre: Array) -> Array:
    """(H, W, 3) sky, floor and its lines, which stay where they are in the world."""
    place = camera.floor + centre[[0, 2]]
    off = np.abs((place / LINES_M + 0.5) % 1 - 0.5) * LINES_M  # metres from the next line
    line = np.clip(1.2 - off / camera.width[..., None], 0, 1).max(-1)
    fade = np.clip(1.5 - camera.width * 40, 0, 1)  # far lines would flicker
    line = np.nan_to_num(line * fade)[..., None]
    ground = np.nan_to_num(np.clip(1.4 - camera.width * 15, 0, 1))[..., None]
    colour = SKY + ground * (FLOOR - SKY)
    return np.asarray(colour + line * ground * (LINE - colour), np.float32)


def _shade(picture: Array, camera: _Camera, centre: Array, points: Array) -> None:
    """Darkens the floor under the body, as light from above does."""
    under = points * np.array((1, 0, 1), np.float32)
    pixel, _ = camera.project(under, centre, 1)
    dark = np.zeros(picture.shape[:2], bool)
    x, y = _inside(pixel, picture.shape[:2]).T
    dark[y, x] = True
    picture[dark] *= SHADOW


def _body(camera: _Camera, centre: Array, points: Array, normals: Array) -> tuple[Array, Array]:
    """The body alone, drawn larger: (H S, W S) how light it is, and 1 where it is."""
    width, height = (side * OVERSAMPLING for side in camera.size)
    pixel, depth = camera.project(points, centre, OVERSAMPLING)
    light = np.asarray(0.42 + 0.58 * np.clip(normals @ LIGHT, 0, 1), np.float32)
    inside = ((pixel >= 0) & (pixel < (width - DOT[0], height - DOT[1]))).all(1)
    order = np.flatnonzero(inside)[np.argsort(-depth[inside])]  # what is near is drawn last
    place = pixel[order, 1] * width + pixel[order, 0]
    lit, covered = np.zeros((2, height * width), np.float32)
    for x in range(DOT[0]):
        for y in range(DOT[1]):
            lit[place + y * width + x] = light[order]
            covered[place + y * width + x] = 1
    return lit.reshape(height, width), covered.reshape(height, width)


def _blend(picture: Array, lit: Array, covered: Array) -> Picture:
    """Lays the body over the picture; its edges are smooth because it was drawn larger."""
    height, width = picture.shape[:2]
    blocks = (height, OVERSAMPLING, width, OVERSAMPLING)
    light = lit.reshape(blocks).mean((1, 3))[..., None]
    share = covered.reshape(blocks).mean((1, 3))[..., None]
    return np.asarray((picture * (1 - share) + light * SKIN).clip(0, 255), np.uint8)


def _inside(pixel: NDArray[np.int64], size: tuple[int, ...]) -> NDArray[np.int64]:
    """Those (N, 2) columns and rows that are in a picture of (H, W)."""
    return np.asarray(pixel[((pixel >= 0) & (pixel < size[::-1])).all(1)])


def _followed(pelvis: NDArray[np.float64]) -> NDArray[np.float64]:
    """(L, 3) the point on the floor that the camera follows: the pelvis's path, smoothed."""
    reach = 3 * FOLLOW_FRAMES
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / FOLLOW_FRAMES) ** 2)
    weights /= weights.sum()
    padded = np.pad(pelvis, ((reach, reach), (0, 0)), mode="edge")
    path = np.stack([np.convolve(column, weights, mode="valid") for column in padded.T], axis=1)
    path[:, 1] = 0
    return path
