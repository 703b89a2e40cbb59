"""Gradient clipping by norm."""

from numbers import Real
from typing import ClassVar

import torch

from skreg._axis_parameter import AxisParameter
from skreg._sklearn_private import Interval
from skreg.gradients._base import GradientRule


class ClipByNorm(GradientRule):
    r"""Gradient clipping: a bound on the norm of the gradient of all parameters together.

    .. math:: g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert_2}\right)

    It keeps the direction, and limits the influence of batches with a few outliers.

    Parameters
    ----------
    max_norm : float, default=1.0
        The bound c, positive.

    See Also
    --------
    skreg.RegularizedMLPClassifier : Classifier with the bound as parameter `max_grad_norm`.

    References
    ----------
    .. [1] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skreg.gradients import ClipByNorm
    >>> gradients = [torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[4.0]]])]
    >>> ClipByNorm(max_norm=1.0)(gradients)
    >>> gradients
    [tensor([[[0.6000, 0.0000]]]), tensor([[[0.8000]]])]
    """

    member_parameters: ClassVar[tuple[str, ...]] = ("max_norm",)
    _parameter_constraints: ClassVar[dict] = {"max_norm": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, max_norm=1.0):
        self.max_norm = max_norm

    def __call__(self, gradients):
        """Scale the gradients of every member."""
        norms = torch.stack([torch.linalg.vector_norm(part.flatten(1), dim=1) for part in gradients])
        norm = torch.linalg.vector_norm(norms, dim=0).view(-1, 1, 1)
        bound = self.max_norm if isinstance(self.max_norm, torch.Tensor) else float(self.max_norm)
        scale = (bound / norm).clamp_max(1)  # where the norm is zero, that is infinite, and becomes 1
        for part in gradients:
            part.mul_(scale)


PARAMETER = AxisParameter(
    seam="gradient_rules",
    kind=ClipByNorm,
    number=ClipByNorm._parameter_constraints["max_norm"],
    values="float, ClipByNorm object or None",
    description="""Bound on the norm of the gradient of a batch; longer gradients are scaled down to it
    (:class:`~skreg.gradients.ClipByNorm`).
    """,
)
