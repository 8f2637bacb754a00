"""The command line: the one module that prints, asks and exits. What it does is in the library.

Nothing but click is imported until a command runs: ``--help``, ``--version`` and completion answer at once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from . import __version__
from .errors import CephdeployError, ExitCode, PluginError, SettingsError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from click.shell_completion import CompletionItem
    from rich.console import Console

    from .deployment import Deployment
    from .engine import Result
    from .journal import Journal, Past
    from .planner import Plan
    from .report.header import Header
    from .report.paper import Line
    from .settings import SiteSettings
    from .verify import ProbeResult

__all__ = ["EXIT_CODES", "Asked", "Commands", "cli", "main"]

#: Subcommands that other distributions bring: a name, and a click command.
GROUP: Final = "cephdeploy.commands"

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

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Asked:
    """What was asked for all commands; a click context's ``obj``, for commands of other distributions too."""

    site: Path = Path("site.yml")
    verbose: bool = False
    debug: bool = False
    timings: bool = False


class _InterruptedError(CephdeployError):
    """Interrupted from the keyboard; the text says where that leaves things."""

    exit_code = ExitCode.INTERRUPTED


class Commands(click.Group):
    """The group: commands of its own, and those of other distributions, imported only when they are used."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit with an :class:`ExitCode`; every error becomes a sentence."""
        asked = Asked()
        extra.setdefault("obj", asked)
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(_status(lambda: super(Commands, self).main(args, prog_name, complete_var, False, **extra), asked))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *sorted(_foreign().keys() - self.commands.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        points = _foreign().get(cmd_name)
        return _imported(points) if points else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self.commands and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            if name not in known:
                import difflib

                near = difflib.get_close_matches(name, known, n=1)
                ctx.fail(f"no command '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, command.get_short_help_str(100)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        others = [(name, _told(points)) for name, points in sorted(_foreign().items()) if name not in self.commands]
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(others)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit status"):
            formatter.write_dl([(str(int(code)), text) for code, text in EXIT_CODES.items()])
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click's own asks each command for its help, and so would import every plugin's
        from click.shell_completion import CompletionItem

        named = [(name, command.get_short_help_str()) for name, command in self.commands.items()]
        named += [(name, _told(points)) for name, points in sorted(_foreign().items()) if name not in self.commands]
        found = [CompletionItem(name, help=text) for name, text in named if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _foreign() -> dict[str, list[EntryPoint]]:
    """The entry points of other distributions' commands, by name, each once; nothing is imported."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        points = found.setdefault(point.name, [])
        # an editable installation may be seen twice
        if all((point.value, _distribution(point)) != (other.value, _distribution(other)) for other in points):
            points.append(point)
    return found


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "?"


def _told(points: Sequence[EntryPoint]) -> str:
    """What a distribution says of itself, as its command's help would need its import."""
    names = " and ".join(_distribution(point) for point in points)
    dist = points[0].dist
    summary = dist.metadata["Summary"] if dist is not None and "Summary" in dist.metadata else ""
    return f"{summary} ({names})" if summary and len(points) == 1 else f"(from {names})"


def _imported(points: Sequence[EntryPoint]) -> click.Command:
    point = points[0]
    if len(points) > 1:
        names = " and ".join(_distribution(one) for one in points)
        raise PluginError(f"two distributions provide the command '{point.name}': {names}; uninstall one of them")
    try:
        command = point.load()
    except Exception as error:
        raise PluginError(f"command '{point.name}' ({_distribution(point)}) does not import: {error}") from error
    if not isinstance(command, click.Command):
        kind = type(command).__name__
        raise PluginError(f"command '{point.name}' ({_distribution(point)}) is no click command but a {kind}")
    return command


# Ending


def _status(work: Callable[[], object], asked: Asked) -> int:
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
        again = "" if asked.debug else "; run again with --debug and report it"
        _complain(f"cephdeploy has a fault: {type(error).__name__}: {error}{again}")
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

    from .report.faults import folded
    from .report.words import lines

    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    width = shutil.get_terminal_size().columns if wrap and sys.stderr.isatty() else sys.maxsize
    for line in lines("\n".join(folded(text.rstrip("\n")))):
        parts = [line]
        if len(line) > width:
            parts = textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for part in parts:
            click.echo(part.encode(encoding, "replace").decode(encoding), err=True)


# Options


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """An option that may stand before the command or after it."""
    if value not in (None, False):
        setattr(ctx.ensure_object(Asked), str(parameter.name), value)


def _site(envvar: str | None = None) -> Callable[[F], F]:
    return click.option(
        "-C",
        "--site",
        type=click.Path(path_type=Path),
        envvar=envvar,
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="The site file, site.yml by default; or the variable CEPHDEPLOY_SITE.",
    )


_verbose = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, is_eager=True, callback=_remember,
    help="Say more: the differences of each file.",
)  # fmt: skip
_debug = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_remember,
    help="Show where in the program an error came from.",
)  # fmt: skip


_timings = click.option(
    "--timings", is_flag=True, expose_value=False, callback=_remember,
    help="Say what the time went into.",
)  # fmt: skip


def _common(command: F) -> F:
    return _site()(_verbose(_debug(command)))


def _complete_plugins(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from importlib.metadata import entry_points

    before, comma, last = incomplete.rpartition(",")
    names = sorted({point.name for point in entry_points(group="cephdeploy.plugins")})
    return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in before.split(",")]


def _names(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> tuple[str, ...]:
    """Names that may be separated by commas and come in several options, each once."""
    return tuple(dict.fromkeys(name.strip() for text in value for name in text.split(",") if name.strip()))


_plugins = click.option(
    "-p", "--plugins", metavar="NAME,...", multiple=True, callback=_names, shell_complete=_complete_plugins,
    help="The plugins that take part; all that the site file has roles for by default.",
)  # fmt: skip
_limit = click.option(
    "--limit", metavar="HOST", multiple=True, callback=_names, help="Change this host only; may be repeated."
)
_detailed = click.option(
    "--detailed-exitcode",
    "detailed",
    is_flag=True,
    help="End with 2 when there are changes, and with 0 when none.",
)


def _form(*forms: str) -> Callable[[F], F]:
    return click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help="How it is shown.",
    )


# Commands


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog='Completion: eval "$(_CEPHDEPLOY_COMPLETE=bash_source cephdeploy)"; likewise zsh_source, fish_source.',
)
@_site("CEPHDEPLOY_SITE")
@_verbose
@_debug
@click.version_option(__version__, prog_name="cephdeploy", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> ExitCode | None:
    """Make an existing OpenStack use an existing Ceph, and prove that it does.

    Begin with 'cephdeploy init', then 'plan', which changes nothing, then 'run'.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return ExitCode.USAGE
    return None


@cli.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@_common
@click.pass_obj
def init(asked: Asked, path: Path | None, force: bool) -> None:
    """Write a site file to begin with, and its schema for editors beside it."""
    import json

    from . import deployment
    from .sitefile import writing

    path = path or asked.site
    components = deployment.components()
    schema = path.with_name("site.schema.json")
    # the schema is made from what is installed, and only from that: it may always be made again
    _write(path, writing.template(components), force=force)
    _write(schema, json.dumps(writing.schema(components), indent=2) + "\n", force=True)
    out = _Output()
    out.say(f"wrote {path}, and {schema} for your editor")
    out.say(f"next: put your hosts into it, then {_again('validate', path)} and {_again('plan', path)}")


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already and was left alone; --force overwrites it") from None
    except OSError as error:
        raise CephdeployError(f"can't write {path}: {error.strerror}") from error


@cli.command()
@_common
@click.pass_obj
def validate(asked: Asked) -> None:
    """Check the site file alone; no host is asked.

    Every fault is one line: file:line:column: key: what is wrong.
    """
    from . import deployment
    from .report.words import count

    settings = deployment.load(asked.site)
    _Output().say(f"{asked.site}: fine, {count(len(settings.hosts), 'host')}")


@cli.command()
@_form("table", "json")
@_common
def settings(form: str) -> None:
    """List every key of the site file with its default."""
    import json

    from . import deployment
    from .report.keys import keys, keys_text

    found = keys(deployment.components())
    out = _Output()
    if form == "json":
        out.raw(json.dumps([key.__dict__ for key in found], indent=2))
    else:
        out.show(keys_text(found, out.paper))


@cli.command()
@_form("table", "json")
@_common
def plugins(form: str) -> ExitCode:
    """List the installed plugins, and what each answers."""
    import json

    from .plugins import Plugins, installed

    rows: list[dict[str, Any]] = []
    for name, one in installed().items():
        row: dict[str, Any] = {"name": name, "version": one.version, "distribution": one.distribution}
        try:
            rows.append({**row, "hooks": list(Plugins([name]).hooks(name)), "error": None})
        except CephdeployError as error:
            rows.append({**row, "hooks": [], "error": str(error)})
    out = _Output()
    if form == "json":
        out.raw(json.dumps({"format": 1, "plugins": rows}, indent=2))
    elif not rows:
        out.say("no plugin is installed; cephdeploy-glance, cephdeploy-cinder and cephdeploy-nova are some")
    else:
        from .report.tables import table

        cells = [[r["name"], r["version"], r["distribution"], r["error"] or ", ".join(r["hooks"])] for r in rows]
        styles = ["bold red" if row["error"] else "" for row in rows]
        out.show(table(["plugin", "version", "distribution", "hooks"], cells, out.paper, styles=styles))
    return ExitCode.INVALID if any(row["error"] for row in rows) else ExitCode.OK


@cli.command()
@_plugins
@_limit
@_form("text", "json")
@click.option(
    "-o", "--out", "file", type=click.Path(path_type=Path), help="Save the plan there, for 'cephdeploy run FILE'."
)
@_detailed
@_timings
@_common
@click.pass_obj
def plan(
    asked: Asked, plugins: Sequence[str], limit: Sequence[str], form: str, file: Path | None, detailed: bool
) -> ExitCode:
    """Look at the hosts and show what a run would change; changes nothing."""
    out = _Output()
    with _opened(asked, plugins, limit, out) as (deployment, header), _interruptible("nothing was changed"):
        with out.waiting(f"looking at {header.scope}"):
            found = deployment.plan(limit=limit)
        if form == "json":
            from .report.plan_json import plan_json

            out.raw(plan_json(found, header))
        else:
            command = f"cephdeploy -C {asked.site} run {file}" if file else _run_command(asked, plugins, limit)
            out.show(_plan_lines(found, header, out, asked, command=command))
            _tell_timings(deployment, out, asked)
        if file is not None:
            from .saved_plan import save

            save(file, found, header)
    return ExitCode.CHANGES if detailed and found.changes else ExitCode.OK


_yes = click.option("-y", "--yes", is_flag=True, help="Don't ask before the changes are made.")


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@_plugins
@_limit
@_yes
@_detailed
@click.option("--no-verify", is_flag=True, help="Leave out the proof by use after the changes.")
@_timings
@_common
@click.pass_obj
def run(
    asked: Asked,
    file: Path | None,
    plugins: Sequence[str],
    limit: Sequence[str],
    yes: bool,
    detailed: bool,
    no_verify: bool,
) -> ExitCode:
    """Show the plan, make it true, and prove that it works.

    Safe to run again at any time: what is right already is left alone, and what an earlier run did not
    finish is finished.

    With FILE, a plan that 'cephdeploy plan -o FILE' saved is made true, and nothing else: it is refused if
    what it saw is not there any more.
    """
    _asks(yes)
    out = _Output()
    saved = None
    if file is not None:
        from .saved_plan import load

        if plugins or limit:
            raise UsageError("a saved plan has its plugins and limit in it; leave --plugins and --limit out")
        saved = load(file)
        plugins, limit = saved.plugins, saved.limit
    with _opened(asked, plugins, limit, out, holder=_holder("run")) as (deployment, header):
        with _interruptible("nothing was changed"):
            with out.waiting(f"looking at {header.scope}"):
                found = deployment.plan(limit=limit)
            if saved is not None:
                saved.check(found)
        code = _converged(found, deployment, header, out, asked, yes=yes, command="run", verify=not no_verify)
    return ExitCode.CHANGES if detailed and found.changes and code == ExitCode.OK else code


def _asks(yes: bool) -> None:
    if not yes and not _on_terminal():
        raise UsageError(
            "there is no terminal to ask on, and nothing was changed; add --yes to run without being asked, or look "
            "first: cephdeploy plan"
        )


def _holder(command: str) -> str:
    """Who holds a lock: told to whoever is refused."""
    import getpass
    import socket
    import time

    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return (
        f"{getpass.getuser()} on {socket.gethostname()}, 'cephdeploy {command}' (process {os.getpid()}), since {since}"
    )


def _converged(
    found: Plan,
    deployment: Deployment,
    header: Header,
    out: _Output,
    asked: Asked,
    *,
    yes: bool,
    command: str,
    verify: bool,
) -> ExitCode:
    """Show a plan, ask, carry it out, and keep the journal of it."""
    with _interruptible("nothing was changed"):
        out.show(_plan_lines(found, header, out, asked))
        if found.changes and not yes and not _agreed(found):
            raise _InterruptedError("nothing was changed")
    from .journal import Journal

    with Journal.begin() as journal:
        code = ExitCode.FAILED
        try:
            journal.write("begin", command=command, who=_holder(command), version=__version__,
                          plugins=list(header.plugins), hosts=list(header.hosts), limit=list(header.limit))  # fmt: skip
            code = _carried_out(found, deployment, header, journal, out, asked, verify=verify)
        except CephdeployError as error:
            code = error.exit_code
            raise
        finally:
            # the hosts are as they are; a full disk here must not say otherwise
            with suppress(CephdeployError):
                journal.write("finish", exit_code=int(code))
    return code


@cli.command()
@click.argument("plugins", nargs=-1, required=True, metavar="PLUGIN...")
@_yes
@_common
@click.pass_obj
def unwire(asked: Asked, plugins: Sequence[str], yes: bool) -> ExitCode:
    """Take components off Ceph again: what was set for them goes, and nothing that holds data.

    Refused while a pool that only they use holds an image. What another plugin of the site needs too stays.
    """
    _asks(yes)
    out = _Output()
    with _opened(asked, plugins, (), out, off=True, holder=_holder("unwire")) as (deployment, header):
        with _interruptible("nothing was changed"), out.waiting(f"looking at {header.scope}"):
            found = deployment.plan()
        return _converged(found, deployment, header, out, asked, yes=yes, command="unwire", verify=False)


@cli.command()
@_form("table", "json")
@_common
def history(form: str) -> None:
    """List the past runs of this machine, the newest first."""
    import dataclasses
    import json

    from .journal import past
    from .report.history import history_lines

    out = _Output()
    if form == "json":
        out.raw(json.dumps({"format": 1, "runs": [dataclasses.asdict(one) for one in past()]}, indent=2))
    else:
        out.show(history_lines(list(past()), out.paper))


@cli.command()
@click.argument("run")
@_form("text", "json")
@_common
def show(run: str, form: str) -> None:
    """Show what a past run did, step by step."""
    import dataclasses
    import json

    from .journal import recall
    from .report.history import run_lines

    out = _Output()
    found = recall(run)
    if form == "json":
        out.raw(json.dumps({"format": 1, **dataclasses.asdict(found)}, indent=2))
    else:
        out.show(run_lines(found, out.paper))


@cli.command()
@click.argument("run")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="This host alone; may stand several times.")
@_yes
@_common
@click.pass_obj
def rollback(asked: Asked, run: str, hosts: Sequence[str], yes: bool) -> ExitCode:
    """Take back what a past run changed: show it as a plan, and make it true.

    Files, options, caps, libvirt secrets and restarts go back as a set. Pools, users, packages and data stay.
    """
    _asks(yes)
    from .journal import recall

    out = _Output()
    undone = recall(run)
    if not any(step.sent for step in undone.steps):
        raise UsageError(f"run {undone.run} changed nothing; there is nothing to take back")
    with _opened(asked, undone.plugins, hosts, out, undo=undone, holder=_holder("rollback")) as (deployment, header):
        with _interruptible("nothing was changed"), out.waiting(f"looking at {header.scope}"):
            found = deployment.plan(limit=hosts)
        return _converged(
            found, deployment, header, out, asked, yes=yes, command=f"rollback {undone.run}", verify=False
        )


def _carried_out(
    plan: Plan,
    deployment: Deployment,
    header: Header,
    journal: Journal,
    out: _Output,
    asked: Asked,
    *,
    verify: bool,
) -> ExitCode:
    if plan.changes:
        out.say()
        result = _applied(plan, deployment, journal, out)
        from .report.recap import recap

        out.say()
        hosts = header.limit or tuple(header.hosts)
        out.show(recap(plan, result, hosts, out.paper))
        _tell_timings(deployment, out, asked)
        if not result.ok:
            out.say(f"run {journal.run}")
            return result.exit_code
    else:
        _tell_timings(deployment, out, asked)
    if not verify:
        out.say(f"done, and not proved (--no-verify). run {journal.run}")
        return ExitCode.OK
    out.say()
    with _interruptible("what was to be changed is done; cephdeploy verify proves it"):
        results = _verified(deployment, out, header.limit)
    for one in results:
        journal.write("verify", plugin=one.plugin, probe=one.title, ok=one.ok, detail=one.detail)
    return _judged(results, out, header, after=f" run {journal.run}")


def _tell_timings(deployment: Deployment, out: _Output, asked: Asked) -> None:
    if asked.timings:
        from .report.timings_text import timings_text

        out.say()
        out.show(timings_text(deployment.timings, len(deployment.hosts), out.paper))


def _applied(plan: Plan, deployment: Deployment, journal: Journal, out: _Output) -> Result:
    import signal
    import threading

    from .progress import Progress

    progress = Progress(plan, out.console, out.paper, live=out.terminal)

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        progress.stop()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return deployment.apply(plan, journal=journal, listener=progress)
    before = signal.signal(signal.SIGINT, stop)
    try:
        left = (
            "what was sent to a host may have been done. Run the same command again: it looks at every host and goes "
            f"on from there. run {journal.run}"
        )
        with _interruptible(left), progress:
            return deployment.apply(plan, journal=journal, listener=progress)
    finally:
        signal.signal(signal.SIGINT, before)


def _agreed(plan: Plan) -> bool:
    from .report.words import count

    hosts = len({change.address.host for change in plan})
    what = "this change" if len(plan) == 1 else "these changes"
    try:
        return click.confirm(f"\nMake {what} on {count(hosts, 'host')}?")
    except click.Abort:
        click.echo(err=True)  # the terminal's ^C stands on the line of the question
        raise


@cli.command()
@_plugins
@_form("text", "json")
@_common
@click.pass_obj
def verify(asked: Asked, plugins: Sequence[str], form: str) -> ExitCode:
    """Prove by use that OpenStack works on Ceph; cleans up after itself."""
    out = _Output()
    with (
        _opened(asked, plugins, (), out) as (deployment, header),
        _interruptible("the proofs are not complete"),
    ):
        if form == "json":
            from .report.verify_json import verify_json

            with out.waiting("proving by use"):
                results = deployment.verify()
            out.raw(verify_json(results, header))
            return ExitCode.OK if all(one.ok for one in results) else ExitCode.FAILED
        out.show(header.lines(out.paper))
        out.say()
        return _judged(_verified(deployment, out), out, header)


def _verified(deployment: Deployment, out: _Output, limit: Collection[str] = ()) -> list[ProbeResult]:
    from .report.recap import probe_line
    from .report.words import plain

    with out.waiting("proving by use") as waiting:
        return deployment.verify(
            limit=limit,
            listener=lambda one: out.show([probe_line(one, out.paper)]),
            doing=lambda what: waiting(f"proving by use: {plain(what)}"),
        )


def _judged(results: Sequence[ProbeResult], out: _Output, header: Header, *, after: str = "") -> ExitCode:
    from .report.words import count

    bad = sum(not one.ok for one in results)
    if bad:
        limit = "" if not header.limit else " --limit left the other hosts as they were; --no-verify leaves this out."
        out.say((f"not proven: {bad} of {count(len(results), 'probe')} failed.", "bold red"), f"{limit}{after}")
        return ExitCode.FAILED
    if not results:
        out.say(f"there is nothing to prove: no plugin of this run has a probe.{after}")
    else:
        out.say(("proven.", "bold green"), f" {count(len(results), 'probe')}.{after}")
    return ExitCode.OK


@cli.command()
@_plugins
@_form("text", "mermaid", "dot", "json")
@_common
@click.pass_obj
def graph(asked: Asked, plugins: Sequence[str], form: str) -> None:
    """Show what waits for what, and why; changes nothing."""
    from .report.graphs import FORMATS

    out = _Output()
    with _opened(asked, plugins, (), out) as (deployment, _), _interruptible("nothing was changed"):
        out.raw(FORMATS[form](deployment.graph))


# What the commands share


@contextmanager
def _opened(
    asked: Asked,
    plugins: Sequence[str],
    limit: Sequence[str],
    out: _Output,
    undo: Past | None = None,
    off: bool = False,
    holder: str = "",
) -> Iterator[tuple[Deployment, Header]]:
    """The site's hosts, reached, and what is said of them first."""
    import time

    from . import deployment
    from .report.header import Header

    settings = deployment.load(asked.site, plugins)
    chosen = tuple(plugins) or _fitting(settings, asked)
    for name in limit:
        if name not in settings.hosts:
            import difflib

            near = difflib.get_close_matches(name, settings.hosts, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"--limit {name}: {asked.site} has no such host{hint}")
    began = time.monotonic()
    with _interruptible("nothing was changed"), out.waiting("reaching the hosts"):
        opened = deployment.Deployment.open(settings, chosen, undo=undo, off=off, holder=holder)
    with opened:
        yield (
            opened,
            Header.of(
                opened.site,
                opened.plugins.names,
                path=str(asked.site),
                chosen=bool(plugins),
                limit=limit,
                seconds=time.monotonic() - began,
            ),
        )


def _fitting(settings: SiteSettings, asked: Asked) -> tuple[str, ...]:
    """The installed plugins that the site has a host for.

    :raises UsageError: none is installed.
    :raises SettingsError: no host has a role of any.
    """
    from .plugins import Plugins, installed

    known = installed()
    if not known:
        raise UsageError(
            "no plugin is installed; cephdeploy-glance, cephdeploy-cinder and cephdeploy-nova are some, beside "
            "cephdeploy-core"
        )
    components = Plugins(list(known)).components()
    present = {role for host in settings.hosts.values() for role in host.roles}
    found = tuple(name for name, component in components.items() if present & set(component.roles))
    if not found:
        roles = ", ".join(sorted({role for component in components.values() for role in component.roles}))
        raise SettingsError(f"no host in {asked.site} has a role that an installed plugin knows; there are: {roles}")
    return found


def _plan_lines(plan: Plan, header: Header, out: _Output, asked: Asked, command: str = "") -> list[Line]:
    from .report.plan_text import plan_text

    return plan_text(plan, header, out.paper, verbose=asked.verbose, command=command)


def _run_command(asked: Asked, plugins: Sequence[str], limit: Sequence[str]) -> str:
    words = [*(["--plugins", ",".join(plugins)] if plugins else []), *(f"--limit={name}" for name in limit)]
    return _again("run", asked.site, *words)


def _again(command: str, site: Path, *words: str) -> str:
    """A command as the operator would type it."""
    import shlex

    where = ["-C", str(site)] if site != Asked.site else []
    return shlex.join(["cephdeploy", *where, command, *words])


@contextmanager
def _interruptible(left: str) -> Iterator[None]:
    """Ctrl-C becomes a sentence that says where it leaves things."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise _InterruptedError(f"interrupted: {left}") from None


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


class _Output:
    """Standard output, and on standard error what only a person at a terminal sees."""

    def __init__(self) -> None:
        from rich.console import Console

        from .report.paper import Paper

        class Pipe(Console):
            """A reader that goes away (``| head``) must not end a run in its middle."""

            def on_broken_pipe(self) -> None:
                self.quiet = True
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

        self.console: Console = Pipe(highlight=False, markup=False, emoji=False)
        self._errors = Console(stderr=True, highlight=False, markup=False, emoji=False)
        name = os.environ.get("TERM", "")
        self.terminal = sys.stdout.isatty() and not self.console.is_dumb_terminal
        width = self.console.width if self.terminal else None
        self.paper = Paper.of(self.console.encoding, width, name)

    def show(self, lines: Sequence[Line]) -> None:
        from .report.paper import put

        for line in lines:
            put(self.console, line, whole=not self.terminal)

    def say(self, *pieces: tuple[str, str] | str) -> None:
        self.show([self.paper.line(*pieces)])

    def raw(self, text: str) -> None:
        """For programs: as it is, in one piece."""
        click.echo(text.encode(self.paper.encoding, "replace").decode(self.paper.encoding))

    def waiting(self, what: str) -> Any:
        """A line on standard error that moves while something takes time; and goes away."""
        from .progress import Waiting

        live = sys.stderr.isatty() and not self._errors.is_dumb_terminal
        # where both are one terminal, one console must draw both: lines that stay go above the moving one
        return Waiting(self.console if self.terminal else self._errors, self.paper, what, live=live)


def main() -> None:
    """The console script."""
    # pydantic looks for plugins of its own in all that is installed: 5 ms
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # what lives as long as the process need not be looked through again and again, nor at its end: a sixth of a
    # start, 15 % at 5,000 hosts
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
    try:
        cli.main(prog_name="cephdeploy")
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
