"""Parameters of the estimators that each add one rule to training, registered in one line.

An axis has a file of its own: the object that acts, and an :class:`~skreg._axis_parameter.AxisParameter` that says how
a parameter of the estimators stands for it. Constructors, checks, docstrings and the description of a fit read them
from here.
"""

import inspect
from collections.abc import Callable
from functools import wraps

from skreg._axis_parameter import AxisParameter
from skreg.augmentation import _parameter
from skreg.averaging import _ema
from skreg.gradients import _clipping

# Fields of a spec.
SEAMS = ("batch_transforms", "gradient_rules", "averaging")

# One line for each axis.
AXES: tuple[AxisParameter, ...] = (
    _parameter.PARAMETER,
    _clipping.PARAMETER,
    _ema.PARAMETER,
)


def axis_fields(estimator) -> dict:
    """Return the fields of a spec that the axes' parameters of an estimator stand for."""
    given = [(axis, getattr(estimator, axis.name)) for axis in AXES]
    rules = [(axis.seam, axis.resolve(value)) for axis, value in given if value is not None]
    of_seam = {seam: tuple(rule for other, rule in rules if other == seam) for seam in SEAMS}
    averages = of_seam.pop("averaging")
    if len(averages) > 1:
        raise ValueError(f"Only one average of the weights can be kept; got {list(averages)}.")
    return of_seam | {"averaging": averages[0] if averages else None}


def axes_docstring() -> str:
    """Return the descriptions of the axes' parameters, as the docstrings of the estimators hold them."""
    return "".join(f"{axis.name} : {axis.doc.strip()}\n" for axis in AXES)


def with_axes(init: Callable) -> Callable:
    """Return a constructor that also takes the parameters of all axes, by name, after `callbacks`."""
    signature = inspect.signature(init)
    given = list(signature.parameters.values())
    place = 1 + [parameter.name for parameter in given].index("callbacks")
    own = [inspect.Parameter(axis.name, inspect.Parameter.KEYWORD_ONLY, default=None) for axis in AXES]

    @wraps(init)
    def with_axes_init(self, *args, **kwargs):
        values = {axis.name: kwargs.pop(axis.name, None) for axis in AXES}
        init(self, *args, **kwargs)
        vars(self).update(values)

    with_axes_init.__signature__ = signature.replace(parameters=[*given[:place], *own, *given[place:]])
    return with_axes_init
