"""The same where no UDP passes, and where the line is cut: the page helps itself."""

import time

import pytest
import talk_driver as driver

pytestmark = [
    pytest.mark.browser,
    pytest.mark.assets,
    pytest.mark.slow,
    # Browser, server and models share the cores with whatever else runs: once more before it counts.
    pytest.mark.flaky(reruns=1, reruns_delay=2),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tcp")


@pytest.fixture(scope="module")
def server(folder):
    with driver.serve(folder / "data", sessions=1) as made:
        yield made


@pytest.fixture(scope="module")
def voice(folder):
    return driver.Voice(folder / "microphone.wav")


@pytest.fixture(scope="module")
def browser_flags(voice):
    # The same option by its newer and its older name.
    names = ("webrtc-ip-handling-policy", "force-webrtc-ip-handling-policy")
    return [*voice.flags, *(f"--{name}=disable_non_proxied_udp" for name in names)]


def test_without_udp_it_is_heard_by_mse_and_goes_on_after_a_cut_and_starts_again(
    page, server, voice, folder
):
    visitor = driver.Visitor(page)
    question = driver.speak(folder, "What is the number of the government hotline?", "af_heart")
    voice.say(question)
    with driver.Line(server.address) as line:
        visitor.open(server.link.replace(server.address, line.address))
        visitor.start()
        assert visitor.run("return document.querySelector('video').src").startswith("blob:")
        session = visitor.run("return session")
        visitor.run("listen()")
        visitor.hold_space_until_heard()
        time.sleep(1.5 + question.duration + 0.7)
        visitor.hold_space(False)
        assert "hotline" in visitor.wait_for("transcript.final")["text"].lower()
        assert visitor.wait_for("turn.ended", 150)["reason"] == "complete"
        time.sleep(2)
        text, _ = visitor.heard().recognise("en")
        text = driver.with_figures(text)
        assert "12345" in text, text
        answer = "".join(e["text"] for e in visitor.events("answer.text"))
        assert driver.error_rate(text, answer) < 0.35, text

        # Cut for some seconds: everything stops, and comes back in the same session. What is asked
        # meanwhile waits for all to see, and whatever is tried, nobody is invited to ask.
        known = visitor.run("return states.length")
        line.cut()
        lost = f"states.slice({known}).some(s => s.state.startsWith('Connection lost'))"
        visitor.wait(lost, 20)
        visitor.type("Where is the service hall?")
        waits = "document.querySelector('.waiting')?.innerText.includes('service hall')"
        visitor.wait(waits, 10)
        visitor.keep_both("waiting")
        time.sleep(5)
        shown = visitor.run(f"return states.slice({known}).map(s => s.state)")
        assert set(shown) <= {"Bringing the picture back", "Connection lost, reconnecting"}, shown
        line.mend()
        asked = visitor.wait_for("turn.started", 60, text="Where is the service hall?")
        visitor.wait_for("turn.ended", 120, turn=asked["turn"])
        visitor.wait(f"!({waits}) && states.at(-1).state === 'Ask away'", 60)
        visitor.wait("document.querySelector('video').readyState >= 3")
        visitor.run("listen()")
        visitor.type("How are you?")
        visitor.wait("told.filter(e => e.type === 'turn.ended').length === 3", 120)
        time.sleep(2)
        text, _ = visitor.heard().recognise("en")
        assert "very well" in text.lower(), text
        assert {e["session"] for e in visitor.events("session.started")} == {session}

        # Gone meanwhile: it says so, and begins another one when asked to.
        known = visitor.run("return states.length")
        line.cut()
        lost = f"states.slice({known}).some(s => s.state.startsWith('Connection lost'))"
        visitor.wait(lost, 20)
        server.call("DELETE", f"/api/v1/sessions/{session}")
        line.mend()
        visitor.wait("!!document.querySelector('.stopped .go')", 60)
        visitor.keep_both("gone")
        assert "Start again" in visitor.text(".stopped")
        visitor.click(".stopped .go")
        visitor.wait(f"session !== '{session}'", 60)
        visitor.wait("document.querySelector('video')?.currentTime > 0", 60)
        visitor.wait("states.at(-1).state === 'Ask away'", 60)
        assert list(server.sessions) == [visitor.run("return session")]
