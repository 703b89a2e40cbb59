"""Penalties that set whole groups of weights to zero, and partitions into groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from skreg._sklearn_private import StrOptions
from skreg.penalties._base import DEFAULT_ALPHA, DEFAULT_L1_RATIO, L1_RATIO_CONSTRAINT
from skreg.penalties._selecting import DEFAULT_LATER_LAYERS_L2, SELECTING_CONSTRAINTS, SelectingPenalty, as_weights
from skreg.proximal import Scalars, block_soft_threshold, soft_threshold

# Halvings of an interval after which float64 cannot tell its ends apart.
N_BISECTIONS = 80


@dataclass
class Groups:
    """A partition of the weights of a matrix into rows, columns or blocks of rows.

    Parameters
    ----------
    axis : {1, 2}
        The axis along which a group extends: 2 for rows (a feature's outgoing weights), 1 for columns (a unit's
        incoming weights).
    index : Tensor of shape (n_inputs,) or None
        Index of the group of every row; None if every row is a group.
    multiplier : float or Tensor that broadcasts to (1, n_inputs, n_outputs)
        Factor of each group's norm in the penalty.
    """

    axis: int
    index: Tensor | None = None
    multiplier: float | Tensor = 1.0

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Groups":
        """Return the same groups with tensors of a type and on a device."""
        index = None if self.index is None else self.index.to(device)
        is_tensor = isinstance(self.multiplier, Tensor)
        return Groups(self.axis, index, self.multiplier.to(device, dtype) if is_tensor else self.multiplier)

    @cached_property
    def sizes(self) -> Tensor:
        """Number of rows of each group."""
        return torch.bincount(self.index)

    @cached_property
    def members(self) -> Tensor:
        """Row indices of each group, of shape (n_groups, rows of the largest), padded with the number of rows."""
        order = torch.argsort(self.index, stable=True)
        of_group = self.index[order]
        position = torch.arange(len(order), device=order.device) - (self.sizes.cumsum(0) - self.sizes)[of_group]
        table = torch.full((len(self.sizes), int(self.sizes.max())), len(order), device=order.device)
        table[of_group, position] = order
        return table

    def norms(self, W: Tensor) -> Tensor:
        """Return the Euclidean norm of every weight's group; it broadcasts to the shape of W."""
        norms = torch.linalg.vector_norm(W, dim=self.axis, keepdim=True)
        if self.index is None:
            return norms
        # The norm of the rows' norms: its gradient is finite at a group of zeros, that of a square root is not.
        table = torch.cat([norms, norms.new_zeros(len(W), 1, 1)], dim=1)[:, self.members, 0]
        return torch.linalg.vector_norm(table, dim=2, keepdim=True)[:, self.index]

    def means(self, T: Tensor) -> Tensor:
        """Return the mean of every weight's group; it broadcasts to the shape of T."""
        means = T.mean(dim=self.axis, keepdim=True)
        if self.index is None:
            return means
        sums = means.new_zeros(len(T), len(self.sizes), 1).index_add_(1, self.index, means)
        return (sums / self.sizes.view(1, -1, 1))[:, self.index]

    def first_of_each(self, T: Tensor) -> Tensor:
        """Return one number for each group out of a tensor with one for every weight of it, flat for each member."""
        if self.index is not None:
            T = T[:, self.members[:, 0]]
        return T.reshape(len(T), -1)


def are_labels(groups) -> bool:
    """Return whether groups are given as an array with an integer for each feature."""
    return isinstance(groups, np.ndarray) and groups.ndim == 1 and groups.dtype.kind in "iu"


def group_index(groups: Sequence[Sequence[int]] | np.ndarray, n_features: int) -> np.ndarray:
    """Return the number of the group of every feature, counted from 0.

    ``groups`` are lists of feature indices that make a partition, or an array with a number for each feature, equal
    within a group; groups are then in the order of these numbers.
    """
    expected = (
        f"The 'groups' parameter must be 'features', 'neurons', 'columns', or lists of feature indices that hold each "
        f"of the {n_features} features once"
    )
    if are_labels(groups):
        if len(groups) != n_features:
            raise ValueError(f"{expected}, or an array with the group of each; got an array of {len(groups)} numbers.")
        return np.unique(groups, return_inverse=True)[1]
    index = np.full(n_features, -1)
    for number, group in enumerate(groups):
        members = np.asarray(group)
        if members.ndim != 1 or not len(members) or members.dtype.kind not in "iu":
            raise ValueError(f"{expected}; got {members.tolist()!r} as one of them.")
        outside = members[(members < 0) | (members >= n_features)]
        if len(outside):
            raise ValueError(f"{expected}; got the index {outside[0]} in {group!r}, which is out of range.")
        twice = members[index[members] >= 0]
        if len(twice) or len(np.unique(members)) < len(members):
            repeated = twice[0] if len(twice) else max(members.tolist(), key=members.tolist().count)
            raise ValueError(f"{expected}; got overlapping groups: feature {repeated} is in them twice.")
        index[members] = number
    if (index < 0).any():
        raise ValueError(f"{expected}; got incomplete groups: feature {np.argmin(index)} is in none.")
    return index


class GroupPenalty(SelectingPenalty):
    """Base class of the penalties with groups."""

    _parameter_constraints: ClassVar[dict] = {
        **SELECTING_CONSTRAINTS,
        "groups": [StrOptions({"features", "neurons", "columns"}), "array-like"],
        "group_weights": ["array-like", None],
    }

    def _selects_on(self, layer, n_layers):
        # The incoming weights of an output are no hidden unit's, unless there are no others.
        return layer < max(n_layers - 1, 1) if self.has_groups("neurons") else layer == 0

    def has_groups(self, name: str) -> bool:
        """Return whether the groups are those of a name.

        Parameters
        ----------
        name : {'features', 'neurons', 'columns'}
            The name.

        Returns
        -------
        bool
            False for lists of features, too.
        """
        return isinstance(self.groups, str) and self.groups == name

    def for_source_columns(self, source_columns, n_features):
        if not self.has_groups("columns"):
            return self
        if source_columns is None:
            raise ValueError(
                f"{type(self).__name__}(groups='columns') needs to know the original column of each feature, which X "
                "must bring along; got X without that. Encode the original table by skreg.table_pipeline(...) or "
                "skreg.preprocessing.TableEncoder, and give its output as it is, an array or a frame of pandas; or "
                "list the features of each column in 'groups'."
            )
        if len(source_columns) != n_features:
            raise ValueError(
                f"{type(self).__name__}(groups='columns') needs the original column of each of the {n_features} "
                f"features of X; got {len(source_columns)} numbers. Give the output of "
                "skreg.preprocessing.TableEncoder as it is."
            )
        return clone(self).set_params(groups=np.array(source_columns))

    def _known_groups(self, n_features: int):
        """Return the groups; raise ValueError if they are original columns that are not known."""
        return self.for_source_columns(None, n_features).groups

    def _layer_options(self, layer, layer_units):
        return {"groups": self._groups(layer, layer_units[layer], layer_units[layer + 1])}

    def _groups(self, layer: int, n_inputs: int, n_outputs: int) -> Groups:
        """Return the groups of a weight matrix of a shape."""
        if isinstance(self._known_groups(n_inputs), str):
            axis = 1 if self.has_groups("neurons") else 2
            n_groups, index = (n_outputs if axis == 1 else n_inputs), None
            root_size = np.ones(n_groups)
        else:
            if layer > 0:
                raise ValueError(
                    "Features or columns in 'groups' are groups of the first weight matrix: alpha must be one "
                    f"number, or 0 for all matrices but the first; got alpha={self.alpha!r}."
                )
            axis, index = 2, group_index(self.groups, n_inputs)
            sizes = np.bincount(index)
            n_groups, root_size = len(sizes), np.sqrt(sizes)
        weights = np.ones(n_groups)
        if self.group_weights is not None:
            weights = as_weights(self.group_weights)
            if weights is None or weights.shape != (n_groups,):
                raise ValueError(
                    f"The 'group_weights' parameter of {type(self).__name__} must hold one finite number of at least 0 "
                    f"for each of the {n_groups} groups; got {self.group_weights!r}."
                )
        multiplier: float | Tensor = 1.0
        if not (weights * root_size == 1).all():
            per_group = torch.from_numpy(weights * root_size)
            spread = per_group if index is None else per_group[index]
            multiplier = spread.view((1, 1, -1) if axis == 1 else (1, -1, 1))
        return Groups(axis, None if index is None else torch.from_numpy(index), multiplier)

    def _or_own(self, groups: Groups | None, W: Tensor) -> Groups:
        """Return the groups that a layer was given, or those that this penalty makes of a matrix."""
        return self._groups(0, *W.shape[1:]).to(W.device, W.dtype) if groups is None else groups

    def _sum_of_norms(self, W: Tensor, alpha: Scalars, groups: Groups) -> Tensor:
        """Return alpha times the weighted sum of the groups' norms, for each member."""
        return groups.first_of_each(groups.norms(W) * groups.multiplier * alpha).sum(dim=1)

    def _largest_norm(self, gradient: Tensor, groups: Groups) -> Tensor:
        """Return the largest norm of a group in units of its weight, for each member."""
        norms = groups.norms(gradient)
        return torch.where(norms == 0, 0, norms / groups.multiplier).amax(dim=(1, 2))

    def mean_over_blocks(self, T, groups=None):
        return self._or_own(groups, T).means(T)

    @property
    def supports_reweighting(self):
        return not self.has_groups("neurons")

    def reweighted(self, W):
        if not self.supports_reweighting:
            return super().reweighted(W)
        given = self._known_groups(len(W))
        index = np.arange(len(W)) if self.has_groups("features") else group_index(given, len(W))
        norms = np.sqrt(np.bincount(index, weights=np.square(W, dtype=np.float64).sum(axis=1)))
        is_selected = norms > 0
        features = np.flatnonzero(is_selected[index])
        weights = norms.max() / norms[is_selected]
        if self.group_weights is not None:
            weights = weights * np.asarray(self.group_weights)[is_selected]
        penalty = clone(self).set_params(group_weights=weights)
        if are_labels(given):
            penalty.set_params(groups=given[features])
        elif not self.has_groups("features"):
            # Indices of groups and of features among the selected ones.
            _, new_index = np.unique(index[features], return_inverse=True)
            penalty.set_params(groups=[np.flatnonzero(new_index == g).tolist() for g in range(is_selected.sum())])
        return penalty, features


class GroupLasso(GroupPenalty):
    r"""Group lasso, which zeroes whole groups: :math:`\Omega(W) = \sum_g \omega_g \sqrt{p_g} \, \lVert W_g \rVert_2`.

    :math:`p_g` is the number of features in group g where `groups` are lists or original columns, and 1 otherwise;
    :math:`\omega_g` is 1 unless `group_weights` are given. Without hidden layers and with ``groups="features"`` the
    coefficients are those of :class:`~sklearn.linear_model.MultiTaskLasso`. With t the step size and :math:`u_g` the
    weights of a group, ``prox`` is :math:`u_g \max(1 - t \alpha \omega_g \sqrt{p_g} / \lVert u_g \rVert, 0)`.
    ``alpha_max`` is the largest :math:`\lVert G_g \rVert / (\omega_g \sqrt{p_g})` for a gradient G.

    If `alpha` is one number, it acts on the first weight matrix (for ``groups="neurons"``: on all matrices but the
    output layer's), and :math:`\frac{\lambda}{2} \sum w^2` with :math:`\lambda` = `later_layers_l2` on all others.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one number, or one for each weight matrix (the output layer's last).
    groups : {'features', 'neurons', 'columns'}, list of lists of int or ndarray of int, default='features'
        Groups: each feature with its outgoing weights in the first layer; each hidden unit with its incoming weights;
        each column of the original table with all features that stand for it, so that a category enters or leaves with
        all of its levels; lists of feature indices that hold each index once; or an array of shape (n_features,) with
        an integer for each feature, the same within a group. 'columns' needs X that knows its original columns: the
        output of :class:`~skreg.preprocessing.TableEncoder`, alone or in :func:`~skreg.table_pipeline`.
    group_weights : array-like of shape (n_groups,), default=None
        :math:`\omega`, at least 0; ``1 / norms`` from an earlier fit makes it the adaptive group lasso. None means 1.
        With 'columns' there is one for each original column that has any feature, in the order of the table: columns
        that the encoder has dropped have none. With an array, one for each different integer, in ascending order.
    later_layers_l2 : float, default=1e-3
        Strength of L2 on the other matrices, where `alpha` is one number; at least 0.

    See Also
    --------
    SparseGroupLasso : Zeros within the groups that are kept, too.
    Hierarchical : Selects features by their weights in a skip connection.
    skreg.RegularizedMLPClassifierCV : Choice of alpha by cross-validation.

    References
    ----------
    .. [1] M. Yuan and Y. Lin, "Model selection and estimation in regression with grouped variables", Journal of the
       Royal Statistical Society B 68(1), 2006, equations 2.1 and 2.4.
    .. [2] S. Scardapane et al., "Group sparse regularization for deep neural networks", Neurocomputing 241, 2017.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import GroupLasso
    >>> X, y, coef = make_regression(300, 10, n_informative=3, noise=20, coef=True, random_state=0)
    >>> model = RegularizedMLPRegressor(
    ...     (20,), penalty=GroupLasso(alpha=0.1), batch_size=50, learning_rate="cosine", learning_rate_init=0.02,
    ...     random_state=0,
    ... ).fit(scale(X), scale(y))
    >>> model.selected_features_, coef.nonzero()[0]
    (array([1, 3, 4]), array([1, 3, 4]))
    """

    def __init__(
        self,
        alpha=DEFAULT_ALPHA,
        *,
        groups="features",
        group_weights=None,
        later_layers_l2=DEFAULT_LATER_LAYERS_L2,
    ):
        self.alpha = alpha
        self.groups = groups
        self.group_weights = group_weights
        self.later_layers_l2 = later_layers_l2

    def value(self, W, alpha, groups=None):
        return self._sum_of_norms(W, alpha, self._or_own(groups, W))

    def prox(self, W, step, alpha, groups=None):
        groups = self._or_own(groups, W)
        return block_soft_threshold(W, groups.norms(W), step * alpha * groups.multiplier)

    def alpha_max(self, gradient, groups=None):
        return self._largest_norm(gradient, self._or_own(groups, gradient))


class SparseGroupLasso(GroupPenalty):
    r"""Sparse group lasso, a mixture of L1 and group lasso that sets groups and single weights to zero.

    .. math::

        \Omega(W) = \rho \sum_{ij} |w_{ij}| + (1 - \rho) \sum_g \omega_g \sqrt{p_g} \, \lVert W_g \rVert_2

    :math:`\rho` is `l1_ratio`; the second sum is that of :class:`GroupLasso`. ``prox`` first soft-thresholds every
    weight at :math:`t \alpha \rho`, then every group at :math:`t \alpha (1 - \rho) \omega_g \sqrt{p_g}`. ``alpha_max``
    is the largest, over groups, root of :math:`\lVert S(G_g, \alpha \rho) \rVert = \alpha (1 - \rho) \omega_g
    \sqrt{p_g}`, with S the soft threshold.

    `alpha` acts on the same matrices as that of :class:`GroupLasso`.

    Parameters
    ----------
    alpha : float or sequence of floats, default=1e-4
        Strength, at least 0: one number, or one for each weight matrix (the output layer's last).
    l1_ratio : float, default=0.5
        Share of the L1 term, between 0 (:class:`GroupLasso`) and 1 (:class:`L1`).
    groups : {'features', 'neurons', 'columns'}, list of lists of int or ndarray of int, default='features'
        As for :class:`GroupLasso`.
    group_weights : array-like of shape (n_groups,), default=None
        :math:`\omega`, at least 0, as for :class:`GroupLasso`. None means 1.
    later_layers_l2 : float, default=1e-3
        Strength of L2 on the other matrices, where `alpha` is one number; at least 0.

    See Also
    --------
    GroupLasso : The case ``l1_ratio=0``.

    References
    ----------
    .. [1] N. Simon, J. Friedman, T. Hastie and R. Tibshirani, "A sparse-group lasso", Journal of Computational and
       Graphical Statistics 22(2), 2013, equations 3 and 12.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.penalties import SparseGroupLasso
    >>> X, y, coef = make_regression(300, 10, n_informative=3, noise=20, coef=True, random_state=0)
    >>> model = RegularizedMLPRegressor(
    ...     (20,), penalty=SparseGroupLasso(alpha=0.1), batch_size=50, learning_rate="cosine", learning_rate_init=0.02,
    ...     random_state=0,
    ... ).fit(scale(X), scale(y))
    >>> model.selected_features_, coef.nonzero()[0]
    (array([1, 3, 4]), array([1, 3, 4]))
    >>> bool((model.coefs_[0][[1, 3, 4]] == 0).mean() > 0.5)
    True
    """

    member_parameters: ClassVar[tuple[str, ...]] = ("l1_ratio",)
    _parameter_constraints: ClassVar[dict] = {**GroupPenalty._parameter_constraints, **L1_RATIO_CONSTRAINT}

    def __init__(
        self,
        alpha=DEFAULT_ALPHA,
        *,
        l1_ratio=DEFAULT_L1_RATIO,
        groups="features",
        group_weights=None,
        later_layers_l2=DEFAULT_LATER_LAYERS_L2,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.groups = groups
        self.group_weights = group_weights
        self.later_layers_l2 = later_layers_l2

    def value(self, W, alpha, groups=None):
        group_part = self._sum_of_norms(W, alpha * (1 - self.l1_ratio), self._or_own(groups, W))
        return (W.abs() * (alpha * self.l1_ratio)).sum(dim=(1, 2)) + group_part

    def prox(self, W, step, alpha, groups=None):
        groups = self._or_own(groups, W)
        strength = step * alpha
        sparse = soft_threshold(W, strength * self.l1_ratio)
        return block_soft_threshold(sparse, groups.norms(sparse), strength * (1 - self.l1_ratio) * groups.multiplier)

    def alpha_max(self, gradient, groups=None):
        groups = self._or_own(groups, gradient)
        size = gradient.abs()
        share = (1 - self.l1_ratio) * groups.multiplier
        if self.l1_ratio == 0:
            return self._largest_norm(gradient, groups)
        # The left side falls and the right side grows with alpha; without the group term the root is largest.
        low, high = torch.zeros_like(size), groups.norms(gradient).expand_as(size) / self.l1_ratio
        for _ in range(N_BISECTIONS):
            middle = (low + high) / 2
            too_low = groups.norms(soft_threshold(size, middle * self.l1_ratio)) > middle * share
            low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
        return high.amax(dim=(1, 2))
