"""Pickles of tasks for a cluster of Dask, without the data, which are sent beside them."""

import io
import pickle
from collections.abc import Callable, Mapping

import cloudpickle  # which Dask has brought
import numpy as np
import scipy.sparse

from skreg.backends._shared_data import Reference, Shared, SharedPickle

# Arrays with fewer bytes are a part of the task.
LEAST_BYTES = 2**12


class TaskPickler(cloudpickle.CloudPickler):
    """Pickler of a task that leaves out arrays.

    Parameters
    ----------
    file : file
        Where to write to.
    refer : callable
        Takes an array or a CSR matrix, and returns its reference, or None for an array that is a part of the task.
    """

    def __init__(self, file, refer: Callable):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._refer = refer

    def persistent_id(self, item):
        """Return the reference to an array or a shared value; None for everything else."""
        if isinstance(item, Shared):
            return SharedPickle(self._refer(np.frombuffer(dumped(item.value, self._refer), np.uint8)))
        if type(item) in (scipy.sparse.csr_array, scipy.sparse.csr_matrix):
            return self._refer(item) if item.data.nbytes >= LEAST_BYTES else None
        is_plain = type(item) in (np.ndarray, np.memmap) and item.ndim and not item.dtype.hasobject
        return self._refer(item) if is_plain and item.nbytes >= LEAST_BYTES else None


class TaskUnpickler(pickle.Unpickler):
    """Unpickler of a task, with the blocks that its arrays are made of."""

    def __init__(self, file, blocks: Mapping):
        super().__init__(file)
        self._blocks = blocks
        self._known: dict[Reference | SharedPickle, object] = {}

    def persistent_load(self, reference: Reference | SharedPickle):
        """Return an array or a shared value, the same for equal references."""
        if reference not in self._known:
            if isinstance(reference, SharedPickle):
                content = io.BytesIO(reference.content.array(self._blocks))
                self._known[reference] = Shared(TaskUnpickler(content, self._blocks).load())
            else:
                self._known[reference] = reference.array(self._blocks)
        return self._known[reference]


def dumped(item, refer: Callable) -> bytes:
    """Return the pickle of a task, without the arrays for which ``refer`` returns a reference."""
    file = io.BytesIO()
    TaskPickler(file, refer).dump(item)
    return file.getvalue()


def arrays_in(item) -> dict:
    """Return the large arrays and CSR matrices in an object, by their ids."""
    arrays: dict = {}

    def found(array) -> int:
        arrays[id(array)] = array
        return id(array)

    dumped(item, found)
    return arrays
