"""What the proofs of Cinder conclude from RBD's words."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cephdeploy import Release
from cephdeploy.errors import ProofError
from cephdeploy.verify import Parent
from cephdeploy_cinder.proof import copy_is_a_copy, volume_is_a_clone


class Bench:
    """A workbench whose Ceph says what it is told to say."""

    member_is = "as a member"

    def __init__(self, parent: Parent | None, used: int = 0, host: str = "controller1@ceph#ceph") -> None:
        placed = SimpleNamespace(get_volume=lambda ident: SimpleNamespace(host=host))
        self.cloud = SimpleNamespace(block_storage=placed)
        self._parent, self._used = parent, used
        self.site = SimpleNamespace(
            with_role=lambda role: (),
            release=lambda project: Release(2022, 2),
            ceph=SimpleNamespace(fsid="f", admin="ceph1", prefix=()),
        )

    def image(self, disk_format: str = "raw") -> Any:
        return SimpleNamespace(id="3bca", disk_format=disk_format, direct_url="rbd://f/images/3bca/snap")

    def share(self, image: Any) -> Any:
        return image

    def volume(self) -> Any:
        return SimpleNamespace(id="8e1f")

    def make_volume(self, what: str, **more: Any) -> Any:
        return self.volume()

    def took(self, what: str) -> float:
        return 0.8

    def parent(self, pool: str, image: str) -> Parent | None:
        return self._parent

    def ceph(self, *argv: str) -> str:
        return json.dumps({"images": [{"used_size": self._used}]})

    def attempt(self, *argv: str, **more: Any) -> Any:
        return SimpleNamespace(status=0)

    def caps(self, entity: str) -> dict[str, str]:
        return {"osd": "profile rbd pool=volumes"}


def clone(bench: Bench) -> str:
    return volume_is_a_clone(bench, {"ceph": "volumes"}, "images", {"ceph": "cinder"})  # type: ignore[arg-type]


def test_a_clone_is_told_with_its_parent_its_size_its_time_and_as_whom() -> None:
    said = clone(Bench(Parent("images", "3bca", "snap")))
    assert said == "clone of images/3bca@snap, 0 KiB of its own, in 0.8 s, as a member"


def test_a_copy_is_told_with_its_cause() -> None:
    with pytest.raises(ProofError, match=r"has no parent: it is a full copy .*client\.cinder may not read pool images"):
        clone(Bench(None))


def test_a_clone_of_something_else_is_none_of_the_image() -> None:
    with pytest.raises(ProofError, match="is a clone of volumes/cache@snap, not of images/3bca@snap"):
        clone(Bench(Parent("volumes", "cache", "snap")))


def test_a_clone_that_was_filled_is_no_clone() -> None:
    with pytest.raises(ProofError, match="takes 8 MiB of its own"):
        clone(Bench(Parent("images", "3bca", "snap"), used=8 << 20))


def control(bench: Bench) -> str:
    return copy_is_a_copy(bench, {"ceph": "volumes"}, "images")  # type: ignore[arg-type]


def test_the_control_must_be_a_copy_and_may_be_from_cinders_cache() -> None:
    assert control(Bench(None)).startswith("full copy, as it must be")
    assert control(Bench(Parent("volumes", "v", "s"))).startswith("clone of volumes/v@s, from Cinder's own cache")
    with pytest.raises(ProofError, match="which can't be"):
        control(Bench(Parent("images", "3bca", "snap")))


def test_a_volume_on_a_backend_of_somebody_else_is_told() -> None:
    with pytest.raises(ProofError, match="on controller1@lvm#lvm, which is not in Ceph"):
        clone(Bench(None, host="controller1@lvm#lvm"))


def test_who_is_not_told_the_backend_takes_it_for_the_first() -> None:
    assert clone(Bench(Parent("images", "3bca", "snap"), host="")).startswith("clone of")
