"""RegularizedMLPRegressor: what is special to regression."""

import numpy as np
import scipy.sparse
from sklearn.base import RegressorMixin

from skreg._base import BaseRegularizedMLP
from skreg._docs import estimator_docstring
from skreg.losses import HalfSquaredError

_END = """
See Also
--------
RegularizedMLPClassifier : The same for classes.
sklearn.neural_network.MLPRegressor : scikit-learn's network, with an L2 penalty alone.

Notes
-----
Targets are not scaled. If they are far from mean 0 and standard deviation 1, wrap the estimator in
:class:`~sklearn.compose.TransformedTargetRegressor`, or expect to need many epochs.

References
----------
.. [1] J. Yun, A. C. Lozano and E. Yang, "Adaptive proximal gradient methods for structured neural networks",
   NeurIPS 2021.

Examples
--------
Without hidden layers and with an L1 penalty, it is the lasso:

>>> import numpy as np
>>> from sklearn.datasets import load_diabetes
>>> from sklearn.linear_model import Lasso
>>> from sklearn.preprocessing import scale
>>> from skreg import RegularizedMLPRegressor
>>> X, y = load_diabetes(return_X_y=True)
>>> X, y = scale(X), scale(y)
>>> model = RegularizedMLPRegressor(
...     (), penalty="l1", alpha=0.1, batch_size=len(X), learning_rate="cosine", learning_rate_init=0.01,
...     max_iter=1500, random_state=0,
... ).fit(X, y)
>>> lasso = Lasso(alpha=0.1, tol=1e-10).fit(X, y)
>>> bool(np.abs(model.coefs_[0].ravel() - lasso.coef_).max() < 1e-5)
True
"""


class RegularizedMLPRegressor(RegressorMixin, BaseRegularizedMLP):
    """Put together below."""

    __doc__ = estimator_docstring(
        summary="Multilayer perceptron regressor with every kind of regularization.",
        loss="half the squared error, summed over outputs",
        own_parameters="",
        own_attributes="",
        score="R²",
        end=_END,
    )

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        penalty="l2",
        alpha=None,
        l1_ratio=None,
        constraint=None,
        dropout=0.0,
        input_dropout=0.0,
        normalization=None,
        weight_decay=0.0,
        solver="adam",
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring="loss",
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        device="cpu",
        callbacks=None,
    ):
        super().__init__(
            hidden_layer_sizes,
            activation,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            constraint=constraint,
            dropout=dropout,
            input_dropout=input_dropout,
            normalization=normalization,
            weight_decay=weight_decay,
            solver=solver,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            scoring=scoring,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            device=device,
            callbacks=callbacks,
        )

    def _encode_targets(self, y, dtype, keep_classes):
        if scipy.sparse.issparse(y) or y.dtype.kind not in "biufO":
            raise ValueError(f"y must be an array of numbers; got {type(y).__name__} of type {y.dtype}.")
        # A vector stays a vector in predictions, a matrix of one column a matrix.
        self._target_ndim = y.ndim
        return y.astype(dtype).reshape(len(y), -1)

    def _encode_known(self, y):
        return np.array(y, dtype=np.float64).reshape(len(y), -1)

    def _make_loss(self):
        return HalfSquaredError()

    def _strata(self, targets):
        return None

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, of the shape that `fit` was given.
        """
        predictions = self._make_loss().link(self._outputs(X)).numpy()
        return predictions[:, 0] if self._target_ndim == 1 else predictions

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
