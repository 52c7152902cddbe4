"""What fields the known kinds have, and how lists and maps merge, read from a table of types.

``schema.json`` is taken from the OpenAPI documents of Kubernetes 1.36, cut to the fields that Logits and
kubectl write. Type expressions: ``str int num bool any time quantity ios`` (int or string), ``Name``
(another type), ``=Name`` (one owner as a whole), ``{}T`` (map), ``={}T`` (map with one owner), ``[]T``
(list with one owner), ``[*]T`` (set), ``[key,key]T`` (list of items told apart by these keys).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, cast

import msgspec

from logits_local.api.errors import bad_request
from logits_local.api.resources import Object

_LIST = re.compile(r"\[([^\]]*)\](.*)")
_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "time": (str,),
    "int": (int,),
    "num": (int, float),
    "bool": (bool,),
    "quantity": (str, int, float),
    "ios": (str, int),
    "any": (object,),
}
_KEPT_WHEN_EMPTY = frozenset({"rules", "verbs", "items"})
_JSON_NAMES = ((str, "string"), (bool, "bool"), (int | float, "number"), (list, "array"), (dict, "object"))


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of one field.

    Attributes:
        form: ``scalar``, ``struct``, ``map`` or ``list``.
        name: the scalar's or the struct's name.
        whole: the value has one owner as a whole and is replaced as a whole.
        keys: for lists: what tells items apart; ``*`` for sets, empty for lists replaced as a whole.
        item: type of list items and map values.
    """

    form: str
    name: str = ""
    whole: bool = False
    keys: tuple[str, ...] = ()
    item: FieldType | None = None

    @property
    def element(self) -> FieldType:
        """Type of list items and map values; anything where that is not declared."""
        return self.item or ANYTHING


ANYTHING = FieldType("scalar", "any", whole=True)


def parse_type(expression: str) -> FieldType:
    """The type that an expression of the table stands for."""
    whole = expression.startswith("=")
    expression = expression.removeprefix("=")
    if expression in _SCALARS:
        return FieldType("scalar", expression, whole=True)
    if expression.startswith("{}"):
        return FieldType("map", whole=whole, item=parse_type(expression[2:]))
    if found := _LIST.fullmatch(expression):
        keys = tuple(key for key in found[1].split(",") if key)
        return FieldType("list", whole=not keys, keys=keys, item=parse_type(found[2]))
    return FieldType("struct", expression, whole=whole)


@dataclass(slots=True)
class Schema:
    """The table of types; ``load`` reads the one that ships with the package."""

    structs: dict[str, dict[str, FieldType]] = field(default_factory=dict[str, dict[str, FieldType]])

    @classmethod
    def load(cls) -> Schema:
        """The shipped table."""
        raw = files("logits_local.api").joinpath("schema.json").read_bytes()
        table = msgspec.json.decode(raw, type=dict[str, dict[str, str]])
        return cls({name: {key: parse_type(kind) for key, kind in row.items()} for name, row in table.items()})

    def child(self, kind: FieldType, name: str) -> FieldType:
        """Type of a struct's field or a map's value."""
        if kind.form == "struct":
            return self.structs.get(kind.name, {}).get(name, ANYTHING)
        return kind.element

    def check(self, value: Object, kind: str) -> tuple[Object, list[str]]:
        """A fresh copy without nulls, empty lists and unknown fields, and the paths of the unknown ones.

        Raises:
            StatusError: BadRequest naming the field whose value has the wrong type.
        """
        unknown: list[str] = []
        checked = self._value(value, FieldType("struct", kind), "", unknown)
        return cast(Object, checked), unknown

    def _value(self, value: Any, kind: FieldType, path: str, unknown: list[str]) -> Any:
        if kind.form == "scalar":
            return _scalar(value, kind.name, path)
        expected = list if kind.form == "list" else dict
        if not isinstance(value, expected):
            raise _mismatch(value, path, "array" if expected is list else "object")
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return [self._value(item, kind.element, f"{path}[{i}]", unknown) for i, item in enumerate(items)]
        entries = cast(Object, value)
        if kind.form == "map":
            return {
                key: "" if item is None else self._value(item, kind.element, _join(path, key), unknown)
                for key, item in entries.items()
            }
        return self._struct(entries, kind.name, path, unknown)

    def _struct(self, value: Object, name: str, path: str, unknown: list[str]) -> Object:
        fields = self.structs[name]
        checked: Object = {}
        for key, item in value.items():
            kind = fields.get(key)
            if kind is None:
                unknown.append(_join(path, key))
            elif item is not None:
                found = self._value(item, kind, _join(path, key), unknown)
                empty = kind.form in ("map", "list") and not found and key not in _KEPT_WHEN_EMPTY
                if not empty:
                    checked[key] = found
        return checked


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _scalar(value: Any, name: str, path: str) -> Any:
    if name == "quantity" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    accepted = _SCALARS[name]
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted and name != "any"):
        raise _mismatch(value, path, name)
    return value


def _mismatch(value: Any, path: str, expected: str) -> Exception:
    found = next((word for kind, word in _JSON_NAMES if isinstance(value, kind)), "null")
    return bad_request(f"cannot decode the object: field {path or '.'} is a JSON {found}, expected {expected}")
