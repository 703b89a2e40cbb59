"""Parts of the docstrings of the estimators to start with, each written once."""

DESCRIPTION = """
A table as it is goes in: numbers with gaps and outliers, categories, text, dates. On each of several folds an encoder
and a few networks, from linear to wide, are fitted to the other rows, all of them in populations. The networks get
weights by how well they predict the rows that they have not seen [1]_, and the {predictions} of all folds are averaged.
"""

ATTRIBUTES = {
    "members_": """dict of str to estimator
    For each network its fitted ensemble of folds, which takes the table itself; ``clone`` it to fit it again.
    """,
    "weights_": """dict of str to float
    Weight of each network; they sum to 1. Networks of weight 0 are not used.
    """,
    "losses_": """dict of str to float
    {loss} of each network by itself on held-out rows; with `scoring` minus the score.
    """,
    "loss_": """float
    The same of the weighted mean. A little too good, since the weights were chosen on them.
    """,
    "best_member_": """str
    Name of the network with the smallest loss by itself.
    """,
    "failures_": """dict of str to str
    Error of each network that has failed on a fold, as one whose training has diverged; it is left out of all folds.
    """,
    "oof_predictions_": """ndarray of shape (n_samples, ...)
    Prediction of each row by the networks that have not seen it.
    """,
    "oof_score_": """float
    {score} of these predictions.
    """,
    "folds_": """estimator
    The ensemble of folds: each of its members is a pipeline of an encoder and the weighted networks of a fold.
    """,
    "feature_importances_": """ndarray of shape (`n_features_in_`,)
    Importance of each column of the table: weighted means over networks and folds; they sum to 1.
    """,
    "n_features_in_": """int
    Number of columns of X.
    """,
    "feature_names_in_": """ndarray of shape (`n_features_in_`,)
    Names of the columns of X, if it was a data frame with string names.
    """,
}
SEE_ALSO = """
skreg.table_pipeline : Pipeline of an encoder and one estimator.
skreg.ensemble.FoldEnsemble{kind} : Ensemble of one kind of network.
RegularizedMLP{kind} : The networks.
"""
REFERENCES = """
.. [1] R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries of models", ICML 2004.
"""
