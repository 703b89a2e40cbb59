"""RegularizedMLPRegressor: parameters, targets and predictions of regression."""

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.base import RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if

from skreg._estimator.attributes import unchanged_on_error
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy, as_target, numbers_in_range
from skreg._estimator.docstring import FITTED_ATTRIBUTES, OBJECTIVE, STRENGTH, with_docstring
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.incremental import takes_steps, train_one_epoch
from skreg._estimator.parameters import Numbers
from skreg._estimator.target_transform import (
    TRANSFORMERS,
    check_loss,
    check_restored_transformer,
    fitted_transformer,
    inverse_messages,
    is_same_transform,
    predictions_in_units,
    target_range,
    transformed_rows,
)
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import HasMethods, Interval, StrOptions, check_sample_weight, fit_context
from skreg._warnings import Message
from skreg.engine.threads import on_one_thread
from skreg.losses import REGRESSION_LOSSES, Loss, Quantile, regression_loss

# Parts of the docstrings of both regressors, with a given strength and with cross-validation.
REGRESSOR_ATTRIBUTES = FITTED_ATTRIBUTES | {
    "target_transformer_": """transformer or None
    Fitted transformer that `target_transform` stands for: a :class:`~sklearn.preprocessing.StandardScaler`, or a clone
    of the one given. Those of 'quantile' have the methods `transform` and `inverse_transform`, too.
    """,
}
REGRESSOR_DESCRIPTION = (
    OBJECTIVE,
    """
The loss is half the squared error or that of `loss`, summed over outputs. The constant prediction with the smallest
loss is the mean of y for 'squared_error', 'poisson' and 'gamma', the median for 'absolute_error', and the quantile for
'quantile'. With `target_transform`, y stands for the transformed targets here and in all losses.
""",
    STRENGTH,
)
_SECTIONS = {
    "See Also": """
RegularizedMLPClassifier : Classifier with the same kinds of regularization.
RegularizedMLPRegressorCV : Regressor that chooses `alpha` by cross-validation.
sklearn.neural_network.MLPRegressor : scikit-learn's network, with an L2 penalty alone.
""",
    "Notes": """
Targets are not scaled by default: their unit is part of the objective, as in the lasso. If their standard deviation is
far from 1, use ``target_transform='standard'``, or expect to need many epochs. ``loss='poisson'`` and ``loss='gamma'``
take targets of any size as they are; the predictions of 'gamma' do not depend on the unit of y.

With ``target_transform='standard'`` and without weights, fits and predictions are those of
:class:`~sklearn.compose.TransformedTargetRegressor` with a :class:`~sklearn.preprocessing.StandardScaler`.
""",
    "References": """
.. [1] J. Yun, A. C. Lozano and E. Yang, "Adaptive proximal gradient methods for structured neural networks",
   NeurIPS 2021.
""",
    "Examples": """
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
""",
}


@with_parameters
class FittedRegressor(RegressorMixin, FittedMLP):
    """Predictions of a fitted regressor."""

    loss: str | Callable = parameter(
        "str or callable",
        r"""Loss to minimize, for residuals r = y - prediction: 'squared_error' (r²/2), 'absolute_error' (\|r\|),
        'huber' (r²/2 up to `delta`, linear beyond), 'quantile' (pinball loss), or with predictions exp(output) half the
        deviance of 'poisson' (y at least 0) or 'gamma' (y above 0). A function ``loss(y_true, y_pred)`` gets two torch
        tensors of shape (n_rows, n_outputs) and returns one of shape (n_rows,), which torch must be able to
        differentiate. It must belong to a module, not be a lambda, if the estimator is to be pickled.
        """,
        default="squared_error",
        constraints=[StrOptions(set(REGRESSION_LOSSES)), callable],
        after="activation",
    )
    quantile: Numbers = parameter(
        "float or sequence of float",
        """Level of ``loss='quantile'``, in (0, 1), or several in ascending order, which one network then predicts
        together and without crossing: in ascending order for every row.
        """,
        default=0.5,
        constraints=[Interval(Real, 0, 1, closed="neither"), "array-like"],
        after="loss",
    )
    delta: float = parameter(
        "float",
        "Residual, in units of y (as `target_transform` transforms it), beyond which ``loss='huber'`` is linear.",
        default=1.0,
        constraints=[Interval(Real, 0, None, closed="neither")],
        after="quantile",
    )
    target_transform: Any = parameter(
        "{'standard', 'quantile'}, transformer or None",
        """Transformation of y for training: 'standard' subtracts the mean of each output and divides by its standard
        deviation, 'quantile' maps its ranks to quantiles of a normal distribution, and a transformer of scikit-learn
        with `inverse_transform` is cloned, and gets y as (n_samples, n_outputs), in double precision. It is fitted to
        all rows with positive weight that `fit` gets, those held out by `early_stopping` included, with their weights
        (a transformer, if its `fit` takes any). `y_val` does not take part, but is transformed alike. Predictions and
        :meth:`score` are in units of y, and so are the scores of `scoring`. The objective, `alpha`, `tol` and `delta`,
        `loss_curve_`, the other losses and scores in `history_`, and the loss that estimators with cross-validation
        compare, are in those of the transformed targets, which a function as `loss` gets, too. Not for 'poisson' and
        'gamma'; for 'quantile' it must be increasing.
        """,
        default=None,
        constraints=[
            StrOptions(set(TRANSFORMERS)),
            HasMethods(["fit", "transform", "inverse_transform", "get_params"]),
            None,
        ],
        after="delta",
    )
    clip_predictions: bool = parameter(
        "bool",
        """Whether predictions that are below the smallest or above the largest target of the training rows (with
        positive weight, held-out ones included) become these, for each output. Losses are those without, and so are
        scores in `history_`, but for those that `scoring` asks for.
        """,
        default=False,
        constraints=["boolean"],
        after="target_transform",
    )

    _prediction_parameters = (
        *FittedMLP._prediction_parameters,
        "quantile",
        "delta",
        "target_transform",
        "clip_predictions",
    )
    _later_parameters: ClassVar[dict[str, Any]] = FittedMLP._later_parameters | {
        "target_transform": None,
        "clip_predictions": False,
    }
    _later_attributes: ClassVar[dict[str, Any]] = FittedMLP._later_attributes | {
        "target_transformer_": None,
        "_target_range": None,
    }

    @on_one_thread
    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, of the shape of y in `fit`. With several quantiles there is one more axis, the last, with one
            entry for each, in ascending order.
        """
        return self._predictions(self._outputs(X))

    def _predictions(self, Z):
        loss = self._fitted_loss()
        predictions, n_levels = loss.link(Z).numpy(), n_levels_of(loss)
        limits = self._target_range if self._fitted_parameters["clip_predictions"] else None
        if self.target_transformer_ is not None or limits is not None:
            predictions = predictions_in_units(predictions, self.target_transformer_, limits, n_levels)
        if n_levels > 1:
            predictions = predictions.reshape(len(predictions), -1, n_levels)
        return predictions[:, 0] if self._target_ndim == 1 else predictions

    @on_one_thread
    def score(self, X, y, sample_weight=None):
        """Return R², or for several quantiles their mean D², in units of y.

        D² is the share of the pinball loss of the best constant quantile that the predictions save
        (:func:`sklearn.metrics.d2_pinball_score`), averaged over quantiles and outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            The score; 1 is best.
        """
        y, sample_weight = as_target(y), as_numpy(sample_weight, "sample_weight")
        loss = self._fitted_loss() if hasattr(self, "coefs_") else self._make_loss()
        if n_levels_of(loss) == 1:
            with numbers_in_range("y and sample_weight"):
                return super().score(X, y, sample_weight)
        Z = self._outputs(X).to(torch.float64)
        with numbers_in_range("y and sample_weight"):
            weight = check_sample_weight(sample_weight, Z.numpy(), dtype=np.float64)
            targets = torch.from_numpy(_matrix_of_numbers(y))
        quantiles = torch.from_numpy(self._predictions(Z)).reshape(1, *targets.shape, -1)
        return float(loss.explained_share(quantiles, targets, torch.from_numpy(weight / weight.sum()))[0])

    def _check_restored_targets(self, state):
        loss, n_targets = self._loss_of(state["_fitted_parameters"]), state["_n_targets"]
        if state.get("_target_ndim") not in (1, 2) or (state["_target_ndim"] == 1 and n_targets != 1):
            raise ValueError(f"'_target_ndim' does not match {n_targets} targets: {state.get('_target_ndim')!r}")
        if loss.n_outputs(n_targets) != state["n_outputs_"]:
            raise ValueError(f"{n_targets} targets need other outputs than n_outputs_={state['n_outputs_']!r}")
        if loss.out_activation != state["out_activation_"]:
            raise ValueError(f"'out_activation_' does not match the loss: {state['out_activation_']!r}")
        given, limits = state["_fitted_parameters"]["target_transform"], state["_target_range"]
        check_restored_transformer(state["target_transformer_"], given, limits, n_targets)
        if limits is None and state["_fitted_parameters"]["clip_predictions"]:
            raise ValueError("'_target_range' is missing, which clip_predictions=True needs")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss in ("poisson", "gamma")
        return tags

    def _encode_known(self, y, weight=None):
        targets = _matrix_of_numbers(y)
        if self.target_transformer_ is None:
            return targets
        rows = np.arange(len(targets)) if weight is None else np.flatnonzero(weight)
        return transformed_rows(self.target_transformer_, targets, rows, np.float64)

    def _loss_of(self, parameters):
        return regression_loss(parameters["loss"], quantile=parameters["quantile"], delta=parameters["delta"])


def n_levels_of(loss: Loss) -> int:
    """Return the number of quantiles that a loss predicts for each target; 1 for other losses."""
    return len(loss.quantiles) if isinstance(loss, Quantile) else 1


@with_docstring(description=REGRESSOR_DESCRIPTION, attributes=REGRESSOR_ATTRIBUTES, sections=_SECTIONS)
@with_parameters
class RegularizedMLPRegressor(FittedRegressor, BaseRegularizedMLP):
    """Multilayer perceptron regressor with every kind of regularization."""

    _loss_parameters: ClassVar[dict[str, str]] = {"quantile": "quantile", "delta": "huber"}
    _data_parameters = (*BaseRegularizedMLP._data_parameters, "quantile", "delta", "target_transform")
    _data_attributes = (*BaseRegularizedMLP._data_attributes, "_target_ndim", "target_transformer_", "_target_range")

    # -- training ------------------------------------------------------------------------------------------

    @available_if(takes_steps)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Update the network by one epoch over the given rows, which may be new ones.

        Early stopping does not apply: all rows are training rows. `history_` continues from call to call, while
        `n_iter_` is 1. The state of the solver, the learning rate (where 'cosine' starts over after `max_iter` calls)
        and the random generators continue, too, unless the estimator is pickled or copied in between
        (:meth:`save_checkpoint` saves them). The first call starts around the best constant prediction for its rows.
        Callbacks given to `set_callbacks` are called by `fit` only. `target_transform` is fitted once: by `fit`, or
        else to the rows of the first call, which should then be many, and like those to come. `clip_predictions` allows
        for the targets of all calls.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0, relative to each other. None means equal weights.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the data are not as described, or training diverges. The estimator is then as it was.
        """
        with unchanged_on_error(self):
            self._validate_params()
            is_first = not hasattr(self, "coefs_")
            if not is_first and not is_same_transform(
                self.target_transform, self._fitted_parameters["target_transform"]
            ):
                raise ValueError(
                    "The 'target_transform' parameter must be that of fit in partial_fit, "
                    f"{self._fitted_parameters['target_transform']!r}; got {self.target_transform!r}. Call fit again."
                )
            train_one_epoch(self, X, y, sample_weight, self._encode_targets if is_first else self._encode_more)
        return self

    def _encode_targets(self, y, dtype, keep_classes=False):
        _check_numbers(y)
        # A vector stays a vector in predictions, a matrix of one column a matrix.
        self._target_ndim = y.ndim
        # A transformer gets all digits.
        dtype = dtype if self.target_transform is None else np.float64
        return np.ascontiguousarray(y, dtype=dtype).reshape(len(y), -1)

    def _encode_more(self, y, dtype):
        _check_numbers(y)
        targets = _matrix_of_numbers(y)
        if targets.shape[1] != self._n_targets:
            raise ValueError(f"y must have {self._n_targets} columns, as before; got {targets.shape[1]}.")
        return targets.astype(dtype if self.target_transform is None else np.float64)

    def _transform_targets(self, table, *, goes_on):
        check_loss(self, self._make_loss())
        rows = table.nonzero_weight_indices
        y, weight = table.weighted_targets, None if table.weight is None else table.weight[rows]
        limits = target_range(y, table.X.dtype)
        # Weights that were set by hand go with no transformation; other numbers of targets are an error later on.
        goes_on = goes_on and getattr(self, "_n_targets", None) == y.shape[1]
        is_kept = goes_on and is_same_transform(self.target_transform, self._fitted_parameters["target_transform"])
        if not is_kept:
            self.target_transformer_ = fitted_transformer(self, y, weight)
        if goes_on:
            limits = self._joined_range(limits)
        self._target_range = limits
        if self.target_transformer_ is not None:
            table.targets = transformed_rows(self.target_transformer_, table.targets, rows, table.X.dtype)

    def _joined_range(self, limits: np.ndarray) -> np.ndarray | None:
        """Return the range of some targets and of those of earlier calls; None if these are not known."""
        before = self._target_range
        if before is None:
            if self.clip_predictions:
                raise ValueError(
                    "clip_predictions=True needs the range of all training targets, which networks that were fitted "
                    "by an earlier version do not have. Call fit with warm_start=False."
                )
            return None
        dtype = np.result_type(before, limits)
        return np.stack([np.minimum(before[0], limits[0]), np.maximum(before[1], limits[1])]).astype(dtype)

    def _target_messages(self, table) -> list[Message]:
        if self.target_transformer_ is None or isinstance(self.target_transform, str):
            return []
        return inverse_messages(self, table, _matrix_of_numbers(table.source[1]))

    def _strata(self, targets):
        return None


def _matrix_of_numbers(y) -> np.ndarray:
    """Return targets in double precision, of shape (n_samples, n_targets)."""
    targets = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y").reshape(len(y), -1)
    return np.array(targets)  # torch takes no read-only arrays, as frames have them


def _check_numbers(y) -> None:
    if scipy.sparse.issparse(y) or y.dtype.kind not in "biufO":
        raise ValueError(f"y must be an array of numbers; got {type(y).__name__} of dtype {y.dtype}.")
    if y.dtype.kind == "O":
        try:
            y.astype(np.float64)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"y must be an array of numbers in the range of float64; got objects: {error}.") from error
