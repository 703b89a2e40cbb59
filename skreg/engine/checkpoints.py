"""Files of training states: arrays in NumPy's format, without pickled objects, so that reading runs no code.

A file is read as if it were hostile: the sizes that it claims are checked before memory is taken.
"""

import errno
import math
import sys
import zipfile

import numpy as np
import torch

from skreg._files import path_of, replaced_file

# Changes whenever a checkpoint of an earlier version could not be continued.
CHECKPOINT_FORMAT = 1
# Kinds of dtypes: numbers and text.
KINDS = "biufU"
# The largest count of a training: double precision holds all integers up to here.
LARGEST_COUNT = 2**53


def save_state(path, state: dict[str, np.ndarray]) -> None:
    """Write arrays to a file.

    Parameters
    ----------
    path : str, bytes or path-like
        Name of the file, taken as it is. What it holds is replaced as a whole, or not at all.
    state : dict of str to ndarray
        The arrays.
    """
    with replaced_file(path_of(path)) as file:
        np.savez(file, checkpoint_format=np.asarray(CHECKPOINT_FORMAT), **state)


def load_state(path) -> dict[str, np.ndarray]:
    """Read what :func:`save_state` has written.

    Raises
    ------
    ValueError
        If the file is something else, damaged, or of another format.
    """
    path = path_of(path)
    with open(path, "rb") as file:
        try:
            state = _read_arrays(file)
        except Exception as error:
            # From a damaged archive or header, zipfile and NumPy raise errors of many kinds (a SyntaxError, a
            # tokenize.TokenError, a RuntimeError, a KeyError, a MemoryError for what a header claims). Those of the
            # disk are raised as they are; EINVAL, a position before the beginning, is a damaged archive's.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ValueError(f"{path!r} is not a checkpoint: {error}") from error
    found = state.pop("checkpoint_format", np.asarray(None)).tolist()
    if found != CHECKPOINT_FORMAT:
        raise ValueError(f"{path!r} is not a checkpoint of format {CHECKPOINT_FORMAT}; got format {found!r:.100}.")
    return state


def _read_arrays(file) -> dict[str, np.ndarray]:
    """Return the arrays of an archive, none of which is larger than its part of the file."""
    size = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            # Uncompressed: so arrays are as large in memory as in the file.
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise ValueError(f"its part {member.filename!r:.100} is compressed or encrypted")
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(set(names)) < len(names):
            raise ValueError("it has several parts of the same name")
        if sum(member.file_size for member in members) > size:
            raise ValueError(f"its parts claim to be larger than the file of {size} bytes")
        return {name: _read_array(archive, member) for name, member in zip(names, members, strict=True)}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as part:
        version = np.lib.format.read_magic(part)
        # np.savez writes one of these two; a third is for names in structured arrays.
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"its part {member.filename!r:.100} has the unknown version {version}")
        shape, fortran_order, dtype = read_header(part)
        if dtype.kind not in KINDS:
            raise ValueError(f"its part {member.filename!r:.100} holds neither numbers nor text: {dtype}")
        content = part.read()  # to the end, where the checksum is compared
    # An element of no bytes would take some when its byte order is turned.
    is_empty_text = dtype.itemsize == 0 and math.prod(shape) > 0
    if is_empty_text or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(
            f"its part {member.filename!r:.100} claims the shape {shape!s:.100} and type {dtype}, but has "
            f"{len(content)} bytes"
        )
    array = np.ndarray(shape, dtype, buffer=content, order="F" if fortran_order else "C")
    if dtype.kind == "U" and np.frombuffer(content, f"{dtype.byteorder}u4").max(initial=0) > sys.maxunicode:
        raise ValueError(f"its part {member.filename!r:.100} holds invalid characters")
    return array.astype(dtype.newbyteorder("="))


def check_like(state: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless a checkpoint has all the expected arrays, of the same shapes and types."""
    for name, like in expected.items():
        array = state.get(name)
        if array is None:
            raise ValueError(f"The checkpoint is damaged or of another network: it has no {name!r}.")
        # Integers and text come in several lengths; a rate is of the type that the user has written.
        kind, expected_kind = array.dtype.kind, like.dtype.kind
        same_type = array.dtype == like.dtype or (kind == expected_kind and kind in "iU")
        if expected_kind == "f":
            same_type |= kind == "i" or (kind == "f" and like.ndim == 0)
        what = f"{name!r} must be of shape {like.shape} and type {like.dtype}"
        got = f"got shape {array.shape} and type {array.dtype}"
        if array.shape != like.shape or not same_type:
            raise ValueError(f"The checkpoint is damaged or of another network: {what}; {got}.")


def check_range(state: dict[str, np.ndarray], name: str, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise ValueError unless all numbers of an array of a checkpoint are finite and in a range, bounds included."""
    array = state[name]
    is_bad = ~(np.isfinite(array) & (array >= low) & (array <= high))
    if is_bad.any():
        bounds = f" of at least {low}" if high == math.inf else f" in the range [{low}, {high}]"
        raise ValueError(
            f"The checkpoint is damaged: {name!r} must hold finite numbers{'' if low == -math.inf else bounds}; got "
            f"{array[is_bad][0]}."
        )


def tensors_of(state: dict[str, np.ndarray], name: str, like: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors of :func:`named_arrays`, checked against others, and on the devices of these."""
    expected = named_arrays(name, like)
    check_like(state, expected)
    for number in expected:
        check_range(state, number)
    return [torch.tensor(state[f"{name}_{i}"], device=tensor.device) for i, tensor in enumerate(like)]


def named_arrays(name: str, tensors: list[torch.Tensor]) -> dict[str, np.ndarray]:
    """Return copies of tensors as arrays with the names ``name_0``, ``name_1`` and so on."""
    return {f"{name}_{i}": tensor.numpy(force=True).copy() for i, tensor in enumerate(tensors)}
