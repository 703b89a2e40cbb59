"""Base class of the constraints, and the penalties that they can be combined with."""

from abc import ABC, abstractmethod
from typing import ClassVar

from sklearn.base import BaseEstimator
from torch import Tensor

from skreg._doc_link import DocLink
from skreg.penalties import Hierarchical
from skreg.penalties._base import LayerPenalty


class Constraint(DocLink, BaseEstimator, ABC):
    """Base class of all constraints.

    See Also
    --------
    MaxNorm : Bounds the norm of each unit's incoming weights.
    Nonnegative : Weights of at least 0.

    Examples
    --------
    >>> import torch
    >>> from skreg.constraints import Nonnegative
    >>> Nonnegative().project(torch.tensor([[[1.0, -1.0]]]))
    tensor([[[1., 0.]]])
    """

    _parameter_constraints: ClassVar[dict] = {}

    @abstractmethod
    def project(self, W: Tensor) -> Tensor:
        """Project weights onto the constraint set.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.

        Returns
        -------
        Tensor of the shape of W
            The projection, as a new tensor.
        """

    def mean_over_blocks(self, T: Tensor) -> Tensor:
        """Return the mean of T over each block of weights that share a step size.

        Parameters
        ----------
        T : Tensor of shape (n_members, n_inputs, n_outputs)
            One number per weight.

        Returns
        -------
        Tensor that broadcasts to the shape of T
            ``T`` itself if every weight is a block of its own.
        """
        return T

    @abstractmethod
    def prox(self, W: Tensor, step, penalty: LayerPenalty | None) -> Tensor:
        """Return the minimizer of a penalty's proximal problem over the constraint set.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            Step size of each coordinate, equal within each block of the constraint and of the penalty.
        penalty : LayerPenalty or None
            The penalty, which must have passed :meth:`check_penalty`.

        Returns
        -------
        Tensor of the shape of W
            The minimizer.
        """

    def check_penalty(self, penalty: LayerPenalty) -> None:
        """Raise ValueError if the constraint and a penalty have no common proximal step in closed form.

        Parameters
        ----------
        penalty : LayerPenalty
            The penalty on the same weight matrix.

        Returns
        -------
        None
            If they have one.

        Raises
        ------
        ValueError
            If they have none.
        """
        if isinstance(penalty.penalty, Hierarchical):
            raise ValueError(
                f"constraint={self!r} cannot act on a weight matrix with penalty='hierarchical', which has a "
                "constraint of its own. Give one constraint for each weight matrix, with None for the first."
            )
