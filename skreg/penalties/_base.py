"""Base class of the penalties, and penalties of single weight matrices."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from skreg._doc_link import DocLink
from skreg._hashing import structure_of_parameters
from skreg._numbers import is_number
from skreg._sklearn_private import Interval
from skreg.proximal import Scalars

DEFAULT_ALPHA = 1e-4
DEFAULT_L1_RATIO = 0.5
# Constraints of the parameters that several penalties have.
ALPHA_CONSTRAINT = {"alpha": [Interval(Real, 0, None, closed="left"), "array-like"]}
L1_RATIO_CONSTRAINT = {"l1_ratio": [Interval(Real, 0, 1, closed="both")]}


class Penalty(DocLink, BaseEstimator, ABC):
    """Base class of all penalties.

    A subclass pairs :meth:`value` with :meth:`prox`, and does not depend on optimizers, layers or training loops.
    Weights have a leading axis of ``n_members`` networks that are trained together.

    Attributes
    ----------
    smooth : bool
        Class attribute. True if the penalty is differentiable everywhere; it then has a method
        ``gradient(W, alpha)``, which the optimizer may add to the gradient of the loss instead of taking a proximal
        step. Both have the same minimizer.
    convex : bool
        Class attribute. True if :meth:`value` is a convex function of the weights.
    quadratic : bool
        Class attribute. True if the penalty is half the sum of squares, whose gradient optimizers have built in.
    elementwise : bool
        Class attribute. True if the proximal operator acts on every weight alike, independently of its position, so
        that optimizers may split and join matrices.
    skip : bool
        Class attribute. True if the network needs a skip connection from its inputs to its outputs. The first weight
        matrix is then that of the first hidden layer and, in the last columns, that of the skip connection.
    member_parameters : tuple of str
        Class attribute. Names of the parameters, beside `alpha`, that may also be tensors of shape (n_members, 1, 1)
        with one value per member. Networks that differ only in these can be trained together.

    See Also
    --------
    L1 : Sum of absolute values.
    L2 : Half the sum of squares.
    GroupLasso : Sum of the norms of groups.

    Examples
    --------
    The proximal operator of L1 is the soft threshold:

    >>> import torch
    >>> from skreg.penalties import L1
    >>> L1().prox(torch.tensor([[[3.0, -0.5]]]), step=1.0, alpha=1.0)
    tensor([[[2., 0.]]])
    """

    smooth: ClassVar[bool] = False
    quadratic: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    convex: ClassVar[bool] = True
    skip: ClassVar[bool] = False
    member_parameters: ClassVar[tuple[str, ...]] = ()
    _parameter_constraints: ClassVar[dict] = {}

    def __init_subclass__(cls, **options):
        """Reset the shortcuts of a subclass that overrides what they stand for."""
        super().__init_subclass__(**options)
        own = vars(cls)
        if "prox" in own and "prox_" not in own:
            cls.prox_ = Penalty.prox_
        if {"value", "gradient", "prox"} & set(own):
            cls.quadratic = own.get("quadratic", False)
            cls.elementwise = own.get("elementwise", False)
            cls.member_parameters = own.get("member_parameters", ())

    @abstractmethod
    def value(self, W: Tensor, alpha: Scalars) -> Tensor:
        """Return the penalty of each member.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength; at least 0.

        Returns
        -------
        Tensor of shape (n_members,)
            ``alpha * Omega(W)``.
        """

    @abstractmethod
    def prox(self, W: Tensor, step: Scalars, alpha: Scalars) -> Tensor:
        """Return the minimizer of ``sum((Z - W)**2 / (2 * step)) + alpha * Omega(Z)`` over ``Z``.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        step : float or Tensor that broadcasts to the shape of W
            Step size of each coordinate; positive, and equal within each block of weights of the penalty.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength; at least 0.

        Returns
        -------
        Tensor of the shape of W
            The minimizer, as a new tensor; for a nonconvex penalty, the global one.
        """

    def prox_(self, W: Tensor, step: Tensor, scale: float, alpha: Scalars, **options) -> Tensor:
        """Apply :meth:`prox` in place, in the fastest way: optimizers call this after every step.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member, or a part of it; it is overwritten.
        step : Tensor that broadcasts to the shape of W
            Step size of each coordinate, divided by `scale`; it is overwritten.
        scale : float
            Factor of `step`.
        alpha : float or Tensor that broadcasts to (n_members, 1, 1)
            The strength.
        **options : dict
            Options of the weight matrix, from :meth:`for_layers`.

        Returns
        -------
        Tensor
            ``W``.
        """
        return W.copy_(self.prox(W, step.mul_(scale), alpha, **options))

    def project(self, W: Tensor, **options) -> Tensor:
        """Project weights onto the set that the penalty allows, which need not be convex.

        Parameters
        ----------
        W : Tensor of shape (n_members, n_inputs, n_outputs)
            One weight matrix of every member.
        **options : dict
            Options of the weight matrix, from :meth:`for_layers`.

        Returns
        -------
        Tensor of the shape of W
            ``W`` itself where the penalty allows all weights.
        """
        return W

    def alpha_max(self, gradient: Tensor, **options) -> Tensor:
        """Return the smallest strength at which zero is a minimum of ``sum(gradient * W) + alpha * Omega(W)``.

        Parameters
        ----------
        gradient : Tensor of shape (n_members, n_inputs, n_outputs)
            Gradient of the loss where all weights are zero.
        **options : dict
            Options of the weight matrix, from :meth:`for_layers`.

        Returns
        -------
        Tensor of shape (n_members,)
            The strength; inf if no strength sets all weights to zero.
        """
        return gradient.new_full((len(gradient),), math.inf)

    def mean_over_blocks(self, T: Tensor, **options) -> Tensor:
        """Return the mean of T over each block of weights that share a step size.

        Parameters
        ----------
        T : Tensor of shape (n_members, n_inputs, n_outputs)
            One number per weight.
        **options : dict
            Options of the weight matrix, from :meth:`for_layers`.

        Returns
        -------
        Tensor that broadcasts to the shape of T
            ``T`` itself if every weight is a block of its own.
        """
        return T

    @property
    def supports_reweighting(self) -> bool:
        """Whether the penalty has weights of features or groups, and so supports :meth:`reweighted`."""
        return False

    def reweighted(self, W: np.ndarray) -> "tuple[Penalty, np.ndarray]":
        """Return the adaptive form of the penalty, which penalizes features that were small in an earlier fit more.

        Parameters
        ----------
        W : ndarray of shape (n_features, n_units)
            First weight matrix of the earlier fit; not all zero.

        Returns
        -------
        penalty : Penalty
            Penalty on the features that are kept, with weights inverse to the size of their weights or groups; 1 for
            the largest.
        features : ndarray of int
            Indices of the features that the earlier fit used; the others are to be dropped.

        Raises
        ------
        NotImplementedError
            If :attr:`supports_reweighting` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} has no weights of features or groups")

    def for_source_columns(self, source_columns: np.ndarray | None, n_features: int) -> "Penalty":
        """Return the penalty for features of which the original columns are known.

        Every fit calls this once, before :meth:`for_layers`.

        Parameters
        ----------
        source_columns : ndarray of int of shape (n_features,) or None
            Position of the column of the original table that each feature comes from; None if it is not known.
        n_features : int
            Number of features.

        Returns
        -------
        Penalty
            The penalty itself, or, if its groups are the original columns (:class:`GroupLasso` with
            ``groups="columns"``), one with these groups.

        Raises
        ------
        ValueError
            If the penalty needs the original columns, and they are not known or as many as features.
        """
        return self

    def _structure(self):
        """Return the structure of the penalty, which is the same for all networks of a population."""
        return structure_of_parameters(self, {"alpha", *self.member_parameters})

    def for_layers(self, layer_units: Sequence[int]) -> "list[LayerPenalty | None]":
        """Return the penalty on each weight matrix of a network.

        Parameters
        ----------
        layer_units : sequence of int
            Number of inputs, of units in every hidden layer, and of outputs.

        Returns
        -------
        list of LayerPenalty or None
            One per weight matrix; None where nothing is penalized.
        """
        strengths = layer_strengths(self.alpha, len(layer_units) - 1)
        return [LayerPenalty(self, alpha) if alpha else None for alpha in strengths]


@dataclass
class LayerPenalty:
    """Penalty of one weight matrix, with its strength and the options of its methods for this matrix."""

    penalty: Penalty
    alpha: float | Tensor
    options: dict = field(default_factory=dict)

    def to(self, dtype: torch.dtype, device: torch.device | str) -> "LayerPenalty":
        """Return a copy with the tensors among the options in a type and on a device."""
        options = {
            name: value.to(device, dtype) if hasattr(value, "to") else value for name, value in self.options.items()
        }
        return LayerPenalty(self.penalty, self.alpha, options)

    @property
    def smooth(self) -> bool:
        """Whether the penalty may act through its gradient."""
        return self.penalty.smooth

    def value(self, W: Tensor) -> Tensor:
        """Return the penalty of each member."""
        return self.penalty.value(W, self.alpha, **self.options)

    @property
    def has_blocks(self) -> bool:
        """Whether blocks of weights share a step size."""
        return type(self.penalty).mean_over_blocks is not Penalty.mean_over_blocks

    @property
    def is_elementwise(self) -> bool:
        """Whether the matrix may be cut and joined with others for the proximal step."""
        return self.penalty.elementwise and not self.options

    def is_same_as(self, other: "LayerPenalty") -> bool:
        """Return whether another layer has the same penalty with the same numbers, so that both can be joined."""
        alphas = self.alpha, other.alpha
        are_numbers = all(isinstance(alpha, float) for alpha in alphas)
        return (
            self.penalty is other.penalty
            and are_numbers
            and alphas[0] == alphas[1]
            and self.is_elementwise
            and other.is_elementwise
        )

    def gradient(self, W: Tensor) -> Tensor:
        """Return the gradient of a smooth penalty."""
        return self.penalty.gradient(W, self.alpha, **self.options)

    def add_gradient(self, gradient: Tensor, W: Tensor) -> None:
        """Add the gradient of a smooth penalty to another, in place."""
        if self.penalty.quadratic and isinstance(self.alpha, Tensor):
            gradient.addcmul_(W, self.alpha)
        else:
            gradient.add_(self.gradient(W))

    def prox(self, W: Tensor, step: Scalars) -> Tensor:
        """Return the minimizer of the proximal problem."""
        return self.penalty.prox(W, step, self.alpha, **self.options)

    def prox_(self, W: Tensor, step: Tensor, scale: float) -> None:
        """Move the weights to the minimizer for the steps ``scale * step``, in place; ``step`` is overwritten."""
        self.penalty.prox_(W, step, scale, self.alpha, **self.options)

    def alpha_max(self, gradient: Tensor) -> Tensor:
        """Return the smallest strength at which zero is a minimum."""
        return self.penalty.alpha_max(gradient, **self.options)

    def mean_over_blocks(self, T: Tensor) -> Tensor:
        """Return the mean over each block of weights that the penalty ties together."""
        return self.penalty.mean_over_blocks(T, **self.options)


def layer_strengths(alpha: float | Sequence[float], n_layers: int) -> list[float]:
    """Return one strength for each weight matrix, from one number for all or a sequence with one for each."""
    is_one = not isinstance(alpha, Sequence) and np.ndim(alpha) == 0
    values = [alpha] * n_layers if is_one else list(alpha)
    if len(values) != n_layers:
        raise ValueError(
            f"The 'alpha' parameter must be one number, or one for each of the {n_layers} weight matrices; "
            f"got {len(values)} numbers: {alpha!r}."
        )
    if not all(is_number(a) and np.isfinite(float(a)) and a >= 0 for a in values):
        raise ValueError(f"The 'alpha' parameter must be finite and at least 0 for every weight matrix; got {alpha!r}.")
    return [float(a) for a in values]
