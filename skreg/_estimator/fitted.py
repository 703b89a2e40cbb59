"""Fitted networks: predictions, hidden outputs, selected features, pruning and pickles."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.sparse
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from skreg._doc_link import DocLink
from skreg._estimator.checks import dropout_rates
from skreg._estimator.data import as_numpy, check_inputs
from skreg._estimator.devices import device_here
from skreg._estimator.parameters import AXES, NetworkParameters
from skreg._estimator.state import TRAINING_STATE, VERSION, check_restored, check_version, with_fitted_parameters
from skreg._estimator.weights import load_parameters, weights_of
from skreg._seeds import draw_seeds, generator_of
from skreg._sklearn_private import Interval, validate_parameter_constraints
from skreg._version import __version__
from skreg.adapters.callbacks import without_learned_attributes
from skreg.engine.batches import Rows
from skreg.engine.classes import ClassIndicators, lines_in_part
from skreg.engine.objective import AUTO_BATCH_SIZE
from skreg.engine.threads import limited_threads, on_one_thread, step_flops
from skreg.losses import Loss
from skreg.network.mlp import MLP
from skreg.network.pruning import prune_weights


def rows_for(estimator, X, module: MLP) -> Rows:
    """Return validated rows for the fitted network of an estimator."""
    data = check_inputs(estimator, as_numpy(X), reset=False)
    dtype = estimator.coefs_[0].dtype
    if data.dtype != dtype:
        with np.errstate(over="ignore"):
            data = data.astype(dtype)
        values = data.data if scipy.sparse.issparse(data) else data
        if not np.isfinite(values).all():
            raise ValueError(f"X must hold values in the range of the fitted network's {data.dtype}; got larger ones.")
    if len(estimator.input_features_) < estimator.n_features_in_:
        data = data[:, estimator.input_features_]
    return Rows(data, module.flat.new_empty(data.shape[0], module.layer_units[-1]), None)


def blocks_of_outputs(module: MLP, rows: Rows, compute: Callable | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
    """Iterate over the outputs of a fitted network, block by block, each with its span of the rows."""
    for span, X in rows.blocks(module.layer_units):
        with torch.no_grad(), limited_threads(step_flops(module.layer_units, AUTO_BATCH_SIZE)):
            Z = (compute or module)(X)[0]
        yield span, Z


def outputs_in_blocks(
    module: MLP, rows: Rows, compute: Callable | None = None, n_columns: int | None = None
) -> torch.Tensor:
    """Return the outputs of a fitted network for all rows, computed block by block.

    Parameters
    ----------
    module : MLP
        The network.
    rows : Rows
        The rows.
    compute : callable, default=None
        Takes a block of inputs; None is the module itself.
    n_columns : int, default=None
        Number of columns that it returns; None is the number of outputs.

    Returns
    -------
    Tensor of shape (n_rows, n_columns)
        The outputs, on the CPU.
    """
    results = module.flat.new_empty(len(rows), n_columns or module.layer_units[-1])
    for span, Z in blocks_of_outputs(module, rows, compute):
        results[span] = Z
    return results.cpu()


class DropoutSamples(NamedTuple):
    """Predictions with dropout, and their mean and spread.

    Attributes
    ----------
    samples : ndarray of shape (n_samples, n_rows) or (n_samples, n_rows, n_outputs)
        Predictions, each with masks of its own.
    mean, std : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Their mean and standard deviation.
    """

    samples: np.ndarray
    mean: np.ndarray
    std: np.ndarray


class FittedMLP(DocLink, ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkParameters, BaseEstimator, ABC):
    """Base class with the methods of fitted estimators.

    They depend on fitted attributes alone: a parameter that is set after `fit` acts from the next fit on. Only
    `device`, where to compute, is the present one, or one that exists on this machine.
    """

    # Parameters on which predictions depend. `_fitted_parameters` holds their values in `fit`.
    _prediction_parameters: ClassVar[tuple[str, ...]] = ("activation", "loss", "dropout", "input_dropout", "scoring")

    # Parameters and fitted attributes that pickles of earlier versions may lack, and what they stand for there.
    _later_parameters: ClassVar[dict[str, object]] = dict.fromkeys((*AXES, "min_steps"))
    _later_attributes: ClassVar[dict[str, object]] = {"source_columns_": None}

    @classmethod
    def _get_param_names(cls):
        """Return the names of the parameters: scikit-learn would read the signature anew at every call."""
        if "_parameter_names" not in vars(cls):
            cls._parameter_names = tuple(super()._get_param_names())
        return list(cls._parameter_names)

    @abstractmethod
    def _loss_of(self, parameters: dict) -> Loss:
        """Return the loss, of encoded targets, for some parameters."""

    @abstractmethod
    def _check_restored_targets(self, state: dict) -> None:
        """Raise ValueError if a pickle's attributes of the targets do not match the network's outputs."""

    @abstractmethod
    def _encode_known(self, y, weight=None) -> np.ndarray:
        """Return encoded targets for a fitted estimator, which may lack some of its classes.

        Numbers without weight, of which ``weight`` has one for each row, need not be ones that can be transformed.
        """

    @abstractmethod
    def _predictions(self, Z: torch.Tensor) -> np.ndarray:
        """Return probabilities or predicted numbers from the network's outputs."""

    def _make_loss(self) -> Loss:
        """Return the loss for the present parameters."""
        return self._loss_of(vars(self))

    def _fitted_loss(self) -> Loss:
        """Return the loss that the network was fitted with."""
        return self._loss_of(self._fitted_parameters)

    def _store_prediction_parameters(self) -> None:
        """Store the parameters on which predictions depend."""
        values = {name: getattr(self, name) for name in self._prediction_parameters}
        # Copies, because a list or a dict can be changed in place; functions are shared.
        self._fitted_parameters = {
            name: value if callable(value) else copy.deepcopy(value) for name, value in values.items()
        }

    def _as_fitted(self):
        """Return a shallow copy whose parameters are those that the network was fitted with."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self) | self._fitted_parameters)
        return twin

    # -- selection -----------------------------------------------------------------------------------------

    @property
    def sparsity_(self) -> np.ndarray:
        """Fraction of weights that are exactly zero, for every weight matrix."""
        check_is_fitted(self)
        return np.array([np.mean(W == 0) for W in self.coefs_])

    @property
    def feature_importances_(self) -> np.ndarray:
        """Euclidean norm of each feature's weights in the skip connection or, without one, in the first layer.

        Exactly 0 for features that are left out. The others can mislead: the norm depends on the unit of the column, so
        standardize all of them, one-hot columns included; and where training ends early, irrelevant features still have
        much of their initial weights. :func:`~sklearn.inspection.permutation_importance` on held-out rows measures what
        predictions lose without a feature. To use importances in :class:`~sklearn.feature_selection.SelectFromModel`,
        give it ``threshold=1e-10``: its default, the mean, drops selected features.
        """
        check_is_fitted(self)
        gate = self.coefs_[0] if self.skip_coef_ is None else self.skip_coef_
        importances = np.zeros(self.n_features_in_, dtype=gate.dtype)
        importances[self.input_features_] = np.linalg.norm(gate, axis=1)
        return importances

    @property
    def selected_features_(self) -> np.ndarray:
        """Features with any nonzero weight, as indices, or as names after a fit on a data frame."""
        check_is_fitted(self)
        selected = self.input_features_[weights_of(self).used_features]
        return self.feature_names_in_[selected] if hasattr(self, "feature_names_in_") else selected

    @on_one_thread
    def prune(self):
        """Return a smaller fitted estimator with the same predictions.

        Removes features whose outgoing weights are all zero, hidden units whose incoming weights are all zero (their
        constant output is added to the biases of the next layer), and hidden units whose outgoing weights are all zero.
        With ``normalization='layer'`` hidden units stay, because each contributes to the scale of the others. A feature
        that is read only by removed units is removed, too, so `selected_features_` and `feature_importances_` can
        shrink.

        The new estimator takes the same X and reads its columns ``input_features_``. Its attribute ``pruning_`` is a
        dictionary of sizes before and after pruning: ``n_parameters``, ``n_features``, ``hidden_layer_sizes``, and
        ``n_multiplications`` for each predicted row. It cannot continue with ``warm_start``; :meth:`fit` trains a whole
        network again.

        Returns
        -------
        object
            A new estimator of the same class and parameters.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        check_is_fitted(self)
        before = weights_of(self)
        after, features = prune_weights(before, self._fitted_parameters["activation"])
        pruned = copy.deepcopy(self)
        pruned.coefs_, pruned.intercepts_ = after.coefs, after.intercepts
        pruned.normalization_params_, pruned.skip_coef_ = after.normalization, after.skip
        pruned.input_features_ = self.input_features_[features]
        pruned.pruning_ = {
            "n_parameters": (before.n_parameters, after.n_parameters),
            "n_features": (len(self.input_features_), len(features)),
            "hidden_layer_sizes": tuple(tuple(W.shape[1] for W in w.coefs[:-1]) for w in (before, after)),
            "n_multiplications": (before.n_multiplications, after.n_multiplications),
        }
        return pruned

    # -- prediction ----------------------------------------------------------------------------------------

    def _fitted_module(self, dropout_rates=((), 0.0)) -> MLP:
        """Return the fitted network, with the dropout of hidden layers and inputs."""
        normalization = None
        if self.normalization_params_:
            normalization = "batch" if "mean" in self.normalization_params_[0] else "layer"
        dropout, input_dropout = dropout_rates
        module = MLP(
            (len(self.coefs_[0]), *(W.shape[1] for W in self.coefs_)),
            activation=self._fitted_parameters["activation"],
            normalization=normalization,
            dropout=dropout,
            input_dropout=input_dropout,
            skip=self.skip_coef_ is not None,
            dtype=torch.float32 if self.coefs_[0].dtype == np.float32 else torch.float64,
            device=device_here(self.device),
            is_loaded=True,
        )
        load_parameters(self, module)
        return module

    @on_one_thread
    def _outputs(self, X) -> torch.Tensor:
        """Return the outputs of the last layer, before the link, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        module = self._fitted_module()
        rows = rows_for(self, X, module)
        return outputs_in_blocks(module, rows)

    @on_one_thread
    def _mean_loss(self, X, y, sample_weight=None) -> float:
        """Return the mean loss on some rows, without the penalty."""
        Z, targets, loss = self._outputs(X), self._encode_known(y), self._fitted_loss()
        is_coded = isinstance(targets, ClassIndicators)
        n_rows = lines_in_part(Z.shape[1], 8) if is_coded else len(Z)
        losses = [
            loss.per_row(Z[span].to(torch.float64).unsqueeze(0), torch.from_numpy(np.asarray(targets[span])))[0]
            for span in gen_batches(len(Z), n_rows)
        ]
        return float(np.average(torch.cat(losses).numpy(), weights=sample_weight))

    @on_one_thread
    def transform(self, X):
        """Return the outputs of the last hidden layer, as learned features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_units)
            One column per unit of the last hidden layer; without hidden layers, the inputs. `set_output` and
            `get_feature_names_out` work as in every transformer.
        """
        check_is_fitted(self)
        module = self._fitted_module()
        rows = rows_for(self, X, module)
        return outputs_in_blocks(module, rows, module.last_hidden, module.layer_units[-2]).numpy()

    @property
    def _n_features_out(self) -> int:
        return self.coefs_[-1].shape[0]

    @on_one_thread
    def predict_dropout_samples(self, X, n_samples=100, *, random_state=None):
        """Predict several times with dropout, for an estimate of uncertainty (Monte Carlo dropout).

        Each sample drops other units. The samples differ most where the training rows determine the prediction least
        [1]_. Their spread is a rough measure of uncertainty, which depends on the dropout rate and is not calibrated.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Inputs.
        n_samples : int, default=100
            Number of predictions for each row, at least 2.
        random_state : int, RandomState instance or None, default=None
            Seed of the masks; None means fresh entropy from the operating system.

        Returns
        -------
        DropoutSamples
            A named tuple: ``samples`` of shape (n_samples, n_rows, ...), where ... stands for the shape of one row of
            `predict_proba`, or of `predict` for numbers; and their ``mean`` and ``std`` over the first axis.

        Raises
        ------
        ValueError
            If the network was fitted without dropout.

        References
        ----------
        .. [1] Y. Gal and Z. Ghahramani, "Dropout as a Bayesian approximation: representing model uncertainty in deep
           learning", ICML 2016, section 4.
        """
        check_is_fitted(self)
        validate_parameter_constraints(
            {"n_samples": [Interval(Integral, 2, None, closed="left")], "random_state": ["random_state"]},
            {"n_samples": n_samples, "random_state": random_state},
            caller_name="predict_dropout_samples",
        )
        dropout, input_dropout = (self._fitted_parameters[name] for name in ("dropout", "input_dropout"))
        rates = dropout_rates(dropout, len(self.coefs_) - 1), float(input_dropout)
        if not (any(rates[0]) or rates[1]):
            raise ValueError(
                "predict_dropout_samples needs a network with dropout; got "
                f"dropout={dropout!r}, input_dropout={input_dropout!r}."
            )
        module = self._fitted_module(rates)
        rows = rows_for(self, X, module)
        rows.is_sparse &= not rates[1]  # masks are of every input
        seed = draw_seeds(random_state, "masks")["masks"]
        generator = generator_of(seed, module.flat.device)
        with_masks = partial(module, generator=generator)
        samples = np.stack([self._predictions(outputs_in_blocks(module, rows, with_masks)) for _ in range(n_samples)])
        return DropoutSamples(samples, samples.mean(axis=0), samples.std(axis=0))

    # -- state ---------------------------------------------------------------------------------------------

    def __getstate__(self):
        """Return the state to pickle: parameters and fitted attributes.

        The training state is for checkpoints. Callbacks lose the attributes of a fit: a scheduler has an optimizer,
        which does not belong in a saved model.
        """
        state = {name: value for name, value in super().__getstate__().items() if name not in TRAINING_STATE}
        if isinstance(state.get("callbacks"), list | tuple):
            state["callbacks"] = [without_learned_attributes(item) for item in state["callbacks"]]
        return state | {VERSION: __version__}

    def __setstate__(self, state):
        """Restore a pickled estimator; raise ValueError for a state that no fit can have, and warn of another version.

        Pickles of earlier versions have no `_fitted_parameters`: their predictions depend on the parameters at the time
        of pickling.
        """
        if isinstance(state, dict):
            check_version(state.get(VERSION), type(self).__name__)
            state = self._later_parameters | {name: value for name, value in state.items() if name != VERSION}
        if isinstance(state, dict) and "coefs_" in state:
            state = self._later_attributes | with_fitted_parameters(self, state)
        check_restored(self, state)
        super().__setstate__(state)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
