from pathlib import Path

from visavis.apps.reference import make_reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_in_the_docs_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == make_reference(), "run `python -m visavis.apps.reference docs/cli.md`"


def test_the_reference_has_every_command() -> None:
    made = make_reference()
    for name in ("ask", "render", "demo", "bench", "stages", "models pull"):
        assert f"\n## visavis {name}\n" in made
