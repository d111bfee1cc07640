"""Thrift structures whatever they hold: Parquet's footers and indexes, of which newer versions have more fields.

Classes made from the format's definition would drop the fields that they do not know.
"""

import struct as structs
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

Struct = dict[int, tuple[int, Any]]
"""Type and value of each field by its number, in order; a list is the type and the values of its elements."""

PLAIN = {
    TType.BOOL: "Bool",
    TType.BYTE: "Byte",
    TType.I16: "I16",
    TType.I32: "I32",
    TType.I64: "I64",
    TType.DOUBLE: "Double",
    TType.STRING: "Binary",
}
"""How the protocol calls the types that hold no others."""


def parse(data: bytes) -> tuple[Struct, int]:
    """Read the structure that some bytes begin with; also return how many it takes.

    Raises:
        ArrowInvalid: there is none.
    """
    buffer = TMemoryBuffer(data)
    protocol = TCompactProtocol(buffer, string_length_limit=len(data), container_length_limit=len(data))
    try:
        return _read_struct(protocol), buffer.cstringio_buf.tell()
    except (AssertionError, EOFError, KeyError, RecursionError, structs.error, TProtocolException, TypeError) as error:
        raise pa.ArrowInvalid("it is not what Thrift writes") from error


def serialize(struct: Struct) -> bytes:
    """Write a structure."""
    buffer = TMemoryBuffer()
    _write_struct(TCompactProtocol(buffer), struct)
    return bytes(buffer.getvalue())


def _read_struct(protocol: Any) -> Struct:
    struct: Struct = {}
    protocol.readStructBegin()
    while True:
        _, type_, number = protocol.readFieldBegin()
        if type_ == TType.STOP:
            break
        struct[number] = (type_, _read(protocol, type_))
        protocol.readFieldEnd()
    protocol.readStructEnd()
    return struct


def _read(protocol: Any, type_: int) -> Any:
    if type_ == TType.STRUCT:
        return _read_struct(protocol)
    if type_ == TType.LIST:
        of, size = protocol.readListBegin()
        values = [_read(protocol, of) for _ in range(size)]
        protocol.readListEnd()
        return of, values
    return getattr(protocol, f"read{PLAIN[type_]}")()


def _write_struct(protocol: Any, struct: Struct) -> None:
    protocol.writeStructBegin("")
    for number, (type_, value) in sorted(struct.items()):
        protocol.writeFieldBegin("", type_, number)
        _write(protocol, type_, value)
        protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()


def _write(protocol: Any, type_: int, value: Any) -> None:
    if type_ == TType.STRUCT:
        _write_struct(protocol, value)
    elif type_ == TType.LIST:
        of, values = value
        protocol.writeListBegin(of, len(values))
        for each in values:
            _write(protocol, of, each)
        protocol.writeListEnd()
    else:
        write: Callable[[Any], None] = getattr(protocol, f"write{PLAIN[type_]}")
        write(value)
