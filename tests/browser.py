"""A headless browser for tests of pages; they are skipped where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """A driver of headless Chromium that keeps the console and all requests in its logs."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def open_page(browser: Any, page: Path, width: int = 1440, height: int = 800) -> None:
    """Open a page from its file in a window of a width, in CSS pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def requests(browser: Any) -> list[str]:
    """Addresses that were asked for since the last call, those of data in the page left out."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"]["request"]["url"] for each in events if "requestWillBeSent" in str(each)]
    return [address for address in sent if not address.startswith(("data:", "blob:"))]


def assert_readable(browser: Any, width: int, texts: str, least: float) -> None:
    """The open page fits into a window of a width, and its texts have ``least`` pixels or more.

    Args:
        browser: With the page.
        width: Of the window, in CSS pixels.
        texts: Selectors of the elements that hold text.
        least: Size of their letters.
    """
    inner, whole = browser.execute_script(
        "return [innerWidth, document.documentElement.scrollWidth]"
    )
    assert (inner, whole <= width) == (width, True)
    sizes = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(one => parseFloat(getComputedStyle(one).fontSize))",
        texts,
    )
    assert min(sizes) >= least
