"""RegularizedMLPClassifier: parameters, targets and predictions of classification."""

from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np
import scipy.sparse
import torch
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.attributes import unchanged_on_error
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy, as_target, numbers_in_range
from skreg._estimator.docstring import FITTED_ATTRIBUTES, OBJECTIVE, STRENGTH, with_docstring
from skreg._estimator.fitted import FittedMLP, blocks_of_outputs, rows_for
from skreg._estimator.incremental import takes_steps, train_one_epoch
from skreg._numbers import is_number
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import Interval, StrOptions, check_partial_fit_first_call, fit_context
from skreg._warnings import warn_user
from skreg.engine.classes import indicators
from skreg.engine.dataset import rescaled
from skreg.engine.spec import ClassWeights
from skreg.engine.threads import on_one_thread
from skreg.losses import CLASSIFICATION_LOSSES, LabelSmoothing, classification_loss

# Parts of the docstrings of both classifiers, with a given strength and with cross-validation.
CLASSIFIER_DESCRIPTION = (
    OBJECTIVE,
    """
The loss is the log-loss or that of `loss`, summed over labels for label indicator matrices. Class frequencies are the
constant prediction with the smallest log-loss.
""",
    STRENGTH,
)
CLASSIFIER_ATTRIBUTES = {
    "classes_": """ndarray of shape (n_classes,)
    Class labels, sorted; column indices for label indicator matrices.
    """,
    **FITTED_ATTRIBUTES,
}
_SECTIONS = {
    "See Also": """
RegularizedMLPRegressor : Regressor with the same kinds of regularization.
RegularizedMLPClassifierCV : Classifier that chooses `alpha` by cross-validation.
sklearn.neural_network.MLPClassifier : scikit-learn's network, with an L2 penalty alone.
""",
    "References": """
.. [1] J. Yun, A. C. Lozano and E. Yang, "Adaptive proximal gradient methods for structured neural networks",
   NeurIPS 2021.
.. [2] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", Journal of Machine
   Learning Research 15, 2014.
.. [3] C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016 (label smoothing).
""",
    "Examples": """
>>> from sklearn.datasets import load_breast_cancer
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from skreg import RegularizedMLPClassifier
>>> X, y = load_breast_cancer(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = RegularizedMLPClassifier(
...     (50,), penalty="l1", alpha=0.003, learning_rate="cosine", learning_rate_init=0.01, max_iter=100, random_state=0
... )
>>> model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)
>>> bool(model.score(X_test, y_test) > 0.95)
True
>>> bool(network.sparsity_[0] > 0.5)
True
""",
}


def _takes_some_rows(estimator) -> bool:
    if estimator.class_weight == "balanced":
        raise AttributeError(
            "class_weight='balanced' needs all rows at once, which partial_fit does not have. Give numbers instead: a "
            "dict of the classes and sklearn.utils.class_weight.compute_class_weight('balanced', classes=..., y=...)."
        )
    return takes_steps(estimator)


def _one_column(y) -> np.ndarray:
    """Return class labels as a vector, with scikit-learn's warning if they are a column of a matrix."""
    if np.ndim(y) == 2 and np.shape(y)[1] == 1:
        message = (
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), "
            "for example using ravel()."
        )
        warn_user(message, DataConversionWarning)
    return column_or_1d(y)


def _is_ascending(classes: np.ndarray) -> bool:
    """Return whether there is an order of the classes, and they are in it, each once."""
    try:
        return np.array_equal(np.unique(classes), classes)
    except TypeError:
        return False


@with_parameters
class FittedClassifier(ClassifierMixin, FittedMLP):
    """Predictions of a fitted classifier."""

    loss: str | Callable = parameter(
        "'log_loss' or callable",
        """Loss to minimize. A function ``loss(y_true, y_pred)`` gets two torch tensors of shape (n_rows, n_outputs),
        the classes as zeros and ones (one column for two classes) and the outputs before the softmax or logistic
        function, and returns a tensor of shape (n_rows,), which torch must be able to differentiate. It must belong to
        a module, not be a lambda, if the estimator is to be pickled.
        """,
        default="log_loss",
        constraints=[StrOptions(set(CLASSIFICATION_LOSSES)), callable],
        after="activation",
    )
    class_weight: dict | str | Sequence[dict] | None = parameter(
        "dict, 'balanced', list of dict or None",
        """Weight of each class, which multiplies the weights of its rows in the training and the validation loss: a
        dict of numbers (1 for classes that are missing), or 'balanced' for weights inversely proportional to the
        (weighted) class frequencies among the training rows. For label indicator matrices a list with one dict for each
        label, or 'balanced'. Scorers given as `scoring` do not use it.
        """,
        default=None,
        constraints=[dict, StrOptions({"balanced"}), list, None],
        after="loss",
    )
    label_smoothing: float = parameter(
        "float",
        """Rate, in [0, 1), at which the training targets are mixed with equal probabilities of all classes. The
        validation loss uses the plain labels.
        """,
        default=0.0,
        constraints=[Interval(Real, 0, 1, closed="left")],
        after="weight_decay",
    )

    _prediction_parameters = (*FittedMLP._prediction_parameters, "class_weight", "label_smoothing")

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Labels, or a label indicator matrix if `fit` was given one.
        """
        check_is_fitted(self)
        if not self._multilabel and len(self.classes_) > 2:
            return self.classes_[self._codes(X)]
        decision = self.decision_function(X)
        return (decision > 0).astype(int) if self._multilabel else self.classes_[(decision > 0).astype(int)]

    @on_one_thread
    def _codes(self, X) -> np.ndarray:
        """Return the column with the largest output of each row; outputs are kept for a block of rows alone."""
        module = self._fitted_module()
        rows = rows_for(self, X, module)
        largest = np.empty(len(rows), dtype=np.intp)
        for span, Z in blocks_of_outputs(module, rows):
            largest[span] = Z.numpy(force=True).argmax(axis=1)
        return largest

    def score(self, X, y, sample_weight=None):
        """Return the accuracy; for label indicator matrices, the share of rows with every label right.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or a label indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            The accuracy.
        """
        # Missing labels are errors, without a warning before.
        with numbers_in_range("y and sample_weight"), np.errstate(invalid="ignore"):
            return super().score(X, as_target(y), as_numpy(sample_weight, "sample_weight"))

    def decision_function(self, X):
        """Return the outputs of the network before the softmax or logistic function (logits).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits; with two classes those of ``classes_[1]``.
        """
        Z = self._outputs(X).numpy()
        is_binary = not self._multilabel and len(self.classes_) == 2
        return Z[:, 0] if is_binary else Z

    @on_one_thread
    def predict_proba(self, X):
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`. Rows sum to 1, except for label indicator matrices, where
            each label has its own.
        """
        return self._predictions(self._outputs(X))

    def _predictions(self, Z):
        positive = self._fitted_loss().link(Z).numpy()
        if not self._multilabel and len(self.classes_) == 2:
            return np.hstack([1 - positive, positive])
        return positive

    @on_one_thread
    def predict_log_proba(self, X):
        """Return the logarithms of the probabilities, accurate even where the probabilities underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities in the order of `classes_`.
        """
        Z = self._outputs(X)
        if self._multilabel:
            return torch.nn.functional.logsigmoid(Z).numpy()
        if len(self.classes_) == 2:
            return torch.nn.functional.logsigmoid(torch.hstack([-Z, Z])).numpy()
        return torch.log_softmax(Z, dim=1).numpy()

    def _check_restored_targets(self, state):
        classes, multilabel, n_outputs = state.get("classes_"), state.get("_multilabel"), state["n_outputs_"]
        n_classes = n_outputs if multilabel is True or n_outputs > 2 else {1: 2}.get(n_outputs)
        is_array = isinstance(multilabel, bool) and isinstance(classes, np.ndarray)
        if not (is_array and classes.shape == (n_classes,) and _is_ascending(classes)):
            raise ValueError("'classes_' does not match the outputs, or is not sorted, or '_multilabel' is no bool")
        if state["_n_targets"] != n_outputs:
            raise ValueError(f"'_n_targets' must be {n_outputs}, got {state['_n_targets']!r}")
        loss = classification_loss(state["_fitted_parameters"]["loss"], is_multiclass=not multilabel and n_classes > 2)
        if loss.out_activation != state["out_activation_"]:
            raise ValueError(f"'out_activation_' does not match the classes: {state['out_activation_']!r}")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _encode_known(self, y, weight=None):
        if self._multilabel:
            y = np.array(y.toarray() if scipy.sparse.issparse(y) else y, dtype=np.float64)
            if y.ndim != 2 or y.shape[1] != len(self.classes_) or not np.isin(y, (0, 1)).all():
                raise ValueError(
                    f"y must be a label indicator matrix of zeros and ones with {len(self.classes_)} columns; got an "
                    f"array of shape {y.shape} with values such as {y.ravel()[:3].tolist()!r}."
                )
            return y
        y = _one_column(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y must hold only classes of the fitted network, {self.classes_.tolist()!r}; got {unknown.tolist()!r}."
            )
        return indicators(np.searchsorted(self.classes_, y), len(self.classes_))

    def _loss_of(self, parameters):
        is_multiclass = not self._multilabel and len(self.classes_) > 2
        return classification_loss(parameters["loss"], is_multiclass=is_multiclass)


@with_docstring(description=CLASSIFIER_DESCRIPTION, attributes=CLASSIFIER_ATTRIBUTES, sections=_SECTIONS)
@with_parameters
class RegularizedMLPClassifier(FittedClassifier, BaseRegularizedMLP):
    """Multilayer perceptron classifier with every kind of regularization."""

    _data_parameters = (*BaseRegularizedMLP._data_parameters, "class_weight")
    _data_attributes = (*BaseRegularizedMLP._data_attributes, "classes_", "_multilabel")

    # -- training ------------------------------------------------------------------------------------------

    @available_if(_takes_some_rows)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Update the network by one epoch over the given rows, which may be new ones.

        Early stopping does not apply: all rows are training rows. `history_` continues from call to call, while
        `n_iter_` is 1. The state of the solver, the learning rate (where 'cosine' starts over after `max_iter` calls)
        and the random generators continue, too, unless the estimator is pickled or copied in between
        (:meth:`save_checkpoint` saves them). The first call starts around the class frequencies of its rows, or around
        equal ones if a class is missing. Callbacks given to `set_callbacks` are called by `fit` only.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or a label indicator matrix; not all classes need occur.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0, relative to each other. None means equal weights.
        classes : array-like of shape (n_classes,), default=None
            All classes that can occur. Required in the first call, unless `fit` was called before.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the data or `classes` are not as described, or training diverges. The estimator is then as it was.
        """
        with unchanged_on_error(self):
            self._validate_params()
            self._set_classes(y, classes)
            train_one_epoch(self, X, y, sample_weight, lambda labels, dtype: self._encode_known(labels).astype(dtype))
        return self

    def _set_classes(self, y, classes) -> None:
        """Take the classes of the first call of `partial_fit`; raise ValueError if a later one gives others."""
        if scipy.sparse.issparse(classes):  # over which scikit-learn stumbles
            raise ValueError(
                f"The classes must be an array of shape (n_classes,); got a sparse one of {classes.shape}."
            )
        with np.errstate(invalid="ignore"):  # of missing labels, which are errors
            check_partial_fit_first_call(self, classes)
            if not hasattr(self, "_multilabel"):
                self._multilabel = type_of_target(as_target(y), input_name="y").startswith("multilabel")
        if len(self.classes_) < 2:
            raise ValueError(f"partial_fit needs at least 2 classes; got classes={classes!r}.")

    def _encode_targets(self, y, dtype, keep_classes):
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y must be class labels of shape (n_samples,) or a label indicator matrix of zeros and ones; got "
                f"{y.shape[1]} columns of several classes. Use sklearn.multioutput.MultiOutputClassifier."
            )
        multilabel = kind.startswith("multilabel")
        if multilabel:
            targets = np.asarray(y.toarray() if scipy.sparse.issparse(y) else y, dtype=dtype)
            classes = np.arange(targets.shape[1])
        else:
            classes, codes = np.unique(_one_column(y), return_inverse=True)
            targets = indicators(codes, len(classes)).astype(dtype)
        if keep_classes and not (np.array_equal(classes, self.classes_) and multilabel == self._multilabel):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}."
            )
        self.classes_ = classes
        self._multilabel = multilabel
        return targets

    def _check_weighted_targets(self, targets):
        if self._multilabel:
            return
        n_present = len(np.unique(self._strata(targets)))
        if n_present < 2:
            raise ValueError(
                f"A classifier needs rows (with positive weight) of at least 2 classes; got {n_present} class"
                f"{'' if self.class_weight is None else f' with class_weight={self.class_weight!r}'}."
            )

    def _given_class_weights(self, targets):
        if self.class_weight is None or isinstance(self.class_weight, str):
            return None
        given = self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]
        n_labels = targets.shape[1] if self._multilabel else 1
        if len(given) != n_labels or not all(isinstance(weights, dict) for weights in given):
            raise ValueError(
                "The 'class_weight' parameter must be a dict, or for label indicator matrices a list with one dict for "
                f"each of the {n_labels} labels, 'balanced' or None; got {self.class_weight!r}."
            )
        values = [value for weights in given for value in weights.values()]
        if not all(is_number(w) and 0 <= w < np.inf for w in values):
            raise ValueError(
                f"The 'class_weight' parameter must hold numbers of at least 0; got {self.class_weight!r}."
            )
        classes = [0, 1] if self._multilabel else self.classes_.tolist()
        for weights in given:
            if set(weights) - set(classes):
                raise ValueError(
                    f"The 'class_weight' parameter must name only classes of y, {classes!r}; got {weights!r}."
                )
        return ClassWeights(tuple(np.array([weights.get(label, 1.0) for label in classes]) for weights in given))

    def _class_weights(self, table, rows):
        if self.class_weight != "balanced":
            return super()._class_weights(table, rows)
        weight = None if table.weight is None else rescaled(table.weight[rows])
        targets = table.targets[rows]
        n_classes = max(len(self.classes_), 2) if not self._multilabel else 2
        of_label = [np.ones(n_classes) for _ in range(targets.shape[1] if self._multilabel else 1)]
        for values, codes in zip(of_label, ClassWeights(tuple(of_label)).codes(targets), strict=True):
            present = np.unique(codes)  # of a class without rows here nothing is known
            values[present] = compute_class_weight("balanced", classes=present, y=codes, sample_weight=weight)
        return ClassWeights(tuple(of_label))

    @property
    def _target_rules(self):
        return (LabelSmoothing(float(self.label_smoothing)),)

    def _strata(self, targets):
        if self._multilabel:
            return None
        return targets.argmax(axis=1) if targets.shape[1] > 1 else targets[:, 0]
