"""Which packages are installed."""

from .files import opened
from .words import text


def paragraphs(path):
    """What stands between a file's empty lines, a block after another: in fresh memory it takes longer than in used."""
    rest = b""
    with opened(path) as file:
        while True:
            block = file.read(1 << 16)
            *whole, rest = (rest + block).split(b"\n\n")
            yield from whole
            if not block:
                yield rest
                return


def do_dpkg(fields):
    """Packages by dpkg's own record, read as apt reads it: ``dpkg-query`` takes twenty times as long."""
    names, answer = set(fields[1].split(b"\0")), []
    for part in paragraphs(text(fields[0])):
        name = part[9 : part.find(b"\n")]  # the first line is "Package: " and the name; one part for each architecture
        if name in names:
            said = dict([line.split(b": ", 1) for line in part.split(b"\n") if b": " in line])
            if said[b"Status"].endswith(b" installed"):
                answer.append(b"%b %b\n" % (name, said[b"Version"]))
    return 0, [b"".join(answer), b""]
