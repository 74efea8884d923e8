"""The command `visavis avatar`."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from nobodies import WriteVideo, face_of, swaying

from visavis.apps.cli import main
from visavis.core.types import Picture
from visavis.media.picture import read_picture, write_png

pytestmark = pytest.mark.assets


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["avatar", *map(str, arguments)])


def test_create_list_show_remove(home: Path, tmp_path: Path, mei: Picture) -> None:
    source = tmp_path / "me.png"
    write_png(source, mei)
    made = run("create", source, "--name", "小林", "--voice-zh", "zf_xiaoyi")
    assert made.exit_code == 0, made.output
    assert "小林: a picture, 512 x 512 pixels" in made.output
    listed = json.loads(run("list", "--json").output)
    assert [row["name"] for row in listed] == ["mei", "adam", "ruth", "小林"]
    assert listed[0]["default"] is True
    assert listed[3]["voice"] == {"zh": "zf_xiaoyi"}
    assert "小林" in run("list").output
    picture = tmp_path / "out.png"
    shown = json.loads(run("show", "小林", "--picture", picture, "--json").output)
    assert shown["info"]["source"] == "me.png"
    assert np.array_equal(read_picture(picture), mei)
    again = run("create", source, "--name", "小林")
    assert again.exit_code == 2
    assert "already" in again.output
    assert run("create", source, "--name", "小林", "--overwrite").exit_code == 0
    removed = run("remove", "小林")
    assert removed.exit_code == 0
    assert run("show", "小林").exit_code == 4
    assert run("remove", "mei").exit_code == 2


def test_check_says_what_to_do_and_ends_with_2(tmp_path: Path, mei: Picture) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    write_png(good, mei)
    write_png(bad, face_of("profile"))
    fine = run("check", good)
    assert fine.exit_code == 0
    assert "good.png: fit" in fine.output
    wrong = run("check", good, bad)
    assert wrong.exit_code == 2
    assert "not usable" in wrong.output
    assert "look straight at the camera" in " ".join(wrong.output.split())
    reports = json.loads(run("check", good, bad, "--json").output)
    assert [r["verdict"] for r in reports] == ["ok", "fail"]


def test_check_of_a_small_picture(tmp_path: Path, mei: Picture) -> None:
    source = tmp_path / "small.png"
    write_png(source, mei[:50, :50])
    result = run("check", source)
    assert result.exit_code == 2
    assert "50 x 50 pixels" in result.output


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_check_of_rubbish_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "rubbish.png"
    source.write_bytes(content)
    result = run("check", source)
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_video(home: Path, write_video: WriteVideo, mei: Picture) -> None:
    source = write_video(swaying(mei, 60, 55))
    report = json.loads(run("check", source, "--json").output)[0]
    assert report["kind"] == "video"
    assert {"faces", "length", "cuts", "movement"} <= {i["name"] for i in report["items"]}
    made = run("create", source, "--name", "moving", "--json")
    assert made.exit_code == 0, made.output
    described = json.loads(made.stdout)
    assert described["frames"] > 25
    assert described["info"]["kind"] == "video"
    listed = json.loads(run("list", "--json").output)
    assert listed[-1]["what"].startswith("a loop of")


def test_bad_name_is_refused_before_the_work(home: Path, tmp_path: Path) -> None:
    result = run("create", tmp_path / "missing.png", "--name", "../x")
    assert result.exit_code == 2
    assert "name" in result.output
