"""What a program of the fake is: arguments, standard input and account in; status, output, errors out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

__all__ = ["Program", "Said", "Unscripted", "Words"]

#: Exit status, standard output, standard error.
Said = tuple[int, str | bytes, str | bytes]

#: ``(argv, stdin, user)``; ``user`` is empty for root. ``argv[0]`` is the program's name.
Program = Callable[[tuple[str, ...], bytes, str], Said]


class Unscripted(AssertionError):
    """A request that the fake was not told to know: a fake that guesses is worse than none."""

    def __init__(self, argv: Sequence[str], where: str, why: str = "the fake does not know it") -> None:
        super().__init__(f"{where}: {shlex.join(argv)}: {why}")
        self.argv = tuple(argv)


class Words:
    """Arguments taken apart: options with a value, flags, and the other words in order.

    An option that is named in neither list is refused: it could change what the command means.
    """

    def __init__(
        self, argv: Sequence[str], where: str, *, valued: Sequence[str] = (), flags: Sequence[str] = ()
    ) -> None:
        self.options: dict[str, str] = {}
        self.words: list[str] = []
        rest = list(argv[1:])
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=")
            if word == "--":
                self.words += rest
                break
            if not word.startswith("-") or word == "-":
                self.words.append(word)
            elif name in flags and not equals:
                self.options[name] = ""
            elif name in valued and (equals or rest):
                self.options[name] = value if equals else rest.pop(0)
            else:
                raise Unscripted(argv, where, f"the fake does not know the option {word}")

    def option(self, *names: str) -> str | None:
        """The value of the first of these options that was given; None when none was."""
        return next((self.options[name] for name in names if name in self.options), None)
