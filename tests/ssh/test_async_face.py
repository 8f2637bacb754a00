"""The face that a transport shows to an event loop: many hosts, one thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from cephdeploy.errors import HostError
from cephdeploy.protocol import Parcel
from cephdeploy.session import AsyncSession, bootstrap
from cephdeploy.transports import AsyncChannel

from .lines import hang_up

if TYPE_CHECKING:
    from .conftest import Sshd

pytestmark = pytest.mark.ssh

asyncssh = pytest.importorskip("cephdeploy.transports.asyncssh", reason="install cephdeploy-core[asyncssh]")


async def opened(sshd: Sshd, command: str, **changes: object) -> AsyncChannel:
    channel: AsyncChannel = await asyncssh.AsyncsshTransport(sshd.target(**changes)).open(command)
    return channel


async def everything(channel: AsyncChannel) -> bytes:
    came = b""
    while data := await channel.receive(1 << 16, 10):
        came += data
    return came


def test_thirty_lines_live_in_one_loop_without_a_thread_each(sshd: Sshd) -> None:
    async def one(number: int, held: asyncio.Barrier) -> bytes:
        channel = await opened(sshd, f"head -c 9; echo {number}")
        await held.wait()  # until all are open
        await channel.send(b"from us, ")
        came = await everything(channel)
        await channel.close()
        return came

    async def all_of_them() -> tuple[list[bytes], int]:
        held = asyncio.Barrier(31)
        tasks = [asyncio.create_task(one(number, held)) for number in range(30)]
        await held.wait()
        count = threading.active_count()
        return await asyncio.gather(*tasks), count

    before = threading.active_count()
    came, threads = asyncio.run(all_of_them())
    assert came == [b"from us, %d\n" % number for number in range(30)]
    assert threads - before < 10


def test_the_end_has_its_status_and_the_tail_of_standard_error(sshd: Sshd) -> None:
    async def work() -> None:
        channel = await opened(sshd, "echo out; head -c 20000 /dev/zero >&2; echo last words >&2; exit 7")
        assert await everything(channel) == b"out\n"
        assert await channel.receive(1, 1) == b""
        status, errors = await channel.ending()
        assert status == 7
        assert errors.endswith(b"last words\n")
        assert len(errors) == 8192
        await channel.close()
        await channel.close()

    asyncio.run(work())


def test_a_silent_line_times_out_and_can_be_listened_to_again(sshd: Sshd) -> None:
    async def work() -> None:
        channel = await opened(sshd, "sleep 0.6; echo late")
        with pytest.raises(TimeoutError, match="nothing came for"):
            await channel.receive(10, 0.1)
        assert await channel.receive(10, 10) == b"late\n"
        await channel.close()

    asyncio.run(work())


def test_a_line_that_goes_is_an_error_to_who_listens_and_to_who_sends(sshd: Sshd) -> None:
    async def work() -> None:
        channel = await opened(sshd, "cat")
        hang_up(channel)
        with pytest.raises(ConnectionError):
            await channel.receive(10, 5)
        with pytest.raises(OSError):
            await channel.send(b"more")
        assert (await channel.ending())[0] is None
        await channel.close()

    asyncio.run(work())


def test_more_than_the_window_is_sent_and_received_whole(sshd: Sshd) -> None:
    data = bytes(range(256)) * 8000

    async def work() -> None:
        channel = await opened(sshd, "head -c 2048000 | tac -s X")

        async def listen() -> bytes:
            await asyncio.sleep(0.5)  # the other side has to wait for us
            return await everything(channel)

        listening = asyncio.create_task(listen())
        await channel.send(data)
        assert sorted(await listening) == sorted(data)
        await channel.close()

    asyncio.run(work())


def test_who_gives_up_while_it_connects_leaves_nothing_open(sshd: Sshd) -> None:
    async def work() -> None:
        jump = f"root@{sshd.addresses[0]}:{sshd.port}"
        for seconds in (0.005, 0.02, 0.05, 0.08):
            with pytest.raises((TimeoutError, HostError)):
                async with asyncio.timeout(seconds):
                    channel = await opened(sshd, "true", address=sshd.addresses[1], jump=jump)
                    await channel.close()
                    raise TimeoutError
        await asyncio.sleep(0.3)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(work())


def test_a_session_in_a_loop_speaks_the_same(sshd: Sshd) -> None:
    async def work() -> None:
        session = AsyncSession("compute1", await opened(sshd, bootstrap(sudo=False)), sudo=False)
        assert await session.carry(Parcel([], 10)) == {}
        await session.close()

    asyncio.run(work())
