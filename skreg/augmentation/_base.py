"""Base class of the transforms of batches, and their application."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from skreg._axis_parameter import AxisObject


class BatchTransform(AxisObject, ABC):
    """Base class of transforms of a batch of training rows, before the forward pass.

    Attributes
    ----------
    member_parameters : tuple of str
        Class attribute. Names of the parameters that may differ between networks that are trained together: each is
        then a tensor of shape (n_members, 1, 1), of the type of the inputs.

    See Also
    --------
    GaussianNoise : Adds noise to the inputs.

    Examples
    --------
    A transform returns a new batch, and does not change the tensors of the given one, which several networks may share.
    If the targets do not depend on the sign of the inputs:

    >>> import numpy as np
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.augmentation import BatchTransform
    >>> class RandomSigns(BatchTransform):
    ...     def __call__(self, batch, random):
    ...         return batch._replace(X=batch.X * random.normal(batch.X[..., :1]).sign())
    >>> X = np.linspace(0.0, 1.5, 60)[:, np.newaxis]
    >>> y = X[:, 0] ** 2
    >>> model = RegularizedMLPRegressor((20,), augmentation=RandomSigns(), learning_rate_init=0.02, random_state=0)
    >>> bool(model.set_params(max_iter=300, n_iter_no_change=np.inf).fit(X, y).score(-X, y) > 0.95)
    True
    """

    @abstractmethod
    def __call__(self, batch, random):
        """Return the transformed batch.

        Parameters
        ----------
        batch : named tuple
            Fields `X`, a tensor of shape (n_members, n_rows, n_features); `target`, of shape (n_members, n_rows,
            n_targets), encoded for the loss, for instance with one column for each class; and `weight`, of shape
            (n_members, n_rows, 1), which sums to 1 over the rows of an epoch, or None for equal weights. Rows with
            weight 0 are padding.
        random : object
            Random numbers, with a generator for each network. For a tensor of shape (n_members, n_rows, n_columns),
            ``random.normal(like)`` and ``random.uniform(like)`` return numbers of this shape, and
            ``random.permutation(like)`` permuted row indices of shape (n_members, n_rows, 1), for
            ``like.take_along_dim(indices, dim=1)``. If all networks draw the same numbers, the first axis has length 1
            instead of n_members.

        Returns
        -------
        named tuple
            ``batch._replace(X=..., target=...)``, with tensors of the same shapes, types and device, and the same
            weights.
        """


def transformed(batch, transforms: Sequence[BatchTransform], random):
    """Return a batch after all transforms; raise ValueError if one breaks the contract."""
    for transform in transforms:
        before = _versions(batch)
        changed = transform(batch, random)
        _check_changed(batch, changed, transform)
        if _versions(batch) != before:
            raise ValueError(
                "The 'augmentation' parameter must not change tensors in place, because networks that are trained "
                f"together share them; got {transform!r}, which changed the batch."
            )
        batch = batch._replace(X=changed.X, target=changed.target)
    return batch


def _check_changed(batch, changed, transform: BatchTransform) -> None:
    """Raise ValueError unless a transform has returned a batch with the weights, shapes and types of the given one."""
    if not isinstance(changed, type(batch)):
        raise ValueError(
            "The 'augmentation' parameter must return a batch, as batch._replace(X=..., target=...) does; "
            f"{transform!r} returned {changed!r}."
        )
    if changed.weight is not batch.weight:
        raise ValueError(
            f"The 'augmentation' parameter must not change the weights of rows; {transform!r} returned others."
        )
    for name in ("X", "target"):
        before, after = getattr(batch, name), getattr(changed, name)
        is_tensor = isinstance(after, Tensor)
        if not is_tensor or any(getattr(after, kind) != getattr(before, kind) for kind in ("shape", "dtype", "device")):
            got = _description(after) if is_tensor else repr(after)
            raise ValueError(
                f"The 'augmentation' parameter must return {name} as a tensor of {_description(before)}; "
                f"{transform!r} returned {got}."
            )


def _description(tensor: Tensor) -> str:
    return f"shape {tuple(tensor.shape)} and type {tensor.dtype} on {tensor.device}"


def _versions(batch) -> list[int | None]:
    """Return the counts of in-place changes of the tensors of a batch; None in inference mode, which does not count.

    No code of the user's runs in inference mode.
    """
    tensors = (batch.X, batch.target, batch.weight)
    return [None if tensor is None or tensor.is_inference() else tensor._version for tensor in tensors]
