"""A real browser. Apart from the other tests, which need none: `make browser-test` runs these."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

WIDTHS = {"phone": 400, "desktop": 1400}
# Runs in every page before its own scripts.
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


class Tab:
    """A page of the browser, and what has happened in it."""

    def __init__(self, page):
        self.page, self.errors, self.requests = page, [], []
        page.set_default_timeout(120_000)  # milliseconds, which only what hangs should come to
        page.add_init_script(NOTE_VIOLATIONS)
        page.on("console", self.note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def note(self, message):
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def open(self, url):
        """Open a page, and wait until it has loaded what it wants to load."""
        self.page.goto(str(url), wait_until="networkidle")
        return self

    def evaluate(self, expression, argument=None):
        return self.page.evaluate(expression, argument)

    def excess_width(self, width, selector="html"):
        """Return by how many pixels what is in a box is too wide for it, in a window of some width."""
        self.page.set_viewport_size({"width": width, "height": 900})
        boxes = self.page.locator(selector)
        return max(boxes.evaluate_all("(all) => all.map((box) => box.scrollWidth - box.clientWidth)"))


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("These tests need Chromium: apt-get install chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser):
    """Return a fresh page, without cache or storage of those before it."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield Tab(context.new_page())
    context.close()
