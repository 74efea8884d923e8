"""The page that is in the package, served by the real server and used with a mouse."""

import os
import re
import time
from base64 import b64decode
from pathlib import Path

import pytest

from visavis.apps.live_benchmark import start_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.assets,
    pytest.mark.slow,
    # Browser, server and models share the cores with whatever else runs: once more before it counts.
    pytest.mark.flaky(reruns=1, reruns_delay=2),
]

WATCH = """
window.faults = [];
addEventListener('securitypolicyviolation', e => faults.push(`${e.violatedDirective} ${e.blockedURI}`));
addEventListener('error', e => faults.push(`error: ${e.message}`));
addEventListener('unhandledrejection', e => faults.push(`rejection: ${e.reason}`));
const say = console.error;
console.error = (...all) => { faults.push(`console: ${all.join(' ')}`); say(...all); };
"""
LOOK = """
return {
  state: document.querySelector('.state p')?.textContent.trim() ?? '',
  line: document.querySelector('.captions .line')?.textContent ?? '',
  word: document.querySelector('.now')?.textContent ?? '',
  stop: !!document.querySelector('.stop'),
};
"""
LATE = """
const ask = fetch;
window.fetch = async (path, ...rest) => {
  if (path === '/api/v1/privacy') await new Promise(done => setTimeout(done, %d));
  return ask(path, ...rest);
};
window.places = [];
const look = () => {
  const button = document.querySelector('.go');
  if (button?.checkVisibility({visibilityProperty: true})) {
    const {x, y, width, height} = button.getBoundingClientRect();
    const place = [x, y, width, height].join();
    if (places.at(-1) !== place) places.push(place);
  }
  requestAnimationFrame(look);
};
look();
"""


@pytest.fixture(scope="module")
def link():
    """The link that a server of its own prints."""
    with start_server(1) as (address, token, _):
        yield f"{address}/?token={token}"


def wait(page, test, seconds=60):
    """Wait until an expression of the page is true; returns what it is."""
    until = time.monotonic() + seconds
    while not (found := page.run(f"return {test}")):
        assert time.monotonic() < until, f"not within {seconds} s: {test}; {page.run(LOOK)}"
        time.sleep(0.05)
    return found


def keep(page, name):
    if folder := os.environ.get("VISAVIS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        shot = page.call("Page.captureScreenshot", format="png")
        (Path(folder) / f"live-{name}.png").write_bytes(b64decode(shot["data"]))


def test_a_visitor_starts_asks_reads_along_and_stops(page, link):
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=1440, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    page.call("Page.enable")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    page.open(link)
    assert "token" not in page.run("return location.href")
    wait(page, "document.querySelector('figure img')?.naturalWidth > 0")
    page.click(".go")
    wait(page, "document.querySelector('video').currentTime > 0")
    wait(page, "document.querySelectorAll('.suggestions .chip').length === 3")
    keep(page, "idle")

    question = page.run("return document.querySelector('.suggestions .chip').textContent")
    page.click(".suggestions .chip")
    wait(page, "!!document.querySelector('.now')", 120)
    keep(page, "speaking")
    words, line, until = [], "", time.monotonic() + 60
    while len(words) < 3 and time.monotonic() < until:
        seen = page.run(LOOK)
        if seen["word"] and (not words or words[-1] != seen["word"]):
            words.append(seen["word"])
        line = seen["line"] or line
    assert len(words) == 3, "the marked word does not move on"
    places = [line.find(word) for word in words]
    assert min(places) >= 0, (line, words)

    page.click(".stop")
    wait(page, "!document.querySelector('.stop')", 10)
    wait(page, "!!document.querySelector('.history .note')", 10)
    history = page.run("return document.querySelector('ol.history').innerText")
    assert question in history
    keep(page, "stopped")
    assert page.run("return faults") == []
    outside = page.run("""
        return performance.getEntriesByType('resource').map(e => e.name)
          .filter(name => !name.startsWith(location.origin) && !/^(blob|data):/.test(name));
    """)
    assert outside == []


@pytest.mark.parametrize("late", [300, 2500])
def test_the_button_to_start_stays_where_it_was_first_seen(page, link, late):
    page.call("Page.enable")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=LATE % late)
    page.open(link)
    wait(page, "places.length > 0", 20)
    wait(page, "performance.getEntriesByName(`${location.origin}/api/v1/privacy`).length", 20)
    time.sleep(0.5)
    assert len(page.run("return places")) == 1


def test_a_second_visitor_is_told_that_all_seats_are_taken(page, link):
    page.open(link)
    page.run("""
        window.taken = await fetch('/api/v1/sessions', {method: 'POST', body: '{}',
          headers: {'content-type': 'application/json'}}).then(a => a.status);
    """)
    page.click(".go")
    # One seat: either the session opened above has it, or the one of the test before still does.
    wait(page, "!!document.querySelector('.stopped h1')", 30)
    assert page.run("return document.querySelector('.stopped h1').textContent") in (
        "现在人满了", "All seats are taken",
    )  # fmt: skip
    keep(page, "full")


def test_a_wrong_link_is_refused_in_words(page, link):
    page.open(re.sub(r"token=.*", "token=wrong", link))
    assert "链接" in page.run("return document.body.innerText")
