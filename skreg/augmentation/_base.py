"""What changes batches before the network sees them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from skreg._axis_parameter import AxisObject


class BatchTransform(AxisObject, ABC):
    """Base class of the rules that change a batch of training rows before the network sees it.

    Attributes
    ----------
    member_parameters : tuple of str
        Class attribute. Names of the numbers that networks that are trained together may have for themselves: each is
        then a tensor of shape (n_members, 1, 1), of the type of the inputs.

    See Also
    --------
    GaussianNoise : Adds noise to the inputs.

    Examples
    --------
    A transform returns another batch, and leaves the tensors of the first as they are: several networks may share
    them. Who knows that targets do not depend on the sign of the inputs can tell so:

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
        """Return another batch.

        Parameters
        ----------
        batch : named tuple
            Of `X`, a tensor of shape (n_members, n_rows, n_features); `target` of shape (n_members, n_rows,
            n_targets), as the loss wants it, for instance with one column for each class; and `weight` of shape
            (n_members, n_rows, 1), which sums to 1 over the rows of an epoch, or None if all rows count the same. Rows
            of weight 0 only fill a batch up.
        random : object
            Where random numbers come from, for each network its own. For a tensor of shape (n_members, n_rows,
            n_columns), ``random.normal(like)`` and ``random.uniform(like)`` return numbers of this shape, and
            ``random.permutation(like)`` those of its rows in another order, of shape (n_members, n_rows, 1) for
            ``like.take_along_dim(numbers, dim=1)``.

        Returns
        -------
        named tuple
            ``batch._replace(X=..., target=...)``, with the same shapes and weights.
        """


def transformed(batch, transforms: Sequence[BatchTransform], random):
    """Return what transforms make of a batch, one after the other; raise ValueError if its shape is another one."""
    for transform in transforms:
        changed = transform(batch, random)
        before, after = ((tuple(each.X.shape), tuple(each.target.shape)) for each in (batch, changed))
        if before != after:
            raise ValueError(
                f"The 'augmentation' parameter must return X and target of the shapes {before}; {transform!r} has "
                f"returned the shapes {after}."
            )
        batch = changed
    return batch
