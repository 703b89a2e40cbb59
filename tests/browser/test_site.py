"""The built site in a browser: search, gallery, links, and no host but its own."""

import functools
import os
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from tests.browser.conftest import WIDTHS

SITE = Path(os.environ.get("SKREG_SITE", Path(__file__).parents[2] / "docs" / "_build" / "html")).resolve()
KINDS = {
    "landing page": "index.html",
    "guide": "user_guide/penalties.html",
    "API": "generated/skreg.RegularizedMLPClassifier.html",
    "gallery": "auto_examples/index.html",
    "example": "auto_examples/plot_digits_comparison.html",
    "search": "search.html?q=group+lasso",
}
# The theme puts the text of a page in a box that scrolls: tables and code may do that on their own, the text may not.
BOXES = "html, .bd-article-container"
ROOT = "http://site.invalid/"  # where the links of the files are resolved; nothing is fetched from there


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/favicon.ico":  # browsers ask for it of their own accord
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="session")
def pages():
    found = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
    if not found:
        pytest.fail(f"There is no site in {SITE}: run `make docs`, or set SKREG_SITE.")
    return found


@pytest.fixture(scope="session")
def server(pages):
    """Serve the site, since its search fetches files, which browsers do not allow for file:// pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", KINDS.values(), ids=KINDS)
def test_pages_are_quiet_and_fetch_from_no_other_host(tab, server, page):
    tab.open(server + page)
    assert tab.errors == []
    assert [url for url in tab.requests if not url.startswith((server, "data:"))] == []


def test_no_page_is_wider_than_the_window(tab, server, pages):
    too_wide = []
    for path in pages:
        tab.page.goto(server + path.relative_to(SITE).as_posix())
        too_wide += [(path.relative_to(SITE), width) for width in WIDTHS.values() if tab.excess_width(width, BOXES) > 0]
    assert too_wide == []


def test_search_finds_the_penalty(tab, server):
    tab.open(server + KINDS["search"])
    # Results come one after the other.
    page = "generated/skreg.penalties.GroupLasso.html"
    tab.page.locator(f"#search-results ul.search li > a[href*='{page}']").first.wait_for()
    assert tab.errors == []


def test_thumbnails_of_the_gallery_load(tab, server):
    tab.open(server + KINDS["gallery"])
    images = tab.page.locator(".sphx-glr-thumbcontainer img")
    assert images.count() == len(list((SITE / "auto_examples").glob("plot_*.html")))
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0


# -- Links, read from the files ----------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Collects what a page links to or loads, and the anchors it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = set(), {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes["id"]} if attributes.get("id") else set()
        self.anchors |= {attributes["name"]} if tag == "a" and attributes.get("name") else set()
        self.links |= {attributes[name] for name in ("href", "src") if attributes.get(name)}


def test_links_resolve(pages):
    parsed = {path: Links(path.read_text(encoding="utf-8")) for path in pages}
    broken = []
    for path, of_page in parsed.items():
        page = path.relative_to(SITE).as_posix()
        broken += [f"{page} -> {link}" for link in sorted(of_page.links) if not resolves(page, link, parsed)]
    assert not broken, "\n".join(["broken links:", *broken])


def resolves(page, link, parsed):
    """Return whether a link leads to a file and an anchor of the site, or away from it."""
    url = urlsplit(urljoin(ROOT + page, link))
    if url.scheme not in ("http", "https") or url.netloc != urlsplit(ROOT).netloc:
        return True
    target = SITE / unquote(url.path).lstrip("/")
    if target.is_dir():
        target /= "index.html"
    if target in parsed:
        return unquote(url.fragment) in parsed[target].anchors
    return target.is_file()
