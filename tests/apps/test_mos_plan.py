"""What a study is: its plan, who is dealt what, and what videos give away."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.apps.mos_study import CATCH, CATCH_PAIR, ITEMS, SYSTEMS, write_films, write_study

from visavis.apps.commands.mos import command
from visavis.apps.mos.dealing import Trial, deal, list_trials
from visavis.apps.mos.plan import read_plan
from visavis.apps.mos.videos import Video, find_hints, look_at
from visavis.core.errors import FileUnreadable, InputError

HELP = ["-h", "--help"]
"""As below `visavis`: click keeps the first form of a command's help option that it makes."""


def test_a_plan_is_read(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, "trials = 5\nseed = 3\nmisses = 1", CATCH))
    assert (plan.kind, plan.trials, plan.seed, plan.misses) == ("scores", 5, 3, 1)
    assert list(plan.systems) == list(SYSTEMS)
    assert plan.items == sorted(ITEMS)
    assert plan.systems["omeganet"]["parrot"] == tmp_path / "omeganet" / "parrot.mp4"
    assert plan.catches[0].expected == (1, 2)
    assert plan.database == tmp_path / "plan.sqlite"
    # The same as JSON, with lists and tables instead of folders.
    files = [f"zetanet/{item}.mp4" for item in ITEMS]
    content = {"systems": {"a": files, "b": dict(zip(ITEMS, files, strict=True))}, "kind": "pairs"}
    (tmp_path / "plan.json").write_text(json.dumps(content))
    other = read_plan(tmp_path / "plan.json")
    assert other.systems["a"] == other.systems["b"]
    assert other.trials == 4  # all there is


@pytest.mark.parametrize(
    ("head", "tail", "says"),
    [
        ("kind = 'votes'", "", "scores"),
        ("trails = 3", "", "trails"),
        ("trials = 0", "", "trials"),
        ("seed = 1.5", "", "seed"),
        ("", "more = 'nowhere'", "no folder"),
        ("", "more = ['zetanet/parrot.mp4']", "same videos"),
        ("", "more = ['zetanet/gone.mp4']", "same videos"),
        ("items = ['parrot', 'gone']", "", "no video of gone"),
        ("", "[[catches]]\nvideo = 'frozenface.mp4'", "expected"),
        ("", "[[catches]]\nvideo = 'frozenface.mp4'\nexpected = [1, 2, 3, 4, 5]", "are right"),
        ("", "[[catches]]\nvideo = 'gone.mp4'\nexpected = [1]", "no file"),
        ("kind = 'pairs'", CATCH, "better"),
        ("", "[[questions]]\nfr = 'Quoi?'", "question"),
        ("", "[[questions]]\nen = 'Is Zetanet good?'", "zetanet"),
    ],
)
def test_a_wrong_plan_is_refused_with_a_reason(
    tmp_path: Path, head: str, tail: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read_plan(write_study(tmp_path, head, tail))


def test_files_that_are_no_plan_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("title = ")
    with pytest.raises(FileUnreadable, match="TOML"):
        read_plan(tmp_path / "plan.toml")
    (tmp_path / "plan.toml").write_text("kind = 'pairs'\n[systems]\na = 'a'")
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="no video"):
        read_plan(tmp_path / "plan.toml")
    (tmp_path / "a" / "x.mp4").write_text("x")
    with pytest.raises(InputError, match="two systems"):
        read_plan(tmp_path / "plan.toml")


def test_a_plan_is_written_for_folders(tmp_path: Path) -> None:
    write_study(tmp_path)
    (tmp_path / "zetanet" / "extra.webm").write_text("x")
    folders = [str(tmp_path / "zetanet"), f"mine={tmp_path / 'omeganet'}"]
    made = str(tmp_path / "made.toml")
    done = CliRunner().invoke(
        command, ["plan", *folders, "-o", made, "--kind", "pairs"], help_option_names=HELP
    )
    assert done.exit_code == 0, done.output
    assert "extra" in done.stderr
    plan = read_plan(tmp_path / "made.toml")
    assert list(plan.systems) == ["zetanet", "mine"]
    assert plan.items == sorted(ITEMS)
    assert plan.kind == "pairs"
    twice = CliRunner().invoke(
        command, ["plan", *folders[:1] * 2, "-o", made], help_option_names=HELP
    )
    assert "two systems would be called 'zetanet'" in twice.output


@pytest.mark.parametrize("kind", ["scores", "pairs"])
def test_trials_are_balanced_over_raters(tmp_path: Path, kind: str) -> None:
    catch = CATCH if kind == "scores" else CATCH_PAIR
    plan = read_plan(write_study(tmp_path, f"kind = '{kind}'\ntrials = 7", catch + "\n" + catch))
    dealt: Counter[Trial] = Counter()
    first_of_all = []
    for rater in range(40):
        trials = deal(plan, dealt, rater)
        assert trials == deal(plan, dealt, rater), "the same seed deals the same"
        assert {t.catch for t in trials if t.catch is not None} == {0, 1}
        assert trials[0].catch is None
        plain = [t for t in trials if t.catch is None]
        met = [frozenset([t.item, t.first, t.second]) for t in plain]
        assert len(plain) == len(set(met)) == 7, "nobody sees the same twice"
        assert not any(a.item == b.item for a, b in pairwise(plain))
        dealt.update(plain)
        first_of_all.append(trials[0])
    both = [dealt[t] + (dealt[t.turned] if t.second else 0) for t in list_trials(plan)]
    assert sum(both) == 280
    assert max(both) - min(both) <= 1
    if kind == "pairs":
        sides = [abs(dealt[t] - dealt[t.turned]) for t in list_trials(plan)]
        assert max(sides) <= 1
    assert len(set(first_of_all)) > 6, "the order is another for each"


def test_a_rater_sees_each_system_alike_often(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, "trials = 6"))
    for seed in range(10):
        counts = Counter(t.first for t in deal(plan, {}, seed))
        assert set(counts.values()) == {2}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_films(tmp_path_factory.mktemp("films"))


def test_what_would_tell_systems_apart_is_said(films: Path) -> None:
    plan = read_plan(films / "plan.toml")
    videos = {path: look_at(path) for path in plan.videos()}
    first = videos[films / "zetanet" / "parrot.mp4"]
    assert (first.width, first.height, first.has_sound) == (32, 32, True)
    assert first.seconds == pytest.approx(0.4, abs=0.05)
    hints = " ".join(find_hints(plan, videos))
    assert "size" in hints
    assert "length" in hints
    assert "'zetanet' hold that name" in hints
    assert "sound" not in hints
    assert not find_hints(plan, dict.fromkeys(videos, Video(1, 2, 2, True, "")))


def test_what_is_no_video_is_refused(tmp_path: Path, films: Path) -> None:
    (tmp_path / "x.mp4").write_text("no video")
    with pytest.raises(FileUnreadable):
        look_at(tmp_path / "x.mp4")
