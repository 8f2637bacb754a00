"""Pool usage as a file for node_exporter, on the hosts with the role usage-exporter."""

from cephdeploy import Check, Component, Settings, hookimpl
from cephdeploy.kinds import CephConf, CephUser, Directory, File, Keyring, Packages, Service

ROLE, UNIT, FOLDER = "usage-exporter", "usage-exporter.service", "/var/lib/usage-exporter"
PROGRAM = "while rados --id usage df -f json > {0}/new; do mv {0}/new {0}/usage.json; sleep {1}; done"


class UsageSettings(Settings):
    """How often usage is asked for."""

    every: int = 60
    """Seconds."""


@hookimpl
def settings():
    return Component("usage", UsageSettings, {ROLE: "writes the pools' usage to a file"})


@hookimpl
def prepare_ceph(site):
    yield CephUser.of(site, "client.usage", {"mon": "profile simple-rados-client"})


@hookimpl
def distribute_keys(site):
    for host in site.with_role(ROLE):
        yield CephConf.of(site, host)
        yield keyring(site, host)


@hookimpl
def configure_service(site):
    for host in site.with_role(ROLE):
        packages = Packages.of(site, host, "rbd-client")
        folder = Directory(host=host.name, path=FOLDER, owner="nobody", group="nogroup")
        unit = File(host=host.name, path=f"/etc/systemd/system/{UNIT}", content=unit_text(site))
        yield from (packages, folder, unit)
        watched = (packages.address, folder.address, unit.address, keyring(site, host).address)
        yield Service(host=host.name, role=ROLE, unit=UNIT, restart_on=watched, settle=2, enable=True)


@hookimpl
def verify(site):
    for host in site.with_role(ROLE):
        yield Check(host=host.name, title="usage is there", commands=(("test", "-s", f"{FOLDER}/usage.json"),))


def keyring(site, host):
    return Keyring.of(site, host, "client.usage", "nobody", group="nogroup")


def unit_text(site):
    program = PROGRAM.format(FOLDER, site.component(UsageSettings).every)
    return f"[Service]\nUser=nobody\nExecStart=/bin/sh -c '{program}'\n[Install]\nWantedBy=multi-user.target\n"
