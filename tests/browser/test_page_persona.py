"""A persona on the packaged page, with the real server: its name, its greeting, a cleared history."""

import time

import pytest
from test_page_live import LOOK, WATCH, keep, wait

from visavis.apps.live_benchmark import start_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.assets,
    pytest.mark.slow,
    # Browser, server and models share the cores with whatever else runs: once more before it counts.
    pytest.mark.flaky(reruns=1, reruns_delay=2),
]

PERSONA = """
name = { zh = "小导", en = "Dao" }
mode = "faq-only"
[greeting]
zh = "您好，我是小导，由人工智能驱动。"
en = "Hello, I am Dao, and I am an AI."
"""
SIZES = {"phone": (390, 844), "laptop": (1440, 900), "kiosk": (1080, 1920)}


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """The link that a server with a persona prints."""
    folder = tmp_path_factory.mktemp("persona")
    (folder / "dao.toml").write_text(PERSONA, encoding="utf-8")
    environment = {
        "VISAVIS_PERSONA": str(folder / "dao.toml"),
        "VISAVIS_KNOWLEDGE": str(folder / "none.db"),
    }
    with start_server(1, environment=environment) as (address, token, _):
        yield f"{address}/?token={token}"


def resize(page, size):
    width, height = SIZES[size]
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
    )  # fmt: skip


def ask(page, question):
    page.run("document.querySelector('#question').focus()")
    page.call("Input.insertText", text=question)
    page.click(".send")
    wait(
        page,
        f"[...document.querySelectorAll('.question')].at(-1)?.innerText.includes({question!r})",
    )
    wait(page, "!!document.querySelector('.now')", 120)
    line = page.run(LOOK)["line"]
    page.click(".stop")
    wait(page, "!document.querySelector('.stop')", 10)
    return line


def test_a_visitor_is_greeted_by_name_and_the_next_one_starts_afresh(page, link):
    resize(page, "laptop")
    page.call("Page.enable")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    page.open(link)
    wait(page, "document.querySelector('h1').innerText === 'Ask Dao face to face'")
    for size in SIZES:
        resize(page, size)
        time.sleep(0.3)
        keep(page, f"persona-start-{size}")
    resize(page, "laptop")

    page.click(".go")
    wait(page, "document.querySelector('.captions .line')?.innerText.includes('I am Dao')", 120)
    assert page.run("return document.querySelector('.bar .name').innerText") == "Dao"
    assert page.run(LOOK)["state"] == "Greeting you"
    wait(page, "document.querySelector('.state p').innerText.trim() === 'Ask away'", 60)
    wait(page, "document.querySelectorAll('.suggestions .chip').length === 3")
    said = page.run("return document.querySelector('ol.history').innerText")
    assert said.endswith("Hello, I am Dao, and I am an AI.")
    for size in SIZES:
        resize(page, size)
        time.sleep(0.3)
        keep(page, f"persona-greeted-{size}")
    resize(page, "laptop")

    passport = ask(page, "How do I get a passport?")
    fee = ask(page, "How much does it cost?")
    page.click(".aside .clear button")
    wait(page, "document.querySelectorAll('ol.history li').length === 0")
    assert "forgotten" in page.run("return document.activeElement.innerText")
    keep(page, "persona-cleared")
    alone = ask(page, "How much does it cost?")
    assert fee not in (passport, alone)
    assert page.run("return document.querySelectorAll('ol.history li').length") == 1

    page.click(".language")
    wait(page, "document.querySelector('.bar .name').innerText === '小导'")
    time.sleep(1)
    assert page.run("return document.querySelectorAll('ol.history li').length") == 1
    assert page.run("return faults") == []
