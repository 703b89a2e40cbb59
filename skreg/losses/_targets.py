"""Rules that change the targets of training, once before the first batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from skreg.losses._base import Loss


@dataclass(frozen=True)
class LabelSmoothing:
    """Smoothing of labels: a share of each target is spread over all classes; see :meth:`Loss.smooth_targets`.

    Attributes
    ----------
    rate : float
        The share, in [0, 1).
    """

    rate: float

    member_parameters: ClassVar[tuple[str, ...]] = ("rate",)

    def __call__(self, target: Tensor, loss: Loss) -> Tensor:
        """Return the targets to train towards, of shape (n_rows, n_targets)."""
        return loss.smooth_targets(target, self.rate) if self.rate else target


def changed_targets(target: Tensor, loss: Loss, rules: Sequence[LabelSmoothing]) -> Tensor:
    """Return targets of shape (n_rows, n_targets) after some rules, one after the other."""
    for rule in rules:
        target = rule(target, loss)
    return target
