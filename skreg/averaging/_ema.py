"""Exponential moving average of weights."""

from numbers import Real
from typing import ClassVar

from skreg._axis_parameter import AxisParameter
from skreg._sklearn_private import Interval
from skreg.averaging._base import Averaging


class EMA(Averaging):
    r"""Exponential moving average of the weights over the steps, without bias towards the start.

    After step t, with weights w_t:

    .. math:: \bar{w}_t = \frac{\sum_{i=1}^t d^{t-i} w_i}{\sum_{i=1}^t d^{t-i}}

    The mean weights are validated and kept. They vary less than the weights of the last step, as if the learning rate
    had been lowered at the end.

    Parameters
    ----------
    decay : float, default=0.99
        Factor d, in [0, 1): the mean is over about the last ``1 / (1 - decay)`` steps. 0 keeps the last weights.

    See Also
    --------
    skreg.RegularizedMLPClassifier : Classifier with the parameter `averaging`.

    References
    ----------
    .. [1] B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on
       Control and Optimization 30, 1992.
    .. [2] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, sections 3 and 7.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.averaging import EMA
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegularizedMLPClassifier((10,), averaging=EMA(decay=0.95), learning_rate_init=0.02, max_iter=500)
    >>> bool(model.set_params(random_state=0).fit(X, y).score(X, y) > 0.9)
    True
    """

    member_parameters: ClassVar[tuple[str, ...]] = ("decay",)
    _parameter_constraints: ClassVar[dict] = {"decay": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, decay=0.99):
        self.decay = decay

    def share(self, step):
        """Return the share of the newest weights, ``(1 - decay) / (1 - decay**step)``.

        Parameters
        ----------
        step : int
            Index of the step, counted from 1.

        Returns
        -------
        float or Tensor of shape (n_members, 1, 1)
            In (0, 1].
        """
        return (1 - self.decay) / (1 - self.decay**step)


PARAMETER = AxisParameter(
    seam="averaging",
    kind=Averaging,
    aliases={"ema": EMA},
    values="{'ema'}, Averaging object or None",
    description="""Average of the weights over the steps, which is validated and kept instead of the last weights. 'ema'
    is :class:`~skreg.averaging.EMA`, whose decay can be swept as ``averaging__decay`` where it is given as an object.
    Training losses in `history_`, and what skorch's callbacks see of the network, are those of the weights before
    averaging.
    """,
)
