"""A page in a real Chromium, and what is wrong with it: errors, a sideways scroll, what axe finds."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
_MISSING = [
    name for name in ("playwright", "axe_playwright_python") if not importlib.util.find_spec(name)
]
needs_browser = pytest.mark.skipif(
    bool(_MISSING) or not CHROMIUM.exists(),
    reason=f"needs {', '.join(_MISSING) or CHROMIUM}, which is not installed",
)
Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Within a container, Chromium may not make a sandbox of its own.
        how = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=how)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: "Browser", width: int = 1280, scheme: Scheme = "light", height: int = 900
) -> "Iterator[tuple[Page, list[str]]]":
    """A new page of this width in a colour scheme, and the errors that it told so far."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True
    )
    context.set_default_timeout(30_000)
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(f"page: {error}"))
    page.on("console", lambda m: errors.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("requestfailed", lambda request: errors.extend(_failed(request)))
    try:
        yield page, errors
    finally:
        context.close()


def _failed(request: Any) -> list[str]:
    """Tell why a request failed; return nothing if the browser ended it as the page was left."""
    told = f"failed: {request.url}: {request.failure}"
    return [] if request.failure == "net::ERR_ABORTED" else [told]


@contextmanager
def page(width: int = 1280, scheme: Scheme = "light") -> "Iterator[tuple[Page, list[str]]]":
    """A page of a browser of its own, and the errors that it told so far."""
    with chromium() as browser, opened(browser, width, scheme) as one:
        yield one


def scrolls_sideways(page: "Page") -> bool:
    """Tell whether the page as a whole is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def violations(page: "Page", exclude: list[str] | None = None, only: str = "body") -> list[str]:
    """Return what axe finds serious or critical: its rule, and the elements that break it.

    Args:
      exclude: selectors of what is not ours.
      only: the selector of what is looked at.
    """
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    context: Any = {"include": [[only]], "exclude": [[one] for one in exclude or []]}
    found = Axe().run(page, context=context, options={"resultTypes": ["violations"]})
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
