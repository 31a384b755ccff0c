"""
Make the README's pictures from the demo, at its fixed seed.

Starts the service as a user would, waits until the page has something to show, and takes
pictures of it in Chromium: light, dark, and on a phone.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PICTURES = {
    "live-light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "live-dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "live-phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "device_scale_factor": 2,
    },
}
WATCHED_SECONDS = 40
"""Long enough for rates and a full feed."""


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        service = subprocess.Popen(
            [sys.executable, "-m", "kato_panel", "serve", "--port", "0"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        url = service.stdout.readline().rsplit(" ", 1)[-1].strip()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        pages = {name: browser.new_context(**how).new_page() for name, how in PICTURES.items()}
        for page in pages.values():
            page.goto(url)
            page.wait_for_selector('[data-figure="active"]')
        pages["live-light"].wait_for_timeout(1_000 * WATCHED_SECONDS)
        for name, page in pages.items():
            page.bring_to_front()
            page.locator(".toasts .toast").first.wait_for()
            page.wait_for_timeout(300)  # until it has slid in
            page.screenshot(path=IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png")
        browser.close()
        service.send_signal(signal.SIGTERM)
        service.wait(10)


if __name__ == "__main__":
    main()
