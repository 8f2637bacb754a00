"""The job as a plugin of cephdeploy, with its public names alone.

The nova plugin's own work is more than the job (pools, users, packages, the question which packages there are), and
nobody else would do it.
"""

from __future__ import annotations

from collections.abc import Iterator

import the_job as job

from cephdeploy import Component, Site, hookimpl
from cephdeploy.kinds import Directory, File, IniOptions, LibvirtSecret, Service
from cephdeploy.resource import Resource
from cephdeploy.values import Secret

ROLE = "nova-compute"


@hookimpl
def settings() -> Component:
    return Component("compute_job", roles={ROLE: "runs nova-compute and libvirt"})


@hookimpl
def configure_service(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        files = [
            File(
                host=host.name,
                path=file.path,
                content=Secret(file.content) if file.path.endswith(".keyring") else file.content,
                owner=file.owner,
                group=file.group,
                mode=file.mode,
            )
            for file in job.FILES
        ]
        options = IniOptions.of(host, ROLE, job.OPTIONS)
        yield from files
        yield options
        for one in job.DIRECTORIES:
            yield Directory(host=host.name, path=one.path, owner=one.owner, group=one.group, mode=one.mode)
        yield LibvirtSecret(host=host.name, uuid=job.SECRET_UUID, usage=job.SECRET_USAGE, value=Secret(job.SECRET_KEY))
        restart_on = tuple(sorted(resource.address for resource in (*files, options)))
        # settle: nobody else watches the service for six seconds either
        yield Service(host=host.name, role=ROLE, unit=host.distro.unit(ROLE), restart_on=restart_on, settle=0)
