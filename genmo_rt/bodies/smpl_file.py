"""Reads a user's SMPL model file (.npz or .pkl) into arrays, without running any code in it.

SMPL's pickles were written by Python 2 with chumpy and scipy inside. Unpickling here knows plain
values, numpy arrays, and stand-ins that only hold the state of chumpy and sparse arrays; a pickle
that names anything else is refused, by that name, before anything is called.
"""

import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError
from genmo_rt.skeleton import NUM_JOINTS, PARENTS

NUM_VERTICES = 6890
NUM_SHAPE = 10
EXPECTED = "expected an SMPL model: .npz or .pkl, 6890 vertices, 24 joints"

_KEYS = ("v_template", "shapedirs", "J_regressor", "weights", "f", "kintree_table")


@dataclass(frozen=True, slots=True)
class SmplArrays:
    """An SMPL model's arrays, all float64 but the faces.

    Attributes:
        vertex_mean: (6890, 3) metres.
        vertex_dirs: (6890, 3, 10) per unit of each beta.
        joint_regressor: (24, 6890) joints from vertices.
        weights: (6890, 24).
        faces: (F, 3) int64.
    """

    vertex_mean: NDArray[np.float64]
    vertex_dirs: NDArray[np.float64]
    joint_regressor: NDArray[np.float64]
    weights: NDArray[np.float64]
    faces: NDArray[np.int64]


def read_smpl_file(path: Path) -> SmplArrays:
    """Reads and checks an SMPL model file.

    Raises:
        FileFormatError: the file can't be read, isn't SMPL's layout, or is a pickle that asks
            for anything but arrays; the text names the file, the reason and what was expected.
    """
    with _naming(path, EXPECTED), path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        fields = _read_npz(file) if is_zip else _unpickle(file)
        missing = [key for key in _KEYS if key not in fields]
        if missing:
            raise _Refused(f"has no {', '.join(missing)}")
        return _checked({key: _dense(fields[key]) for key in _KEYS})


def read_pickle(path: Path, expected: str) -> Any:
    """Reads a pickle of plain values and numpy arrays; nothing in it is ever called.

    Args:
        path: of a data set's annotations, by Python 2 or 3.
        expected: what the file should have been, for the error.
    Raises:
        FileFormatError: the file can't be read, or asks for anything but arrays.
    """
    with _naming(path, expected), path.open("rb") as file:
        return _unpickle(file)


@contextmanager
def _naming(path: Path, expected: str) -> Iterator[None]:
    """Turns what goes wrong with a file into an error that names it and what was expected."""
    try:
        yield
    except _Refused as refused:
        raise FileFormatError(f"{path} {refused}; {expected}") from None
    except OSError as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror}; {expected}") from error
    # A broken pickle or archive can raise nearly anything from inside its reader.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"{path} is broken or no such file ({reason}); {expected}") from error


class _Refused(Exception):
    """The reason, without the file's name."""


def _checked(fields: dict[str, NDArray[Any]]) -> SmplArrays:
    shapes = {
        "v_template": (NUM_VERTICES, 3),
        "J_regressor": (NUM_JOINTS, NUM_VERTICES),
        "weights": (NUM_VERTICES, NUM_JOINTS),
        "kintree_table": (2, NUM_JOINTS),
    }
    for key, shape in shapes.items():
        if fields[key].shape != shape:
            raise _Refused(f"has {key} of shape {fields[key].shape}, not {shape}")
    directions, faces = fields["shapedirs"], fields["f"].astype(np.int64)
    if directions.shape[:2] != (NUM_VERTICES, 3) or directions.shape[2:3] < (NUM_SHAPE,):
        raise _Refused(f"has shapedirs of shape {directions.shape}, not (6890, 3, 10 or more)")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= NUM_VERTICES:
        raise _Refused("has faces that are not triangles of its vertices")
    if tuple(fields["kintree_table"][0, 1:].astype(np.int64)) != PARENTS[1:]:
        raise _Refused("has another joint tree than SMPL")
    arrays = SmplArrays(
        vertex_mean=fields["v_template"].astype(np.float64),
        vertex_dirs=directions[..., :NUM_SHAPE].astype(np.float64),
        joint_regressor=fields["J_regressor"].astype(np.float64),
        weights=fields["weights"].astype(np.float64),
        faces=faces,
    )
    shares = (arrays.joint_regressor, arrays.weights)
    if not all(np.isfinite(a).all() for a in (arrays.vertex_mean, arrays.vertex_dirs, *shares)):
        raise _Refused("has values that are not finite")
    if any(np.abs(rows.sum(1) - 1).max() > 1e-2 for rows in shares):
        raise _Refused("has a J_regressor or weights whose rows don't add up to 1")
    return arrays


def _read_npz(file: IO[bytes]) -> dict[str, Any]:
    fields = {}
    with zipfile.ZipFile(file) as archive:
        for key in _KEYS:
            if f"{key}.npy" in archive.namelist():
                fields[key] = _read_npy(BytesIO(archive.read(f"{key}.npy")))
    return fields


def _read_npy(file: BytesIO) -> Any:
    """One array; an object array (a sparse matrix, as some converters leave it) is unpickled."""
    version = np.lib.format.read_magic(file)
    header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    if header(file)[2].hasobject:
        return _unpickle(file)
    file.seek(0)
    return np.load(file, allow_pickle=False)


# --- Unpickling without code -------------------------------------------------------------------


class _Foreign:
    """Holds the state of an object of another library; `kind` is that object's class."""

    kind = ""

    def __init__(self, *arguments: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise _Refused(f"has a {self.kind} whose state is not a table")
        self.state = state


class _Chumpy(_Foreign):
    kind = "chumpy array"


class _ChumpySelect(_Foreign):
    kind = "chumpy selection"


class _SparseColumns(_Foreign):
    kind = "sparse matrix by columns"


class _SparseRows(_Foreign):
    kind = "sparse matrix by rows"


class _SparseEntries(_Foreign):
    kind = "sparse matrix by entries"


def _empty_array(subtype: Any, shape: Any, dtype: Any) -> NDArray[Any]:
    """Numpy's _reconstruct: an array that its state then fills; what was asked for is ignored."""
    return np.ndarray((0,), np.int8)


def _dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype[Any]:
    """Numpy's dtype; Python 2 wrote align and copy as 0 and 1, of which numpy 2 warns."""
    dtype: np.dtype[Any] = np.dtype(code, align=bool(align), copy=bool(copy))
    return dtype


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """Numpy's _frombuffer, as protocol 5 uses it."""
    return np.frombuffer(buffer, np.dtype(dtype)).reshape(shape, order=order)


def _scalar(dtype: Any, content: Any = b"") -> Any:
    """Numpy's scalar."""
    raw = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(raw, np.dtype(dtype))[0]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """_codecs.encode, as protocol 2 writes bytes."""
    return str(text).encode("latin1")


def _reconstruct_object(kind: Any, base: Any, state: Any) -> Any:
    """copyreg._reconstructor, as protocols 0 and 1 make objects."""
    if not (isinstance(kind, type) and issubclass(kind, _Foreign)):
        raise _Refused("makes an object that is no array")
    return kind()


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("copy_reg", "_reconstructor"): _reconstruct_object,
    ("copyreg", "_reconstructor"): _reconstruct_object,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
    ("__builtin__", "set"): set,  # chumpy's table of dirty variables
    ("builtins", "set"): set,
    ("chumpy.ch", "Ch"): _Chumpy,
    ("chumpy.reordering", "Select"): _ChumpySelect,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _empty_array
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _from_buffer
for _format, _kind in (("csc", _SparseColumns), ("csr", _SparseRows), ("coo", _SparseEntries)):
    for _module in (f"scipy.sparse.{_format}", f"scipy.sparse._{_format}"):
        for _class in (f"{_format}_matrix", f"{_format}_array"):
            _ALLOWED[_module, _class] = _kind


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"is a pickle that asks for {module}.{name}, which is refused")
        return _ALLOWED[module, name]

    def persistent_load(self, identifier: Any) -> Any:
        raise _Refused("is a pickle that refers to something outside itself, which is refused")


def _unpickle(file: IO[bytes]) -> Any:
    # latin1: how Python 3 reads the bytes of Python 2's arrays.
    value = _ArrayUnpickler(file, encoding="latin1").load()
    if isinstance(value, np.ndarray) and value.dtype.hasobject and value.size == 1:
        return value.item()
    return value


def _dense(value: Any) -> NDArray[Any]:
    """An array, chumpy stand-in or sparse stand-in as a plain numeric array."""
    if isinstance(value, _Chumpy):
        array = _dense(value.state["x"])
    elif isinstance(value, _ChumpySelect):
        chosen = _dense(value.state["a"]).ravel()[_dense(value.state["idxs"]).astype(np.int64)]
        array = chosen.reshape(value.state.get("preferred_shape", chosen.shape))
    elif isinstance(value, _Foreign):
        array = _dense_matrix(value)
    else:
        array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise _Refused(f"has an array of type {array.dtype} where numbers belong")
    return array


def _dense_matrix(value: _Foreign) -> NDArray[np.float64]:
    state = value.state
    rows, columns = (int(n) for n in state.get("_shape", state.get("shape", ())))
    if (rows, columns) not in ((NUM_JOINTS, NUM_VERTICES), (NUM_VERTICES, NUM_JOINTS)):
        raise _Refused(f"has a {value.kind} of shape {(rows, columns)}")
    matrix = np.zeros((rows, columns))
    if isinstance(value, _SparseEntries):
        i, j = np.asarray(state["row"]), np.asarray(state["col"])
    else:
        starts, minor = np.asarray(state["indptr"]), np.asarray(state["indices"])
        major = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        i, j = (minor, major) if isinstance(value, _SparseColumns) else (major, minor)
    np.add.at(matrix, (i, j), np.asarray(state["data"]))
    return matrix
