"""Users and groups, by name and by number."""

from .found import once
from .words import PayloadError


def owner_id(name):
    import pwd

    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise PayloadError("there is no user '%s' here; install the package that makes it" % name) from None


def group_id(name):
    import grp

    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise PayloadError("there is no group '%s' here; install the package that makes it" % name) from None


def owner_name(uid):
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid):
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def owner_names(stat):
    return once(owner_name, stat.st_uid), once(group_name, stat.st_gid)


def account(name):
    """The entry of a user by name or number."""
    import pwd

    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise PayloadError("there is no user '%s' here; install the package that makes it" % name) from None
