"""The dataset's container: an .npz like any other, mapped instead of read."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from genmo_rt.data.storage import ALIGNMENT, Arrays, map_arrays, write_arrays

ARRAYS: Arrays = {
    "a": np.arange(7, dtype=np.int16),
    "long/name": np.random.default_rng(0).standard_normal((5, 3)),
    "none": np.zeros((0, 4), np.float32),
    "words": np.array(["left", "right"]),
}


def test_mapped_arrays_are_those_that_were_written(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", ARRAYS)
    found = map_arrays(tmp_path / "x.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


def test_arrays_are_mapped_where_a_processor_likes_them(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", ARRAYS)
    for name, array in map_arrays(tmp_path / "x.npz").items():
        if array.size:
            assert isinstance(array, np.memmap), name
            assert array.offset % ALIGNMENT == 0, name


def test_numpy_reads_the_file_as_any_other(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", ARRAYS)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["long/name"], ARRAYS["long/name"])


def test_the_same_arrays_make_the_same_file(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write_arrays(tmp_path / f"{name}.npz", ARRAYS)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_what_is_written_to_a_mapped_array_stays_out_of_the_file(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", ARRAYS)
    map_arrays(tmp_path / "x.npz")["a"][:] = 9
    np.testing.assert_array_equal(map_arrays(tmp_path / "x.npz")["a"], ARRAYS["a"])


def test_compressed_arrays_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", allow_pickle=False, a=np.zeros(100))
    with pytest.raises(ValueError, match="compressed"):
        map_arrays(tmp_path / "x.npz")
    (tmp_path / "y.npz").write_text("no archive")
    with pytest.raises(zipfile.BadZipFile):
        map_arrays(tmp_path / "y.npz")
