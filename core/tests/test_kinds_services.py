"""A restart is a difference: it is made when the configuration in use is not the wanted one, and only then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from cephdeploy.deployment import Deployment
from cephdeploy.errors import PreflightError
from cephdeploy.kinds import File, IniOptions, Packages, Service
from cephdeploy.planner import Action
from cephdeploy.requests import MakeDirectory, Ran, Request, Restart, Run, Write
from cephdeploy.resource import Clash, Resource
from cephdeploy.site import Site
from cephdeploy.testing import FakeHost, FakeSite, apply_twice

UNIT = "nova-compute.service"
STAMP = f"/var/lib/cephdeploy/started-with/{UNIT}"
CONF = "/etc/nova/nova.conf"


@pytest.fixture
def site() -> FakeSite:
    return FakeSite({"ceph1": [], "cmp1": ["nova-compute"]})


def several(count: int) -> FakeSite:
    return FakeSite({"ceph1": [], **{f"cmp{number}": ["nova-compute"] for number in range(1, count + 1)}})


def deployed(site: FakeSite, content: str = "a", **sections: object) -> Deployment:
    """A file, options and the service that watches both, on each compute host."""

    def declare(s: Site) -> Iterable[Resource]:
        for host in s.with_role("nova-compute"):
            options = IniOptions.of(host, "nova-compute", {"libvirt": {"rbd_user": content}})
            file = File(host=host.name, path="/etc/nova/extra", content=content)
            yield from (options, file, Service.of(host, "nova-compute", restart_on=[options, file]))

    return site.deployment_of(declare, **sections)


def statuses(deployment: Deployment) -> Mapping[str, str]:
    result = deployment.apply(deployment.plan())
    return {str(outcome.address): str(outcome.status) for outcome in result.outcomes}


def test_several_changed_files_make_one_restart_after_all_of_them(site: FakeSite) -> None:
    plan = apply_twice(deployed(site))
    restart = plan.changes[-1]
    assert restart.action == Action.RESTART
    assert [address.kind for address in restart.because] == ["file", "options"]
    assert site.restarts == [("cmp1", UNIT)]
    started_with = site.hosts["cmp1"].units[UNIT].started_with
    assert started_with["/etc/nova/extra"] == b"a" and b"rbd_user = a" in started_with[CONF]


def test_a_second_run_restarts_nothing(site: FakeSite) -> None:
    apply_twice(deployed(site))
    site.forget()
    assert not deployed(site).plan()
    assert not site.restarts


def test_a_host_that_is_right_already_is_taken_over_without_a_restart_or_a_write(site: FakeSite) -> None:
    host = site.hosts["cmp1"]
    host.put("/etc/nova/extra", "a")
    host.files[CONF].content += b"rbd_user = a\n"
    assert not apply_twice(deployed(site))
    assert not site.writes and not site.restarts


def test_what_the_service_does_not_watch_restarts_nothing(site: FakeSite) -> None:
    apply_twice(deployed(site))
    site.forget()

    def declare(s: Site) -> Iterable[Resource]:
        host = s.hosts["cmp1"]
        options = IniOptions.of(host, "nova-compute", {"libvirt": {"rbd_user": "a"}})
        file = File(host="cmp1", path="/etc/nova/extra", content="a")
        yield from (options, file, Service.of(host, "nova-compute", restart_on=[options, file]))
        yield File(host="cmp1", path="/etc/nova/unwatched", content="new")

    assert [change.address.name for change in apply_twice(site.deployment_of(declare))] == ["/etc/nova/unwatched"]
    assert not site.restarts


def test_a_change_after_adoption_restarts(site: FakeSite) -> None:
    apply_twice(deployed(site))
    apply_twice(deployed(site, "b"))
    assert site.restarts == [("cmp1", UNIT)] * 2


def test_a_service_that_does_not_run_is_started(site: FakeSite) -> None:
    apply_twice(deployed(site))
    site.hosts["cmp1"].units[UNIT].stop()
    (change,) = apply_twice(deployed(site))
    assert [(d.name, d.have) for d in change.differences] == [("state", "inactive (dead)")]
    assert site.hosts["cmp1"].units[UNIT].active == "active"


def test_a_unit_that_is_not_there_is_said(site: FakeSite) -> None:
    apply_twice(deployed(site))
    del site.hosts["cmp1"].units[UNIT]
    with pytest.raises(PreflightError, match=f"cmp1: there is no unit {UNIT}; install nova-compute, or take the role"):
        deployed(site).plan()


def test_a_unit_that_cant_be_loaded_is_said(site: FakeSite) -> None:
    site.hosts["cmp1"].units[UNIT].load = "masked"
    with pytest.raises(PreflightError, match=f"systemd can't load {UNIT}: masked; unmask or mend it"):
        deployed(site).plan()


def test_a_unit_that_a_package_of_this_run_brings_is_started(site: FakeSite) -> None:
    host = site.hosts["cmp1"]
    unit = host.units.pop(UNIT)

    def bring(there: FakeHost) -> None:
        there.units[UNIT] = unit
        unit.stop()

    host.on_install["ceph-common"] = bring

    def declare(s: Site) -> Iterable[Resource]:
        packages = Packages.of(s, s.hosts["cmp1"], "rbd-client")
        service = Service.of(s.hosts["cmp1"], "nova-compute", restart_on=[packages])
        yield from (packages, replace(service, enable=True))

    unit.enabled = "disabled"
    apply_twice(site.deployment_of(declare))
    assert (unit.active, unit.enabled) == ("active", "enabled")


def test_a_changed_unit_file_is_loaded_before_the_restart_also_after_a_crash(site: FakeSite) -> None:
    def declare(s: Site) -> Iterable[Resource]:
        file = File(host="cmp1", path=f"/etc/systemd/system/{UNIT}.d/ceph.conf", content="[Service]\n")
        yield from (file, Service.of(s.hosts["cmp1"], "nova-compute", restart_on=[file]))

    site.hosts["cmp1"].cut_before(lambda request: isinstance(request, Run) and "daemon-reload" in request.argv)
    assert not (deployment := site.deployment_of(declare)).apply(deployment.plan()).ok
    site.forget()
    apply_twice(site.deployment_of(declare))
    made = [r for r in site.hosts["cmp1"].log if isinstance(r, Restart) or (isinstance(r, Run) and len(r.argv) == 2)]
    assert [getattr(request, "argv", UNIT) for request in made] == [("systemctl", "daemon-reload"), UNIT]


# a restart must survive a crash


def test_the_stamp_is_pending_before_the_first_change(site: FakeSite) -> None:
    deployment = deployed(site)
    plan = deployment.plan()
    site.forget()
    deployment.apply(plan)
    made = [r.path for r in site.hosts["cmp1"].log if isinstance(r, Write | MakeDirectory)]
    assert made.index(STAMP) < min(made.index(CONF), made.index("/etc/nova/extra"))
    first = next(r for r in site.hosts["cmp1"].log if isinstance(r, Write))
    assert (first.path, first.content, first.mode) == (STAMP, b"pending", 0o600)


@pytest.mark.fault("F35")
def test_a_crash_between_change_and_restart_leaves_exactly_that_restart(site: FakeSite) -> None:
    site.hosts["cmp1"].cut_before(lambda request: isinstance(request, Restart))
    assert statuses(deployed(site)) == {
        "cmp1/file:/etc/nova/extra": "changed",
        "cmp1/options:/etc/nova/nova.conf": "changed",
        f"cmp1/service:{UNIT}": "unknown",
    }
    assert site.hosts["cmp1"].text(STAMP) == "pending"
    site.forget()
    (change,) = apply_twice(deployed(site))
    assert (change.address.kind, change.because) == ("service", ())
    assert site.restarts == [("cmp1", UNIT)]


@pytest.mark.fault("F35")
def test_a_crash_just_after_the_restart_repeats_it_once_and_no_more(site: FakeSite) -> None:
    site.hosts["cmp1"].cut_after(lambda request: isinstance(request, Restart))
    assert statuses(deployed(site))[f"cmp1/service:{UNIT}"] == "unknown"
    assert [change.address.kind for change in apply_twice(deployed(site))] == ["service"]
    assert site.hosts["cmp1"].units[UNIT].starts == 3


@pytest.mark.fault("F35")
def test_a_crash_after_the_stamp_and_before_the_change_loses_nothing(site: FakeSite) -> None:
    site.hosts["cmp1"].cut_before(lambda request: isinstance(request, Write) and request.path == CONF)
    assert statuses(deployed(site))["cmp1/options:/etc/nova/nova.conf"] == "unknown"
    apply_twice(deployed(site))
    assert b"rbd_user = a" in site.hosts["cmp1"].units[UNIT].started_with[CONF]


def test_where_the_stamp_cant_be_written_nothing_is_changed(site: FakeSite) -> None:
    def full(request: Request) -> Ran | None:
        stamp = isinstance(request, Write) and request.path == STAMP
        return Ran(status=1, err=f"{STAMP}: No space left on device".encode()) if stamp else None

    site.hosts["cmp1"].interfere.append(full)
    before = site.hosts["cmp1"].text(CONF)
    deployment = deployed(site)
    outcomes = deployment.apply(deployment.plan()).outcomes
    assert {str(outcome.status) for outcome in outcomes} == {"failed", "skipped"}
    assert "No space left on device" in outcomes[0].detail
    assert site.hosts["cmp1"].text(CONF) == before and "/etc/nova/extra" not in site.hosts["cmp1"].files


# health, and rolling batches


def test_a_crash_loop_fails_the_step_with_the_services_last_words(site: FakeSite) -> None:
    site.hosts["cmp1"].units[UNIT].crashes = True
    deployment = deployed(site)
    outcome = deployment.apply(deployment.plan()).outcomes[-1]
    assert outcome.status == "failed"
    assert outcome.detail == f"{UNIT} did not stay up: activating (auto-restart), started 2 times"
    assert site.hosts["cmp1"].text(STAMP) == "pending"


def test_a_stop_that_takes_too_long_is_said(site: FakeSite) -> None:
    site.hosts["cmp1"].units[UNIT].stop_seconds = 1000
    deployment = deployed(site)
    assert "did not end in time" in deployment.apply(deployment.plan()).outcomes[-1].detail


@pytest.mark.fault("F34")
def test_a_canary_that_crashes_keeps_the_change_from_all_other_hosts() -> None:
    site = several(4)
    site.hosts["cmp1"].units[UNIT].crashes = True
    found = statuses(deployed(site, serial={"nova-compute": [1, "50%"]}))
    assert found[f"cmp1/service:{UNIT}"] == "failed"
    for number in (2, 3, 4):
        assert {status for address, status in found.items() if f"cmp{number}/" in address} == {"skipped"}
        assert "/etc/nova/extra" not in site.hosts[f"cmp{number}"].files
    assert site.restarts == [("cmp1", UNIT)]


@pytest.mark.fault("F34")
def test_a_crash_in_the_second_batch_stops_the_third_and_a_next_run_goes_on() -> None:
    site = several(3)
    site.hosts["cmp2"].units[UNIT].crashes = lambda files: files["/etc/nova/extra"] == b"a"
    found = statuses(deployed(site, serial={"nova-compute": 1}))
    assert [found[f"cmp{number}/service:{UNIT}"] for number in (1, 2, 3)] == ["changed", "failed", "skipped"]
    apply_twice(deployed(site, "b", serial={"nova-compute": 1}))
    assert {name for name, _ in site.restarts} == {"cmp1", "cmp2", "cmp3"}


def test_batches_follow_each_other(site: FakeSite) -> None:
    site = several(3)
    order: list[str] = []
    for name, host in site.hosts.items():

        def watch(request: Request, name: str = name) -> Ran | None:
            if isinstance(request, Restart) or (isinstance(request, Write) and request.path == CONF):
                order.append(f"{name} {type(request).__name__.lower()}")
            return None

        host.interfere.append(watch)
    apply_twice(deployed(site, serial={"nova-compute": 1}))
    assert order == [f"cmp{number} {what}" for number in (1, 2, 3) for what in ("write", "restart")]


def test_services_of_two_plugins_are_one_that_watches_all() -> None:
    a, b = (File(host="h", path=path, content="").address for path in ("/a", "/b"))
    one = Service(host="h", role="r", unit="u", restart_on=(a,))
    assert one.merged(Service(host="h", role="r", unit="u", restart_on=(b,))).restart_on == (a, b)
    with pytest.raises(Clash, match="differ in more than what restarts it"):
        one.merged(Service(host="h", role="other", unit="u"))
