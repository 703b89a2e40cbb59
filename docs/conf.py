"""Configuration of the Sphinx site. It builds without a network: no intersphinx, no fonts or scripts from elsewhere."""

import re

import torch
from docutils import nodes
from latex2mathml.converter import convert
from sphinx_gallery.sorting import ExplicitOrder

from skreg import __version__

project = "skreg"
author = "the skreg developers"
project_copyright = author
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"

# -- API pages -----------------------------------------------------------------------------------------------------

autosummary_generate = True
# The template of a class lists its methods.
numpydoc_show_class_members = False
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"

# -- Gallery -------------------------------------------------------------------------------------------------------

# Networks this small train fastest on one thread when anything else runs on the machine.
torch.set_num_threads(1)

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    # Scripts of other make targets.
    "ignore_pattern": r"(^|[/\\])(?!plot_)[^/\\]*\.py$",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_penalty_geometry.py",
            "plot_feature_selection.py",
            "plot_gene_selection.py",
            "plot_digits_comparison.py",
            "plot_batched_search.py",
            "plot_fashion_mnist.py",
            "*",
        ]
    ),
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skreg",),
    "min_reported_time": 1,
    # Its pages would load scripts from elsewhere.
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "image_scrapers": ("matplotlib",),
    "abort_on_example_error": True,
}

# -- HTML ----------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"skreg {version}"
html_static_path = ["_static"]
html_css_files = ["skreg.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skreg"},
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 4,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    page: []
    for page in (
        "index",
        "user_guide",
        "training",
        "searching",
        "feature_selection",
        "coming_from_mlpclassifier",
        "benchmarks",
        "adding_a_penalty",
        "auto_examples/**",
    )
}

# -- Formulas ------------------------------------------------------------------------------------------------------
# Browsers draw MathML themselves, so formulas need no script, no font and no network.

html_math_renderer = "mathml"


def _mathml(formula, display):
    """Return a formula as MathML. Bars are fences here, not operators with space around them."""
    return re.sub(
        r"<mo( [^>]*)?>(\||&#x0007C;)</mo>", r'<mo\1 lspace="0" rspace="0">|</mo>', convert(formula, display=display)
    )


def _visit_inline_math(self, node):
    self.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _visit_block_math(self, node):
    self.body.append(f'<div class="math">{_mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def _mend_docstring(app, what, name, obj, options, lines):
    """Change what numpydoc leaves in a form that docutils misreads."""
    # "J. Doe" at the beginning of a reference is no item of a list A., B., C., ...
    lines[:] = [re.sub(r"^( *(?:\.\. \[\S+\]|-) [A-Z])\. ", r"\1\. ", line) for line in lines]
    # Methods inherited from scikit-learn refer to labels of its own site.
    if (getattr(obj, "__module__", None) or "").startswith("sklearn."):
        lines[:] = [re.sub(r":ref:`([^<`]+?) *<[^>]+>`", r"\1", line) for line in lines]
        lines[:] = [re.sub(r":ref:`[^<`]+`", "scikit-learn's gallery", line) for line in lines]
        # And to its glossary.
        lines[:] = [re.sub(r":term:`([^<`]+?)( *<[^>]+>)?`", r"``\1``", line) for line in lines]


def setup(app):
    """Register what is defined above."""
    app.connect("autodoc-process-docstring", _mend_docstring, priority=900)  # after numpydoc
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(_visit_inline_math, None),
        block_renderers=(_visit_block_math, None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
