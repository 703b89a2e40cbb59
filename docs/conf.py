"""Configuration of the Sphinx site. It builds without a network, and its pages load nothing from elsewhere."""

import re
import sys
from pathlib import Path

import torch
from cycler import cycler
from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number
from sphinx_gallery.sorting import ExplicitOrder

from skreg import __version__
from skreg._plotting import COLORS

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from inventories import SITES, write_inventories  # noqa: E402 - it lies beside this file

project = "skreg"
author = "the skreg developers"
project_copyright = author
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_design",
    "myst_parser",  # for CHANGELOG.md
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"

# -- Links to other packages ---------------------------------------------------------------------------------------

intersphinx_mapping = write_inventories(HERE / "_build" / "inventories")
# A reference to a name of one of these packages that leads nowhere is an error; others may be types and the like.
nitpicky = True
nitpick_ignore_regex = [("py:mod", ".*"), (r"py:.*", rf"(?!({'|'.join(SITES)})\.).*")]

# -- API pages -----------------------------------------------------------------------------------------------------

autosummary_generate = True
# The template of a class lists its methods.
numpydoc_show_class_members = False
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"

# Networks this small train fastest on one thread when anything else runs on the machine.
torch.set_num_threads(1)

# -- Figures that pages draw ---------------------------------------------------------------------------------------

plot_formats = [("png", 130)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_apply_rcparams = True
# Lines differ in colour and in dashes.
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
plot_rcparams = {
    "figure.figsize": (7, 3.6),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.prop_cycle": cycler(color=COLORS) + cycler(linestyle=DASHES),
}

# -- Gallery -------------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    # Scripts of other make targets.
    "ignore_pattern": r"(^|[/\\])(?!plot_)[^/\\]*\.py$",
    "within_subsection_order": ExplicitOrder(
        [
            # To start with
            "plot_tabular.py",
            # What each kind of regularization does
            "plot_fitting.py",
            "plot_penalty_geometry.py",
            "plot_penalty_bias.py",
            "plot_dropout_ensemble.py",
            "plot_early_stopping.py",
            "plot_averaging.py",
            "plot_constraints.py",
            "plot_own_penalty.py",
            "plot_targets.py",
            # Which one generalizes best, and where
            "plot_digits_comparison.py",
            "plot_compare_regularizers.py",
            "plot_few_rows.py",
            "plot_label_noise.py",
            "plot_calibration.py",
            "plot_fashion_mnist.py",
            # Fewer features, smaller networks
            "plot_feature_selection.py",
            "plot_gene_selection.py",
            "plot_pruning.py",
            # How strong
            "plot_choosing_alpha.py",
            "plot_batched_search.py",
            # At work
            "plot_raw_table.py",
            "plot_loans.py",
            "plot_prediction_intervals.py",
            "plot_fold_ensemble.py",
            "plot_how_sure.py",
            "plot_transform.py",
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
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "logo": {"text": "skreg"},
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 5,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Sections of several pages have a list of them at the left; other pages have not.
html_sidebars = {
    page: []
    for page in (
        "index",
        "quickstart",
        "mathematics",
        "benchmarks",
        "changelog",
        "extending/**",
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
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(_mathml(node.astext(), "block"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append("</div>")
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
