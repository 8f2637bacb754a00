"""Running the probes: the checks of each host in one round trip, then the proofs one by one."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import CephdeployError, HostError
from ..redaction import redacted
from ..requests import Group, Ran, Run
from ..requests import Host as Line
from .cleaning import IMAGES, SORTS, Thing, left_behind, purged, removed, worded
from .probes import Check, Probe, ProbeResult, Proof
from .workbench import Workbench

if TYPE_CHECKING:
    from ..site import Site

__all__ = ["verify"]


def verify(
    site: Site,
    probes: Sequence[tuple[str, Probe]],
    hosts: Mapping[str, Line],
    *,
    connect: Callable[[], Any],
    listener: Callable[[ProbeResult], None] = lambda result: None,
    limit: Collection[str] = (),
    doing: Callable[[str], None] = lambda what: None,
) -> list[ProbeResult]:
    """Run every probe: the checks of each host in one round trip, then the proofs one by one, the quick ones first.

    :param limit: leave out what is about other hosts than these.
    :param connect: makes the OpenStack connection; called only if a proof needs it.
    :param listener: called with each result as it is there.
    :param doing: called with what is under way, as it begins.
    """
    if limit:
        probes = [(plugin, probe) for plugin, probe in probes if not probe.host or probe.host in limit]
    bench = Workbench(site, hosts, connect, doing=doing)
    results = []
    for result in _all(bench, probes):
        listener(result)
        results.append(result)
    return results


def _all(bench: Workbench, probes: Sequence[tuple[str, Probe]]) -> Iterator[ProbeResult]:
    proofs = [(plugin, probe) for plugin, probe in probes if isinstance(probe, Proof)]
    #: What is wrong about a host, by its name.
    bad: dict[str, str] = {}
    bench.doing("checks on the hosts")
    for host, result in _checked(probes, bench):
        if not result.ok and host:
            bad.setdefault(host, result.title)
        yield result
    for plugin, proof in proofs:
        if proof.quick:
            result = _proved(bench, plugin, proof, bad)
            if not result.ok and proof.host:
                bad.setdefault(proof.host, result.title)
            yield result
    # what needs one service only comes first: its failure explains the others'
    working = sorted(
        ((plugin, proof) for plugin, proof in proofs if not proof.quick), key=lambda one: len(one[1].uses) > 1
    )
    if not working:
        return
    pools = sorted({pool for _, proof in working for pool in proof.pools})
    if any(proof.pools for _, proof in working):
        yield from _swept(bench, pools)
    try:
        for plugin, proof in working:
            yield _proved(bench, plugin, proof, bad)
    except BaseException:
        # interrupted: also what a request made whose answer did not come any more
        with contextlib.suppress(Exception):
            found = left_behind(bench, lambda mark: mark == bench.mark) if bench._shared else []
            removed(bench, [*bench._made, *(thing for thing in found if thing not in bench._made)], 60)
            purged(bench, pools, [thing.id for thing in bench._made])
        raise
    yield from _cleaned(bench, pools)


def _swept(bench: Workbench, pools: Sequence[str]) -> Iterator[ProbeResult]:
    """Take away what a verify left that was killed; said only if there was something."""
    began = time.monotonic()
    title = "what an earlier verify left is gone"
    bench.doing("looking for what an earlier verify left")
    try:
        things = left_behind(bench, lambda mark: mark.dead)
        if not things:
            return
        left = _without(bench, things, pools)
    except Exception:
        return  # the proofs will say what is wrong with OpenStack
    yield ProbeResult(
        "verify", title, not left, redacted("; ".join(left) or _counted(things)), time.monotonic() - began
    )


def _cleaned(bench: Workbench, pools: Sequence[str]) -> Iterator[ProbeResult]:
    if not bench._made:
        return
    began = time.monotonic()
    bench.doing("taking away what was made")
    things = list(bench._made)
    try:
        left = _without(bench, things, pools)
    except Exception as error:
        left = [worded(error)]
    detail = "; ".join(left) or _counted(things)
    title = "all that the proofs made is gone again"
    yield ProbeResult("verify", title, not left, redacted(detail), time.monotonic() - began)


def _without(bench: Workbench, things: Sequence[Thing], pools: Sequence[str]) -> list[str]:
    ids = [thing.id for thing in things if thing.stage <= IMAGES]
    late = [thing for thing in things if thing.stage >= IMAGES]
    complaints = removed(bench, [thing for thing in things if thing not in late])
    # an image can't go while a clone of it lies in the trash
    left = purged(bench, pools, [thing.id for thing in things if thing.stage < IMAGES])
    complaints += removed(bench, late)
    if any(thing.sort == "image" for thing in things) or left:
        left = purged(bench, pools, ids)
    return [*complaints, *(f"{name} is left in Ceph" for name in left)]


def _counted(things: Sequence[Thing]) -> str:
    counts = {sort: sum(thing.sort == sort for thing in things) for sort in SORTS}
    return ", ".join(f"{number} {sort}{'s' * (number > 1)}" for sort, number in counts.items() if number)


def _checked(probes: Sequence[tuple[str, Probe]], bench: Workbench) -> Iterator[tuple[str, ProbeResult]]:
    by_host: dict[str, list[tuple[str, Check]]] = {}
    for plugin, probe in probes:
        if isinstance(probe, Check):
            by_host.setdefault(probe.host, []).append((plugin, probe))
    for host, checks in sorted(by_host.items()):
        groups = [
            Group(
                requests=tuple(Run(argv=argv, user=check.user, timeout=check.timeout) for argv in check.commands),
                parallel=True,
            )
            for _, check in checks
        ]
        began = time.monotonic()
        try:
            answered = bench.hosts[host].exchange(groups)
        except HostError as error:
            for plugin, check in checks:
                yield host, ProbeResult(plugin, f"{check.title} ({host})", False, redacted(str(error)), 0.0)
            continue
        seconds = time.monotonic() - began
        for (plugin, check), answers in zip(checks, answered, strict=True):
            ran = [answer for answer in answers if isinstance(answer, Ran)]
            ok, detail = _judged(check, ran)
            if not ok and check.explain is not None:
                detail = _explained(check.explain, bench) or detail
            title = f"{check.title} ({check.host})"
            yield ("" if check.refusal else host), ProbeResult(plugin, title, ok, redacted(detail), seconds)


def _explained(explain: Callable[[Workbench], str], bench: Workbench) -> str:
    try:
        return explain(bench)
    except (CephdeployError, KeyError, ValueError):
        return ""  # what the check itself says has to do


def _judged(check: Check, ran: Sequence[Ran]) -> tuple[bool, str]:
    bad = next(((argv, r) for argv, r in zip(check.commands, ran, strict=True) if r.status != 0), None)
    if not check.refusal:
        return (True, "") if bad is None else (False, f"{' '.join(bad[0])}: {bad[1].reason}")
    if bad is None:
        return False, "it was let, and must be refused; the caps are too wide"
    said = (bad[1].err + bad[1].out).decode(errors="replace")
    if re.search(check.refusal, said):
        return True, "refused" if "permitted" in check.refusal else ""
    return False, f"it failed, but not as it must: {bad[1].reason}"


def _proved(bench: Workbench, plugin: str, proof: Proof, bad: Mapping[str, str]) -> ProbeResult:
    for role in proof.uses:
        for host in bench.site.with_role(role):
            if host.name in bad:
                return ProbeResult(plugin, proof.title, False, f"left out, because of: {bad[host.name]}", 0.0)
    began = bench._since = time.monotonic()
    bench.doing(proof.title)
    ok, detail = True, ""
    try:
        with bench._cleanups:
            try:
                detail = proof.prove(bench)
            except CephdeployError as error:
                ok, detail = False, str(error)
            except Exception as error:  # openstacksdk raises many sorts; each is a finding about the cloud
                ok, detail = False, f"{type(error).__name__}: {worded(error)}"
    except Exception as error:
        ok, detail = False, f"{detail}{'; ' if detail else ''}and it could not be taken away again: {worded(error)}"
    return ProbeResult(plugin, proof.title, ok, redacted(detail), time.monotonic() - began)
