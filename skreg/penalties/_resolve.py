"""Resolution of the parameters of an estimator to a penalty."""

from sklearn.base import clone

from skreg._sklearn_private import check_parameters
from skreg.penalties._base import Penalty
from skreg.penalties._coordinate import L1, L2, MCP, SCAD, ElasticNet
from skreg.penalties._groups import GroupLasso, SparseGroupLasso
from skreg.penalties._hierarchical import Hierarchical

# The strings that ``penalty`` accepts. A new penalty needs one class and one line here.
ALIASES: dict[str, type[Penalty]] = {
    "l1": L1,
    "l2": L2,
    "elasticnet": ElasticNet,
    "group_lasso": GroupLasso,
    "sparse_group_lasso": SparseGroupLasso,
    "hierarchical": Hierarchical,
    "mcp": MCP,
    "scad": SCAD,
}


def unused_strengths(penalty) -> list[str]:
    """Return the flat strengths that a penalty does not read; beside an object they are errors instead."""
    if isinstance(penalty, Penalty):
        return []
    read = () if penalty is None else ALIASES[penalty]._parameter_constraints
    return [name for name in ("alpha", "l1_ratio") if name not in read]


def resolve_penalty(penalty, alpha, l1_ratio) -> Penalty | None:
    """Return the penalty that the parameters of an estimator stand for, as a new, checked object.

    A string reads the flat strengths ``alpha`` and ``l1_ratio`` (None stands for 1e-4 and 0.5). An object brings
    its own, so a flat strength beside it is an error. Others that are not read (:func:`unused_strengths`) have no
    effect, so that a grid over ``penalty`` and ``alpha`` runs.
    """
    flat = {"alpha": alpha, "l1_ratio": l1_ratio}
    given = [name for name, value in flat.items() if value is not None]
    if isinstance(penalty, Penalty):
        if given:
            raise ValueError(
                f"The {given[0]!r} parameter must be None if 'penalty' is an object, which has its own strength; got "
                f"{given[0]}={flat[given[0]]!r} beside penalty={penalty!r}. Set it on the object: "
                f"penalty__{given[0]}={flat[given[0]]!r}."
            )
        resolved = clone(penalty)
        check_parameters(resolved)
        return resolved
    penalty_class = None if penalty is None else ALIASES[penalty]
    read = () if penalty_class is None else penalty_class._parameter_constraints
    if penalty_class is None:
        return None
    return penalty_class(**{name: flat[name] for name in given if name in read})
