"""The second net under secrets: what looks like one is taken out of any text that is shown or stored.

The first is the type :class:`cephdeploy.values.Secret`; this one is for what programs on hosts print.
"""

from __future__ import annotations

import re

__all__ = ["redacted", "suspect"]

# aes keys are 40 characters and begin with AQ, aes256k keys are 60 and begin with Ag (Ceph 20.2.4)
_CEPHX = re.compile(r"A[Qg][A-Za-z0-9+/]{30,}={0,2}")
_NAMES = "password|passwd|secret_key|auth_token"
_PASSWORD = re.compile(rf"(?i)((?:{_NAMES})\s*[=:]\s*)[^\s;,]+")
_URL = re.compile(r"(\w+://[^:/@\s]+:)[^@\s]+(@)")
#: What any of them has in it; most texts have nothing of it.
_SIGN = re.compile(rf"A[Qg]|://|(?i:{_NAMES})")


def suspect(text: str) -> bool:
    """Whether :func:`redacted` could find anything in ``text``; in JSON as well as in what it was made of."""
    return _SIGN.search(text) is not None


def redacted(text: str) -> str:
    """``text`` without cephx keys, ``password = ...`` values and passwords in URLs."""
    if not suspect(text):
        return text
    text = _CEPHX.sub("<secret>", text)
    text = _PASSWORD.sub(r"\1<secret>", text)
    return _URL.sub(r"\1<secret>\2", text)
