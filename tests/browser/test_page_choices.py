"""What a visitor chooses on the page, refuses and thinks of it: the real server, a real browser."""

import contextlib
import time
import urllib.error

import numpy as np
import pytest
import talk_driver as driver
from admin_driver import go, serve_weeks, wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.assets,
    pytest.mark.slow,
    # Browser, server and models share the cores with whatever else runs: once more before it counts.
    pytest.mark.flaky(reruns=1, reruns_delay=2),
]

HOTLINE = "What is the number of the government hotline?"
PASSPORT = "办护照要多少钱？"
COMMENT = "孩子的护照呢？"
SETTINGS = ".bar .round:not(.history)"
CLOSE = "dialog .sheet .round"
TAB_IS_SEEN = """
const [tab, all] = ['nav [aria-current]', 'nav'].map(
  one => document.querySelector(one).getBoundingClientRect());
return tab.left >= all.left && tab.right <= all.right + 1;
"""
TAKE_SEATS = """
const order = {method: 'POST', body: '{}', headers: {'content-type': 'application/json'}};
const take = async () => (await (await fetch('/api/v1/sessions', order)).json()).id;
return [await take(), await take()];
"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(244, 242, 238)", "rgb(17, 21, 22)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve_weeks(tmp_path_factory.mktemp("choices"), 2) as address:
        yield driver.RealServer(f"{address}/?token=guest")


@pytest.fixture(scope="module")
def browser_flags():
    """There is a microphone, as not every machine has one; who may use it is asked as ever."""
    return ["--use-fake-device-for-media-stream"]


@pytest.fixture
def visitor(page, server):
    origin = f"http://{server.address}"
    page.call("Storage.clearDataForOrigin", origin=origin, storageTypes="local_storage")
    yield (made := driver.Visitor(page))
    if session := made.run("return window.session ?? ''"):
        with contextlib.suppress(urllib.error.HTTPError):  # it may have ended by itself
            server.call("DELETE", f"/api/v1/sessions/{session}")
    assert page.run("return window.faults ?? []") == []


def choose(visitor, name, value):
    """Choose in the sheet of settings, which is open."""
    visitor.click(f"dialog label:has(input[name={name}][value={value}])")
    visitor.wait(f"document.querySelector('input[name={name}][value={value}]').checked", 5)


def ask(visitor, question):
    """Type a question; returns its answer as it was spoken, when it is over."""
    before = len(visitor.events("turn.ended"))
    visitor.type(question)
    visitor.wait(f"told.filter(e => e.type === 'turn.ended').length > {before}", 120)
    ended = visitor.events("turn.ended")[-1]
    assert ended["reason"] == "complete"
    return visitor.events("sentence.started", ended["turn"])


def test_a_refused_microphone_is_told_in_words_and_typing_is_answered(visitor, server):
    visitor.page.call(
        "Browser.setPermission", permission={"name": "microphone"}, setting="denied",
        origin=f"http://{server.address}",
    )  # fmt: skip
    visitor.open(server.link)
    allowed = "(await navigator.permissions.query({name: 'microphone'})).state"
    assert visitor.run(f"return {allowed}") == "denied"
    visitor.start()
    visitor.hold_space(True)
    visitor.wait("!!document.querySelector('.notice')", 20)
    visitor.hold_space(False)
    assert visitor.text(".notice").split("\n\n") == [
        "The microphone is not allowed",
        "Allow it with the icon beside the address. Typing goes on working.",
    ]
    assert visitor.run("return document.querySelector('.notice').getAttribute('role')") == "alert"
    visitor.keep_all("denied")
    visitor.click(".language")
    visitor.wait("document.querySelector('.notice .title').innerText === '话筒没有获准使用'", 5)
    visitor.keep_all("denied-zh")
    visitor.click(".language")

    visitor.click(".notice .round")
    visitor.wait("!document.querySelector('.notice')", 5)
    visitor.click("button.open")
    visitor.wait("!!document.querySelector('.notice')", 20)
    pressed = "document.querySelector('button.open').getAttribute('aria-pressed')"
    assert visitor.run(f"return {pressed}") == "false"
    assert "12345" in "".join(sentence["text"] for sentence in ask(visitor, HOTLINE))
    assert not any(e["state"] == "listening" for e in visitor.events("session.state"))


def test_another_voice_and_tone_are_heard_from_the_next_answer_on(visitor, server):
    visitor.open(server.link)
    visitor.start()
    visitor.run("listen()")
    session = f"/api/v1/sessions/{visitor.run('return session')}"
    assert server.call("GET", session)["voices"]["en"] == "af_heart"
    assert {sentence["emotion"] for sentence in ask(visitor, HOTLINE)} != {"sad"}
    own = hear_pitch(visitor)

    visitor.click(SETTINGS)
    visitor.wait("!!document.querySelector('input[name=voice][value=am_adam]')", 20)
    names = visitor.run("return [...document.querySelectorAll('label:has(input[name=voice])')].map(e => e.innerText)")  # fmt: skip
    assert len(names) > 20
    assert len(set(names)) == len(names)
    choose(visitor, "voice", "am_adam")
    visitor.wait_for("session.changed", 20)
    choose(visitor, "emotion", "sad")
    visitor.wait_for("session.changed", 20, emotion="sad")
    assert visitor.events("session.changed")[-1]["voices"]["en"] == "am_adam"
    described = server.call("GET", session)
    assert (described["voices"]["en"], described["emotion"]) == ("am_adam", "sad")
    visitor.keep_all("settings")
    visitor.click(CLOSE)

    visitor.run("listen()")
    assert {sentence["emotion"] for sentence in ask(visitor, HOTLINE)} == {"sad"}
    other = hear_pitch(visitor)
    # A woman's voice and a man's.
    assert 160 < own < 260, (own, other)
    assert 80 < other < 150, (own, other)


def hear_pitch(visitor):
    time.sleep(1)  # the player lags
    sound = visitor.heard()
    return find_pitch(sound.samples, sound.rate)


def find_pitch(samples, rate):
    """Fundamental frequency of the voice in Hz: the median of its loud and periodic parts."""
    size = round(rate * 0.04)
    first, last = rate // 400, rate // 60  # periods of what a voice can be
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    found = []
    for block in blocks[np.sqrt(np.mean(blocks**2, axis=1)) > 0.02]:
        spectrum = np.fft.rfft(block - block.mean(), 2 * size)
        alike = np.fft.irfft(np.abs(spectrum) ** 2)[:size] / np.arange(size, 0, -1)
        inner = alike[first:last]
        tops = (inner >= alike[first - 1 : last - 1]) & (inner >= alike[first + 1 : last + 1])
        # Twice the period, or thrice, is as much alike.
        tops &= inner > max(0.6 * alike[0], 0.9 * inner.max())
        if tops.any():
            found.append(rate / (first + int(np.argmax(tops))))
    return float(np.median(found))


@pytest.mark.parametrize("hertz", [90, 120, 210, 240])
def test_the_pitch_of_a_known_sound_is_found(hertz):
    overtones = np.arange(1, 8)[:, None]
    waves = np.sin(2 * np.pi * hertz * overtones * np.arange(24_000) / 24_000) / overtones
    found = find_pitch(0.2 * waves.sum(axis=0), 24_000)
    assert found == pytest.approx(hertz, rel=0.01)


def test_who_finds_all_seats_taken_gets_in_when_one_is_free(visitor, server):
    visitor.open(server.link)
    seats = visitor.run(TAKE_SEATS)
    visitor.click(".go")
    visitor.wait("!!document.querySelector('.stopped h1')", 20)
    assert visitor.text(".stopped h1") == "All seats are taken"
    assert "Trying again in" in visitor.text(".stopped")
    visitor.keep_all("full")
    server.call("DELETE", f"/api/v1/sessions/{seats[0]}")
    visitor.wait("document.querySelector('video')?.currentTime > 0", 60)
    with contextlib.suppress(urllib.error.HTTPError):  # nobody came to it
        server.call("DELETE", f"/api/v1/sessions/{seats[1]}")


def test_the_look_that_was_chosen_is_kept(visitor, server):
    prefer(visitor, "light")
    visitor.open(server.link)
    assert visitor.run(f"return {BACKGROUND}") == LIGHT
    visitor.keep_all("start")
    visitor.click(SETTINGS)
    choose(visitor, "theme", "dark")
    assert visitor.run(f"return {BACKGROUND}") == DARK
    visitor.page.open(f"http://{server.address}/")
    visitor.wait("!!document.querySelector('.go')", 20)
    assert visitor.run(f"return {BACKGROUND}") == DARK
    visitor.keep_all("start-dark")

    visitor.click(SETTINGS)
    choose(visitor, "theme", "auto")
    assert visitor.run(f"return {BACKGROUND}") == LIGHT
    prefer(visitor, "dark")
    visitor.wait(f"{BACKGROUND} === '{DARK}'", 5)
    prefer(visitor, "light")
    visitor.wait(f"{BACKGROUND} === '{LIGHT}'", 5)


def prefer(visitor, scheme):
    """Set what the system wants pages to look like."""
    visitor.page.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )


def test_a_thumb_down_with_its_comment_reaches_the_operator(visitor, server, stranger):
    visitor.open(server.link, "zh")
    visitor.start()
    visitor.type(PASSPORT)
    visitor.wait("!!document.querySelector('.now')", 90)
    visitor.keep_all("typed-speaking")
    visitor.wait_for("turn.ended", 120, reason="complete")
    visitor.wait("!!document.querySelector('.sources .chip')", 20)
    visitor.keep_all("typed-answered")
    visitor.resize(driver.PHONE)
    # A list that is longer than its place fades out at its end.
    assert visitor.run("const e = document.querySelector('.sources ul'); return e.scrollWidth - e.clientWidth") == 0  # fmt: skip
    visitor.resize(driver.WINDOW)
    visitor.click(".thumbs [aria-label='没帮助']")
    visitor.click(".comment .field")
    visitor.page.call("Input.insertText", text=COMMENT)
    visitor.keep_all("comment")
    visitor.click(".comment [type=submit]")
    visitor.wait("!!document.querySelector('.feedback .thanks')", 10)

    operator = driver.Visitor(stranger)
    operator.open(server.link.replace("guest", "boss").replace("/?", "/admin?"))
    operator.resize(driver.PHONE)
    wait_for(stranger, "document.querySelectorAll('.tile').length > 1", 30)
    operator.keep_all("admin-overview")
    operator.resize(driver.PHONE)
    go(stranger, "feedback")
    wait_for(stranger, "document.querySelectorAll('.opinions li').length > 1")
    assert operator.run(TAB_IS_SEEN)
    newest = operator.text(".opinions li")
    assert COMMENT in newest
    assert PASSPORT in newest
    assert operator.run("return !!document.querySelector('.opinions li .thumb.down')")
    operator.keep_all("admin-feedback")
    go(stranger, "knowledge")
    operator.click("[name=trial]")
    operator.page.call("Input.insertText", text=PASSPORT)
    operator.click("form:has([name=trial]) [type=submit]")
    wait_for(stranger, "!!document.querySelector('.said')", 30)
    operator.run("document.querySelector('.bases').parentElement.scrollIntoView()")
    operator.keep_all("admin-knowledge")
    assert operator.run("return faults") == []
