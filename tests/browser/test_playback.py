"""What is written plays in a real Chromium."""

import numpy as np
import pytest

from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.label import Label
from visavis.media.subtitles import make_cues, write_vtt
from visavis.media.video import VideoWriter

pytestmark = pytest.mark.browser

SECONDS = 6
HTML = """<!doctype html><meta charset="utf-8">
<video id="v" src="answer.mp4" preload="auto" width="512">
<track default kind="subtitles" srclang="zh" src="answer.vtt"></video>
<script>
const v = document.getElementById("v");
const happened = [];
for (const name of ["loadedmetadata", "canplaythrough", "playing", "seeked", "ended", "error"])
  v.addEventListener(name, () => happened.push(name));
const until = (test, ms = 30000) => new Promise((done, fail) => {
  const end = performance.now() + ms;
  const look = () => test() ? done() : performance.now() > end
    ? fail(new Error("not within " + ms + " ms: " + test + "; " + happened)) : setTimeout(look, 20);
  look();
});
const shown = new Promise(done => v.requestVideoFrameCallback(() => done()));
async function colour(time, x, y) {
  const frame = new Promise(done => v.requestVideoFrameCallback((_, info) => done(info.mediaTime)));
  v.currentTime = time;
  const at = await frame;
  const canvas = document.createElement("canvas");
  canvas.width = v.videoWidth; canvas.height = v.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(v, 0, 0);
  return [at, ...context.getImageData(x, y, 1, 1).data].slice(0, 4);
}
</script>"""


@pytest.fixture(scope="module")
def answer(served):
    """A film that turns red at 2 s, green at 3 s and skin at 4 s, with sound throughout."""
    folder, address = served
    colours = {0: (40, 40, 40), 1: (40, 40, 40), 2: (220, 30, 30), 3: (30, 180, 40)}
    with VideoWriter(folder / "answer.mp4", label=Label("AI 生成")) as writer:
        for start in range(0, SECONDS * 25, 5):
            colour = colours.get(start // 25, (224, 172, 140))
            image = np.full((287, 512, 3), colour, np.uint8)  # an odd height on purpose
            t = np.arange(start * 960, (start + 5) * 960) / 24000
            tone = (0.3 * np.sin(2 * np.pi * 330 * t)).astype(np.float32)
            frames = tuple(VideoFrame(image, i) for i in range(start, start + 5))
            writer.write(Segment(0, Waveform(tone, 24000, start * 960), frames))
    cues = make_cues("您好，请带好身份证。", 0.5, 3.0) + make_cues("Thank you!", 3.0, 5.0)
    write_vtt(folder / "answer.vtt", cues)
    (folder / "index.html").write_text(HTML, "utf-8")
    return f"{address}/index.html"


def test_a_written_video_loads_plays_and_ends(page, answer):
    page.open(answer)
    page.run("await until(() => happened.includes('canplaythrough') || v.error)")
    state = page.run(
        "return {error: v.error && v.error.message, duration: v.duration,"
        " width: v.videoWidth, height: v.videoHeight, happened}"
    )
    assert state["error"] is None
    assert state["duration"] == pytest.approx(SECONDS, abs=0.001)
    assert (state["width"], state["height"]) == (512, 288)
    page.run("await v.play(); await until(() => v.currentTime > 1)")
    counts = page.run(
        "return [v.webkitAudioDecodedByteCount, v.webkitVideoDecodedByteCount,"
        " v.getVideoPlaybackQuality().totalVideoFrames, v.currentTime]"
    )
    assert counts[0] > 1000, "no sound was decoded"
    assert counts[1] > 1000
    assert counts[2] > 10
    page.run("v.currentTime = 5.2; await until(() => v.ended)")
    assert page.run("return v.currentTime") == pytest.approx(SECONDS, abs=0.04)
    assert page.run("return v.error") is None


def test_sound_is_heard_not_only_declared(page, answer):
    page.open(answer)
    heard = page.run("""
        const context = new AudioContext();
        const analyser = context.createAnalyser();
        context.createMediaElementSource(v).connect(analyser);
        await context.resume();
        await v.play();
        const data = new Float32Array(analyser.fftSize);
        const heard = [];
        await until(() => {
          analyser.getFloatTimeDomainData(data);
          if (v.currentTime > 0.5) heard.push(Math.max(...data));
          return v.currentTime > 1.5;
        });
        return heard;
    """)
    assert np.median(heard) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        (0.02, (40, 40, 40)), (1.98, (40, 40, 40)), (2.02, (220, 30, 30)), (2.98, (220, 30, 30)),
        (3.02, (30, 180, 40)), (5.98, (224, 172, 140)),
    ],
)  # fmt: skip
def test_seeking_shows_the_right_frame_in_the_right_colour(page, answer, time, wanted):
    page.open(answer)
    page.run("await until(() => happened.includes('canplaythrough')); await shown")
    at, *colour = page.run(f"return await colour({time}, 100, 100)")
    assert at == pytest.approx(int(time * 25) / 25, abs=0.002)
    assert np.abs(np.array(colour) - wanted).max() <= 6


def test_subtitles_load_with_their_words(page, answer):
    page.open(answer)
    cues = page.run("""
        await until(() => v.textTracks[0]?.cues?.length);
        return [...v.textTracks[0].cues].map(c => [c.startTime, c.endTime, c.text,
                c.getCueAsHTML().textContent])
    """)
    assert [cue[3] for cue in cues] == ["您好，请带好身份证。", "Thank you!"]
    assert "<00:00:0" in cues[0][2]
    assert cues[0][0] == pytest.approx(0.5, abs=0.001)
    assert cues[-1][1] == pytest.approx(5.0, abs=0.001)
