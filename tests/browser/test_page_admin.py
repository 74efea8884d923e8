"""The operator's page in the package, on weeks of records, served by the real server."""

import json
import re
import urllib.request

import pytest
from admin_driver import go, serve_weeks, wait_for

from visavis.apps.live_benchmark import start_server

pytestmark = [pytest.mark.browser, pytest.mark.assets, pytest.mark.slow]

WATCH = """
window.faults = [];
addEventListener('securitypolicyviolation', e => faults.push(`${e.violatedDirective} ${e.blockedURI}`));
addEventListener('error', e => faults.push(`error: ${e.message}`));
addEventListener('unhandledrejection', e => faults.push(`rejection: ${e.reason}`));
window.confirm = () => true;
localStorage.setItem('visavis.language', 'en');
"""
TABS = ("overview", "unanswered", "knowledge", "feedback", "sessions", "records")


@pytest.fixture(scope="module")
def served_records(tmp_path_factory):
    with serve_weeks(tmp_path_factory.mktemp("data"), 1) as address:
        yield address


@pytest.fixture
def admin(page, served_records):
    page.call("Page.enable")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    page.call("Network.enable")
    page.call("Network.clearBrowserCookies")
    page.open(f"{served_records}/admin?token=boss")
    wait_for(page, "document.querySelectorAll('.tile').length > 1")
    yield page
    assert page.run("return faults") == []


def test_figures_are_shown_and_the_token_is_gone_from_the_address(admin):
    assert admin.run("return location.search") == ""
    text = admin.run("return document.querySelector('main').innerText")
    for said in ("Live now", "Questions by day", "End of speech to first sound", "p95"):
        assert said in text
    assert admin.run("return document.querySelectorAll('svg[role=img] rect').length") > 100
    names = admin.run(
        "return [...document.querySelectorAll('svg[role=img]')].map(s => s.ariaLabel)"
    )
    assert all(re.search(r"\d", name) for name in names)
    # With the keyboard, a day's figures are said in words: today's, which has none yet just after
    # midnight, and those of the days before.
    key = """document.querySelector('svg[role=img]').dispatchEvent(
        new KeyboardEvent('keydown', {key: 'ArrowLeft'}));"""
    admin.run(key)
    wait_for(admin, "/: .*\\d/.test(document.querySelector('.said').innerText)")
    admin.run(key)
    wait_for(admin, "/Answered \\d/.test(document.querySelector('.said').innerText)")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800)])
def test_nothing_sticks_out(admin, width, height):
    admin.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
    )  # fmt: skip
    for tab in TABS:
        go(admin, tab)
        # A phone widens its window to what sticks out, so its own width is no measure.
        assert admin.run("return document.documentElement.scrollWidth") <= width, tab
    admin.call("Emulation.clearDeviceMetricsOverride")


def test_a_question_is_marked_as_done(admin):
    go(admin, "unanswered")
    wait_for(admin, "document.querySelectorAll('.gap').length > 2")
    first = admin.run("return document.querySelector('.gap h2').innerText")
    assert "13800138000" not in admin.run("return document.body.innerText")
    admin.run(f"{button('.gap', 'Mark as done')}.click()")
    wait_for(admin, f"document.querySelector('.gap h2').innerText !== {json.dumps(first)}")
    admin.run("document.querySelectorAll('.choices button')[1].click()")
    wait_for(admin, f"document.querySelector('.gap h2')?.innerText === {json.dumps(first)}")


def button(place, said):
    buttons = f"[...document.querySelectorAll('{place} button')]"
    return f"{buttons}.find(one => one.innerText === {json.dumps(said)})"


def test_a_question_is_answered_in_one_step_and_the_pair_is_seen(admin):
    go(admin, "unanswered")
    wait_for(admin, "document.querySelectorAll('.gap').length > 1")
    first = admin.run("return document.querySelector('.gap h2').innerText")
    admin.run(f"{button('.gap', 'Answer it')}.click()")
    wait_for(admin, "document.querySelector('.gap form [name=answer]')")
    # Until the first change the samples are answered from, and the form says what it will do.
    assert "knowledge.db" in admin.run("return document.querySelector('.gap').innerText")
    admin.run("""const field = document.querySelector('[name=answer]');
        field.value = 'An answer of the operator.'; field.dispatchEvent(new Event('input'));""")
    wait_for(admin, "!document.querySelector('.gap form [type=submit]').disabled")
    admin.run("document.querySelector('.gap form [type=submit]').click()")
    wait_for(admin, "/^Added to the base/.test(document.querySelector('[role=status]')?.innerText)")
    assert first != admin.run("return document.querySelector('.gap h2').innerText")
    go(admin, "knowledge")
    wait_for(admin, "/version 2/.test(document.querySelector('.bases').innerText)")
    admin.run("""[...document.querySelectorAll('.base')].find(
        one => /version 2/.test(one.innerText)).click()""")
    wait_for(admin, "document.querySelector('[type=search]')")
    admin.run("""const field = document.querySelector('[type=search]');
        field.value = 'of the operator'; field.dispatchEvent(new Event('input'));""")
    wait_for(admin, "document.querySelectorAll('.pair').length === 1")
    assert first in admin.run("return document.querySelector('.pair').innerText")
    show_part(admin, "Export and changes")
    wait_for(admin, button("section", "Undo the last change"))
    admin.run(f"{button('section', 'Undo the last change')}.click()")
    wait_for(admin, "/version 3/.test(document.querySelector('.bases').innerText)")
    show_part(admin, "Questions")
    wait_for(admin, "document.querySelectorAll('.pair').length === 0")


def show_part(admin, said):
    admin.run(f"{button('.choices', said)}.click()")


def choose_file(admin, path):
    root = admin.call("DOM.getDocument")["root"]["nodeId"]
    field = admin.call("DOM.querySelector", nodeId=root, selector="[type=file]")["nodeId"]
    admin.call("DOM.setFileInputFiles", nodeId=field, files=[str(path)])


def test_a_file_is_looked_at_imported_tried_and_undone(admin, tmp_path):
    table = tmp_path / "问答.csv"
    rows = "问题,答案\n游泳馆几点开门？,早上六点开门。\n没有答案？,\n"
    table.write_bytes(rows.encode("gb18030"))
    go(admin, "knowledge")
    wait_for(admin, button(".row", "Import a file"))
    admin.run(f"{button('.row', 'Import a file')}.click()")
    wait_for(admin, "document.querySelector('[type=file]')")
    choose_file(admin, table)
    admin.run("""const into = document.querySelector('[name=into]');
        into.value = [...into.options].at(-1).value; into.dispatchEvent(new Event('change'));""")
    wait_for(admin, "document.querySelector('[name=new-base]')")
    admin.run("""const name = document.querySelector('[name=new-base]');
        name.value = 'pool'; name.dispatchEvent(new Event('input'));""")
    wait_for(admin, f"!{button('form', 'Look first')}.disabled")
    admin.run(f"{button('form', 'Look first')}.click()")
    wait_for(admin, "document.querySelector('.figures')")
    told = admin.run("return document.querySelector('.figures').closest('section').innerText")
    assert "GB18030" in told
    assert "row 3" in told
    assert "pool" not in admin.run("return document.querySelector('.bases').innerText")
    admin.run(f"{button('section', 'Import')}.click()")
    wait_for(admin, button("section", "Undo this import"), 60)
    wait_for(admin, "/pool\\n1 answers/.test(document.querySelector('.bases').innerText)")
    wait_for(admin, "document.querySelectorAll('.pair').length === 1")
    admin.run(f"{button('section', 'Undo this import')}.click()")
    wait_for(admin, "document.querySelectorAll('.pair').length === 0")
    show_part(admin, "Export and changes")
    wait_for(admin, button("section", "Delete the base"))
    admin.run(f"{button('section', 'Delete the base')}.click()")
    wait_for(admin, "!document.querySelector('.bases').innerText.includes('pool')")


def test_a_session_is_seen_and_ended(admin, served_records):
    order = urllib.request.Request(
        f"{served_records}/api/v1/sessions", data=b"{}", method="POST",
        headers={"Authorization": "Bearer guest", "Content-Type": "application/json"},
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(order, timeout=60) as answer:
        assert answer.status == 201
    go(admin, "sessions")
    wait_for(admin, "document.querySelector('section .tag')")
    admin.run(
        "document.querySelector('section .tag').closest('tr').querySelector('button').click()"
    )
    wait_for(admin, "document.querySelector('section').innerText.includes('Nobody is here')")


def test_what_is_spoken_ahead_is_shown_while_it_grows(admin, tmp_path):
    assert "no speech is kept on disk" in admin.run(
        "return document.querySelector('main').innerText"
    )
    tokens = {"VISAVIS_SERVER_ADMIN_TOKEN": "boss", "VISAVIS_SERVER_SPEECH_SHELF_MB": "100"}
    with start_server(1, environment=tokens, data=tmp_path) as (address, _, _):
        admin.open(f"{address}/admin?token=boss")
        card = "document.querySelector('[aria-labelledby=speech-title]')"
        wait_for(admin, f"/speaking/.test({card}?.querySelector('.tag')?.innerText)", 120)
        wait_for(admin, f"{card}.querySelector('progress').value >= 1", 120)
        said = admin.run(f"return {card}.innerText")
        found = re.search(r"([\d,]+) of ([\d,]+)", said)
        assert found, said
        ready, foreseen = (int(number.replace(",", "")) for number in found.groups())
        assert 1 <= ready < foreseen
        assert re.search(r"\d ?[kM]B of 100 ?MB", said)


def test_a_guest_is_asked_for_the_operators_token(admin, served_records):
    admin.call("Network.clearBrowserCookies")
    admin.open(f"{served_records}/admin?token=guest")
    wait_for(admin, "document.querySelector('[role=alert]')")
    assert "operator" in admin.run("return document.querySelector('[role=alert]').innerText")
    admin.run("""const field = document.querySelector('input');
        field.value = 'boss'; field.dispatchEvent(new Event('input'));""")
    wait_for(admin, "!document.querySelector('form button').disabled")
    admin.run("document.querySelector('form button').click()")
    wait_for(admin, "document.querySelectorAll('.tile').length > 1")
