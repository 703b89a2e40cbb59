"""Notes on the fits of a comparison: constant predictions, and strengths at the edge of a grid."""

from collections import defaultdict
from numbers import Real

import numpy as np

from skreg._warnings import warn_user
from skreg.inspection._design import Candidate, NamedEstimator
from skreg.inspection._networks import fitted_network

# Parameters that are strengths, for which a grid ends somewhere between nothing and too much.
STRENGTHS = {"alpha", "weight_decay"}
# Of fewer values, too many are at an edge.
MIN_VALUES = 3


def predictions_are_constant(estimator, X) -> bool:
    """Return whether a fitted network predicts the same for all rows: the same probabilities, if it has any.

    False for other estimators, such as a dummy, of which that is the purpose.
    """
    if fitted_network(estimator) is None:
        return False
    predict = getattr(estimator, "predict_proba", estimator.predict)
    predictions = predict(X)
    columns = predictions if isinstance(predictions, list) else [predictions]  # one array for each of several labels
    return all(bool((np.asarray(column) == np.asarray(column)[:1]).all()) for column in columns)


def notes_of_constants(constant: dict[str, int], n_folds: int) -> list[str]:
    """Return sentences on the estimators that predict the same for all test rows, from their numbers of folds.

    Warn of one that does so in all folds.
    """
    notes = []
    for name, number in constant.items():
        where = "every fold" if number == n_folds else f"{number} of {n_folds} folds"
        notes.append(
            f"{name} predicts the same for all test rows in {where}: its penalty is too strong, or its training too "
            "short."
        )
        if number == n_folds:
            warn_user(notes[-1])
    return notes


def notes_of_edges(pairs: list[tuple[NamedEstimator, Candidate]]) -> list[str]:
    """Return sentences on the grids whose smallest or largest value is chosen in more than half of the folds."""
    chosen = defaultdict(list)
    for named, candidate in pairs:
        chosen[named.name].append((named, candidate))
    notes = []
    for name, own in chosen.items():
        for parameter in own[0][1].parameters:
            short = parameter.rpartition("__")[2]
            values = [candidate.parameters.get(parameter) for candidate in own[0][0].candidates]
            grid = {value for value in values if isinstance(value, Real)}
            if short not in STRENGTHS or len(grid) < MIN_VALUES:
                continue
            taken = [candidate.parameters.get(parameter) for _, candidate in own]
            for edge, word in ((min(grid), "smallest"), (max(grid), "largest")):
                number = sum(isinstance(value, Real) and value == edge for value in taken)
                if 2 * number > len(own):
                    notes.append(
                        f"{name} takes the {word} {short}, {edge:.3g}, in {number} of {len(own)} folds: a wider grid "
                        "may do better."
                    )
    return notes
