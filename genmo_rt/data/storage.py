"""Keeps arrays in one .npz that is not compressed, so that they are mapped instead of read."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
ALIGNMENT = 64  # bytes; an array may then be used where it lies
PADDING_ID = 0xD935  # the extra field that Android's zipalign pads with
LOCAL_HEADER = 30  # bytes before the name
WHEN = (1980, 1, 1, 0, 0, 0)  # the same arrays make the same file


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Writes an .npz that numpy reads as any other, each array at a multiple of 64 bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            assert archive.fp is not None
            member = zipfile.ZipInfo(f"{name}.npy", WHEN)
            begins = archive.fp.tell() + LOCAL_HEADER + len(member.filename.encode()) + 4
            padding = -begins % ALIGNMENT
            member.extra = struct.pack("<HH", PADDING_ID, padding) + bytes(padding)
            with archive.open(member, "w") as file:
                npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def map_arrays(path: Path) -> Arrays:
    """Maps every array of a file of write_arrays; pages are read when they are used.

    What is written to an array stays in memory and never reaches the file.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: the file can't be read or isn't such an archive.
    """
    found: Arrays = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
                raise ValueError(f"{member.filename} is compressed or no array")
            file.seek(member.header_offset)
            header = file.read(LOCAL_HEADER)
            name_length, extra_length = struct.unpack("<HH", header[26:30])
            file.seek(member.header_offset + LOCAL_HEADER + name_length + extra_length)
            if npy.read_magic(file) != (1, 0):
                raise ValueError(f"{member.filename} has a header of another version")
            shape, fortran, dtype = npy.read_array_header_1_0(file)
            if dtype.hasobject or fortran:
                raise ValueError(f"{member.filename} holds objects or lies by columns")
            name = member.filename.removesuffix(".npy")
            if 0 in shape or not shape:
                file_values = np.fromfile(file, dtype, count=int(np.prod(shape)))
                found[name] = file_values.reshape(shape)
            else:
                found[name] = np.memmap(path, dtype, "c", offset=file.tell(), shape=shape)
    return found
