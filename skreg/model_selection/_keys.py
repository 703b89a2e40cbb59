"""Keys of parameters and of rows, made of their content, by which results are looked up.

Two objects have equal keys if one is a copy of the other, as :func:`sklearn.base.clone` makes them.
"""

import hashlib
import pickle
import sys
import types
import weakref

import numpy as np
import scipy.sparse
import torch
from sklearn.base import BaseEstimator

from skreg._sklearn_private import num_samples
from skreg.engine.threads import limited_threads

# Types of objects that a copy shares with the original.
SHARED = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.CodeType,
    property,
    weakref.ref,
)
# Attributes that a clone has beside the parameters.
CLONED = ("_metadata_request", "_sklearn_output_config")
# Kinds of dtypes of numbers and text, whose content is their bytes.
PLAIN_KINDS = "biufcmMSUV"


class NoKeyError(Exception):
    """Error of an object without a key, because its content cannot be read."""


def parameters_key(parameters: dict) -> tuple | None:
    """Return the key of a candidate's parameters; None if one of them has no key."""
    try:
        return tuple((name, value_key(value)) for name, value in sorted(parameters.items()))
    except NoKeyError:
        return None


def value_key(value) -> tuple:
    """Return the key of a parameter.

    Numbers of different types are different, as are 0.0 and -0.0; NaN equals NaN. The key of an estimator is made of
    what its clones have, that of functions and classes of their names, and any other of the content.

    Raises
    ------
    NoKeyError
        If the content cannot be read, as that of a lock.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return kind, value
    if kind in (float, complex) or (isinstance(value, np.generic) and not isinstance(value, np.void)):
        return kind, repr(value)
    if kind in (list, tuple):
        return kind, tuple(map(value_key, value))
    if kind in (set, frozenset):
        return kind, frozenset(map(value_key, value))
    if kind is dict:
        return kind, tuple((value_key(name), value_key(item)) for name, item in value.items())
    if _is_shared(value):
        return kind, _name(value)
    if hasattr(value, "get_params") and _is_cloned_by_parameters(kind):
        # The repr of a metadata request holds its whole content.
        own = {name: repr(getattr(value, name)) for name in CLONED if name in getattr(value, "__dict__", ())}
        return kind, tuple(
            (name, value_key(item)) for name, item in sorted((value.get_params(deep=False) | own).items())
        )
    return kind, _content(value)


def rows_key(X, y, fit_parameters: dict) -> bytes:
    """Return the key of the rows of a fit: of X, y, and its other arguments with one entry for each row."""
    digest, n_rows = hashlib.sha256(), num_samples(X)
    of_rows = {name: value for name, value in sorted(fit_parameters.items()) if _n_rows(value) == n_rows}
    for name, value in [("X", X), ("y", y), *of_rows.items()]:
        digest.update(name.encode())
        _update(digest, value)
    return digest.digest()


def _n_rows(value) -> int | None:
    try:
        return num_samples(value)
    except TypeError:  # a number, say
        return None


def _is_cloned_by_parameters(kind: type) -> bool:
    """Return whether clones of a class are made in the usual way: a FrozenEstimator remains itself."""
    return getattr(kind, "__sklearn_clone__", None) in (None, BaseEstimator.__sklearn_clone__)


def _is_shared(value) -> bool:
    """Return whether a copy shares an object with the original.

    Methods in C are made anew by each access, with another id: pickles hold the object and the name, as those of time
    zones do.
    """
    bound_to = value.__self__ if isinstance(value, types.BuiltinFunctionType) else None
    return isinstance(value, SHARED) and (bound_to is None or isinstance(bound_to, types.ModuleType))


def _name(shared) -> str:
    """Return the name by which any process can import an object, or its id if there is none."""
    module, name = getattr(shared, "__module__", None), getattr(shared, "__qualname__", "")
    found = sys.modules.get(module) if isinstance(module, str) and module != "__main__" else None
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}.{name}" if found is shared else f"{type(shared).__qualname__} {id(shared)}"


def _is_plain(value) -> bool:
    is_array = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    return is_array and value.dtype.kind in PLAIN_KINDS and not value.dtype.hasobject


def _update(digest, value) -> None:
    """Add data to a digest."""
    if _is_plain(value):
        if value.flags.f_contiguous and not value.flags.c_contiguous:
            digest.update(b"transposed")
            value = value.T
        digest.update(f"{value.dtype.descr} {value.shape}".encode())
        if value.nbytes:
            digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    elif scipy.sparse.issparse(value) and value.format in ("csr", "csc", "bsr"):
        digest.update(f"{type(value).__name__} {value.shape}".encode())
        for part in (value.data, value.indices, value.indptr):
            _update(digest, part)
    else:
        try:
            digest.update(_content(value))
        except NoKeyError:
            _update_by_items(digest, value)


def _update_by_items(digest, value) -> None:
    """Add data with parts that cannot be read to a digest, these by id: folds share them with the whole."""
    if isinstance(value, list | tuple):
        digest.update(f"{type(value).__qualname__} {len(value)}".encode())
        for item in value:
            _update(digest, item)
    else:
        digest.update(f"{type(value).__qualname__} {id(value)}".encode())


def _content(value) -> bytes:
    """Return a digest of the content of an object."""
    try:
        return _pickled(value, fast=True)
    except (ValueError, RecursionError):  # the object contains itself
        pass
    except Exception as error:  # any error of a user's own object
        raise NoKeyError(repr(error)) from error
    try:
        return _pickled(value, fast=False)
    except Exception as error:
        raise NoKeyError(repr(error)) from error


def _pickled(value, *, fast: bool) -> bytes:
    digest = hashlib.sha256()
    pickler = _Content(_Sink(digest), protocol=5)
    # Without references inside of the pickle, equal objects and one object twice are the same.
    pickler.fast = fast
    pickler.dump(value)
    return digest.digest()


class _Sink:
    """File that adds what is written to a digest."""

    def __init__(self, digest):
        self.write = digest.update


class _Content(pickle.Pickler):
    """Pickler whose output depends on content alone, not on places in memory or the order of sets."""

    def persistent_id(self, item):
        """Return the replacement of an object's pickle, or None."""
        if _is_shared(item):
            return _name(item)
        if _is_plain(item) or isinstance(item, torch.Tensor):
            digest = hashlib.sha256(type(item).__qualname__.encode())
            if isinstance(item, torch.Tensor):
                digest.update(f"{item.dtype} {tuple(item.shape)} {item.requires_grad}".encode())
                with limited_threads():
                    item = item.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            _update(digest, item)
            return digest.hexdigest()
        if type(item) in (set, frozenset):
            return f"{type(item).__name__} {sorted(_content(element).hex() for element in item)}"
        return None
