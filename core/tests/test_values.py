"""Values that travel: a secret stays one, a reference is found and replaced wherever it is."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.errors import PluginError
from cephdeploy.values import UNKNOWN, Address, Fingerprint, Items, Ref, Secret, Text, Unknown, references, resolved

KEY = Secret("AQBh0000secret0000==")
REF = Ref(Address("ceph1", "user", "client.cinder"), "key")


def test_a_secret_shows_as_its_fingerprint() -> None:
    assert repr(KEY) == f"<secret {KEY.fingerprint.digest[:8]}>"
    assert repr({"key": KEY}) == f"{{'key': {KEY!r}}}"


def test_a_secret_cant_become_text() -> None:
    ways: list[Callable[[], str]] = [
        lambda: str(KEY),
        lambda: f"{KEY}",
        lambda: "%s" % KEY,  # noqa: UP031
        lambda: "{}".format(KEY),  # noqa: UP032
    ]
    for attempt in ways:
        with pytest.raises(TypeError, match="can't become text"):
            attempt()


def test_a_reference_cant_become_text_and_says_what_to_write_instead() -> None:
    ways: list[Callable[[], str]] = [
        lambda: str(REF),
        lambda: f"key = {REF}",
        lambda: f"{REF:>60}",
        lambda: "%s" % REF,  # noqa: UP031
    ]
    for attempt in ways:
        with pytest.raises(TypeError) as refused:
            attempt()
        assert str(refused.value) == (
            "the value of ceph1/user:client.cinder[key] is not there yet and can't become text; "
            'use Text("… {key}", {"key": ref}) from cephdeploy.values'
        )


def test_a_secret_cant_be_pickled_copied_or_encoded() -> None:
    attempts: list[Callable[[object], object]] = [pickle.dumps, copy.deepcopy, json.dumps]
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt(KEY)


def test_a_secret_equals_only_secrets_and_fingerprints_of_the_same_bytes() -> None:
    assert Secret(KEY.reveal()) == KEY == Fingerprint.of(KEY.reveal())
    assert Secret("other") != KEY
    assert KEY.reveal() != KEY and KEY.reveal().decode() != KEY


def test_addresses_sort_and_read_as_host_kind_name() -> None:
    assert REF.named == "ceph1/user:client.cinder[key]"
    assert sorted([Address("b", "x", "y"), Address("a", "z", "z")])[0].host == "a"


def test_there_is_one_unknown() -> None:
    assert Unknown() is UNKNOWN
    assert repr(UNKNOWN) == "(known after apply)"


@given(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("abcde")))
def test_items_are_added_at_the_end_once_and_nothing_else_moves(have: list[str], ours: list[str]) -> None:
    joined = Items(*ours).within(",".join(have))
    found = joined.split(",") if joined else []
    assert found[: len(dict.fromkeys(have))] == list(dict.fromkeys(have))
    assert set(found) == {*have, *ours} and len(set(found)) == len(found)
    assert Items(*ours).within(joined) == joined


@given(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("abcde")))
def test_merged_items_hold_the_same_in_either_order(one: list[str], other: list[str]) -> None:
    assert set(Items(*one).merged(Items(*other)).items) == set(Items(*other).merged(Items(*one)).items)


def test_pairs_count_as_items_by_their_whole_text() -> None:
    assert Items("ceph:rbd").within("ceph:http") == "ceph:http,ceph:rbd"


def test_a_text_with_a_secret_in_it_is_a_secret() -> None:
    rendered = Text("key = {key}", {"key": KEY}).render()
    assert isinstance(rendered, Secret) and rendered.reveal() == b"key = " + KEY.reveal()
    assert Text("a = {b}", {"b": 1}).render() == "a = 1"
    assert Text("a = {b}", {"b": UNKNOWN}).render() is UNKNOWN


def test_a_text_that_names_a_missing_value_or_holds_a_reference_is_refused() -> None:
    with pytest.raises(PluginError, match="'key', which has no value"):
        Text("{key}", {}).render()
    with pytest.raises(PluginError, match="still refers to ceph1/user"):
        Text("{key}", {"key": REF}).render()


def test_references_are_found_and_replaced_however_deep() -> None:
    deep = {"a": ({"b": [REF]},), "c": Text("{k}", {"k": REF}), "d": frozenset({REF})}
    assert list(references(deep)) == [REF, REF, REF]
    done = resolved(deep, lambda ref: KEY)
    assert done == {"a": ({"b": [KEY]},), "c": Secret(KEY.reveal()), "d": frozenset({KEY})}
    assert not list(references(done))


def test_what_has_no_reference_is_left_as_it_is() -> None:
    address = Address("a", "b", "c")
    assert resolved(address, lambda ref: KEY) is address
