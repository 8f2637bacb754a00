"""The second net under secrets: what looks like one is taken out of any text that is shown or stored.

The first is the type :class:`cephdeploy.values.Secret`; this one is for what programs on hosts print.

Where a password ends can't be told for sure, so rather too much is taken out: ``password = ...`` to the end of its
line, as that is where the value in a configuration file ends, and in a URL all up to the last ``@`` of its line. A
line break is never taken out, and JSON stays JSON. The text is a stranger's: no pattern may take longer for it than
its length explains.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

__all__ = ["redacted", "suspect", "veiled"]

_SECRET = "<secret>"
# aes keys are 40 characters and begin with AQ, aes256k keys are 60 and begin with Ag (Ceph 20.2.4)
_CEPHX = re.compile(r"A[Qg][A-Za-z0-9+/]{30,}={0,2}")
#: What the name of a password ends with: letters that JSON writes as they are.
_WORDS = (
    *("password", "passwd", "passphrase", "adminpass", "admin_pass", "admin-pass", "auth_token", "auth-token"),
    *("secret_key", "secret-key", "secretkey", "shared_secret", "shared-secret"),
)
_NAMES = f"(?ai:{'|'.join(_WORDS)})"
_SIGNS = tuple(word.encode() for word in _WORDS)


def suspect(text: str) -> bool:
    """Whether :func:`redacted` could find anything in ``text``; in JSON as well as in what it was made of."""
    if "://" in text or "AQ" in text or "Ag" in text:
        return True
    # without a pattern, as each line of a journal comes here; and ASCII alone has lower case here
    small = text.encode("ascii", "replace").lower()
    return any(sign in small for sign in _SIGNS)


def redacted(text: str) -> str:
    """``text`` without cephx keys, ``password = ...`` values and passwords in URLs."""
    if not suspect(text):
        return text
    document = _document(text)
    return _lines(text) if document is None else document


_LINE = re.compile(r"[^\r\n]+")
#: In the first column, as oslo.config has options: what is indented below goes on with its value.
_OPTION = re.compile(rf"[\w.-]{{0,80}}?{_NAMES}\s*[=:]")


def _lines(text: str) -> str:
    """Each line by itself, and with what the lines before it leave open."""
    goes_on = listed = False

    def cleaned(found: re.Match[str]) -> str:
        nonlocal goes_on, listed
        line = found[0]
        inner = line.lstrip()
        if goes_on and inner != line:
            return line.removesuffix(inner) + _SECRET if inner else line
        goes_on = _OPTION.match(line) is not None
        told = _document(line)
        if told is None:
            told = _without(
                line, sorted([*_keys(line), *_values(line), *_arguments(line), *_credentials(line, listed)])
            )
        # a URL that names several hosts may do so over several lines
        listed = (listed or "://" in line) and line.rstrip(" \t\\").endswith(",")
        return told

    return _LINE.sub(cleaned, text)


#: From where to where a line holds a secret. Each sort is looked for in the line as it came, as one may hide another.
_Spans: TypeAlias = Iterator[tuple[int, int]]


def _without(line: str, spans: Sequence[tuple[int, int]]) -> str:
    parts: list[str] = []
    done = 0
    for start, stop in spans:
        if start > done or not parts:
            parts += line[done:start], _SECRET
        done = max(done, stop)
    return "".join([*parts, line[done:]])


def _keys(line: str) -> _Spans:
    return (found.span() for found in _CEPHX.finditer(line))


#: What a value stands after: ``password = ``, ``"password": `` and, in JSON within JSON, ``\"password\": ``; and
#: ``[section] password is``, which is how differences are told.
_NAMED = re.compile(rf"{_NAMES}(?:(\\*[\"'])\s*[=:]>?|\s*[=:])\s*|\] [\w.-]{{0,80}}?{_NAMES} is ")
#: Masked already, by this function or as a fingerprint: what follows was added to it later.
_MASKED = re.compile(r"<(?:secret|hidden)(?: [0-9a-f]{1,64})?>")
_OPENING = re.compile(r"[bBuUrR]{0,2}(\\*)([\"'])")
_CLOSING = re.compile(r"(?<!\\)(\\*)([\"'])(?=\s*(?:[,}\])\\\"']|$))")
#: Values without quotes after a name in quotes: those that say nothing, more names, and numbers.
_OPEN = re.compile(r"(?:null|[Tt]rue|[Ff]alse|None)\b|\{")
_NUMBER = re.compile(r"-?\d[\d.eE+-]*+(?=\s*[,}\])])")


def _values(line: str) -> _Spans:
    """What stands after the names of passwords."""
    done = 0
    while found := _NAMED.search(line, done):
        start = found.end()
        kept = _MASKED.match(line, start) or (found[1] and _OPEN.match(line, start))
        if kept:
            done = kept.end()
            continue
        start, done = _quoted(line, start) if found[1] else (start, len(line))
        if start < done:
            yield start, done


def _quoted(line: str, start: int) -> tuple[int, int]:
    """Where a value begins and ends after a name in quotes; up to the end of the line when that can't be told."""
    opening = _OPENING.match(line, start)
    if opening is None:
        number = _NUMBER.match(line, start)
        return start, number.end() if number else len(line)
    # more backslashes than the first quote has: a quote that belongs to the value
    closing = (one for one in _CLOSING.finditer(line, opening.end()) if one.groups() == opening.groups())
    return opening.end(), next((one.start() for one in closing), len(line))


#: What is in quotes, as a shell has them and as Python has them.
_QUOTED = (r"'[^']{0,256}'|\"[^\"]{0,256}\"", r"'(?:[^'\\]|\\.){0,256}'|\"(?:[^\"\\]|\\.){0,256}\"")
#: What comes after an option of a command, in a shell's words or in a list of Python's; another option is no value.
_ARGUMENTS = [
    re.compile(rf"--[\w-]{{0,40}}?{_NAMES}(?:[\"'],)?[ \t]+(?![\"']?--[a-z])((?:{quoted}|\S)+)") for quoted in _QUOTED
]


def _arguments(line: str) -> _Spans:
    for pattern in _ARGUMENTS:
        yield from (found.span(1) for found in pattern.finditer(line) if not _MASKED.match(found[1]))


#: What stands in a URL before a port or a password. An IPv6 address has colons of its own.
_BEFORE = re.compile(r"://(?:\[[^\]\s]{0,80}\]|[^\[:/\s][^:/\s]*)?:")
#: The same of a further host: after a port and a comma, and at the beginning of a line.
_NEXT = re.compile(r",(?:[^\s:/@,]*:(?!//)|\s+[^\s:/@,]*:(?!//|\s))")
_FURTHER = re.compile(r"\s*[^:/\s\"']*:")
_PORT = re.compile(r"\d{1,5}+(?!\w)")
#: What may belong to a URL, up to an ``@``.
_REST = re.compile(r"[^\s@]*")
_RUN = re.compile(r"\S*")


def _credentials(line: str, listed: bool) -> _Spans:
    """The passwords in URLs.

    :param listed: whether the line may begin with a further host of the URL before it.
    """
    last = line.rfind("@")
    clear = 0  # up to here there is no @
    found = (listed and last >= 0 and _FURTHER.match(line)) or _BEFORE.search(line)
    while found:
        start = done = found.end()
        found = None
        if start >= clear:
            clear = _end(_REST, line, start)
        if masked := _MASKED.match(line, start):
            done = masked.end()
        elif (port := _PORT.match(line, start)) and line[clear : clear + 1] != "@":
            done = port.end()
            found = _NEXT.match(line, done)
        else:
            # without an @ it was cut off before it
            done = last if last >= start else _end(_RUN, line, start)
            if start < done:
                yield start, done
        found = found or _BEFORE.search(line, done)


def _end(pattern: re.Pattern[str], line: str, start: int) -> int:
    found = pattern.match(line, start)
    return found.end() if found else start


_NAME_AT_END = re.compile(rf"{_NAMES}\Z")
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*+")(\s*:)?|[\[\]{},]|[^\s"\[\]{},]+')


def _document(text: str) -> str | None:
    """A text that is JSON with each of its strings cleaned by itself; None: it is not JSON."""
    ends = text.strip()
    if ends[:1] + ends[-1:] not in ("{}", "[]", '""'):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    private = False
    lists: list[bool] = []

    def cleaned(found: re.Match[str]) -> str:
        nonlocal private
        token, string, key = found[0], found[1], found[2]
        if key is not None:
            name = json.loads(string)
            private = _NAME_AT_END.search(name) is not None
            return _again(name, string) + key
        if token in ("[", "{"):
            lists.append(private and token == "[")
            private = lists[-1]
        elif token in ("]", "}"):
            lists.pop()
        elif token == ",":
            private = bool(lists) and lists[-1]
        elif private:
            return token if token in ("null", "true", "false", '""') else f'"{_SECRET}"'
        elif string is not None:
            return _again(json.loads(string), string)
        return token

    return _TOKEN.sub(cleaned, text)


def _again(text: str, string: str) -> str:
    """A text cleaned, as JSON; what has nothing in it stays as it is written."""
    told = redacted(text)
    return string if told == text else json.dumps(told)


# configuration files

_HIDDEN = "<hidden>"
#: In the names of options that hold a password or a key, or say where one is.
_PRIVATE = re.compile("password|passwd|secret(?![_ -]uuid)|token|transport_url|connection|credential|key", re.I)
#: What sets an option; the head of a section does not.
_ASSIGNED = re.compile(r"(?!\s*\[[^\]]*\]\s*$)([^=:]*)[=:]\s*")
_COMMENT = re.compile(r"\s*[#;]+")
_LEAD = re.compile(r"[#;]*\s*")


def veiled(lines: Sequence[str]) -> list[str]:
    """Lines of a configuration file without the values of options that hold a password, also if commented out.

    Such an option is known by its name, or by what :func:`redacted` finds in its value. The lines that go on with it
    are hidden too, as one of them alone looks like nothing: a further host of a URL, say.
    """
    options: dict[int, list[int]] = {}
    for at, first in enumerate(_firsts(lines)):
        options.setdefault(first, []).append(at)
    shown = list(lines)
    for first, members in options.items():
        whole = "".join(_bare(lines[at]).strip() for at in members)
        if _is_private(lines[first]) or redacted(whole) != whole:
            shown[first] = _hidden_first(lines[first])
            for at in members[1:]:
                shown[at] = _hidden_more(lines[at])
    return shown


def _firsts(lines: Sequence[str]) -> Iterator[int]:
    """For each line the one in which its option begins, or itself.

    What is indented deeper than an option goes on with it, as oslo.config has it, and what comes after a backslash.
    """
    live = last = -1
    for at, line in enumerate(lines):
        before = lines[at - 1].rstrip() if at else ""
        if not line.strip():
            pass
        elif live >= 0 and (_indent(line) > _indent(lines[live]) or before.endswith("\\")):
            last = live
        elif not _COMMENT.match(line):
            live = last = at if _ASSIGNED.match(line) else -1
        elif not (last >= 0 and _goes_on(line, lines[last], before)):
            last = at if _ASSIGNED.match(_bare(line)) else -1
        yield at if last < 0 else last


def _goes_on(comment: str, first: str, before: str) -> bool:
    """Whether a comment was a part of the option above it; most say something of the one below."""
    listed = before.endswith((",", "\\"))
    deeper = _indent(_bare(comment)) > max(_indent(_bare(first)), 1)
    return (listed or _is_private(first)) if deeper else (listed and "@" in comment)


def _bare(line: str) -> str:
    """A line without the sign of a comment."""
    comment = _COMMENT.match(line)
    return line[comment.end() :] if comment else line


def _indent(line: str) -> int:
    line = line.expandtabs()
    return len(line) - len(line.lstrip())


def _is_private(line: str) -> bool:
    assigned = _ASSIGNED.match(_bare(line))
    return assigned is not None and _PRIVATE.search(assigned[1]) is not None


def _hidden_first(line: str) -> str:
    assigned = _ASSIGNED.match(line)
    if assigned is None:
        return redacted(line)
    # what looks like a name may be a key, which ends with a =
    return redacted(assigned[0]) + (_HIDDEN if line[assigned.end() :] else "")


def _hidden_more(line: str) -> str:
    lead = _LEAD.match(line)
    assert lead is not None
    return lead[0] + (_HIDDEN if line[lead.end() :] else "")
