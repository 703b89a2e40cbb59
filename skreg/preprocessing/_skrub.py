"""The only place that imports skrub, which takes more than a second: whatever is asked of this module is imported then.

`STR_NA_VALUES`, the strings that mean missing values, are no part of skrub's public interface.
"""

from importlib import import_module

MODULES = {"STR_NA_VALUES": "skrub._clean_null_strings", "RejectColumn": "skrub.core"}


def __getattr__(name):
    if name not in (*MODULES, "DatetimeEncoder", "SquashingScaler", "StringEncoder", "ToDatetime"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES.get(name, "skrub")), name)
