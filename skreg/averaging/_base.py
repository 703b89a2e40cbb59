"""Base class of the averages of weights over the steps of a training."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from skreg._axis_parameter import AxisObject
from skreg.network.mlp import MLP


class Averaging(AxisObject, ABC):
    """Base class of averages of the weights over training steps.

    Attributes
    ----------
    member_parameters : tuple of str
        Class attribute. Names of the parameters that may differ between networks that are trained together: each is
        then a tensor of shape (n_members, 1, 1).

    See Also
    --------
    EMA : Exponential moving average.

    Examples
    --------
    The plain mean of the weights after all steps:

    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.averaging import Averaging
    >>> class Mean(Averaging):
    ...     def share(self, step):
    ...         return 1 / step
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), averaging=Mean(), learning_rate_init=0.02, max_iter=500)
    >>> bool(model.set_params(random_state=0).fit(X, y).score(X, y) > 0.9)
    True
    """

    @abstractmethod
    def share(self, step: int) -> float | Tensor:
        """Return the share of the newest weights in the mean after a step.

        The new mean is ``(1 - share) * mean + share * weights``.

        Parameters
        ----------
        step : int
            Index of the step, counted from 1.

        Returns
        -------
        float or Tensor of shape (n_members, 1, 1)
            In [0, 1]; 1 for the first step.
        """


class Averager:
    """Running mean of the weights of some networks, and of the moments of batch normalization.

    Parameters
    ----------
    module : MLP
        The networks.
    """

    def __init__(self, module: MLP):
        self.module = module
        self.average = module.snapshot()

    def update(self, share: float | Tensor) -> None:
        """Move the mean by a share of the way to the present weights."""
        buffers = self.average, self.module.state()
        if isinstance(share, Tensor):
            buffers = [self.module.member_views(state) for state in buffers]
        for mean, newest in zip(*buffers, strict=True):
            mean.lerp_(newest, share.to(mean.dtype) if isinstance(share, Tensor) else share)

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """Give the networks the mean weights within a block.

        A weight that a penalty has set to zero is zero in the mean, too: otherwise no zero would be left of those that
        were not zero from the start.
        """
        present = self.module.snapshot()
        flat, *others = self.average
        self.module.restore([torch.where(present[0] == 0, 0, flat), *others])
        try:
            yield
        finally:
            self.module.restore(present)
