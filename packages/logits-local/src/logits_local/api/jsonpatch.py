"""JSON Patch (RFC 6902): a list of operations on an object."""

from __future__ import annotations

import copy
from functools import reduce
from operator import getitem
from typing import Any, cast

from logits_local.api.errors import Cause, bad_request, invalid
from logits_local.api.resources import Object

_APPEND = "-"


def json_patch(target: Object, operations: Any) -> Object:
    """The object after the operations.

    Args:
        target: stays as it is.
        operations: the decoded patch.

    Raises:
        StatusError: BadRequest for something that is no patch, Invalid for one that does not fit.
    """
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    holder = {"root": copy.deepcopy(target)}
    for index, operation in enumerate(cast("list[Object]", operations)):
        try:
            _operate(holder, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            message = f"the operation {operation!r} does not fit the object"
            raise invalid(target["kind"], "", target["metadata"]["name"], [_fault(index, message)]) from None
    return holder["root"]


def _fault(index: int, message: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {message}", f"patch[{index}]")


def _operate(holder: Object, operation: Object) -> None:
    name, path = operation["op"], _parse(operation["path"])
    if name in ("move", "copy"):
        source = _parse(operation["from"])
        value = _find(holder, source) if name == "copy" else _take(holder, source)
        _put(holder, path, copy.deepcopy(value))
    elif name == "add":
        _put(holder, path, operation["value"])
    elif name == "replace":
        _take(holder, path)
        _put(holder, path, operation["value"])
    elif name == "remove":
        _take(holder, path)
    elif name != "test" or _find(holder, path) != operation["value"]:
        raise ValueError(name)


def _parse(pointer: str) -> list[str]:
    first, *rest = pointer.split("/")
    if first:
        raise ValueError(pointer)
    return ["root", *(part.replace("~1", "/").replace("~0", "~") for part in rest)]


def _index(value: Any, part: str) -> int | str:
    return int(part) if isinstance(value, list) else part


def _step(value: Any, part: str) -> Any:
    return getitem(value, _index(value, part))


def _find(value: Any, path: list[str]) -> Any:
    return reduce(_step, path, value)


def _take(holder: Object, path: list[str]) -> Any:
    parent = _find(holder, path[:-1])
    return parent.pop(_index(parent, path[-1]))


def _put(holder: Object, path: list[str], value: Any) -> None:
    parent = _find(holder, path[:-1])
    if isinstance(parent, list):
        items = cast("list[Any]", parent)
        items.insert(len(items) if path[-1] == _APPEND else int(path[-1]), value)
    else:
        parent[path[-1]] = value
