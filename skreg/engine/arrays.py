"""Reading of rows of arrays and of memory-mapped files, of which only a part is in memory at a time."""

import mmap
from collections.abc import Iterator

import numpy as np
from sklearn.utils import gen_batches

# Rows are gathered (and sparse rows made dense) in blocks of about this many bytes. Larger ones come from the system as
# new pages each time: with 4 MiB, to gather 6000 rows of 784 numbers takes 8 ms instead of 3.
BLOCK_BYTES = 2**20
# Smaller files may stay in memory.
MAX_RESIDENT_BYTES = 64 * 2**20


def mapped_file(X) -> mmap.mmap | None:
    """Return the file that an array is mapped from, if it is a large one; None for other arrays.

    Only a ``numpy.memmap`` that shares its pages with a file counts: others may hold what exists in memory alone, and
    would lose it with their pages.
    """
    is_shared = False
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            is_shared = X.mode != "c"
        X = X.base
    return X if is_shared and isinstance(X, mmap.mmap) and len(X) > MAX_RESIDENT_BYTES else None


def release_pages(X) -> None:
    """Let go of the pages of a mapped file that have been read; they are read again when they are needed."""
    file = mapped_file(X)
    if file is not None and hasattr(file, "madvise"):
        file.madvise(mmap.MADV_DONTNEED)


def chosen(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows of an array."""
    # take() is the faster, but copies the whole of an array that is not in C order.
    return X.take(rows, axis=0) if X.flags.c_contiguous else X[rows]


def gathered(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows of a mapped file, one region after the other.

    Around each row that is read, the system maps up to 2 MB: rows from everywhere would bring the whole file into
    memory.
    """
    order = np.argsort(rows, kind="stable")
    region = rows[order] * abs(X.strides[0]) // MAX_RESIDENT_BYTES
    result = np.empty((len(rows), X.shape[1]), X.dtype)
    for part in np.split(order, np.flatnonzero(np.diff(region)) + 1):
        result[part] = chosen(X, rows[part])
        release_pages(X)
    return result


def row_blocks(X) -> Iterator:
    """Iterate over X in blocks of rows."""
    row_bytes = max(1, X.shape[1] * X.dtype.itemsize)
    for span in gen_batches(X.shape[0], max(1, BLOCK_BYTES // row_bytes)):
        yield X[span]
        release_pages(X)
