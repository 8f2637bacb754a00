"""The commands that ask no host: about the site file, what is installed, and past runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import CephdeployError, ExitCode, UsageError
from . import _completion
from . import _options as options
from ._asked import Asked, again
from ._output import Output

__all__ = ["history", "init", "plugins", "settings", "show", "validate"]


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@options.common
@click.pass_obj
def init(asked: Asked, path: Path | None, force: bool) -> None:
    """Write a site file to begin with, and its schema for editors beside it."""
    import json

    from .. import deployment
    from ..sitefile import writing

    path = path or asked.site
    components = deployment.components()
    schema = path.with_name("site.schema.json")
    # the schema is made from what is installed, and only from that: it may always be made again
    _write(path, writing.template(components), force=force)
    _write(schema, json.dumps(writing.schema(components), indent=2) + "\n", force=True)
    out = Output()
    out.say(f"wrote {path}, and {schema} for your editor")
    out.say(f"next: put your hosts into it, then {again('validate', path)} and {again('plan', path)}")


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already and was left alone; --force overwrites it") from None
    except FileNotFoundError:
        raise UsageError(f"can't write {path}: there is no folder {path.parent}; make it first") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"can't write {path}: {why}; name another place") from error


@click.command()
@options.common
@click.pass_obj
def validate(asked: Asked) -> None:
    """Check the site file alone; no host is asked.

    Every fault is one line: file:line:column: key: what is wrong.
    """
    from .. import deployment
    from ..report.words import count

    settings = deployment.load(asked.site)
    Output().say(f"{asked.site}: fine, {count(len(settings.hosts), 'host')}")


@click.command()
@options.form("table", "json")
@options.common
def settings(form: str) -> None:
    """List every key of the site file with its default."""
    import json

    from .. import deployment
    from ..report.keys import keys, keys_text

    found = keys(deployment.components())
    out = Output()
    if form == "json":
        out.raw(json.dumps([key.__dict__ for key in found], indent=2))
    else:
        out.show(keys_text(found, out.paper))


@click.command()
@options.form("table", "json")
@options.common
def plugins(form: str) -> ExitCode:
    """List the installed plugins, and what each answers."""
    import json

    from ..plugins import Plugins, installed

    rows: list[dict[str, Any]] = []
    for name, one in installed().items():
        row: dict[str, Any] = {"name": name, "version": one.version, "distribution": one.distribution}
        try:
            rows.append({**row, "hooks": list(Plugins([name]).hooks(name)), "error": None})
        except CephdeployError as error:
            rows.append({**row, "hooks": [], "error": str(error)})
    out = Output()
    if form == "json":
        out.raw(json.dumps({"format": 1, "plugins": rows}, indent=2))
    elif not rows:
        out.say("no plugin is installed; cephdeploy-glance, cephdeploy-cinder and cephdeploy-nova are some")
    else:
        from ..report.tables import table

        cells = [[r["name"], r["version"], r["distribution"], r["error"] or ", ".join(r["hooks"])] for r in rows]
        styles = ["bold red" if row["error"] else "" for row in rows]
        out.show(table(["plugin", "version", "distribution", "hooks"], cells, out.paper, styles=styles))
    return ExitCode.INVALID if any(row["error"] for row in rows) else ExitCode.OK


@click.command()
@options.form("table", "json")
@options.common
def history(form: str) -> None:
    """List the past runs of this machine, the newest first."""
    import dataclasses
    import json

    from ..journal import past
    from ..report.history import history_lines

    out = Output()
    if form == "json":
        out.raw(json.dumps({"format": 1, "runs": [dataclasses.asdict(one) for one in past()]}, indent=2))
    else:
        out.show(history_lines(list(past()), out.paper))


@click.command()
@click.argument("run", shell_complete=_completion.runs)
@options.form("text", "json")
@options.common
def show(run: str, form: str) -> None:
    """Show what a past run did, step by step."""
    import dataclasses
    import json

    from ..journal import recall
    from ..report.history import run_lines

    out = Output()
    found = recall(run)
    if form == "json":
        out.raw(json.dumps({"format": 1, **dataclasses.asdict(found)}, indent=2))
    else:
        out.show(run_lines(found, out.paper))
