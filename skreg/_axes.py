"""Parameters of the estimators that each add one rule to training, registered in one line.

An axis has a file of its own: with the object that acts, and a :class:`AxisParameter` that says how a parameter of the
estimators stands for it. Constructors, checks, docstrings and the description of a fit read them from here.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from sklearn.base import clone

from skreg._sklearn_private import StrOptions, check_parameters


@dataclass(frozen=True)
class AxisParameter:
    """A parameter of the estimators that stands for a rule of training; None is none.

    Attributes
    ----------
    name : str
        Of the parameter.
    seam : {"gradient_rules", "averaging"}
        Where in a step the rule acts: a field of :class:`~skreg.engine.spec.FitSpec`.
    doc : str
        Description of the parameter in docstrings, from its type on.
    kind : type
        Class of the objects that the parameter takes.
    aliases : dict of str to type
        Strings that the parameter takes, each for an object with its defaults.
    number : list or None
        Constraint of a number that the parameter takes for an object with it; None if it takes none.
    """

    name: str
    seam: str
    doc: str
    kind: type
    aliases: dict[str, type] | None = None
    number: list | None = None

    @property
    def constraint(self) -> list:
        """What the parameter may be."""
        strings = [StrOptions(set(self.aliases))] if self.aliases else []
        return [self.kind, *strings, *(self.number or []), None]

    def resolve(self, value):
        """Return the object that a value stands for, new and checked."""
        if isinstance(value, str):
            return self.aliases[value]()
        if not isinstance(value, self.kind):
            return self.kind(value)
        resolved = clone(value)
        check_parameters(resolved)
        return resolved


# One line for each axis.
AXES: tuple[AxisParameter, ...] = ()


def axis_fields(estimator) -> dict:
    """Return the fields of a spec that the axes' parameters of an estimator stand for."""
    given = [(axis, getattr(estimator, axis.name)) for axis in AXES]
    given = [(axis.seam, axis.resolve(value)) for axis, value in given if value is not None]
    averages = [rule for seam, rule in given if seam == "averaging"]
    return {
        "gradient_rules": tuple(rule for seam, rule in given if seam == "gradient_rules"),
        "averaging": averages[0] if averages else None,
    }


def with_axes(init: Callable) -> Callable:
    """Return a constructor that also takes the parameters of all axes, by name."""
    signature = inspect.signature(init)
    own = [inspect.Parameter(axis.name, inspect.Parameter.KEYWORD_ONLY, default=None) for axis in AXES]

    @wraps(init)
    def with_axes_init(self, *args, **kwargs):
        values = {axis.name: kwargs.pop(axis.name, None) for axis in AXES}
        init(self, *args, **kwargs)
        vars(self).update(values)

    with_axes_init.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *own])
    return with_axes_init
