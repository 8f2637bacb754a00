"""What every part of the site file is made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Own", "Settings"]


class Settings(BaseModel):
    """The base of every part of the site file: unknown keys are refused, values can't be changed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


# for what is derived from it: the text under a field is its description in `cephdeploy settings`, `init` and the
# schema. It has no field itself, and reading its source for none costs a start 10 ms.
Settings.model_config["use_attribute_docstrings"] = True


class Own(Settings):
    """The base of the parts that are core's: their fields say what they are by ``description``.

    Reading the text under the fields costs a start 40 ms.
    """

    model_config = ConfigDict(use_attribute_docstrings=False)
