"""What was looked up is not looked up twice."""

#: What was found since the batch began, or since something ran that may have changed it.
FOUND = {}


def once(find, what):
    """What a function finds of something, found once."""
    if (find, what) not in FOUND:
        FOUND[find, what] = find(what)
    return FOUND[find, what]
