"""How a command ends: its status, and what standard error is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from ..errors import CephdeployError, ExitCode
from ._asked import Asked

__all__ = ["EXIT_CODES", "StoppedError", "interruptible", "status_of"]

#: What each status means, as ``--help`` says it; :class:`cephdeploy.errors.ExitCode` has the same words.
EXIT_CODES: Final = {
    ExitCode.OK: "Done, or nothing to do.",
    ExitCode.FAILED: "A change, a health check or a probe of verify failed; the recap names it.",
    ExitCode.CHANGES: "There are changes to make; only with --detailed-exitcode.",
    ExitCode.PARTLY: "Some hosts are done and others are not; run again goes on.",
    ExitCode.INVALID: "The site file or a host is not fit for this run; nothing was changed.",
    ExitCode.LOCKED: "Another run holds the lock.",
    ExitCode.UNREACHABLE: "A host could not be reached, did not prove its key, or refused the login or sudo.",
    ExitCode.STALE: "What a plan saw has changed since.",
    ExitCode.USAGE: "The command line was used wrongly.",
    ExitCode.INTERRUPTED: "Interrupted from the keyboard.",
}


class StoppedError(CephdeployError):
    """Interrupted from the keyboard; the text says where that leaves things."""

    exit_code = ExitCode.INTERRUPTED


@contextmanager
def interruptible(left: str) -> Iterator[None]:
    """Ctrl-C becomes a sentence that says where it leaves things."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise StoppedError(f"interrupted: {left}") from None


def status_of(work: Callable[[], object], asked: Asked) -> int:
    """Do the work; the exit status, with what is to be said on standard error said."""
    try:
        done = work()
        return int(done) if isinstance(done, int) else ExitCode.OK
    except CephdeployError as error:
        _complain(str(error))
        return _debugged(error.exit_code, asked)
    except click.Abort:
        _complain("interrupted")
        return _debugged(ExitCode.INTERRUPTED, asked)
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        from ..redaction import redacted

        again = "" if asked.debug else "; run again with --debug and report it"
        # by itself: what is taken out of it reaches to its end
        _complain(f"cephdeploy has a fault: {redacted(f'{type(error).__name__}: {error}')}{again}")
        return _debugged(ExitCode.FAILED, asked)


def _debugged(code: ExitCode, asked: Asked) -> ExitCode:
    if asked.debug:
        import traceback

        _complain(traceback.format_exc(), wrap=False)
    return code


def _complain(text: str, *, wrap: bool = True) -> None:
    """Say each line of a text on standard error; a terminal gets it broken at words."""
    import shutil
    import textwrap

    from ..report.faults import folded
    from ..report.words import lines

    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    width = shutil.get_terminal_size().columns if wrap and sys.stderr.isatty() else sys.maxsize
    for line in lines("\n".join(folded(text.rstrip("\n")))):
        parts = [line]
        if len(line) > width:
            parts = textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for part in parts:
            click.echo(part.encode(encoding, "replace").decode(encoding), err=True)
