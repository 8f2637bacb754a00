"""What a run's time is said to have gone into."""

from __future__ import annotations

from concurrent.futures import Future

from cephdeploy.contents import Contents
from cephdeploy.conversation import Said
from cephdeploy.executors import Line
from cephdeploy.protocol import Parcel
from cephdeploy.report.paper import Paper
from cephdeploy.report.timings_text import timings_text
from cephdeploy.requests import Group, Look, Ran, Restart, Run
from cephdeploy.timings import Timings


class Instant:
    """An executor whose host says what each request took."""

    def __init__(self, *spent: bytes) -> None:
        self.spent = spent

    def carry(self, host: str, parcel: Parcel) -> Future[Said]:
        keys = [fields[0] for fields in parcel.frames if fields[0] != b"group"]
        future: Future[Said] = Future()
        future.set_result({key: (key, spent, b"", b"") for key, spent in zip(keys, self.spent, strict=True)})
        return future

    def close(self) -> None:
        """Nothing to let go."""


def test_what_hosts_did_is_added_up_by_what_a_person_would_call_it() -> None:
    timings = Timings()
    requests = (Run(argv=("/usr/bin/ceph", "-s")), Run(argv=("cephadm", "shell")), Restart(name="u"), Look(path="/x"))
    line = Line("ceph1", Instant(b"0:1500", b"1:500", b"0:6000", b"1"), Contents(), timings)
    ((first, *_),) = line.exchange([Group(requests=requests)])
    assert first == Ran(status=0)
    assert dict(timings.on_hosts) == {"ceph": 2.0, "restarts": 6.0, "files and units": 0.0}


def test_the_way_is_what_no_request_took() -> None:
    timings = Timings()
    timings.add({"ceph": 1.0}, 1.25)
    timings.add({"ceph": 1.0, "restarts": 3.0}, 3.0)  # side by side
    assert timings.on_the_way == 0.25


def test_the_largest_is_said_first_and_what_took_no_time_is_not() -> None:
    timings = Timings()
    timings.add({"ceph": 2.0, "restarts": 6.0, "files and units": 0.001}, 9.0)
    lines = [line.plain for line in timings_text(timings, 2, Paper())]
    assert lines[0].endswith("went (seconds of 2 hosts, which work side by side):")
    assert [line.split(maxsplit=1)[1] for line in lines[1:4]] == [
        "restarts",
        "ceph",
        "waiting for a turn, login, travel",
    ]
    assert "cephdeploy itself on this machine" in lines[4]
