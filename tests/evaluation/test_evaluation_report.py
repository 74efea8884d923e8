from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import FileUnreadable, InputError
from visavis.evaluation.bootstrap import mean_with_interval
from visavis.evaluation.metrics import BY_NAME, GROUPS, METRICS, SLOW, choose
from visavis.evaluation.pairs import find_tasks
from visavis.evaluation.protocol import Protocol, check_comparable
from visavis.evaluation.report import (
    ClipRow,
    Figure,
    Report,
    check_reports,
    find_best,
    read_report,
    to_markdown,
)
from visavis.evaluation.report_page import write_page
from visavis.evaluation.word_errors import edit_distance, split_words, word_errors

PROTOCOL = Protocol("yunet 1", "face", 5, networks={"lpips": "alexnet 1", "csim": "sface 1"})


def report(name: str, values: list[float], protocol: Protocol = PROTOCOL) -> Report:
    rows = [
        ClipRow(f"clip {k}", f"{k}.mp4", frames=50, figures={"lpips": v, "blink_rate": 12.0})
        for k, v in enumerate(values)
    ]
    return Report(name, protocol, rows, {"fid": Figure(30.0, *[float("nan")] * 2, 3, 150)})


class TestIntervals:
    def test_normal_values_have_the_interval_of_the_textbook(self) -> None:
        values = np.random.default_rng(1).normal(5, 2, 400)
        mean, low, high = mean_with_interval(values)
        half = 1.96 * values.std() / np.sqrt(len(values))
        assert mean == pytest.approx(values.mean())
        assert [mean - low, high - mean] == pytest.approx([half, half], rel=0.1)

    def test_most_intervals_hold_the_truth(self) -> None:
        rng = np.random.default_rng(2)
        held = 0
        for _ in range(200):
            _, low, high = mean_with_interval(rng.normal(0, 1, 30), draws=500)
            held += low <= 0 <= high
        assert 0.88 <= held / 200 <= 0.99

    def test_order_and_clips_that_were_not_measured_do_not_matter(self) -> None:
        values = np.array([1.0, 4.0, np.nan, 2.0, 7.0])
        assert mean_with_interval(values)[0] == mean_with_interval(values[::-1])[0] == 3.5

    def test_every_clip_twice_is_no_other_mean_and_a_narrower_interval(self) -> None:
        values = np.random.default_rng(3).normal(0, 1, 40)
        once, twice = mean_with_interval(values), mean_with_interval(np.tile(values, 2))
        assert twice[0] == pytest.approx(once[0])
        assert (twice[2] - twice[1]) / (once[2] - once[1]) == pytest.approx(2**-0.5, rel=0.1)

    def test_too_few_clips_have_none(self) -> None:
        assert mean_with_interval(np.array([1.0, 2.0]))[0] == 1.5
        assert np.isnan(mean_with_interval(np.array([1.0, 2.0]))[1:]).all()
        assert np.isnan(mean_with_interval(np.array([]))).all()


class TestProtocols:
    def test_the_same_ones_are_comparable(self) -> None:
        check_comparable({"a": PROTOCOL, "b": replace(PROTOCOL)})

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            (replace(PROTOCOL, every=1), "every 5 against 1"),
            (replace(PROTOCOL, fps=30), "fps 25 against 30"),
            (replace(PROTOCOL, detector="yunet 2"), "'yunet 1' against 'yunet 2'"),
            (replace(PROTOCOL, version=2), "version 1 against 2"),
            (replace(PROTOCOL, networks={"lpips": "vgg16 1"}), "network of lpips"),
        ],
    )
    def test_others_are_refused_with_the_reason(self, other: Protocol, reason: str) -> None:
        with pytest.raises(InputError, match=reason):
            check_comparable({"a": PROTOCOL, "b": other})

    def test_a_network_that_another_metric_uses_does_not_matter_to_one(self) -> None:
        other = replace(PROTOCOL, networks={"lpips": "vgg16 1", "csim": "sface 1"})
        check_comparable({"a": PROTOCOL, "b": other}, "csim")


class TestReports:
    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        one = report("ours", [0.1, 0.2, 0.3])
        one.write(tmp_path)
        back = read_report(tmp_path)
        assert back.summary()["lpips"] == one.summary()["lpips"]
        assert back.summary()["fid"].value == 30
        assert back.protocol == PROTOCOL
        assert "0.200 (0.1" in (tmp_path / "report.md").read_text()
        json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)

    def test_broken_ones_are_told(self, tmp_path: Path) -> None:
        for text in ("", "{}", "[]", '{"format": 1}'):
            (tmp_path / "report.json").write_text(text)
            with pytest.raises(FileUnreadable, match=r"report\.json"):
                read_report(tmp_path)
        with pytest.raises(FileUnreadable):
            read_report(tmp_path / "nothing")

    def test_other_clips_are_not_compared(self) -> None:
        with pytest.raises(InputError, match="different clips, as clip 2"):
            check_reports([report("a", [1, 2, 3]), report("b", [1, 2])])

    def test_names_must_differ(self) -> None:
        with pytest.raises(InputError, match="same name"):
            check_reports([report("a", [1, 2]), report("a", [1, 2])])

    def test_the_best_is_marked_and_what_cannot_be_told_from_it(self) -> None:
        rng = np.random.default_rng(4)
        clips = rng.normal(0.5, 0.2, 30)  # some are hard for all
        best, alike, worse = (
            report(name, list(clips + shift + rng.normal(0, 0.01, 30)))
            for name, shift in (("a", 0), ("b", 0.001), ("c", 0.02))
        )
        lpips = BY_NAME["lpips"]
        # Intervals of the means overlap all over; clip by clip the third is worse.
        assert best.summary()["lpips"].high > worse.summary()["lpips"].low
        assert find_best(lpips, [best, alike, worse]) == {0, 1}
        assert find_best(lpips, [worse, best]) == {1}
        assert find_best(BY_NAME["blink_rate"], [best, worse]) == set()
        assert find_best(BY_NAME["fid"], [best, worse]) == set()
        assert find_best(lpips, [best]) == set()

    def test_real_video_does_not_compete(self) -> None:
        rows = [ClipRow(str(k), "a.mp4", "a.mp4", figures={"m_lmd": 0.0}) for k in range(3)]
        real = Report("real", PROTOCOL, rows)
        ours, worse = (
            Report(n, PROTOCOL, [replace(r, made=n, figures={"m_lmd": v}) for r in rows])
            for n, v in (("ours", 2.0), ("worse", 3.0))
        )
        assert real.is_real
        assert not ours.is_real
        assert find_best(BY_NAME["m_lmd"], [real, ours, worse]) == {1}

    @pytest.mark.parametrize(
        ("name", "values", "best"),
        [
            ("sync_offset", ([-3, 3, -3, 3], [1, 1, 1, 1]), {1}),  # the mean alone would err
            ("opening_against", ([0.5, 0.6, 0.5], [1.2, 1.1, 1.2]), {1}),
            ("csim", ([0.9, 0.9, 0.9], [0.5, 0.4, 0.5]), {0}),
        ],
    )
    def test_each_way_of_being_better(
        self, name: str, values: tuple[list[float], list[float]], best: set[int]
    ) -> None:
        reports = [
            Report(
                str(k),
                PROTOCOL,
                [ClipRow(str(i), "", figures={name: v}) for i, v in enumerate(some)],
            )
            for k, some in enumerate(values)
        ]
        assert find_best(BY_NAME[name], reports) == best

    def test_the_page_stands_alone(self, tmp_path: Path) -> None:
        evil = ClipRow("<script>x</script>", "a'b.mp4", error="broken <b>")
        one = report("ours & theirs", [0.1, 0.2, 0.3])
        page = write_page(
            tmp_path, [replace(one, clips=[*one.clips, evil]), report("b", [0.3, 0.4, 0.5])]
        ).read_text()
        assert "<script" not in page
        assert "http" not in page.replace("http-equiv", "")
        assert "ours &amp; theirs" in page
        assert page.count("<svg") >= 1
        assert "class='n best'>0.200" in page

    def test_markdown_escapes(self) -> None:
        assert "a\\|b" in to_markdown([report("a|b", [1, 2, 3])])


class TestChoosing:
    def test_default_leaves_out_what_is_slow(self) -> None:
        assert choose([]) == set(GROUPS) - SLOW
        assert choose(["all"]) == set(GROUPS)

    def test_a_metric_brings_its_group(self) -> None:
        assert choose(["lse_d"]) == {"lse"}
        assert choose(["all", "-fid"]) == set(GROUPS) - {"fid"}
        assert choose(["-sync"]) == set(GROUPS) - SLOW - {"sync"}

    def test_an_unknown_one_is_told(self) -> None:
        with pytest.raises(InputError, match=r"no metric 'pnsr'.*psnr"):
            choose(["pnsr"])

    def test_each_has_all_that_a_reader_needs(self) -> None:
        assert len({m.name for m in METRICS}) == len(METRICS)
        assert all(m.title and m.definition and m.source for m in METRICS)


class TestWords:
    @pytest.mark.parametrize(
        ("said", "heard", "errors"),
        [
            ("Bring your old card.", "bring your OLD card", 0),
            ("Bring your old card.", "bring the old card", 1 / 4),
            ("Bring your old card.", "your old card please now", 3 / 4),
            ("请带身份证。", "请带身份证", 0),
            ("请带身份证。", "請帶身份証", 0),
            ("请带身份证。", "请带身份", 1 / 5),
            ("a b", "", 1),
        ],
    )
    def test_counted_by_hand(self, said: str, heard: str, errors: float) -> None:
        assert word_errors(said, heard) == pytest.approx(errors)

    def test_nothing_said(self) -> None:
        assert np.isnan(word_errors(" …", "a"))

    def test_mixed_scripts(self) -> None:
        assert split_words("用APP办ID card") == ["用", "app", "办", "id", "card"]

    def test_distance_is_symmetric(self) -> None:
        assert edit_distance("kitten", "sitting") == edit_distance("sitting", "kitten") == 3


class TestFinding:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in (
            "made/a.mp4",
            "made/in/b c.mp4",
            "real/a.mkv",
            "real/in/b c.mp4",
            "made/x.txt",
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"-")
        (tmp_path / "made/a.txt").write_text("what is said")
        return tmp_path

    def test_folders_in_pairs(self, folder: Path) -> None:
        tasks = find_tasks([folder / "made"], folder / "real")
        assert [t.name for t in tasks] == ["a", "in/b c"]
        assert [t.real for t in tasks] == [folder / "real/a.mkv", folder / "real/in/b c.mp4"]
        assert [t.text for t in tasks] == ["what is said", ""]

    def test_a_missing_twin_is_told(self, folder: Path) -> None:
        (folder / "real/a.mkv").unlink()
        with pytest.raises(InputError, match=r"a\.mp4 has no reference"):
            find_tasks([folder / "made"], folder / "real")

    def test_a_list(self, folder: Path) -> None:
        rows = folder / "pairs.csv"
        rows.write_text(
            "made,real,emotion,text\r\nmade/a.mp4,real/a.mkv,happy,你好\r\nmade/a.mp4,,,\r\n",
            encoding="utf-8-sig",
        )
        first, second = find_tasks([rows], emotion="sad")
        assert (first.text, first.emotion, first.real) == ("你好", "happy", folder / "real/a.mkv")
        assert (second.name, second.emotion, second.real) == ("a (2)", "sad", None)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("made\nmade/none.mp4\n", "row 1.*none"),
            ("real\nreal/a.mkv\n", "row 1 names no video"),
            ("made,emotion\nmade/a.mp4,cross\n", "'cross' is no emotion"),
        ],
    )
    def test_odd_lists(self, folder: Path, text: str, reason: str) -> None:
        (folder / "pairs.csv").write_text(text)
        with pytest.raises(InputError, match=reason):
            find_tasks([folder / "pairs.csv"])

    def test_lists_that_are_none(self, folder: Path) -> None:
        for data in (b"\xff\xfe\x00", b"{]", b'{"made": 1}', b"[1]"):
            (folder / "pairs.json").write_bytes(data)
            with pytest.raises(FileUnreadable):
                find_tasks([folder / "pairs.json"])

    def test_nothing_there(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="no video"):
            find_tasks([tmp_path / "empty"])
        with pytest.raises(FileUnreadable):
            find_tasks([tmp_path / "gone"])
