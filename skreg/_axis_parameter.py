"""Base class of the rules that act on training, and declarations of the parameters that stand for them."""

from dataclasses import dataclass, field
from typing import ClassVar

from sklearn.base import BaseEstimator, clone

from skreg._doc_link import DocLink
from skreg._parameter import Parameter
from skreg._sklearn_private import StrOptions, check_parameters


class AxisObject(DocLink, BaseEstimator):
    """Base class of the rules that act on training.

    Attributes
    ----------
    member_parameters : tuple of str
        Class attribute. Names of the parameters that may differ between networks that are trained together: each is
        then a tensor of shape (n_members, 1, 1).
    """

    member_parameters: ClassVar[tuple[str, ...]] = ()
    _parameter_constraints: ClassVar[dict] = {}


@dataclass(frozen=True, kw_only=True)
class AxisParameter(Parameter):
    """Declaration of a parameter that stands for a rule of training; None, the default, is none.

    Attributes
    ----------
    values, description : str
        Type and description of the parameter, as docstrings give them, without the default.
    seam : {"batch_transforms", "gradient_rules", "averaging"}
        Where in a step the rule acts: a field of :class:`~skreg.engine.spec.FitSpec`.
    kind : type
        Class of the objects that the parameter takes.
    aliases : dict of str to type
        Strings that the parameter takes, each for an object with its defaults.
    number : list
        Constraints of a number that the parameter takes for an object with it; empty if it takes none.
    solvers : tuple of str
        Those on which the rule acts.
    """

    default: None = None
    constraints: list = field(init=False)
    seam: str
    kind: type
    aliases: dict[str, type] = field(default_factory=dict)
    number: list = field(default_factory=list)
    solvers: tuple[str, ...] = ("adam", "sgd")

    def __post_init__(self):
        strings = [StrOptions(set(self.aliases))] if self.aliases else []
        object.__setattr__(self, "constraints", [*strings, *self.number, self.kind, None])

    def resolve(self, value):
        """Return the object that a value stands for, new and checked."""
        if isinstance(value, str):
            return self.aliases[value]()
        if not isinstance(value, self.kind):
            return self.kind(value)
        resolved = clone(value)
        check_parameters(resolved)
        return resolved
