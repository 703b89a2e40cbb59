"""Data of tasks that run on other machines: each array is sent once, and so is each row.

The folds of a cross-validation have most of their rows in common, and the steps of a path all of them. So tasks hold
references to arrays, which are found by their content, and arrays are put together from blocks of rows.
"""

import hashlib
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse

# Rows with fewer bytes are not worth an index of their own.
LEAST_BYTES_OF_ROW = 16


class Reference(NamedTuple):
    """Reference to an array by the numbers of blocks: those with its rows, and that of the places of the rows in them.

    Without places, the array is the only block.
    """

    blocks: tuple[int, ...]
    places: int | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all blocks."""
        return self.blocks if self.places is None else (*self.blocks, self.places)

    def array(self, blocks: Mapping):
        """Return the array, from blocks by number."""
        rows = [blocks[number] for number in self.blocks]
        if self.places is None:
            return rows[0]
        return joined(rows)[blocks[self.places]]


def content_key(array) -> bytes:
    """Return a digest of the content of an array or a CSR matrix."""
    is_sparse = scipy.sparse.issparse(array)
    parts = (array.data, array.indices, array.indptr) if is_sparse else (array,)
    order = is_sparse or array.flags.f_contiguous
    content = hashlib.blake2b(repr((type(array), array.shape, order, [part.dtype.str for part in parts])).encode())
    for part in parts:
        content.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
    return content.digest()


def row_keys(array) -> list[bytes]:
    """Return a digest of the content of each row of an array or a CSR matrix."""
    if not scipy.sparse.issparse(array):
        return [hashlib.blake2b(row, digest_size=16).digest() for row in array]
    spans = [slice(*ends) for ends in pairwise(array.indptr)]
    return [hashlib.blake2b(bytes(array.indices[s]) + bytes(array.data[s]), digest_size=16).digest() for s in spans]


def joined(blocks: list):
    """Return the rows of several blocks in one."""
    if len(blocks) == 1:
        return blocks[0]
    return scipy.sparse.vstack(blocks, format="csr") if scipy.sparse.issparse(blocks[0]) else np.concatenate(blocks)


class BlockStore:
    """Blocks of the arrays that tasks refer to.

    Attributes
    ----------
    new : dict of int to ndarray or CSR matrix
        Blocks by number, since they were last taken from here to be sent.
    """

    def __init__(self):
        self.new: dict = {}
        self._lengths: list[int] = []
        self._references: dict[bytes, Reference] = {}
        # For each type and number of columns: the block of each row, and the place there.
        self._rows: dict[tuple, dict[bytes, tuple[int, int]]] = {}

    def reference(self, array) -> Reference:
        """Return the reference to an array or a CSR matrix; what is new in it becomes a block."""
        array = np.asarray(array) if isinstance(array, np.memmap) else array  # other machines may not have the file
        key = content_key(array)
        if key not in self._references:
            has_rows = scipy.sparse.issparse(array) or (
                array.ndim == 2 and array.flags.c_contiguous and array.strides[0] >= LEAST_BYTES_OF_ROW
            )
            self._references[key] = self._by_rows(array) if has_rows else self._block(array)
        return self._references[key]

    def _block(self, array) -> Reference:
        number = len(self._lengths)
        self._lengths.append(array.shape[0])
        self.new[number] = array
        return Reference((number,))

    def _by_rows(self, array) -> Reference:
        known = self._rows.setdefault((type(array), array.dtype.str, array.shape[1]), {})
        keys = row_keys(array)
        first_rows = {key: row for row, key in reversed(list(enumerate(keys))) if key not in known}
        rows = np.sort(list(first_rows.values()))
        if len(rows) == len(keys):  # a block as it is
            own = self._block(array)
            known.update({key: (own.blocks[0], row) for row, key in enumerate(keys)})
            return own
        if len(rows):
            (number,) = self._block(array[rows]).blocks
            known.update({keys[row]: (number, place) for place, row in enumerate(rows)})
        of_row, places = np.array([known[key] for key in keys]).T
        numbers, order = np.unique(of_row, return_inverse=True)
        starts = np.cumsum([0, *(self._lengths[number] for number in numbers)])
        places = (places + starts[order]).astype(np.min_scalar_type(starts[-1]))
        return Reference(tuple(numbers.tolist()), *self.reference(places).blocks)


class Shared:
    """Value that many tasks have in common, such as lists and tables with text: its pickle is sent as an array is."""

    def __init__(self, value):
        self.value = value


class SharedPickle(NamedTuple):
    """Reference to the pickle of a shared value."""

    content: Reference
