"""Parts of the docstrings of the ensembles, each written once."""

DESCRIPTION = """
All networks are trained in one population: small ones take two to three times as long as one of them. So are those of
the candidates and folds of a search of :mod:`skreg.model_selection` over parameters of the ensemble or of
``estimator``. A member whose training fails, for instance because it diverges, is left out with a warning; if all fail,
that is an error.
"""

_ATTRIBUTES = {
    "members_": """list of estimator
    The fitted members, without those that have failed.
    """,
    "failures_": """dict of int to str
    Errors of the members that have failed, by their number.
    """,
    "oof_score_": """float or None
    {score} of `oof_predictions_`. None if no row with positive weight was held out of a member.
    """,
    "feature_importances_": """ndarray of shape (`n_features_in_`,)
    Mean of the members' importances, if they have any. In a pipeline they are those of the features that reach the
    networks, or, behind a :class:`~skreg.preprocessing.TableEncoder`, of the columns of the table.
    """,
    "selected_features_": """ndarray of int or str of shape (n_selected,)
    Features that at least one member uses, if members know theirs: as names, or, of networks that get features without
    names, as indices.
    """,
    "n_features_in_": """int
    Number of columns of X.
    """,
    "feature_names_in_": """ndarray of shape (`n_features_in_`,)
    Names of the columns of X, if it was a data frame with string names.
    """,
}
CLASSIFIER_ATTRIBUTES = {
    "classes_": """ndarray of shape (n_classes,)
    Class labels, sorted; column indices for label indicator matrices.
    """,
    "oof_predictions_": """ndarray of shape (n_samples, n_classes) or None
    Mean probabilities of each row from the members that it was held out of; NaN for rows that every member was trained
    on. A class that is missing in the training rows of a member has probability 0 there. None if no row was held out.
    """,
    **_ATTRIBUTES,
    "oof_score_": _ATTRIBUTES["oof_score_"].format(score="Accuracy"),
    "calibrator_": """object or None
    What maps mean probabilities to calibrated ones: with 'temperature' its attribute ``temperature_`` is the number
    that their logits are divided by, and ``averaging`` how much smaller these are than those of `oof_predictions_`,
    because more members are averaged. None without calibration. `oof_predictions_` and members are not calibrated.
    """,
}
REGRESSOR_ATTRIBUTES = {
    "oof_predictions_": """ndarray of shape (n_samples,) or (n_samples, n_outputs) or None
    Mean prediction of each row from the members that it was held out of; NaN for rows that every member was trained on.
    None if no row was held out.
    """,
    **_ATTRIBUTES,
    "oof_score_": _ATTRIBUTES["oof_score_"].format(score="R², or mean D² of several quantiles,"),
}
