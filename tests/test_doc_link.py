"""Links of the HTML representation of every public class to its page and its parameters."""

import importlib
import inspect
import re
from pathlib import Path

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.constraints import MaxNorm
from skreg.penalties import GroupLasso

SITE = "https://skreg.readthedocs.io/en/stable/generated/"
MODULES = ("skreg", "skreg.penalties", "skreg.constraints", "skreg.model_selection")


def public_classes():
    """Return every public class that has an HTML representation, by the name it is imported under."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for public, value in inspect.getmembers(module, inspect.isclass):
            if hasattr(value, "_get_doc_link") and not public.startswith("_") and value.__module__.startswith("skreg"):
                found.setdefault(value, f"{name}.{public}")
    return found


def listed_pages():
    """Return the pages that the list in docs/api.rst makes: one for each name below an autosummary."""
    text = (Path(__file__).parents[1] / "docs" / "api.rst").read_text(encoding="utf-8")
    pages, module, is_list = set(), None, False
    for line in text.splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif line.startswith(".. autosummary::"):
            is_list = True
        elif line and not line.startswith(" "):
            is_list = False
        elif is_list and re.fullmatch(r" +\w+", line):
            pages.add(f"{module}.{line.strip()}")
    return pages


def test_every_public_class_links_to_its_page():
    pages, classes = listed_pages(), public_classes()
    assert {"RegularizedMLPClassifier", "RegularizedMLPRegressorCV", "GroupLasso", "MaxNorm"} <= {
        c.__name__ for c in classes
    }
    for kind, name in classes.items():
        if inspect.isabstract(kind):
            continue
        assert object.__new__(kind)._get_doc_link() == f"{SITE}{name}.html"
        assert name in pages


def test_the_html_representation_links_to_pages_and_parameters():
    for model in (
        RegularizedMLPClassifier(penalty=GroupLasso(alpha=0.1)),
        RegularizedMLPRegressor((3,)),
        GroupLasso(),
        MaxNorm(),
    ):
        html = model._repr_html_()
        page = model._get_doc_link()
        assert f'href="{page}"' in html
        # Each parameter links to its description there.
        for parameter in model.get_params(deep=False):
            assert f"{page}#:~:text={parameter},-" in html
    assert "https://scikit-learn.org" not in RegularizedMLPRegressor()._repr_html_()
