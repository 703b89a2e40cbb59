"""Presets: single networks with parameters that were chosen on real tables."""

from skreg.classifier import RegularizedMLPClassifier
from skreg.regressor import RegularizedMLPRegressor

# Chosen with benchmarks/bench_preset.py, which also tells what each of these is worth.
TABULAR: dict[str, object] = {
    "hidden_layer_sizes": (256,),
    "penalty": None,
    "dropout": 0.5,
    "weight_decay": 1.5,
    "batch_size": "scale",
    "learning_rate": "cosine",
    "learning_rate_init": 0.015,
    "beta_2": 0.95,
    "max_iter": 20,
    "min_steps": 600,
}
TABULAR_REGRESSOR: dict[str, object] = {"target_transform": "standard"}


def preset_classifier(**parameters) -> RegularizedMLPClassifier:
    """Return a :class:`~skreg.RegularizedMLPClassifier` with parameters chosen on real tables.

    One hidden layer with much dropout and weight decay, and a learning rate that anneals to 0 over a number of steps
    that does not depend on the number of rows. All rows train: it has neither validation nor early stopping. Columns
    must be scaled, as :func:`~skreg.table_pipeline` does it.

    Parameters
    ----------
    **parameters : dict
        Parameters of the class, which replace those of the preset or are added to them.

    Returns
    -------
    RegularizedMLPClassifier
        The classifier, not fitted. Its parameters are ordinary ones: `get_params` shows them, and `set_params`,
        `clone` and searches treat them like any other.

    Raises
    ------
    TypeError
        If the class has no such parameter.

    See Also
    --------
    preset_regressor : The regressor.
    TabularMLPClassifier : Several networks, weighted and calibrated: better, and slower.
    table_pipeline : Takes tables as they are.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from skreg import preset_classifier, table_pipeline
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = table_pipeline(preset_classifier(random_state=0)).fit(X_train, y_train)
    >>> bool(model.score(X_test, y_test) > 0.95)
    True
    >>> preset_classifier(dropout=0.2).get_params()["dropout"]
    0.2
    """
    return RegularizedMLPClassifier(**(TABULAR | parameters))


def preset_regressor(**parameters) -> RegularizedMLPRegressor:
    """Return a :class:`~skreg.RegularizedMLPRegressor` with parameters chosen on real tables.

    The network is that of :func:`preset_classifier`; targets are standardized.

    Parameters
    ----------
    **parameters : dict
        Parameters of the class, which replace those of the preset or are added to them.

    Returns
    -------
    RegularizedMLPRegressor
        The regressor, not fitted. Its parameters are ordinary ones: `get_params` shows them, and `set_params`, `clone`
        and searches treat them like any other.

    Raises
    ------
    TypeError
        If the class has no such parameter.

    See Also
    --------
    preset_classifier : The classifier.
    TabularMLPRegressor : Several networks, weighted, with intervals: better, and slower.
    table_pipeline : Takes tables as they are.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_val_score
    >>> from skreg import preset_regressor, table_pipeline
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = table_pipeline(preset_regressor(random_state=0))
    >>> bool(cross_val_score(model, X, y).mean() > 0.4)
    True
    """
    return RegularizedMLPRegressor(**(TABULAR | TABULAR_REGRESSOR | parameters))


__all__ = ["preset_classifier", "preset_regressor"]
