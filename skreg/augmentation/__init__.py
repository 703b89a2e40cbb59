"""Augmentation: transforms of training batches, one in each file.

Validation and predictions see the rows as they are. A new transform derives from :class:`BatchTransform`; see
:doc:`/user_guide/augmentation`. Transforms depend on tensors only; the engine and the estimators import them.
"""

from skreg.augmentation._base import BatchTransform
from skreg.augmentation._noise import GaussianNoise

__all__ = ["BatchTransform", "GaussianNoise"]
