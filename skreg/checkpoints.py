"""Where training stands, in a file: arrays in NumPy's format, without pickled objects, so reading one runs no code."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

# Changes whenever a checkpoint of an earlier version could not be continued.
CHECKPOINT_FORMAT = 1


def save_state(path, state: dict[str, np.ndarray]) -> None:
    """Write arrays to a file.

    Parameters
    ----------
    path : str or path
        Name of the file, taken as it is.
    state : dict of str to ndarray
        The arrays.
    """
    # Beside the file first: a disk that is full must not cost the checkpoint that was there.
    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as file:
            np.savez(file, checkpoint_format=np.asarray(CHECKPOINT_FORMAT), **state)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_state(path) -> dict[str, np.ndarray]:
    """Read what :func:`save_state` has written.

    Raises
    ------
    ValueError
        If the file is something else, damaged, or of another format.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            state = {name: file[name] for name in file.files}
        if not all(isinstance(array, np.ndarray) for array in state.values()):
            raise ValueError("it holds something else than arrays")
    except (ValueError, TypeError, EOFError, KeyError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
        # From an empty file NumPy raises an EOFError, from one with pickled objects a ValueError, from a damaged
        # archive what zipfile and zlib do (a KeyError for a lost member, NotImplementedError for an unknown
        # compression); a file of one array gives a bare array, which is no context manager: a TypeError.
        raise ValueError(f"{str(path)!r} is not a checkpoint: {error}") from error
    found = state.pop("checkpoint_format", np.asarray(None)).tolist()
    if found != CHECKPOINT_FORMAT:
        raise ValueError(f"{str(path)!r} is not a checkpoint of format {CHECKPOINT_FORMAT}; got format {found}.")
    return state


def check_like(state: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless a checkpoint has all the expected arrays, of the same shapes and kinds, without NaN."""
    for name, like in expected.items():
        array = state.get(name)
        if array is None:
            raise ValueError(f"The checkpoint is damaged or of another network: it has no {name!r}.")
        has_nan = array.dtype.kind == "f" and np.isnan(array).any()
        if array.shape != like.shape or array.dtype.kind != like.dtype.kind or has_nan:
            raise ValueError(
                f"The checkpoint is damaged or of another network: {name!r} must be of shape {like.shape} and type "
                f"{like.dtype}; got shape {array.shape} and type {array.dtype}{', with NaN' if has_nan else ''}."
            )


def tensors_of(state: dict[str, np.ndarray], name: str, like: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return what :func:`named_arrays` has named, checked against tensors of the same shapes, and where these are."""
    check_like(state, named_arrays(name, like))
    return [torch.tensor(state[f"{name}_{i}"], device=tensor.device) for i, tensor in enumerate(like)]


def named_arrays(name: str, tensors: list[torch.Tensor]) -> dict[str, np.ndarray]:
    """Return copies of tensors as arrays with the names ``name_0``, ``name_1`` and so on."""
    return {f"{name}_{i}": tensor.numpy(force=True).copy() for i, tensor in enumerate(tensors)}
