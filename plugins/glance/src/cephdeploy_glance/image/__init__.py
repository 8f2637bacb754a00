"""``cephdeploy image``: bring images into Ceph in the one format that can be cloned, and find those that can't.

Nothing but click is imported until a command runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from cephdeploy.cli import common
from cephdeploy.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cephdeploy.cli import Asked

__all__ = ["RECOMMENDED", "image"]

#: What guests on RBD are recommended to have: discard needs virtio-scsi. Not ``os_require_quiesce``, with which
#: snapshots fail as long as no agent runs in the guest. Source: Ceph's manual, "Block Devices and OpenStack".
RECOMMENDED: Final = {"hw_scsi_model": "virtio-scsi", "hw_disk_bus": "scsi", "hw_qemu_guest_agent": "yes"}


@click.group()
@common
def image() -> None:
    """Import images as raw, and list those that can't be cloned."""


def _properties(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in value:
        key, equals, rest = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--property {text}: must be KEY=VALUE")
        found[key] = rest
    return found


@image.command("import")
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--name", help="The image's name; that of the file by default.")
@click.option(
    "--property", "properties", metavar="K=V", multiple=True, callback=_properties, help="A property; may be repeated."
)
@click.option("--recommended", is_flag=True, help=f"Set {', '.join(f'{k}={v}' for k, v in RECOMMENDED.items())}.")
@click.option("--public", is_flag=True, help="Let every project use it; otherwise only yours.")
@common
@click.pass_obj
def import_(
    asked: Asked, source: str, name: str | None, properties: dict[str, str], recommended: bool, public: bool
) -> None:
    """Upload an image of any format that qemu-img knows, as raw.

    It is converted piece by piece while it is uploaded, so that there is never a second full copy on disk. A raw file
    or URL is sent as it is. What Glance has in the end is compared with what was sent, and removed if it differs.
    """
    from . import cloud, report, sending
    from . import source as sources

    connection = cloud.connect(cloud.settings(asked))
    with report.Progress() as progress, sources.opened(source, progress=progress.step) as opened:
        sent = sending.send(
            connection,
            opened,
            name=name or opened.name,
            properties={**(RECOMMENDED if recommended else {}), **properties},
            visibility="public" if public else "private",
            progress=progress.step,
        )
    click.echo(f"{sent.id}  {sent.name}")
    click.echo(f"{report.size(sent.size)} raw, from {opened.format}, sha512 {sent.digest[:16]}…, as Glance has it")


@image.command()
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="How it is shown.",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="List the images too that can be cloned.")
@common
@click.pass_obj
def audit(asked: Asked, form: str, every: bool) -> ExitCode:
    """List the images that can never be cloned, and why.

    Ends with 1 if there is one, and with 6 if OpenStack or Ceph could not be asked.

    Each disk made from one of them is a full copy. With a site file, the pool is looked at too: whether the image
    is there, with the snapshot that clones are made from.
    """
    import json

    from . import cloud, judging, report

    found = judging.audited(cloud.settings(asked))
    bad = [one for one in found if one.why]
    if form == "json":
        click.echo(json.dumps({"format": 1, "images": [one.__dict__ for one in found if every or one.why]}, indent=2))
    else:
        for line in report.table(found if every else bad):
            click.echo(line)
        click.echo(
            f"{len(bad)} of {len(found)} images can't be cloned" if bad else f"all {len(found)} images can be cloned"
        )
    return ExitCode.FAILED if bad else ExitCode.OK
