"""RegularizedMLPClassifier: what is special to classification."""

from numbers import Real
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skreg._base import BaseRegularizedMLP
from skreg._docs import estimator_docstring
from skreg._sklearn_private import Interval
from skreg.losses import LogisticLogLoss, SoftmaxLogLoss

_OWN_PARAMETERS = """label_smoothing : float, default=0.0
    Rate, in [0, 1), at which the training targets are mixed with equal probabilities of all classes. The
    validation loss uses the plain labels.
"""
_OWN_ATTRIBUTES = """classes_ : ndarray of shape (n_classes,)
    Class labels, sorted; the columns' numbers for label indicator matrices.
"""
_END = """
See Also
--------
RegularizedMLPRegressor : The same for numbers.
sklearn.neural_network.MLPClassifier : scikit-learn's network, with an L2 penalty alone.

References
----------
.. [1] J. Yun, A. C. Lozano and E. Yang, "Adaptive proximal gradient methods for structured neural networks",
   NeurIPS 2021.
.. [2] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", Journal of Machine
   Learning Research 15, 2014.
.. [3] C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016 (label smoothing).

Examples
--------
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
"""


class RegularizedMLPClassifier(ClassifierMixin, BaseRegularizedMLP):
    """Put together below."""

    __doc__ = estimator_docstring(
        summary="Multilayer perceptron classifier with every kind of regularization.",
        loss="the log-loss, for label indicator matrices summed over labels",
        own_parameters=_OWN_PARAMETERS,
        own_attributes=_OWN_ATTRIBUTES,
        score="accuracy",
        end=_END,
    )

    _parameter_constraints: ClassVar[dict] = {
        **BaseRegularizedMLP._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

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
        label_smoothing=0.0,
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
        self.label_smoothing = label_smoothing

    def _encode_targets(self, y, dtype, keep_classes):
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y must be class labels of shape (n_samples,) or a label indicator matrix of zeros and ones; got "
                f"{y.shape[1]} columns of several classes. Use sklearn.multioutput.MultiOutputClassifier."
            )
        if not kind.startswith("multilabel"):
            y = column_or_1d(y, warn=True)
        binarizer = LabelBinarizer().fit(y)
        multilabel = kind.startswith("multilabel")
        if keep_classes and not (np.array_equal(binarizer.classes_, self.classes_) and multilabel == self._multilabel):
            raise ValueError(
                f"warm_start=True needs the classes of the previous call to fit, {self.classes_!r}, and targets of the "
                f"same kind; got {binarizer.classes_!r} and {kind} targets."
            )
        self.classes_ = binarizer.classes_
        self._multilabel = multilabel
        targets = np.asarray(binarizer.transform(y), dtype=dtype)
        self._check_weighted_targets(targets)
        return targets

    def _check_weighted_targets(self, targets):
        if self._multilabel:
            return
        n_present = len(np.unique(self._strata(targets)))
        if n_present < 2:
            raise ValueError(
                f"RegularizedMLPClassifier needs rows (with positive weight) of at least 2 classes; got {n_present} "
                "class."
            )

    def _encode_known(self, y):
        if self._multilabel:
            return np.array(y.toarray() if scipy.sparse.issparse(y) else y, dtype=np.float64)
        y = column_or_1d(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y holds classes that the rows for training did not have: {unknown.tolist()!r}.")
        return LabelBinarizer().fit(self.classes_).transform(y).astype(np.float64)

    def _make_loss(self):
        is_multiclass = not self._multilabel and len(self.classes_) > 2
        return SoftmaxLogLoss() if is_multiclass else LogisticLogLoss()

    def _training_target(self, target, loss):
        return loss.smooth_targets(target, self.label_smoothing) if self.label_smoothing else target

    def _strata(self, targets):
        if self._multilabel:
            return None
        return targets.argmax(axis=1) if targets.shape[1] > 1 else targets[:, 0]

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
        decision = self.decision_function(X)
        if self._multilabel:
            return (decision > 0).astype(int)
        if len(self.classes_) == 2:
            return self.classes_[(decision > 0).astype(int)]
        return self.classes_[decision.argmax(axis=1)]

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
        Z = self._outputs(X)
        positive = self._make_loss().link(Z).numpy()
        if not self._multilabel and len(self.classes_) == 2:
            return np.hstack([1 - positive, positive])
        return positive

    def predict_log_proba(self, X):
        """Return the logarithms of the probabilities, accurate also where these underflow.

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

    def __setstate__(self, state):
        """Restore a pickled estimator, refusing classes that do not fit its outputs."""
        if "coefs_" in state:
            classes, multilabel = state.get("classes_"), state.get("_multilabel")
            is_binary = not multilabel and state.get("n_outputs_") == 1
            if not (
                isinstance(multilabel, bool)
                and isinstance(classes, np.ndarray)
                and classes.shape == (2 if is_binary else state.get("n_outputs_"),)
            ):
                raise ValueError("The saved state is damaged: 'classes_' does not match the outputs.")
        super().__setstate__(state)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
