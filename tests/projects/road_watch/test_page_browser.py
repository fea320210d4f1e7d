"""The page in headless Chromium: sentences and boxes, pictures, the slider, alarms, a phone, the keyboard.

``D2EXT_SCREENSHOTS=FOLDER`` keeps pictures of it.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the page needs the extra [serve]")
pytest.importorskip("uvicorn", reason="the page needs the extra [serve]")
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

import uvicorn
from page_parts import OneBox, watched
from playwright import sync_api

from d2ext.projects.road_watch.asker import Asker
from d2ext.projects.road_watch.live import Live
from d2ext.projects.road_watch.page import build_app

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or ""
SHOTS = os.environ.get("D2EXT_SCREENSHOTS", "")
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}


def serve(app) -> tuple[uvicorn.Server, str]:
    """In a thread, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        engine = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield engine
        engine.close()


@pytest.fixture
def address(settings, pictures, place, tmp_path):
    """A page with the run over the tiny road, which is over."""
    live = Live()
    watched(live, settings(), place, pictures, tmp_path / "out")
    server, address = serve(build_app(live, Asker(OneBox())))
    yield address
    server.should_exit = True


@pytest.fixture
def road_picture(tmp_path) -> Path:
    """A gray road under a light sky."""
    path, image = tmp_path / "road.png", np.full((360, 640, 3), 200, np.uint8)
    image[126:] = 95
    cv2.fillConvexPoly(image, np.array([[310, 126], [330, 126], [560, 360], [80, 360]]), (70, 70, 70))
    cv2.imwrite(str(path), image)
    return path


class Visit:
    """A page that is open; what its console complains of is kept."""

    def __init__(self, browser, address: str, size: dict, scheme: str = "light", **options) -> None:
        self.context = browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB", **options)
        self.page, self.complaints = self.context.new_page(), []
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(address)

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def shot(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)

    def wide(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []


@pytest.fixture
def visit(browser):
    opened = []

    def open_page(*args, **options) -> Visit:
        opened.append(Visit(browser, *args, **options))
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()


def lines(page) -> int:
    return page.locator("#boxes line").count()


def test_a_sentence_is_answered_with_boxes_on_the_live_picture(visit, address):
    page = (seen := visit(address, DESK)).page
    page.locator("#picture:not([hidden])").wait_for()
    page.locator("#above:not([hidden])").wait_for()
    page.fill("#text", "The car ahead.")
    page.press("#text", "Enter")
    page.locator("#answer:not([hidden])").wait_for()
    assert "1 found" in page.inner_text("#answer-title") and lines(page) > 0
    with page.expect_download() as download:
        page.click("#labels >> text=KITTI")
    assert Path(download.value.path()).read_text().startswith("car -1 -1 ")
    seen.shot("desk_answer_light")
    page.fill("#text", "No such thing.")
    page.click("#send")
    page.locator("#answer-title >> text=Nothing").wait_for()
    assert lines(page) == 0
    page.click("#back")
    page.locator("#answer").wait_for(state="hidden")


def test_alarms_are_listed_and_their_clip_plays(visit, address):
    page = (seen := visit(address, DESK, "dark")).page
    page.locator("#alarms button").first.wait_for()
    assert page.locator("#alarms button").count() == 2
    seen.shot("desk_dark")
    page.locator("#alarms button").first.focus()
    page.keyboard.press("Enter")
    page.locator("#viewer[open]").wait_for()
    page.click("#viewer-play")
    page.locator("#viewer-picture[src*='/clip/']").wait_for()
    seen.shot("desk_alarm_dark")
    page.keyboard.press("Escape")
    assert page.locator("#viewer[open]").count() == 0


@pytest.mark.parametrize("size, scheme", [(DESK, "light"), (PHONE, "dark"), (PHONE, "light")])
def test_a_picture_is_brought_calibrated_by_hand_and_asked_about(visit, address, road_picture, size, scheme):
    page = (seen := visit(address, size, scheme)).page
    page.click("#tab-own")
    assert page.locator("#horizon").is_disabled()
    page.set_input_files("#file", str(road_picture))
    page.locator("#hand:not([disabled])").wait_for()
    page.locator("#picture:not([hidden])").wait_for()
    first = page.get_attribute("#picture", "src")
    page.locator("#horizon").focus()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#horizon-out") == "35.5 %"
    page.wait_for_function("b => document.getElementById('picture').src !== b", arg=first)
    assert "horizon=0.355" in page.get_attribute("#denorm", "href")
    page.fill("#text", "The car.")
    page.press("#text", "Enter")
    page.locator("#answer:not([hidden])").wait_for()
    assert lines(page) == 12
    assert seen.wide() <= 0
    seen.shot(f"{'phone' if size is PHONE else 'desk'}_own_{scheme}")


def test_a_picture_is_dropped_on_the_frame(visit, address, road_picture):
    page = visit(address, DESK).page
    page.evaluate(
        """data => {
            const bytes = Uint8Array.from(data), moved = new DataTransfer();
            moved.items.add(new File([bytes], "road.png", { type: "image/png" }));
            const drop = new DragEvent("drop", { dataTransfer: moved, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(drop);
        }""",
        list(road_picture.read_bytes()),
    )
    page.locator("#picture[alt='road.png']").wait_for()
    assert page.get_attribute("#tab-own", "aria-pressed") == "true"


def test_chinese_words_and_the_other_theme(visit, address):
    page = (seen := visit(address, PHONE)).page
    page.locator("#picture:not([hidden])").wait_for()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    page.click("#language")
    assert page.inner_text("#send") == "查找" and page.get_attribute("html", "lang") == "zh-CN"
    page.click("#examples button >> nth=0")
    page.locator("#answer:not([hidden])").wait_for()
    assert "所有轿车" in page.inner_text("#answer-title")
    assert seen.wide() <= 0
    seen.shot("phone_zh_dark")


def test_everything_is_reached_by_keyboard(visit, address):
    page = visit(address, DESK).page
    page.locator("#alarms button").first.wait_for()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.alarm || ''"))
    assert {"language", "theme", "tab-live", "tab-own", "text", "send", "1", "2"} <= reached


def test_every_control_has_a_name_and_text_can_be_read(visit, address):
    """What axe looks at first: names of controls, alternatives of pictures, one h1, contrast of 4.5 to 1."""
    page = (seen := visit(address, DESK)).page
    page.locator("#alarms button").first.wait_for()
    page.click("#tab-own")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(AUDIT) == []
    seen.shot("desk_own_empty_dark")


def test_axe_finds_nothing(visit, address, road_picture):
    """Deque's rules, where ``$D2EXT_AXE`` names the file axe.min.js of the npm package axe-core."""
    axe = os.environ.get("D2EXT_AXE", "")
    if not axe:
        pytest.skip("no $D2EXT_AXE")
    page = visit(address, DESK).page
    page.locator("#alarms button").first.wait_for()
    page.evaluate(Path(axe).read_text())
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.click("#tab-live")
        found += page.evaluate(RULES)
        page.click("#tab-own")
        page.set_input_files("#file", str(road_picture))
        page.locator("#picture[alt='road.png']").wait_for()
        page.click("#examples button >> nth=0")
        page.locator("#answer:not([hidden])").wait_for()
        found += page.evaluate(RULES)
        page.locator("#alarms button").first.click()
        found += page.evaluate(RULES)
        page.keyboard.press("Escape")
    assert found == []


RULES = """async () => (await axe.run()).violations
    .map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 90)).join(" | "))"""

AUDIT = """() => {
    const shown = e => e.checkVisibility({ visibilityProperty: true });
    const faults = [];
    for (const e of document.querySelectorAll("button, a, input, img")) {
        if (!shown(e)) continue;
        const said = e.getAttribute("aria-label") || e.alt || e.textContent.trim();
        const name = said || e.labels?.[0]?.textContent.trim();
        if (!name) faults.push("no name: " + e.outerHTML.slice(0, 80));
    }
    if (document.querySelectorAll("h1").length !== 1) faults.push("h1");
    const light = c => c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    for (const e of document.querySelectorAll("body *")) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || !shown(e) || e.closest(":disabled, .quiet, .skip, .notice")) continue;
        let back = e;
        const clear = node => (numbers(getComputedStyle(node).backgroundColor)[3] ?? 1) === 0;
        while (clear(back)) back = back.parentElement;
        const [a, b] = [getComputedStyle(e).color, getComputedStyle(back).backgroundColor]
            .map(c => light(numbers(c).slice(0, 3)));
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faults.push(contrast.toFixed(2) + ": " + e.outerHTML.slice(0, 80));
    }
    return faults;
}"""


def test_without_video_the_page_is_for_pictures_and_a_lost_server_is_told(visit):
    server, address = serve(build_app(Live(), None))
    page = (seen := visit(address, PHONE, "dark")).page
    page.locator("#tab-own[aria-pressed='true']").wait_for()
    assert "picture" in page.inner_text("#notice") and page.locator("#send").is_disabled()
    seen.shot("phone_empty_dark")
    server.should_exit = True
    page.locator("#state[data-state='lost']").wait_for()
    seen.complaints.clear()  # Chromium tells of the connection
