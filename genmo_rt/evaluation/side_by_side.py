"""Pictures that show how good the poses are: the body on the person, and seen from the side.

Left the picture with the reprojected body, in the middle that body seen from the person's side,
right MediaPipe's skeleton seen from there; the reference is drawn thin over both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.evaluation.real import HIPS, Footage
from genmo_rt.generation.preview import Surface
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.pose import Pose
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import Body

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

HEIGHT = 640  # pixels
SIDE_WIDTH = 400  # of each view from the side
SIDE_HEIGHT_M = 2.6  # of what it shows
BACKGROUND, RULE = (236, 240, 244), (208, 214, 221)
RULES_M = 0.5  # between its lines
BODY, MEDIAPIPE, TRUTH = (224, 150, 104), (37, 99, 235), (22, 163, 74)
OPACITY = 0.8  # of the body on the picture
DOT = 3  # pixels that a point of the surface covers
# A viewer to the person's side, at +x: away from the camera is to the right.
FROM_THE_SIDE = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)

_BONES = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("nose", "left_ear"),
    ("nose", "right_ear"),
    *(
        (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("wrist", "index"),
            ("shoulder", "hip"),
            ("hip", "knee"),
            ("knee", "ankle"),
            ("ankle", "heel"),
            ("heel", "foot_index"),
        )
    ),
)
BONES = np.array([[LANDMARK_NAMES.index(end) for end in bone] for bone in _BONES])


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn of a video.

    Attributes:
        footage: its landmarks and reference.
        poses: by capture time.
        intrinsics: the camera as the poses believe it to be.
        body: of the poses.
    """

    footage: Footage
    poses: dict[float, Pose]
    intrinsics: Intrinsics
    body: Body


def draw_side_by_side(scene: Scene, pictures: Iterable[Picture]) -> Iterator[Picture]:
    """Draws every used frame.

    Args:
        pictures: (H, W, 3) RGB of each of the footage's frames, in order.
    Yields:
        (HEIGHT, width, 3) RGB, all of one size, both sides even.
    """
    if not scene.poses:
        return
    last = list(scene.poses.values())[-1]
    surface = Surface.of(scene.body, last.shape.astype(np.float64))
    for (tick, _), image in zip(scene.footage.frames, pictures, strict=False):
        picture, scale = _scaled(image)
        truth = scene.footage.truth[tick.index].float().numpy()
        theirs = scene.footage.mediapipe[tick.index].float().numpy()
        mine, other = _side(), _side()
        pose = scene.poses.get(tick.t)
        if pose is not None:
            points, normals = surface.at(_vertices(pose, scene.body))
            _lay_on(picture, points, normals, scene.intrinsics, scale)
            centre = _centre(truth, points.mean(0))
            _stand(mine, points - centre, normals)
        else:
            centre = _centre(truth, np.zeros(3, np.float32))
        _skeleton(other, (theirs - centre) @ FROM_THE_SIDE.T, MEDIAPIPE, 4)
        for panel in (mine, other):
            _skeleton(panel, (truth - centre) @ FROM_THE_SIDE.T, TRUTH, 2)
        yield np.concatenate((picture, mine, other), axis=1).clip(0, 255).astype(np.uint8)


def _scaled(image: Picture) -> tuple[Array, float]:
    """The picture at HEIGHT rows and an even number of columns, and by how much it shrank."""
    scale = HEIGHT / image.shape[0]
    width = 2 * round(image.shape[1] * scale / 2)
    planes = torch.from_numpy(image).permute(2, 0, 1).float()[None]
    small = F.interpolate(planes, size=(HEIGHT, width), mode="area")
    return small[0].permute(1, 2, 0).contiguous().numpy(), scale


def _vertices(pose: Pose, body: Body) -> Array:
    """(V, 3) of the posed surface, in the camera."""
    quat_xyzw = np.concatenate((pose.root_quat_xyzw_cam[None], pose.quat_xyzw[1:]))
    with torch.inference_mode():
        rotmat = quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw).float())
        pelvis = torch.from_numpy(pose.joints_cam[0]).float()
        found: Array = body.skin(rotmat, pelvis, torch.from_numpy(pose.shape).float()).numpy()
    return found


def _centre(truth: Array, otherwise: Array) -> Array:
    """(3,) what the views from the side look at: the true mid-hip where it is known."""
    hips: Array = truth[list(HIPS)].mean(0)
    return hips if np.isfinite(hips).all() else otherwise


def _lay_on(
    picture: Array, points: Array, normals: Array, camera: Intrinsics, scale: float
) -> None:
    """Draws the body's near side over the picture."""
    front = ((normals * points).sum(1) < 0) & (points[:, 2] > 0.1)
    points, normals = points[front], normals[front]
    focal, middle = (np.array(pair, np.float32) for pair in _pairs(camera))
    pixel = (points[:, :2] / points[:, 2:] * focal + middle) * scale
    _splat(picture, pixel, points[:, 2], _light(normals), OPACITY)


def _stand(canvas: Array, points: Array, normals: Array) -> None:
    """Draws the body as it is seen from the side, its centre at 0."""
    turned, facing = (np.asarray(a @ FROM_THE_SIDE.T, np.float32) for a in (points, normals))
    near = facing[:, 2] < 0
    _splat(canvas, _to_side(turned[near]), turned[near, 2], _light(facing[near]), 1.0)


def _pairs(camera: Intrinsics) -> tuple[tuple[float, float], tuple[float, float]]:
    return (camera.fx, camera.fy), (camera.cx, camera.cy)


def _light(normals: Array) -> Array:
    """(N,) how light a surface is whose light comes from the viewer, above."""
    towards = np.array((-0.3, -0.6, -0.75), np.float32)
    return np.asarray(0.45 + 0.55 * np.clip(normals @ towards, 0, 1), np.float32)


def _splat(canvas: Array, pixel: Array, depth: Array, light: Array, opacity: float) -> None:
    """Draws points, the nearest last."""
    height, width = canvas.shape[:2]
    order = np.argsort(-depth)
    dots = np.stack(np.meshgrid(range(DOT), range(DOT)), -1).reshape(1, -1, 2)
    # Point by point, so that a near one's dots cover all of a far one's.
    column, row = (np.floor(pixel[order]).astype(np.int64)[:, None] + dots).reshape(-1, 2).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    shade = np.full((height, width), np.nan, np.float32)
    shade[row[inside], column[inside]] = light[order].repeat(DOT * DOT)[inside]
    drawn = np.isfinite(shade)
    colour = shade[drawn][:, None] * np.array(BODY, np.float32)
    canvas[drawn] = canvas[drawn] * (1 - opacity) + colour * opacity


def _side() -> Array:
    """An empty view from the side, with lines every half metre."""
    canvas = np.empty((HEIGHT, SIDE_WIDTH, 3), np.float32)
    canvas[:] = BACKGROUND
    step = RULES_M * HEIGHT / SIDE_HEIGHT_M
    for line in np.arange(HEIGHT / 2 % step, HEIGHT, step).astype(int):
        canvas[line] = RULE
    for line in np.arange(SIDE_WIDTH / 2 % step, SIDE_WIDTH, step).astype(int):
        canvas[:, line] = RULE
    return canvas


def _to_side(points: Array) -> Array:
    """(N, 3) turned points about the centre to (N, 2) pixels."""
    middle = np.array((SIDE_WIDTH / 2, HEIGHT / 2), np.float32)
    return np.asarray(points[:, :2] * (HEIGHT / SIDE_HEIGHT_M) + middle, np.float32)


def _skeleton(canvas: Array, points: Array, colour: tuple[int, int, int], thick: int) -> None:
    """Draws the bones between (33, 3) turned landmarks; those that aren't known are left out."""
    pixel = _to_side(points)
    ends = pixel[BONES]
    ends = ends[np.isfinite(ends).all((1, 2))]
    share = np.linspace(0, 1, 200, dtype=np.float32)[:, None, None]
    along = (ends[:, 0] * (1 - share) + ends[:, 1] * share).reshape(-1, 2)
    column, row = np.floor(along - thick / 2).astype(np.int64).T
    height, width = canvas.shape[:2]
    inside = (column >= 0) & (column < width - thick) & (row >= 0) & (row < height - thick)
    for x in range(thick):
        for y in range(thick):
            canvas[row[inside] + y, column[inside] + x] = colour
