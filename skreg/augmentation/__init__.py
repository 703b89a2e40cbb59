"""Changes of the batches that training sees: one file each.

Validation and predictions see the rows as they are.
"""

from skreg.augmentation._base import BatchTransform
from skreg.augmentation._noise import GaussianNoise

__all__ = ["BatchTransform", "GaussianNoise"]
