import subprocess
import sys
from pathlib import Path

from visavis.apps.reference import make_reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_in_the_docs_is_up_to_date(tmp_path: Path) -> None:
    made = tmp_path / "cli.md"
    # In a process of its own: a command keeps the help option of who called it first, and tests
    # call commands without the program around them.
    subprocess.run([sys.executable, "-m", "visavis.apps.reference", str(made)], check=True)
    written = PAGE.read_text(encoding="utf-8")
    assert written == made.read_text(encoding="utf-8"), (
        "run `python -m visavis.apps.reference docs/cli.md`"
    )


def test_the_reference_has_every_command() -> None:
    made = make_reference()
    for name in ("ask", "render", "demo", "bench", "stages", "models pull"):
        assert f"\n## visavis {name}\n" in made
