"""Base class of the rules that change gradients before a step."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from skreg._axis_parameter import AxisObject


class GradientRule(AxisObject, ABC):
    """Base class of rules that change the gradient of a batch before the step of the solver.

    Attributes
    ----------
    member_parameters : tuple of str
        Class attribute. Names of the parameters that may differ between networks that are trained together: each is
        then a tensor of shape (n_members, 1, 1).

    See Also
    --------
    ClipByNorm : Bounds the norm of the gradient.

    Examples
    --------
    Rules work on the gradients of several networks at once, in place:

    >>> import torch
    >>> from skreg.gradients import GradientRule
    >>> class ClipByValue(GradientRule):
    ...     def __call__(self, gradients):
    ...         for part in gradients:
    ...             part.clamp_(-1, 1)
    >>> gradients = [torch.tensor([[[3.0, 0.5]]])]
    >>> ClipByValue()(gradients)
    >>> gradients
    [tensor([[[1.0000, 0.5000]]])]
    """

    @abstractmethod
    def __call__(self, gradients: Sequence[Tensor]) -> None:
        """Change the gradients in place.

        Parameters
        ----------
        gradients : sequence of Tensor of shape (n_members, ...)
            Gradients of the loss, one tensor for each parameter of the networks.
        """
