"""The raters' page in a real Chromium: a way through a study by finger and by keys, on both screens.

With VISAVIS_SCREENSHOTS=folder pictures are kept, to be looked at.
"""

import base64
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.video import VideoWriter

pytestmark = pytest.mark.browser

PHONE, DESKTOP = (390, 844), (1280, 800)
FRAMES = 20
WELCOME = "!!document.querySelector('#welcome:not([hidden])')"
RATING = "!!document.querySelector('#rating:not([hidden])')"
FAULTS = """
const faults = [], root = document.documentElement;
if (root.scrollWidth > root.clientWidth) faults.push('wider than the screen');
if (root.scrollHeight > innerHeight + 1) faults.push(`taller than the screen: ${root.scrollHeight}`);
const visible = [...document.querySelectorAll('button, .choice, .consent, video')].filter(e => e.checkVisibility());
for (const e of visible) {
  const r = e.getBoundingClientRect(), name = (e.getAttribute('aria-label') || e.textContent || e.tagName).trim();
  if (r.left < 0 || r.right > root.clientWidth) faults.push(name + ' is beside the screen');
  if (r.bottom > innerHeight + 1) faults.push(name + ' is off the screen');
  if (r.height < 44 || r.width < 44) faults.push(`${name} is small: ${r.width} x ${r.height}`);
  if (e.scrollWidth > e.clientWidth + 1) faults.push(name + ' does not hold its text');
  if (e.tagName === 'BUTTON' && !name) faults.push('a button without a name');
}
for (const radio of document.querySelectorAll('#rating:not([hidden]) input'))
  if (!radio.labels[0]?.textContent.trim() || !radio.closest('fieldset').querySelector('legend').textContent)
    faults.push('a choice without a name');
return {faults, count: visible.length};
"""


class Study:
    """A running server of a plan."""

    def __init__(self, folder, plan):
        import uvicorn

        from visavis.apps.mos.plan import read_plan
        from visavis.apps.mos.server import create_app
        from visavis.apps.mos.store import Store
        from visavis.apps.mos.videos import look_at
        from visavis.apps.server.running import open_socket

        (folder / "plan.toml").write_text(plan, "utf-8")
        read = read_plan(folder / "plan.toml")
        videos = {path: look_at(path) for path in read.videos()}
        self.database = folder / "answers.sqlite"
        app = create_app(read, Store(self.database, read), videos)
        self._listener = open_socket("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()

    def rows(self):
        from visavis.apps.mos.answers import read_answers

        return read_answers(self.database).rows

    def close(self):
        self._server.should_exit = True
        self._thread.join(20)
        self._listener.close()


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    pytest.importorskip("fastapi", reason="pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("systems")
    for system, shade in (("zeta", 200), ("omega", 60)):
        (folder / system).mkdir()
        for item, size in (("one", (360, 360)), ("two", (270, 480))):
            image = np.full((*size, 3), (shade, 120, 90), np.uint8)
            with VideoWriter(folder / system / f"{item}.mp4") as writer:
                frames = tuple(VideoFrame(image, i) for i in range(FRAMES))
                sound = Waveform(np.zeros(FRAMES * 960, np.float32), 24000)
                writer.write(Segment(0, sound, frames))
    return folder


@pytest.fixture
def study(systems, request):
    kind, questions = request.param
    asked = "".join(f"[[questions]]\nen = '{en}'\nzh = '{zh}'\n" for en, zh in questions)
    plan = f"title = 'Speaking faces'\nkind = '{kind}'\n{asked}[systems]\nzeta = 'zeta'\nomega = 'omega'"
    (systems / "answers.sqlite").unlink(missing_ok=True)
    running = Study(systems, plan)
    yield running
    running.close()


def watch(page, body, what):
    until = time.monotonic() + 30
    while not page.run(f"return {body}"):
        assert time.monotonic() < until, what
        time.sleep(0.05)


def resize(page, size):
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=size[0], height=size[1], deviceScaleFactor=1, mobile=size[0] < 500,
    )  # fmt: skip


def enter(page, address, size, language):
    resize(page, size)
    agent = page.run("return navigator.userAgent")
    page.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
    page.open(address)
    watch(page, f"{WELCOME} || {RATING}", "the page stayed empty")


def look(page, name):
    page.run("await new Promise(done => setTimeout(done, 150))")
    if folder := os.environ.get("VISAVIS_SCREENSHOTS"):
        shot = page.call("Page.captureScreenshot", format="png")
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"mos-{name}.png").write_bytes(base64.b64decode(shot["data"]))
    found = page.run(FAULTS)
    assert found["faults"] == []
    assert found["count"] >= 1


def press(page, key, code=0):
    text = {"Enter": "\r", " ": " "}.get(key, key)
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent", type=kind, key=key,
            windowsVirtualKeyCode=code or ord(key), text=text if kind == "keyDown" else "",
        )  # fmt: skip


def tap(page, element):
    place = page.run(
        f"const r = {element}.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
    )
    for kind in ("mousePressed", "mouseReleased"):
        page.call(
            "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
        )  # fmt: skip


SCORES = ("scores", [("How natural does it look?", "看起来自然吗？")])
TWICE = (
    "pairs",
    [("Which looks more natural?", "哪个更自然？"), ("Which sounds in step?", "哪个更同步？")],
)
READY = "!next.disabled"
OPEN = "[...document.querySelectorAll('fieldset')].every(e => !e.disabled)"
VIDEO = "document.querySelectorAll('video')"


@pytest.mark.parametrize("study", [SCORES], indirect=True)
def test_scores_by_finger_on_a_phone(page, study):
    enter(page, study.address, PHONE, "en-US")
    look(page, "phone-welcome")
    assert page.run("return start.disabled")  # nobody has agreed yet
    tap(page, "agree")
    tap(page, "start")
    watch(page, RATING, "no trial came")
    watch(page, f"{VIDEO}[0].readyState >= 2", "the video did not load")
    look(page, "phone-scores")
    for size in ((320, 568), (844, 390), PHONE):
        resize(page, size)
        look(page, f"{size[0]}-scores")
    for trial in range(4):
        assert page.run("return count.textContent") == f"{trial + 1} of 4"
        tap(page, "document.querySelectorAll('.choice')[2]")
        tap(page, "next")
        assert page.run("return new FormData(rating).get('q0')") is None, "rated unseen"
        if trial == 0:
            page.run(
                f"await {VIDEO}[0].play(); {VIDEO}[0].currentTime = {VIDEO}[0].duration - 0.05"
            )
            watch(page, f"{VIDEO}[0].ended", "it did not end")
            page.run("await new Promise(done => setTimeout(done, 200))")
            assert not page.run(f"return {OPEN}"), "jumped to the end"
        tap(page, "document.querySelector('.play')")
        watch(page, OPEN, "the video did not end")
        tap(page, f"document.querySelectorAll('.choice')[{trial}]")
        watch(page, READY, "an answer was chosen")
        if trial == 0:
            look(page, "phone-answered")
        tap(page, "next")
        if trial == 1:
            watch(page, "count.textContent.startsWith('3 ')", "the third did not come")
            page.open(study.address)  # as somebody who comes back, by the address without a token
        done = "!finished.hidden" if trial == 3 else f"count.textContent.startsWith('{trial + 2} ')"
        watch(page, done, "the next one did not come")
    look(page, "phone-finished")
    rows = study.rows()
    assert [row.answer for row in rows] == [1, 2, 3, 4]
    assert all(row.plays == (1,) and 0 < row.seconds < 20 for row in rows)
    tap(page, "another")
    watch(page, WELCOME, "there was no way for another person")
    page.run("localStorage.clear()")


@pytest.mark.parametrize("study", [TWICE], indirect=True)
def test_pairs_by_keys_on_a_desktop_in_chinese(page, study):
    enter(page, study.address, DESKTOP, "zh-CN")
    assert page.run("return document.documentElement.lang") == "zh-CN"
    assert "自愿" in page.run("return consent.textContent")
    look(page, "desktop-welcome")
    page.run("agree.focus()")
    press(page, " ")
    page.run("start.focus()")
    press(page, "Enter", 13)
    for trial in range(2):
        watch(page, f"count.textContent.startsWith('第 {trial + 1} ')", "no trial came")
        watch(page, f"[...{VIDEO}].every(v => v.readyState >= 2)", "the videos did not load")
        press(page, " ")
        watch(page, "hint.textContent.startsWith('请再看')", "A did not end")
        assert not page.run(f"return {OPEN}"), "B was not seen yet"
        press(page, " ")
        watch(page, OPEN, "B did not end")
        if trial == 0:
            # Again, by its own button: a replay counts and takes nothing back.
            page.run("document.querySelectorAll('.play')[0].click()")
            watch(page, f"!{VIDEO}[0].ended", "it was not played again")
            watch(page, f"{VIDEO}[0].ended", "it was not played to the end again")
        press(page, "1")
        assert page.run("return next.disabled"), "one question is open"
        press(page, "3")
        watch(page, READY, "both are answered")
        look(page, f"desktop-pairs-{trial}")
        press(page, "Enter", 13)
    watch(page, "!finished.hidden", "the end did not come")
    rows = study.rows()
    assert [(row.question, row.answer) for row in rows] == [(0, -1), (1, 1)] * 2
    assert [row.plays for row in rows] == [(2, 1)] * 2 + [(1, 1)] * 2
    page.run("localStorage.clear()")


@pytest.mark.parametrize("study", [TWICE], indirect=True)
def test_pairs_fit_a_phone_and_a_video_that_fails_can_be_left_out(page, study):
    enter(page, study.address, PHONE, "zh-CN")
    page.run("agree.click(); start.click()")
    watch(
        page, f"[...{VIDEO}].length == 2 && [...{VIDEO}].every(v => v.readyState >= 2)", "no pair"
    )
    look(page, "phone-pairs")
    page.run(f"{VIDEO}[0].src = '/media/gone/0'")
    watch(page, "!trouble.hidden && !skip.hidden", "nothing was said of a video that fails")
    page.run("skip.click()")
    watch(page, "count.textContent.startsWith('第 2 ')", "it was not left out")
    page.run("localStorage.clear()")
