"""A real browser, Debian's Chromium, that records errors and requests to other hosts."""

import json
from contextlib import contextmanager
from importlib.resources import files
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from tests import chromium

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
#: The impacts of axe-core's violations that keep people from using a page.
GRAVE = ("serious", "critical")


class Browser:
    """A browser on the pages of one service; ``complaints`` are errors, and requests to other hosts."""

    def __init__(self, chromium, url, stream_url):
        self.url, self.complaints = url, []
        self._hosts = {urlsplit(each).netloc for each in (url, stream_url)}
        self._chromium, self._state = chromium, None

    def page(self, **options):
        """Return a new page; it is signed in after ``sign_in``."""
        context = self._chromium.new_context(base_url=self.url, storage_state=self._state, **options)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("console", lambda message: self._note(message.type in {"error", "warning"}, message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda request: self._note(self._is_foreign(request.url), request.url))
        page.on(
            "response",
            lambda response: self._note(response.status >= 400, f"{response.status} {response.url}"),
        )
        return page

    def close_pages(self):
        """Close every page and forget who was signed in."""
        self._state = None
        for context in self._chromium.contexts:
            context.close()

    def sign_in(self, username, password):
        """Sign in through the form; later pages are signed in, too."""
        page = self.page()
        page.goto("/admin/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")
        self._state = page.context.storage_state()
        page.context.close()  # the dashboard would go on refreshing

    def _is_foreign(self, url):
        return urlsplit(url).netloc not in self._hosts

    def _note(self, grave, text):
        if grave:
            self.complaints.append(text)


@contextmanager
def browser(url, stream_url):
    """Start a browser for a web server and the event stream's process; close it at the end."""
    path = chromium.executable()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        try:
            yield Browser(running, url, stream_url)
        finally:
            running.close()


def violations(page, **options):
    """Return axe-core's serious violations on a page: the rule and the elements.

    Keyword arguments are axe's options: ``runOnly="color-contrast"``.
    The page's context needs ``bypass_csp``: the policy blocks axe-core's script.
    """
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    options = {"resultTypes": ["violations"], "preload": False, **options}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        (each["id"], [json.dumps(node["target"]) for node in each["nodes"]])
        for each in found
        if each["impact"] in GRAVE
    ]
