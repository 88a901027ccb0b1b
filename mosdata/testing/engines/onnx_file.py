"""ONNX graphs written byte by byte: small models for tests need no package to be made.

Field numbers are those of ``onnx.proto``; a message is its fields one after another, a field is its
number and wire type as a varint, then its content.
"""

from __future__ import annotations

from typing import Any

FLOAT, INT32, INT64 = 1, 6, 7
"""Element types of tensors."""

IR_VERSION, OPERATORS = 7, 13
"""What every onnxruntime of these years reads."""

_ATTRIBUTE_INT, _ATTRIBUTE_INTS = 2, 7


def model(
    nodes: list[bytes], tensors: list[bytes], inputs: list[bytes], outputs: list[bytes]
) -> bytes:
    """A whole file: operations in order, constants, inputs and outputs."""
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"tiny")
    graph += b"".join(_field(5, tensor) for tensor in tensors)
    graph += b"".join(_field(11, value) for value in inputs)
    graph += b"".join(_field(12, value) for value in outputs)
    return _number(1, IR_VERSION) + _field(7, graph) + _field(8, _number(2, OPERATORS))


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> bytes:
    """One operation on named values."""
    body = b"".join(_field(1, name.encode()) for name in inputs)
    body += b"".join(_field(2, name.encode()) for name in outputs)
    body += _field(4, kind.encode())
    for name, value in attributes.items():
        if isinstance(value, list):
            numbers = b"".join(_number(8, item) for item in value)
            attribute = numbers + _number(20, _ATTRIBUTE_INTS)
        else:
            attribute = _number(3, value) + _number(20, _ATTRIBUTE_INT)
        body += _field(5, _field(1, name.encode()) + attribute)
    return body


def tensor(name: str, kind: int, shape: list[int], data: bytes) -> bytes:
    """A constant; ``data`` are its elements, little endian."""
    dims = b"".join(_number(1, size) for size in shape)
    return dims + _number(2, kind) + _field(8, name.encode()) + _field(9, data)


def value(name: str, kind: int, shape: list[Any]) -> bytes:
    """An input or output; a size that is not fixed is a name."""
    dims = b"".join(
        _field(1, _field(2, size.encode()) if isinstance(size, str) else _number(1, size))
        for size in shape
    )
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, kind) + _field(2, dims)))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
