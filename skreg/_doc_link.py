"""Links from objects to their pages on the site."""

from typing import ClassVar

# Where the site is published; each public name has a page there.
SITE = "https://skreg.readthedocs.io/en/stable"


class DocLink:
    """Links of the HTML representation of an object to its page, and to the description of each parameter there."""

    _doc_link_module = "skreg"
    _doc_link_template: ClassVar[str] = SITE + "/generated/{page}.html"

    def _doc_link_url_param_generator(self):
        # Where it is exported: private modules and those of single public names are no part of the name.
        inner = ("classifier", "regressor", "pipeline", "tabular")
        public = [part for part in type(self).__module__.split(".") if not part.startswith("_") and part not in inner]
        return {"page": ".".join([*public, type(self).__name__])}
