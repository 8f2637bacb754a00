"""The commands `lab up` to `lab down`; what they do stands in `lab`."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cephdeploy_lab import suites
from cephdeploy_lab.errors import BusyError, LabError, WrongUseError

if TYPE_CHECKING:
    from cephdeploy_lab.lab import HostStatus


class _LabGroup(click.Group):
    """Turns the lab's errors into click's, so that any command line that carries this group shows them alike."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LabError as error:
            raise _SHOWN_AS[error.exit_code](str(error)) from error


class _WrongUse(click.ClickException):
    exit_code = WrongUseError.exit_code


_SHOWN_AS = {LabError.exit_code: click.ClickException, WrongUseError.exit_code: _WrongUse}


@click.group(cls=_LabGroup)
def lab() -> None:
    """A real Ceph and OpenStack on this machine, to try things on.

    Four hosts, each a systemd-nspawn container with a systemd and an sshd of its own, on a bridge without a way
    out: ceph1, controller1, compute1 and compute2.
    """


_NEW_SUITE = click.option(
    "--suite",
    default=suites.DEFAULT,
    show_default=True,
    help=f"The Debian suite that the hosts run: {', '.join(suites.SUITES)}.",
)
_MIRROR = click.option("--mirror", metavar="URL", help="Debian archive for the base.  [default: this machine's own]")
_FRESH_BASE = click.option("--fresh-base", is_flag=True, help="Build the base anew even if the kept one is right.")


@lab.command()
@_NEW_SUITE
@click.option("--hosts", "names", metavar="NAME,...", help="Other hosts than the usual four, up to compute9.")
@_MIRROR
@_FRESH_BASE
def up(suite: str, names: str | None, mirror: str | None, fresh_base: bool) -> None:
    """Bring the lab up; the first time, that includes building its base."""
    from cephdeploy_lab import hosts
    from cephdeploy_lab import lab as whole

    chosen = hosts.HOSTS if names is None else hosts.chosen(names)
    with _told_of_failure(_AFTER_FAILURE):
        whole.up(suites.suite_named(suite), chosen, mirror=mirror, fresh_base=fresh_base, say=_clock())


@lab.command()
@_NEW_SUITE
@_MIRROR
@_FRESH_BASE
def base(suite: str, mirror: str | None, fresh_base: bool) -> None:
    """Build a suite's base only, so that `up` need not.

    The lab of another suite may be up meanwhile.
    """
    from cephdeploy_lab import lab as whole

    with _told_of_failure("Nothing of the unfinished base will be used."):
        whole.build_base(suites.suite_named(suite), mirror=mirror, fresh_base=fresh_base, say=_clock())


def _clock() -> Callable[[str], None]:
    """Return what prints a line of progress, with the seconds since now."""
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"[{time.monotonic() - began:6.1f}s] {line}")

    return say


@contextmanager
def _told_of_failure(what_is_left: str) -> Iterator[None]:
    """Show a person the end of the log that tells why, and what there is to do now."""
    from cephdeploy_lab.processes import tail_of

    try:
        yield
    except (WrongUseError, BusyError):
        raise
    except LabError as error:
        if error.log is not None:
            click.echo(f"\nthe end of {error.log}:\n{tail_of(error.log)}\n", err=True)
        click.echo(what_is_left, err=True)
        raise
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted. {what_is_left}", err=True)
        raise SystemExit(130) from None


_AFTER_FAILURE = (
    "What there is of the lab is left for you to look at: `cephdeploy lab status`, `cephdeploy lab ssh HOST`,"
    " and the logs folder beside them. `cephdeploy lab down` removes it."
)

_SUITE_OPTION = click.option("--suite", help="The lab of this suite.  [default: the one that is up]")


@lab.command()
@_SUITE_OPTION
@click.option("--format", "-f", "form", type=click.Choice(("table", "json")), default="table", show_default=True)
def status(suite: str | None, form: str) -> None:
    """Show the hosts, their memory and their units."""
    from cephdeploy_lab import base
    from cephdeploy_lab import lab as whole

    folder = whole.current_folder(suite)
    found = whole.status(folder)
    kept = suites.SUITES.get(base.suite_of(folder) or "")
    if form == "json":
        document = {
            "suite": kept and kept.name,
            "folder": str(folder.path),
            "ready": folder.ready.exists(),
            "hosts": [dataclasses.asdict(host) for host in found],
        }
        click.echo(json.dumps(document, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("host", "address", "pid", "memory", "units")
    for host in found:
        if host.pid is None:
            table.add_row(host.name, host.address, "-", "-", "not running")
        else:
            table.add_row(host.name, host.address, str(host.pid), f"{host.memory_mb} MB", _units(host))
    Console().print(table)
    if kept is not None:
        click.echo(f"{kept.name}: Ceph {kept.ceph}, OpenStack {kept.openstack}")
    total = sum(host.memory_mb for host in found)
    click.echo(f"{'ready' if folder.ready.exists() else 'not ready'}; {total} MB in all; state folder {folder.path}")


def _units(host: HostStatus) -> str:
    """Say how many units run, and name the others."""
    if host.failed_units is None:
        return "no answer"
    others = [f"{name} {word}" for name, word in host.units.items() if word != "active"]
    return ", ".join([f"{len(host.units) - len(others)} active", *others])


# the first word that is not ours ends our options: all after it goes to the command, as it stands
_PASSING_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@lab.command("openstack", context_settings=_PASSING_ON)
@_SUITE_OPTION
@click.argument("words", metavar="[COMMAND]...", nargs=-1, type=click.UNPROCESSED)
def openstack(suite: str | None, words: tuple[str, ...]) -> None:
    """Run the openstack client, as the lab's administrator.

    It runs on controller1: files that it should read come through standard input, `image create NAME < FILE`.
    Put `--os-cloud lab-member` before the command to be an ordinary member of an ordinary project.
    """
    from cephdeploy_lab import lab as whole
    from cephdeploy_lab import machine

    machine.check_root()
    command = whole.openstack_words(whole.current_folder(suite), words)
    os.execvp(command[0], command)


@lab.command(context_settings=_PASSING_ON)
@_SUITE_OPTION
@click.option("--user", default="root", show_default=True, help="root, operator (may sudo) or nosudo.")
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(suite: str | None, user: str, host: str, command: tuple[str, ...]) -> None:
    """Log in to HOST, or run COMMAND there."""
    from cephdeploy_lab import hosts, machine
    from cephdeploy_lab import lab as whole

    machine.check_root()
    folder = whole.current_folder(suite)
    place = hosts.Place(folder, hosts.host_named(host, hosts.hosts_of(folder)))
    if hosts.supervisor(place) is None:
        raise LabError(f"{place.host.name} does not run; start the lab with `cephdeploy lab up`")
    words = (*hosts.ssh_words(place, user=user), *command)
    os.execvp(words[0], words)


@lab.command()
@_SUITE_OPTION
@click.option("--base", "with_base", is_flag=True, help="Remove the base as well; the next `up` builds it anew.")
def down(suite: str | None, with_base: bool) -> None:
    """Take the lab down, whole or half-made; nothing of it stays but the base."""
    from cephdeploy_lab import lab as whole

    whole.down(whole.current_folder(suite), with_base=with_base, say=_clock())
