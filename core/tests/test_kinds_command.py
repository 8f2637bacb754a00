"""The way out: a command, and another that tells whether it is done."""

from __future__ import annotations

from cephdeploy.deployment import Deployment
from cephdeploy.kinds import Command
from cephdeploy.planner import Action
from cephdeploy.testing import FakeHost, FakeSite, Said, apply_twice


def a_site() -> FakeSite:
    site = FakeSite({"ceph1": []})
    host: FakeHost = site.hosts["ceph1"]

    def make(argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        host.put("/srv/made", user)
        return 0, "", ""

    host.programs["make-it"] = make
    return site


def deployed(site: FakeSite, user: str = "") -> Deployment:
    command = Command(
        host="ceph1",
        title="make it",
        argv=("make-it", "--now"),
        unless=("test", "-e", "/srv/made"),
        unless_user=user,
    )
    return site.deployment_of(lambda s: [command])


def test_a_command_runs_until_it_is_done_and_the_plan_shows_it() -> None:
    site = a_site()
    (change,) = apply_twice(deployed(site))
    assert (change.action, [d.want for d in change.differences]) == (Action.RUN, ["make-it --now"])
    assert site.commands.count(("make-it", "--now")) == 1


def test_what_is_done_already_is_not_run() -> None:
    site = a_site()
    site.hosts["ceph1"].put("/srv/made", "")
    assert not deployed(site).plan()


def test_a_command_that_does_nothing_is_not_believed() -> None:
    site = a_site()
    site.hosts["ceph1"].programs["make-it"] = lambda argv, stdin, user: (0, "", "")
    deployment = deployed(site)
    (outcome,) = deployment.apply(deployment.plan()).outcomes
    assert outcome.status == "failed" and "still differs after the change" in outcome.detail


def test_a_command_that_fails_says_what_it_said_without_secrets() -> None:
    site = a_site()
    site.hosts["ceph1"].programs["make-it"] = lambda argv, stdin, user: (3, "", "no login with password = hunter2\n")
    deployment = deployed(site)
    (outcome,) = deployment.apply(deployment.plan()).outcomes
    assert outcome.detail == "make-it --now: no login with password = <secret>"


def test_an_account_that_is_not_there_yet_means_not_done() -> None:
    assert len(deployed(a_site(), user="newcomer").plan()) == 1
