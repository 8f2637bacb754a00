"""The commands `lab up`, `lab status`, `lab ssh` and `lab down`; what they do stands in `lab`."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from typing import Any

import click

from cephdeploy_lab import suites
from cephdeploy_lab.errors import BusyError, LabError, WrongUseError


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


@lab.command()
@click.option("--suite", default=suites.DEFAULT, show_default=True, help="The Debian suite that the hosts run.")
@click.option("--mirror", metavar="URL", help="Debian archive for the base.  [default: this machine's own]")
@click.option("--fresh-base", is_flag=True, help="Build the base anew even if the kept one is right.")
def up(suite: str, mirror: str | None, fresh_base: bool) -> None:
    """Bring the lab up; the first time, that includes building its base."""
    from cephdeploy_lab import lab as whole
    from cephdeploy_lab.processes import tail_of

    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"[{time.monotonic() - began:6.1f}s] {line}")

    try:
        whole.up(suites.suite_named(suite), mirror=mirror, fresh_base=fresh_base, say=say)
    except (WrongUseError, BusyError):
        raise
    except LabError as error:
        if error.log is not None:
            click.echo(f"\nthe end of {error.log}:\n{tail_of(error.log)}\n", err=True)
        click.echo(_AFTER_FAILURE, err=True)
        raise
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted. {_AFTER_FAILURE}", err=True)
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
    """Show the hosts, and what failed in them."""
    from cephdeploy_lab import lab as whole

    folder = whole.current_folder(suite)
    found = whole.status(folder)
    if form == "json":
        document = {
            "folder": str(folder.path),
            "ready": folder.ready.exists(),
            "hosts": [dataclasses.asdict(host) for host in found],
        }
        click.echo(json.dumps(document, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("host", "address", "pid", "memory", "failed units")
    for host in found:
        failed = "no answer" if host.failed_units is None else ", ".join(host.failed_units) or "none"
        if host.pid is None:
            table.add_row(host.name, host.address, "-", "-", "not running")
        else:
            table.add_row(host.name, host.address, str(host.pid), f"{host.memory_mb} MB", failed)
    Console().print(table)
    click.echo(f"{'ready' if folder.ready.exists() else 'not ready'}; state folder {folder.path}")


@lab.command(context_settings={"ignore_unknown_options": True})
@_SUITE_OPTION
@click.option("--user", default="root", show_default=True, help="root, operator (may sudo) or nosudo.")
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(suite: str | None, user: str, host: str, command: tuple[str, ...]) -> None:
    """Log in to HOST, or run COMMAND there."""
    from cephdeploy_lab import hosts, machine
    from cephdeploy_lab import lab as whole

    machine.check_root()
    place = hosts.Place(whole.current_folder(suite), hosts.host_named(host))
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

    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"[{time.monotonic() - began:6.1f}s] {line}")

    whole.down(whole.current_folder(suite), with_base=with_base, say=say)
