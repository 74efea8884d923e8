"""Every state of the page in a real Chromium: laid out whole, operable, and accessible.

The scenes of `web/dev` are the real components with a scripted session behind them. With
VISAVIS_SCREENSHOTS=folder a picture of each is kept, to be looked at.
"""

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

WEB = Path(__file__).parents[2] / "web"
SIZES = {
    "phone": (390, 844), "small": (320, 568), "side": (844, 390),
    "laptop": (1440, 900), "kiosk": (1080, 1920), "zoomed": (720, 450),
}  # fmt: skip
SCENES = [
    "start", "connecting", "live", "listening", "open", "thinking", "speaking", "answer", "rated",
    "choice", "failure", "denied", "playback", "reconnecting", "waiting", "openaway", "restoring",
    "blind", "ended", "unsent", "full", "unreachable", "token", "refused", "settings", "history",
    "check", "named", "greeting", "greeted", "long", "forgotten",
]  # fmt: skip
MAIN_SCENES = [
    "start", "live", "greeted", "long", "open", "speaking", "answer", "rated", "failure", "waiting", "blind", "full",
    "settings", "check",
]  # fmt: skip
FOUND = """
const visible = e => {
  const r = e.getBoundingClientRect();
  return r.width > 2 && r.height > 2 && e.checkVisibility({visibilityProperty: true});
};
const top = document.querySelector('dialog[open]');
const controls = [...(top ?? document).querySelectorAll('button, input:not([type=radio]), a[href]')]
  .filter(e => visible(e) && !e.disabled && !e.matches('.skip'));
const faults = [];
const root = document.documentElement;
for (const e of controls) {
  e.scrollIntoView({block: 'nearest', inline: 'nearest'});
  const r = e.getBoundingClientRect();
  const name = (e.getAttribute('aria-label') || e.textContent || e.placeholder || '').trim();
  if (r.left < -1 || r.right > root.clientWidth + 1) faults.push(name + ' is beside the screen');
  if (r.height < 32 || r.width < 32) faults.push(name + ` is small: ${r.width} x ${r.height}`);
  const seen = document.elementFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2);
  if (!seen || !(e.contains(seen) || seen.contains(e)))
    faults.push(name + ' is covered by ' + (seen && (seen.className || seen.tagName)));
  if (e.scrollWidth > e.clientWidth + 1 && e.tagName === 'BUTTON')
    faults.push(name + ' does not hold its text');
}
if (root.scrollWidth > root.clientWidth) faults.push('wider than the screen: ' + root.scrollWidth);
scrollTo(0, 0);
return {faults, count: controls.length};
"""
SETTLE = """
const frame = () => new Promise(done => requestAnimationFrame(done));
await frame();
// What enters is there at once; what goes round goes on.
for (const each of document.getAnimations())
  if (isFinite(each.effect.getComputedTiming().endTime)) each.finish();
await frame();
await frame();
"""


@pytest.fixture(scope="module")
def scenes(served):
    """Address of the built scenes."""
    folder, address = served
    npm = shutil.which("npm")
    if npm is None or not (WEB / "node_modules").is_dir():
        pytest.skip("the page's packages are not installed; `make page` does it where Node is")
    environment = {**os.environ, "VISAVIS_PAGE_OUT": str(folder / "scenes")}
    built = subprocess.run(
        [npm, "run", "--silent", "scenes"], cwd=WEB, env=environment, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    shutil.copy(WEB / "node_modules" / "axe-core" / "axe.min.js", folder / "axe.min.js")
    return f"{address}/scenes/index.html"


@pytest.fixture
def show(page, scenes):
    def show(scene, size="phone", language="zh", theme="light", before="", enlarge=1):
        width, height = SIZES[size]
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        page.open(f"{scenes}?scene={scene}&language={language}&theme={theme}")
        until = time.monotonic() + 30
        while page.run("return document.documentElement.dataset.ready") != "yes":
            assert time.monotonic() < until, f"{scene} did not get ready"
            time.sleep(0.05)
        if enlarge != 1:
            page.run(f"document.documentElement.style.fontSize = '{enlarge * 100}%'")
        page.run(SETTLE)
        if "VISAVIS_SCREENSHOTS" in os.environ:  # the picture's background is drawn, too
            time.sleep(0.8)
        _keep(page, f"{size}-{scene}-{language}-{theme}" + ("-large" if enlarge != 1 else ""))
        return page

    return show


def _keep(page, name):
    if folder := os.environ.get("VISAVIS_SCREENSHOTS"):
        shot = page.call("Page.captureScreenshot", format="png")
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off_or_covered(show, size):
    faults = []
    for number, scene in enumerate(SCENES if size == "phone" else MAIN_SCENES):
        language = "en" if number % 2 else "zh"
        found = show(scene, size, language).run(FOUND)
        faults += [f"{scene} ({language}): {fault}" for fault in found["faults"]]
        assert found["count"] >= (1 if scene == "forgotten" else 2), f"{scene} has no controls"
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("scene", ["start", "speaking", "answer", "denied", "settings", "full"])
def test_text_at_twice_its_size_stays_usable(show, scene):
    found = show(scene, "laptop", "en", enlarge=2).run(FOUND)
    assert found["faults"] == []


@pytest.mark.parametrize(("theme", "language"), [("light", "zh"), ("dark", "en")])
def test_no_state_violates_accessibility_rules(show, theme, language):
    faults = []
    for scene in SCENES:
        page = show(scene, "phone", language, theme)
        violations = page.run("""
            const script = document.createElement('script');
            script.src = '../axe.min.js';
            await new Promise((done, fail) => {
              script.onload = done; script.onerror = fail; document.head.append(script);
            });
            const found = await axe.run(document, {
              runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
            });
            if (found.passes.length < 10) throw new Error('axe looked at next to nothing');
            return found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html} ${n.failureSummary}`));
        """)
        faults += [f"{scene}: {violation}" for violation in violations]
    assert not faults, "\n".join(faults)


def test_the_check_would_see_a_fault(show):
    page = show("live")
    page.run("""
        const button = document.querySelector('.send');
        button.style.cssText = 'position: fixed; left: 97vw';
        document.querySelector('.open').style.cssText = 'width: 2rem; overflow: hidden';
    """)
    faults = page.run(FOUND)["faults"]
    assert any("beside the screen" in fault for fault in faults)
    assert any("does not hold its text" in fault for fault in faults)


def test_everything_is_reached_by_keyboard_with_a_visible_focus(show):
    page = show("answer", "laptop", "en")
    reached = []
    for _ in range(25):
        for kind in ("keyDown", "keyUp"):
            page.call(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        reached.append(
            page.run("""
                const e = document.activeElement;
                if (e === document.body) return ['', true];  // past the end, in the browser
                const style = getComputedStyle(e);
                return [(e.getAttribute('aria-label') || e.id || e.textContent).trim(),
                        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
            """)
        )
        if len(reached) > 1 and reached[-1] == reached[0]:
            break
    names = [name for name, _ in reached]
    for wanted in (
        "Skip to the question field", "切换到中文", "Open settings", "Helpful", "Not helpful",
        "question", "Send",
    ):  # fmt: skip
        assert wanted in names, f"{wanted} is not reached by Tab: {names}"
    assert any("Hold to talk" in name for name in names)
    assert any("Hands-free" in name for name in names)
    assert [name for name, seen in reached if name and not seen] == []


def test_less_motion_is_respected(show, page):
    page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-reduced-motion", "value": "reduce"}],
    )
    show("speaking")
    assert (
        page.run("""
        return document.getAnimations().filter(a => a.playState === 'running').length
    """)
        == 0
    )
    page.call("Emulation.setEmulatedMedia", features=[])
    show("speaking")
    assert (
        page.run("""
        return document.getAnimations().filter(a => a.playState === 'running').length
    """)
        > 0
    )
