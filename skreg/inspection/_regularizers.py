"""Default set of a comparison: one network, regularized in eight ways."""

import math

import numpy as np
import scipy.sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skreg._composition import last_of, path_to_last
from skreg._estimator.advice import default_of, unused_parameters
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.copies import hidden_parameters
from skreg._sklearn_private import output_container
from skreg.classifier import RegularizedMLPClassifier
from skreg.penalties import GroupLasso
from skreg.pipeline import table_pipeline
from skreg.preprocessing import TableEncoder
from skreg.preprocessing._encoded import source_columns_of
from skreg.preprocessing._frames import is_raw_table
from skreg.regressor import RegularizedMLPRegressor

# The three axes that the default set varies; every network in it sets all of them.
PLAIN = {"penalty": None, "alpha": None, "l1_ratio": None, "dropout": 0.0, "early_stopping": False}
# Those that have to be parameters of the constructor; the defaults of the others serve as well.
VARIED = {"penalty", "alpha", "dropout", "early_stopping"}
# A decade apart, from hardly any effect to one that is too strong on most tables of standardized columns. L1 sums
# absolute values, which are larger than squares of small weights and than norms of groups, and so needs less.
L2_ALPHAS = GROUP_ALPHAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
L1_ALPHAS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
DROPOUTS = (0.1, 0.3, 0.5)
# Epochs without a better validation loss, where the network itself trains for a fixed number of epochs.
PATIENCE = 20

BATCH_SIZE = 32
# The default network takes about as many steps on any number of rows, within these numbers of epochs.
N_STEPS = 1000
EPOCHS = (20, 60)


def default_regularizers(network, *, groups: str | None = None) -> dict[str, tuple]:
    """Return a network regularized in eight ways, each with a grid of strengths.

    Parameters
    ----------
    network : estimator
        :class:`~skreg.RegularizedMLPClassifier` or :class:`~skreg.RegularizedMLPRegressor`, alone, at the end of a
        :class:`~sklearn.pipeline.Pipeline` or in a :class:`~sklearn.compose.TransformedTargetRegressor`. Its
        `penalty`, `dropout` and `early_stopping` are replaced; other parameters are kept. If it trains for a fixed
        number of epochs (``n_iter_no_change=np.inf``), early stopping gets a patience of 20 epochs.
    groups : {'features', 'columns'}, default=None
        Groups of the group lasso: single features, or all features of a column of the table, as in
        :class:`~skreg.penalties.GroupLasso`. None means 'columns' for a network right behind a
        :class:`~skreg.preprocessing.TableEncoder`, as in a :func:`~skreg.table_pipeline`, and 'features' otherwise.

    Returns
    -------
    dict of str to tuple
        Pairs of estimator and grid by name, as for :func:`compare_regularizers`: 'none', 'l1', 'l2', 'elasticnet'
        (``l1_ratio=0.5``), 'group_lasso', 'dropout', 'early_stopping', and 'l2 + dropout + early_stopping'. Entries can
        be added, replaced and deleted.

    Raises
    ------
    ValueError
        If `groups` is not one of these.
    TypeError
        If `network` contains no network of skreg, or one of a subclass whose constructor does not take `penalty`,
        `alpha`, `dropout` and `early_stopping`.

    See Also
    --------
    compare_regularizers : Compare regularizers by nested cross-validation.

    Examples
    --------
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import default_regularizers
    >>> regularizers = default_regularizers(RegularizedMLPClassifier((20,)))
    >>> list(regularizers)
    ['none', 'l1', 'l2', 'elasticnet', 'group_lasso', 'dropout', 'early_stopping', 'l2 + dropout + early_stopping']
    >>> estimator, grid = regularizers["dropout"]
    >>> grid
    {'dropout': [0.1, 0.3, 0.5]}
    """
    if groups is not None and not (isinstance(groups, str) and groups in ("features", "columns")):
        raise ValueError(f"The 'groups' parameter must be 'features', 'columns' or None; got {groups!r}.")
    prefix, last = parameter_prefix(network), last_of(network)
    hidden = hidden_parameters(last)
    if missing := sorted(VARIED & hidden):
        raise TypeError(
            f"The 'network' parameter must be an estimator whose constructor takes what the default set varies; that "
            f"of {type(last).__name__} lacks {missing!r}. Give 'estimators' instead."
        )
    patience = last.n_iter_no_change
    stopping = {"early_stopping": True, "n_iter_no_change": PATIENCE if patience == math.inf else patience}
    l1, l2, strengths = ({"alpha": list(alphas)} for alphas in (L1_ALPHAS, L2_ALPHAS, GROUP_ALPHAS))
    group_lasso: str | GroupLasso = "group_lasso"
    if groups == "columns" or (groups is None and knows_columns(network)):
        group_lasso, strengths = GroupLasso(groups="columns"), {"penalty__alpha": strengths["alpha"]}
    combined = {"alpha": list(L2_ALPHAS[1:4]), "dropout": list(DROPOUTS[:2])}

    def regularized(grid, **settings):
        settings = {name: value for name, value in (PLAIN | settings).items() if name not in hidden}
        estimator = clone(network).set_params(**_prefixed(prefix, settings))
        # What the user has given for early stopping has no effect on most of them, which is not worth a warning.
        inner = estimator.get_params()[prefix.removesuffix("__")] if prefix else estimator
        unused = {name: default_of(inner, name) for name in unused_parameters(inner) if name not in hidden}
        return estimator.set_params(**_prefixed(prefix, unused)), _prefixed(prefix, grid)

    return {
        "none": regularized({}),
        "l1": regularized(l1, penalty="l1"),
        "l2": regularized(l2, penalty="l2"),
        "elasticnet": regularized(l1, penalty="elasticnet", l1_ratio=0.5),
        "group_lasso": regularized(strengths, penalty=group_lasso),
        "dropout": regularized({"dropout": list(DROPOUTS)}),
        "early_stopping": regularized({}, **stopping),
        "l2 + dropout + early_stopping": regularized(combined, penalty="l2", **stopping),
    }


def knows_columns(network, X=None) -> bool:
    """Return whether a network, or one at the end of a pipeline, gets features whose original columns are known.

    Without a step before it, that depends on the rows X.
    """
    for _, part in reversed(path_to_last(network)):
        if isinstance(part, Pipeline) and len(part.steps) > 1:
            before = part.steps[-2][1]
            return isinstance(before, TableEncoder) and output_container(before) != "polars"
    return source_columns_of(X) is not None


def default_network(X, n_train: int, *, classifier: bool):
    """Return the network that is compared by default: standardized columns, one hidden layer of 64 units.

    Frames with anything but numbers, or with missing values, are encoded by a
    :class:`~skreg.preprocessing.TableEncoder` instead, and what one has encoded is taken as it is.

    Parameters
    ----------
    X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
        Inputs; sparse ones are scaled, but not centred.
    n_train : int
        Number of rows that it will be fitted to.
    classifier : bool
        Whether to classify. A regressor standardizes its target, too.

    Returns
    -------
    Pipeline, RegularizedMLPClassifier or TransformedTargetRegressor
        The network, not fitted.
    """
    # Inner folds, and validation rows within them, leave about half of the rows.
    batch_size = max(1, min(BATCH_SIZE, n_train // 2))
    n_epochs = round(np.clip(N_STEPS / math.ceil(n_train / batch_size), *EPOCHS))
    make = RegularizedMLPClassifier if classifier else RegularizedMLPRegressor
    network = make(
        (64,),
        batch_size=batch_size,
        learning_rate="cosine",
        learning_rate_init=0.01,
        max_iter=n_epochs,
        n_iter_no_change=math.inf,
    )
    if is_raw_table(X):
        pipeline = table_pipeline(network)
        return pipeline if classifier else TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    if source_columns_of(X) is not None:
        return network if classifier else TransformedTargetRegressor(network, transformer=StandardScaler())
    # Standardized first: single precision cannot tell large numbers apart that differ little, as times do.
    scaler = StandardScaler(with_mean=not scipy.sparse.issparse(X))
    pipeline = make_pipeline(scaler, FunctionTransformer(in_single_precision, accept_sparse=True), network)
    return pipeline if classifier else TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def in_single_precision(X):
    """Return numbers in single precision, in which networks train faster."""
    return X.astype(np.float32)


def parameter_prefix(estimator) -> str:
    """Return the prefix of the network's parameters, such as 'regularizedmlpclassifier__'."""
    _, *inner = path = path_to_last(estimator)
    _, last = path[-1]
    if not isinstance(last, BaseRegularizedMLP):
        raise TypeError(
            "The 'network' parameter must be a RegularizedMLPClassifier or RegularizedMLPRegressor, alone, at the end "
            f"of a Pipeline or in a TransformedTargetRegressor; got {last!r}."
        )
    return "".join(f"{name}__" for name, _ in inner)


def _prefixed(prefix: str, settings: dict) -> dict:
    return {f"{prefix}{name}": value for name, value in settings.items()}
