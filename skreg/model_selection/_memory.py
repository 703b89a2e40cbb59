"""Memory of fitted transformers, which the candidates of a search share."""

import copy
from collections.abc import Iterator
from functools import wraps

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_memory

from skreg._composition import nested
from skreg._hashing import content_hash


class FoldMemory:
    """Memory of a pipeline in a search: a transformer is fitted once to a fold, for all candidates that have it.

    Parameters
    ----------
    known : dict
        Results so far.
    memory : object
        The pipeline's own memory, for all that is not known.
    """

    def __init__(self, known: dict, memory):
        self.known = known
        self.memory = memory

    def cache(self, function, **options):
        """Return a function that looks up its results."""
        transform = check_memory(self.memory).cache(function, **options)
        ignored = options.get("ignore", ())

        def run(transformer, X, y, **arguments):
            # A transformer may write into its input.
            return transform(transformer, copy.deepcopy(X), y, **arguments)

        @wraps(function)
        def remembered(transformer, X, y, **arguments):
            counted = {name: value for name, value in arguments.items() if name not in ignored}
            content = content_hash([transformer, counted])
            key = (id(X), id(y), content)
            if key in self.known:
                (transformed, fitted), *_ = self.known[key]
                own = copied(fitted)
                return run(transformer, X, y, **arguments) if own is None else (transformed, own)
            result = run(transformer, X, y, **arguments)
            if content is not None:
                # The data are stored with the result, so that no other object gets their ids.
                self.known[key] = (result, X, y)
            return result

        return remembered

    def __deepcopy__(self, memo):
        """Return itself: clones of a pipeline share the results."""
        return self


def copied(fitted):
    """Return a copy of a fitted transformer; None if it cannot be copied, as one that holds a lock cannot."""
    try:
        return copy.deepcopy(fitted)
    except Exception:  # any error of a user's own object
        return None


def share_memory(estimator, known: dict) -> None:
    """Give all pipelines around the network a common memory."""
    for pipeline in _pipelines(estimator):
        pipeline.memory = FoldMemory(known, pipeline.memory)


def restore_memory(estimator) -> None:
    """Give the pipelines of an estimator, fitted or not, their own memory again."""
    for pipeline in _pipelines(estimator):
        pipeline.memory = pipeline.memory.memory


def _pipelines(estimator) -> Iterator[Pipeline]:
    return (part for part in nested(estimator) if isinstance(part, Pipeline))
