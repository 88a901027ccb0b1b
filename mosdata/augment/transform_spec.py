"""How a transform of audiomentations is written: ``am:<Class>(argument=literal, ...)``."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from mosdata.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformSpec:
    """A class of audiomentations and its arguments; ``str`` gives the one spelling of it."""

    class_name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> TransformSpec:
        """Read ``am:Class`` or ``am:Class(argument=literal, ...)``; nothing is evaluated.

        Raises:
            InvalidValue: anything but a class name with literal keyword arguments.
        """
        try:
            match ast.parse(text.removeprefix("am:").strip(), mode="eval").body:
                case ast.Name(id=name):
                    return cls(class_name=name)
                case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
                    values = {str(k.arg): ast.literal_eval(k.value) for k in keywords if k.arg}
                    if len(values) == len(keywords) and "p" not in values:
                        return cls(class_name=name, arguments=dict(sorted(values.items())))
        except (SyntaxError, ValueError):
            pass
        allowed = "am:Class or am:Class(argument=literal, ...), without p, which is always 1"
        raise InvalidValue("corruption", text, allowed)

    @property
    def paths(self) -> tuple[str, ...]:
        """Arguments that name files or folders of this machine."""
        return tuple(name for name in self.arguments if "path" in name)

    def __str__(self) -> str:
        given = ",".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"am:{self.class_name}({given})" if given else f"am:{self.class_name}"
