"""Hashes of the content and of the structure of objects."""

from collections.abc import Collection, Hashable
from dataclasses import fields, is_dataclass

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator


def content_hash(item) -> str | None:
    """Return a hash of the content of objects; None if they cannot be pickled, as a lambda cannot."""
    try:
        return joblib.hash(item)
    except Exception:  # any error of a user's own object
        return None


def structure_of(item) -> Hashable:
    """Return the structure of an object, which is the same for all networks of a population.

    That is its class and its parameters, but for its ``member_parameters``: of these, only how many numbers there are.
    An object of another package that cannot be hashed is equal to itself alone.
    """
    if item is None or isinstance(item, str | bool | int | float | torch.dtype | torch.device):
        return item
    if isinstance(item, list | tuple):
        return tuple(map(structure_of, item))
    if hasattr(item, "_structure"):
        return item._structure()
    if not (is_dataclass(item) or isinstance(item, BaseEstimator)):
        return content_hash(item) or id(item)
    return structure_of_parameters(item, getattr(item, "member_parameters", ()))


def structure_of_parameters(item, varying: Collection[str]) -> Hashable:
    """Return the class and the parameters of an object; of those that may vary, only how many numbers there are."""
    if is_dataclass(item):
        values = {field.name: getattr(item, field.name) for field in fields(item)}
    else:
        values = item.get_params(deep=False)
    parts = [(name, np.shape(value) if name in varying else structure_of(value)) for name, value in values.items()]
    return (type(item), *parts)
