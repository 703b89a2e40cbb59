"""Parameters of estimators, each declared once: its type and description, its default, and what is allowed.

A class declares its parameters as attributes, and is decorated::

    @with_parameters
    class Ridge(BaseEstimator):
        alpha: float = parameter(
            "float", "Strength of the penalty.", default=1.0, constraints=[Interval(Real, 0, None, closed="left")]
        )

From the declarations of a class and of its bases follow the constructor, with a signature like one that is written by
hand, ``_parameter_constraints``, and the section "Parameters" of the docstring. The attributes themselves are taken out
of the class. The annotations are for editors and type checkers, which take the decorator for one of data classes
(PEP 681).
"""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C", bound=type)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """Declaration of a parameter.

    Attributes
    ----------
    values : str
        Its type, as docstrings give it, without the default.
    description : str
        What it does.
    default : object
        Its default.
    constraints : list
        What it may be, in the terms of scikit-learn's ``_parameter_constraints``.
    after : str or None
        Parameter of a base class that it comes after in the signature; None for the end. One that a base class has
        declared, too, keeps its place there.
    kw_only : bool
        Whether it is passed by name only.
    """

    values: str
    description: str
    default: object
    constraints: list
    after: str | None = None
    kw_only: bool = True

    def entry(self, name: str) -> str:
        """Return the entry of a docstring."""
        text = textwrap.indent(inspect.cleandoc(self.description), "    ")
        return f"{name} : {self.values}, default={self.default!r}\n{text}\n"


# The type is what the annotation of the attribute says, not Parameter.
def parameter(
    values: str,
    description: str,
    *,
    default: Any,
    constraints: list,
    after: str | None = None,
    kw_only: bool = True,
) -> Any:
    """Declare a parameter; see :class:`Parameter`."""
    return Parameter(
        values=values,
        description=description,
        default=default,
        constraints=constraints,
        after=after,
        kw_only=kw_only,
    )


def parameters_of(kind: type) -> dict[str, Parameter]:
    """Return the declarations of a class and its bases, in the order of the signature."""
    found: dict[str, Parameter] = {}
    for base in reversed(kind.__mro__):
        for name, declared in vars(base).get("_declared_parameters", {}).items():
            if name in found or declared.after is None:  # declared anew, a parameter keeps its place
                found[name] = declared
                continue
            if declared.after not in found:
                raise TypeError(
                    f"{base.__name__}.{name} is declared after {declared.after!r}, which no base class declares."
                )
            in_order = list(found.items())
            in_order.insert(list(found).index(declared.after) + 1, (name, declared))
            found = dict(in_order)
    return found


def _constructor(kind: type, parameters: dict[str, Parameter]) -> Callable:
    """Return an ``__init__`` that stores its arguments.

    It is compiled from source, as that of a data class is, so that Python itself binds the arguments and says what is
    wrong with them.
    """
    of_kind = {
        kw_only: [f"{name}=_defaults[{name!r}]" for name, declared in parameters.items() if declared.kw_only == kw_only]
        for kw_only in (False, True)
    }
    arguments = ["self", *of_kind[False], *(["*"] if of_kind[True] else []), *of_kind[True]]
    body = [f"self.{name} = {name}" for name in parameters] or ["pass"]
    source = "\n    ".join([f"def __init__({', '.join(arguments)}):", *body])
    namespace = {
        "__name__": kind.__module__,
        "_defaults": {name: declared.default for name, declared in parameters.items()},
    }
    exec(source, namespace)
    init = namespace["__init__"]
    init.__qualname__ = f"{kind.__qualname__}.__init__"
    return init


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(parameter,))
def with_parameters(kind: C) -> C:
    """Give a class the constructor and the constraints of the parameters that it and its bases declare."""
    own = {name: declared for name, declared in vars(kind).items() if isinstance(declared, Parameter)}
    for name in own:
        delattr(kind, name)
    kind._declared_parameters = own
    parameters = parameters_of(kind)
    kind._parameter_constraints = {name: declared.constraints for name, declared in parameters.items()}
    kind.__init__ = _constructor(kind, parameters)
    return kind
