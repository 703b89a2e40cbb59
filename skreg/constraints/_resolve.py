"""Resolution of the parameter of an estimator to a constraint for each weight matrix."""

from collections.abc import Sequence

from sklearn.base import clone

from skreg._sklearn_private import check_parameters
from skreg.constraints._base import Constraint
from skreg.constraints._max_norm import MaxNorm
from skreg.constraints._nonnegative import Nonnegative
from skreg.penalties._base import LayerPenalty

# The strings that ``constraint`` accepts. A new constraint needs one class and one line here.
ALIASES: dict[str, type[Constraint]] = {"max_norm": MaxNorm, "nonnegative": Nonnegative}


def resolve_constraint(constraint, penalties: Sequence[LayerPenalty | None]) -> list[Constraint | None]:
    """Return the constraint on each weight matrix that the parameter of an estimator stands for.

    Parameters
    ----------
    constraint : str, Constraint, None, or a sequence of these
        As given to the estimator.
    penalties : sequence of LayerPenalty or None
        The penalty of each weight matrix.

    Returns
    -------
    list of Constraint or None
        New, checked objects.

    Raises
    ------
    ValueError
        If there are too many or too few of them, or if one does not go with the penalty on its matrix.
    """
    if not isinstance(constraint, list | tuple):
        constraint = [constraint] * len(penalties)
    if len(constraint) != len(penalties):
        raise ValueError(
            f"The 'constraint' parameter must be one constraint, or one (or None) for each of the {len(penalties)} "
            f"weight matrices; got {len(constraint)}: {constraint!r}."
        )
    resolved = []
    for given, penalty in zip(constraint, penalties, strict=True):
        is_alias = isinstance(given, str) and given in ALIASES
        if not (given is None or is_alias or isinstance(given, Constraint)):
            raise ValueError(
                f"The 'constraint' parameter must be one of {sorted(ALIASES)}, a constraint object or None for every "
                f"weight matrix; got {given!r}."
            )
        item = ALIASES[given]() if is_alias else None if given is None else clone(given)
        if item is not None:
            check_parameters(item)
            if penalty is not None:
                item.check_penalty(penalty)
        resolved.append(item)
    return resolved
