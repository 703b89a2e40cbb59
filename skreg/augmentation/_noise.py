"""Noise on the inputs."""

from numbers import Real
from typing import ClassVar

from skreg._sklearn_private import Interval
from skreg.augmentation._base import BatchTransform


class GaussianNoise(BatchTransform):
    r"""Gaussian noise on the inputs, drawn anew in every step.

    .. math:: \tilde x = x + \sigma \varepsilon, \qquad \varepsilon \sim N(0, I)

    For a linear model with the squared loss that is, in expectation, an L2 penalty of strength σ² on the weights; for a
    network and small σ, a penalty on the derivatives of the outputs with respect to the inputs [1]_.

    Parameters
    ----------
    stddev : float, default=0.1
        Standard deviation σ, at least 0, the same for all columns, which should therefore have the same scale.

    See Also
    --------
    skreg.RegularizedMLPClassifier : Classifier with the parameter `augmentation`.

    References
    ----------
    .. [1] C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.augmentation import GaussianNoise
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), augmentation=GaussianNoise(stddev=0.2), learning_rate_init=0.02)
    >>> bool(model.set_params(max_iter=500, random_state=0).fit(scale(X), y).score(scale(X), y) > 0.9)
    True
    """

    member_parameters: ClassVar[tuple[str, ...]] = ("stddev",)
    _parameter_constraints: ClassVar[dict] = {"stddev": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, stddev=0.1):
        self.stddev = stddev

    def __call__(self, batch, random):
        """Return the batch with noise on its inputs.

        Parameters
        ----------
        batch : named tuple
            Batch with inputs `X` of shape (n_members, n_rows, n_features).
        random : object
            Random numbers, as for :class:`BatchTransform`.

        Returns
        -------
        named tuple
            The batch with noisy inputs.
        """
        return batch._replace(X=batch.X + self.stddev * random.normal(batch.X))
