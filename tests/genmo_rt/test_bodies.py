"""The built-in body's promises, and what becomes of a user's SMPL file."""

import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from genmo_rt.bodies.landmarks import LANDMARK_JOINTS
from genmo_rt.errors import FileFormatError
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.pose import CONTACT_NAMES
from genmo_rt.skeleton import JOINT_NAMES, MIRROR, PARENTS
from genmo_rt.smpl import BUILTIN_FILE, Body, load_body

Fields = dict[str, Any]
MIRROR_X = torch.tensor([-1.0, 1.0, 1.0])
LANDMARK_MIRROR = [
    LANDMARK_NAMES.index(n.replace("left", "\0").replace("right", "left").replace("\0", "right"))
    for n in LANDMARK_NAMES
]


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def random_shapes(count: int) -> torch.Tensor:
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(0)) * 1.5


def stature(body: Body, shape: torch.Tensor) -> torch.Tensor:
    height = body.rest_vertices(shape)[..., 1]
    return height.amax(-1) - height.amin(-1)


# --- The built-in body ---------------------------------------------------------------------------


def test_bones_are_symmetric_for_every_shape(body: Body) -> None:
    rest = body.rest_joints(random_shapes(20))
    assert torch.allclose(rest[:, list(MIRROR)] * MIRROR_X, rest, atol=1e-5)


def test_landmarks_are_symmetric_for_every_shape(body: Body) -> None:
    shape = random_shapes(20)
    rest = body.rest_joints(shape)
    identity = torch.eye(3).expand(20, 24, 3, 3)
    landmarks = body.landmarks(identity, rest, shape)
    assert torch.allclose(landmarks[:, LANDMARK_MIRROR] * MIRROR_X, landmarks, atol=1e-4)


def test_the_mean_adult_has_smpls_joints(body: Body) -> None:
    rest = body.rest_joints(torch.zeros(10))
    left = {"left_hip": (0.07, -0.09, -0.01), "left_knee": (0.10, -0.47, -0.01)}
    left |= {"left_wrist": (0.68, 0.44, -0.07), "head": (0.0, 0.58, 0.01)}
    for name, place in left.items():
        joint = rest[JOINT_NAMES.index(name)]
        assert torch.allclose(joint, torch.tensor(place), atol=0.01), name


def test_pelvis_is_the_origin_for_every_shape(body: Body) -> None:
    assert float(body.rest_joints(random_shapes(20))[:, 0].abs().max()) < 1e-6


def test_the_first_coefficient_alone_spans_adults(body: Body) -> None:
    shape = torch.zeros(3, 10)
    shape[:, 0] = torch.tensor([-2.7, 0.0, 2.95])
    short, mean, tall = stature(body, shape).tolist()
    assert short < 1.45
    assert mean == pytest.approx(1.71, abs=0.01)
    assert tall > 2.0


@pytest.mark.parametrize("coefficient", range(1, 10))
def test_the_other_coefficients_keep_stature(body: Body, coefficient: int) -> None:
    shape = torch.zeros(10)
    shape[coefficient] = 1
    change = stature(body, shape) - stature(body, torch.zeros(10))
    assert float(change) == pytest.approx(0, abs=0.003)


def test_every_coefficient_does_something_that_no_other_does(body: Body) -> None:
    changes = body.vertex_dirs.flatten(0, 1)  # (3V, 10)
    directions = changes / changes.norm(dim=0)
    assert float(torch.linalg.svdvals(directions).min()) > 0.2


def test_the_surface_is_closed_oriented_outwards_and_symmetric(body: Body) -> None:
    faces, vertices = body.faces, body.vertex_mean.double()
    edges = torch.cat((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]))
    forward = {(int(a), int(b)) for a, b in edges}
    assert len(forward) == len(edges)
    assert all((b, a) in forward for a, b in forward)
    a, b, c = vertices[faces].unbind(1)
    volume = float((a * torch.linalg.cross(b, c)).sum() / 6)  # positive: normals point outwards
    assert 0.05 < volume < 0.09  # a person of 1.71 m, cubic metres
    distances = torch.cdist(vertices * MIRROR_X.double(), vertices).amin(1)
    assert float(distances.max()) < 1e-6


def test_weights_are_shares_of_few_joints(body: Body) -> None:
    assert float(body.weights.min()) >= 0
    assert torch.allclose(body.weights.sum(1), torch.ones(len(body.weights)), atol=1e-6)
    wrist, knee = JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("left_knee")
    assert not ((body.weights[:, wrist] > 0) & (body.weights[:, knee] > 0)).any()


def test_the_file_is_light_enough_for_a_phone(body: Body) -> None:
    assert BUILTIN_FILE.stat().st_size < 1_500_000
    assert 5000 <= len(body.vertex_mean) <= 7000


def test_the_documented_tables_are_the_codes(body: Body) -> None:
    text = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text()
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    for joint, name in enumerate(JOINT_NAMES):
        parent = PARENTS[joint]
        expected = [str(joint), name, JOINT_NAMES[parent] if parent >= 0 else "none"]
        assert any(row[:3] == expected for row in rows), expected
    for index, landmark in enumerate(LANDMARK_NAMES):
        expected = [str(index), landmark, JOINT_NAMES[LANDMARK_JOINTS[index]]]
        assert any(row[:3] == expected for row in rows), expected
    with np.load(BUILTIN_FILE) as arrays:
        coefficients = arrays["coefficients"].tolist()
    for index, name in enumerate(coefficients):
        assert any(row[:2] == [str(index), name] for row in rows), name
    for index, name in enumerate(CONTACT_NAMES):
        assert any(row[:2] == [str(index), name] for row in rows), name


# --- A user's SMPL file --------------------------------------------------------------------------


def smpl_fields(scale: float = 1.0, shift: float = -0.2) -> Fields:
    """A file's fields in SMPL's layout: the built-in surface, padded to 6890 vertices."""
    body = load_body()
    padding = np.arange(6890) % len(body.vertex_mean)
    vertices = body.vertex_mean.double().numpy()[padding]
    regressor = np.zeros((24, 6890))
    for joint, place in enumerate(body.joint_mean.double().numpy()):
        near = np.linalg.norm(vertices - place, axis=1).argsort()[:60]
        system = np.concatenate((vertices[near].T, np.ones((1, 60))))
        regressor[joint, near] = np.linalg.lstsq(system, np.array([*place, 1.0]), rcond=None)[0]
    table = np.array([[4294967295, *PARENTS[1:]], range(24)], dtype=np.int64)
    return {
        "v_template": vertices * scale + np.array([0, shift, 0]),
        "shapedirs": scale * body.vertex_dirs.double().numpy()[padding],
        "J_regressor": regressor,
        "weights": body.weights.double().numpy()[padding],
        "f": body.faces.numpy().astype(np.uint32),
        "kintree_table": table,
    }


def write_npz(path: Path, fields: Fields) -> Path:
    np.savez(path, **fields)
    return path


def write_pickle(path: Path, value: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.fixture
def chumpy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A chumpy that pickles as the real one does: by class and attribute table."""

    class Ch:
        def __init__(self, x: NDArray[np.float64]) -> None:
            self.x = x
            self._dirty_vars: set[str] = set()

    class Select:
        def __init__(self, a: Ch, idxs: NDArray[np.int64], preferred_shape: tuple[int, ...]):
            self.a, self.idxs, self.preferred_shape = a, idxs, preferred_shape

    module = types.ModuleType("chumpy")
    for name, kind in (("ch", Ch), ("reordering", Select)):
        part = types.ModuleType(f"chumpy.{name}")
        kind.__module__, kind.__qualname__ = part.__name__, kind.__name__
        setattr(part, kind.__name__, kind)
        setattr(module, name, part)
        monkeypatch.setitem(sys.modules, part.__name__, part)
    monkeypatch.setitem(sys.modules, "chumpy", module)
    return module


def assert_is_the_same_body_moved(loaded: Body, scale: float, shift: float) -> None:
    builtin = load_body()
    move = torch.tensor([0, shift, 0])
    assert loaded.name == "smpl"
    assert loaded.num_shape == 10
    assert torch.allclose(loaded.joint_mean, builtin.joint_mean * scale + move, atol=1e-5)
    assert torch.allclose(loaded.landmark_mean, builtin.landmark_mean * scale + move, atol=1e-4)
    shape = random_shapes(3)
    rest = loaded.rest_joints(shape)
    identity = torch.eye(3).expand(3, 24, 3, 3)
    expected = builtin.landmarks(identity, builtin.rest_joints(shape), shape) * scale + move
    # A landmark moves with the nearest vertex or its joint: within a centimetre of the real one.
    assert float((loaded.landmarks(identity, rest, shape) - expected).abs().max()) < 0.02
    skinned = loaded.skin(identity, rest[:, 0], shape)
    assert torch.allclose(skinned, loaded.rest_vertices(shape), atol=1e-5)


def test_an_npz_loads_with_landmarks_in_their_places(tmp_path: Path) -> None:
    loaded = load_body(write_npz(tmp_path / "SMPL_NEUTRAL.npz", smpl_fields(scale=1.1)))
    assert_is_the_same_body_moved(loaded, 1.1, -0.2)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_a_pickle_with_chumpy_and_sparse_arrays_loads(
    tmp_path: Path, chumpy: types.ModuleType, protocol: int
) -> None:
    fields = smpl_fields()
    wide = chumpy.ch.Ch(np.concatenate((fields["shapedirs"],) * 2, axis=2))
    order = np.arange(wide.x.size).reshape(wide.x.shape)[..., :10].ravel()
    fields["shapedirs"] = chumpy.reordering.Select(wide, order, (6890, 3, 10))
    fields["v_template"] = chumpy.ch.Ch(fields["v_template"])
    fields["J_regressor"] = sparse.csc_matrix(fields["J_regressor"])
    fields["bs_style"] = "lbs"
    fields["weights_prior"] = Calls(np.dtype, "f8", 0, 1)  # as Python 2 wrote it
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", fields, protocol)
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        del sys.modules[name]  # a user's machine has no chumpy
    assert_is_the_same_body_moved(load_body(path), 1.0, -0.2)


def test_an_npz_with_a_pickled_sparse_regressor_loads(tmp_path: Path) -> None:
    fields = smpl_fields()
    fields["J_regressor"] = np.array(sparse.csr_matrix(fields["J_regressor"]), dtype=object)
    loaded = load_body(write_npz(tmp_path / "model.npz", fields))
    assert_is_the_same_body_moved(loaded, 1.0, -0.2)


def test_more_than_ten_shape_directions_are_cut_to_ten(tmp_path: Path) -> None:
    fields = smpl_fields()
    fields["shapedirs"] = np.concatenate((fields["shapedirs"],) * 30, axis=2)
    assert load_body(write_npz(tmp_path / "model.npz", fields)).num_shape == 10


class Calls:
    """Pickles as a call, which unpickling would make."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("call", "arguments", "name"),
    [
        (os.system, ("touch {}",), rf"{os.name}\.system"),
        (eval, ("open('{}', 'w')",), r"(builtins|__builtin__)\.eval"),
        (getattr, (np, "load"), r"(builtins|__builtin__)\.getattr"),
        (np.load, ("{}",), r"numpy.*\.load"),
    ],
)
def test_a_malicious_pickle_is_refused_by_name_and_does_nothing(
    tmp_path: Path, call: Any, arguments: tuple[Any, ...], name: str
) -> None:
    trace = tmp_path / "trace"
    arguments = tuple(a.format(trace) if isinstance(a, str) else a for a in arguments)
    if np in arguments:
        arguments = ("text", "upper")
    fields = smpl_fields() | {"v_template": Calls(call, *arguments)}
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", fields)
    with pytest.raises(FileFormatError, match=name) as refusal:
        load_body(path)
    assert str(path) in str(refusal.value)
    assert not trace.exists()


def test_a_malicious_object_inside_an_npz_is_refused_too(tmp_path: Path) -> None:
    fields = smpl_fields()
    fields["weights"] = np.array(Calls(os.system, "true"), dtype=object)
    with pytest.raises(FileFormatError, match="system"):
        load_body(write_npz(tmp_path / "model.npz", fields))


def changed(key: str, value: Any) -> Fields:
    return smpl_fields() | {key: value}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("v_template", np.zeros((10475, 3)), r"v_template of shape \(10475, 3\)"),
        ("shapedirs", np.zeros((6890, 3, 5)), "shapedirs"),
        ("weights", np.zeros((6890, 24)), "add up to 1"),
        ("f", np.full((4, 3), 6890), "faces"),
        ("kintree_table", np.zeros((2, 24)), "joint tree"),
        ("v_template", np.full((6890, 3), np.nan), "not finite"),
        ("v_template", np.full((6890, 3), "x"), "numbers belong"),
    ],
)
def test_another_layout_is_refused_with_the_reason(
    tmp_path: Path, key: str, value: Any, reason: str
) -> None:
    with pytest.raises(FileFormatError, match=reason) as refusal:
        load_body(write_npz(tmp_path / "model.npz", changed(key, value)))
    assert "model.npz" in str(refusal.value)
    assert "expected an SMPL model" in str(refusal.value)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"PK\x03\x04 truncated", pickle.dumps([1, 2]), b"\x80\x05."]
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="expected an SMPL model"):
        load_body(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nowhere\.npz can't be read: No such file"):
        load_body(tmp_path / "nowhere.npz")
