"""Transformers are fitted once for each fold, whatever candidates share them."""

import copy
from collections.abc import Iterator
from functools import wraps

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_memory

from skreg._composition import nested
from skreg._hashing import content_hash


class FoldMemory:
    """Stands in for the memory of a pipeline: what a transformer has made of a fold serves all candidates that have it.

    Parameters
    ----------
    known : dict
        What has been transformed so far.
    memory : object
        The pipeline's own memory, which is asked for what is not known.
    """

    def __init__(self, known: dict, memory):
        self.known = known
        self.memory = memory

    def cache(self, function, **options):
        """Return a function that remembers."""
        transform = check_memory(self.memory).cache(function, **options)
        ignored = options.get("ignore", ())

        def run(transformer, X, y, **arguments):
            # As everywhere in scikit-learn, a transformer may write into what it is given.
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
                # The data are kept with the result, so that their ids stay theirs.
                self.known[key] = (result, X, y)
            return result

        return remembered

    def __deepcopy__(self, memo):
        """Return itself: clones of a pipeline share what is known."""
        return self


def copied(fitted):
    """Return a copy of a fitted transformer; None if it cannot be copied, as one that holds a lock cannot."""
    try:
        return copy.deepcopy(fitted)
    except Exception:  # whatever a user's own object raises
        return None


def remember(estimator, known: dict) -> None:
    """Give all pipelines on the way to the network a memory in common."""
    for pipeline in _pipelines(estimator):
        pipeline.memory = FoldMemory(known, pipeline.memory)


def forget(estimator) -> None:
    """Give the pipelines of an estimator, fitted or not, their own memory again."""
    for pipeline in _pipelines(estimator):
        pipeline.memory = pipeline.memory.memory


def _pipelines(estimator) -> Iterator[Pipeline]:
    return (part for part in nested(estimator) if isinstance(part, Pipeline))
