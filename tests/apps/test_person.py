from __future__ import annotations

from pathlib import Path

import pytest

from visavis.apps.person import Person
from visavis.core.errors import TextUnusable, UnknownAvatar
from visavis.media.video import probe


@pytest.mark.assets
def test_a_person_says_a_text(tmp_path: Path) -> None:
    result = Person("adam", "am_michael", pose="still").say(tmp_path / "hello.mp4", "Good morning.")
    info = probe(tmp_path / "hello.mp4")
    assert info.is_ai_generated
    assert abs(info.duration - result["seconds"]) < 0.05
    assert 0.5 < info.duration < 5
    assert "Good morning." in (tmp_path / "hello.srt").read_text("utf-8")


def test_nothing_to_say_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TextUnusable):
        Person().say(tmp_path / "x.mp4", " \n ")
    assert not list(tmp_path.iterdir())


def test_nobody_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownAvatar, match="nobody"):
        Person("nobody").say(tmp_path / "x.mp4", "Hello.")
    assert not list(tmp_path.iterdir())
