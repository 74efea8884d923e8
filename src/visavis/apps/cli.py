"""The command line: one lazy group, and the one table that turns errors into exit codes."""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any, NoReturn

import click

from visavis.core.errors import AssetError, Cancelled, ConfigError, Error, InputError, StageError

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (InputError, 2),
    (AssetError, 3),
    (ConfigError, 4),
    (StageError, 5),
    (Cancelled, 130),
    (KeyboardInterrupt, 130),
    (click.Abort, 130),
)
"""Which exit code an error gives; the first that fits. Wrong usage is 2, the unexpected 1."""


class LazyCommands(click.Group):
    """Finds commands as modules of ``visavis.apps.commands``; one is imported when it is asked for.

    Each module has ``command``, a ``click.Command``, and is named as the command is.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the modules."""
        from visavis.apps import commands

        return sorted(m.name for m in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one."""
        if name not in self.list_commands(ctx):
            return None
        found = importlib.import_module(f"visavis.apps.commands.{name}").command
        assert isinstance(found, click.Command)
        return found

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run, and end the program with an exit code; errors are one sentence each."""
        state: dict[str, Any] = {"debug": bool(os.environ.get("VISAVIS_DEBUG"))}
        extra.update(standalone_mode=False, obj=state)
        make_output_safe()
        limit_threads()
        try:
            result = super().main(args, *rest, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has gone (| head): nothing to say, and nowhere to say it.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # lives as long as the program
            sys.exit(141)
        except click.exceptions.Exit as left:
            sys.exit(left.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (Exception, KeyboardInterrupt) as error:
            if state["debug"]:
                logging.getLogger(__name__).exception("the command failed")
            click.echo(describe_error(error), err=True)
            sys.exit(exit_code(error))
        sys.exit(result if isinstance(result, int) else 0)


def exit_code(error: BaseException) -> int:
    """Look an error up in the table."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def describe_error(error: BaseException) -> str:
    """Put an error into one sentence."""
    if isinstance(error, Cancelled | KeyboardInterrupt | click.Abort):
        return "stopped: nothing unfinished was left under the final name"
    if isinstance(error, Error):
        return f"error: {_one_line(str(error))}"
    what = _one_line(str(error)) or "no message"
    return (
        f"error: something unexpected happened ({type(error).__name__}: {what});"
        " run it again as `visavis --debug …` to see where"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def limit_threads() -> None:
    """Keep the small products and warps of a frame on the thread that asks for them.

    Stages already run side by side; the pools of OpenBLAS and OpenCV would only spin between them.
    Both read these variables when they are loaded, so this comes before any command's imports.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(variable, "1")


def make_output_safe() -> None:
    """Let a terminal that cannot show a character show a substitute, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="visavis", message="visavis %(version)s")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for everything.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_obj
def main(state: MutableMapping[str, Any] | None, verbose: int, debug: bool) -> None:
    """Ask, and a face answers.

    Exit codes: 2 bad input or usage, 3 a model file is missing, 4 a setting is wrong, 5 a stage
    failed, 130 stopped by you, 1 anything else.
    """
    if state is not None:
        state["debug"] = state["debug"] or debug
    debug = debug or bool(state and state["debug"])
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", force=True)
    if not (debug or verbose):
        # What failed is said in one sentence at the end; the traceback is for those who ask.
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: not record.exc_info)
    if verbose < 2:
        for noisy in ("faster_whisper", "jieba", "libav", "httpx"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
