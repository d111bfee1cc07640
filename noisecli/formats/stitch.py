"""A Parquet file put together of column chunks: those that were written anew, and all others byte for byte.

What the footer tells of a carried chunk is carried with it, at new offsets; so are page indexes and bloom filters.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import pyarrow as pa
from thrift.Thrift import TType

from noisecli.formats.plain import BLOCK_BYTES
from noisecli.formats.thrift import Struct, parse, serialize

MAGIC = b"PAR1"
WHOLE = (TType.BYTE, TType.I16, TType.I32, TType.I64)
BLOOM_HEADER = 64
"""Bytes that the header of a bloom filter takes at most."""
SHORT = re.compile(rb"parquet-mr version (0|1\.[01]|1\.2\.[0-8])\b")
"""Who has written files that do not count the header of a dictionary among the bytes of its column (PARQUET-816)."""
MARGIN = 100
"""How much more readers take of such files."""

# Numbers of fields, as the format's parquet.thrift has them.
SCHEMA, ROWS, GROUPS, PAIRS, CREATED_BY, ORDERS = 2, 3, 4, 5, 6, 7  # FileMetaData
NAME, CHILDREN = 4, 5  # SchemaElement
CHUNKS, SIZE, GROUP_ROWS, SORTED_BY, START, COMPRESSED = 1, 2, 3, 4, 5, 6  # RowGroup
FILE, FILE_OFFSET, ABOUT, OFFSET_INDEX, COLUMN_INDEX = 1, 2, 3, 4, 6  # ColumnChunk; each index is followed by its size
UNPACKED, PACKED, DATA_PAGE, INDEX_PAGE, DICTIONARY, BLOOM, BLOOM_SIZE = 6, 7, 9, 10, 11, 14, 15  # ColumnMetaData
PAGES, OFFSET = 1, 1  # OffsetIndex, PageLocation
BITSET = 1  # BloomFilterHeader
LEAF = 1  # SortingColumn
KEY, VALUE = 1, 2  # KeyValue


@dataclass
class Field:
    """A column with all that is nested in it."""

    name: bytes
    elements: list[Struct]
    leaves: slice
    """Those column chunks of a row group that are its."""
    orders: list[Struct]
    """How the values of each leaf are compared; none where the file does not tell."""


class Source:
    """Column chunks in a file, or in a stretch of one that would be a file by itself."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        """Read the footer.

        Raises:
            ArrowInvalid: it cannot be right.
        """
        self.file, self.start, self.size = file, start, size
        footer = int.from_bytes(self.read(size - 8, 4), "little")
        self._end = size - 8 - footer
        self.footer, _ = parse(self.read(self._end, footer))
        self.groups = _structs(self.footer, GROUPS)
        self.fields = list(_fields(self.footer))
        self._margin = MARGIN if SHORT.match(_text(self.footer, CREATED_BY)) else 0
        leaves = self.fields[-1].leaves.stop if self.fields else 0
        if any(len(_structs(group, CHUNKS)) != leaves for group in self.groups):
            raise pa.ArrowInvalid("its row groups have other columns than its schema")

    def read(self, start: int, size: int) -> bytes:
        """Return bytes that are there."""
        if start < 0 or size < 0:
            raise pa.ArrowInvalid("something lies before its start")
        self.file.seek(self.start + start)
        data = self.file.read(size)
        if len(data) != size:
            raise pa.ArrowInvalid("something lies beyond its end")
        return data

    def blocks(self, start: int, size: int) -> Iterator[bytes]:
        """Yield bytes in pieces."""
        for at in range(start, start + size, BLOCK_BYTES):
            yield self.read(at, min(BLOCK_BYTES, start + size - at))

    def chunks(self, group: int, column: int) -> list[Struct]:
        """Return what the footer tells of the chunks of a column."""
        return _structs(self.groups[group], CHUNKS)[self.fields[column].leaves]

    def extent(self, chunk: Struct) -> tuple[int, int]:
        """Where a column chunk begins, and how many bytes readers may need of it."""
        start, size = _extent(chunk)
        return start, max(size, min(size + self._margin, self._end - start))

    def check(self) -> None:
        """Fail where column chunks lie in other files, outside of this one, or over each other."""
        reach = len(MAGIC)
        chunks = [chunk for group in self.groups for chunk in _structs(group, CHUNKS)]
        leaves = {_number(each, LEAF) for group in self.groups for each in _structs(group, SORTED_BY)}
        for start, size in sorted(extent for extent in map(_extent, chunks) if extent[1]):
            if start < reach or size < 0:
                raise pa.ArrowInvalid("its columns lie over each other")
            reach = start + size
        if reach > self._end or any(FILE in chunk for chunk in chunks):
            raise pa.ArrowInvalid("some of its columns lie outside of it")
        if not leaves <= {leaf for column in self.fields for leaf in range(column.leaves.start, column.leaves.stop)}:
            raise pa.ArrowInvalid("it is sorted by a column that it does not have")

    def sorted_by(self) -> set[int]:
        """Return the numbers of the columns by which a row group claims to be sorted."""
        leaves = {_number(each, LEAF) for group in self.groups for each in _structs(group, SORTED_BY)}
        spans = [range(column.leaves.start, column.leaves.stop) for column in self.fields]
        return {i for i, span in enumerate(spans) if not leaves.isdisjoint(span)}


@dataclass
class Piece:
    """What of a row group was written anew: a file of one row group, some columns of the whole."""

    source: Source
    columns: dict[int, int]
    """Number of the column in the piece, by its number in the whole."""

    @classmethod
    def of(cls, source: Source, whole: Sequence[bytes]) -> "Piece":
        """Find which of the columns of a whole a piece has: they come in the same order."""
        columns: dict[int, int] = {}
        at = iter(enumerate(whole))
        for i, column in enumerate(source.fields):
            columns[next(number for number, name in at if name == column.name)] = i
        return cls(source, columns)


class Target(Protocol):
    """A file that is appended to."""

    def write(self, block: bytes, /) -> int:
        """Append some bytes, and return how many."""


Late = Callable[[int, Collection[int]], Piece]
"""Writes some columns of a row group of the input anew, as they are."""


@dataclass
class _Moved:
    """A column chunk in its new place, what more there is of it, and how far it was moved."""

    chunk: Struct
    source: Source
    shift: int


@dataclass
class Stitching:
    """What a file is put together of."""

    source: Source
    template: Source
    """A file of all columns of the output and no rows: it tells how those are described that are written anew."""
    pieces: Sequence[Sequence[Piece]]
    """What each row group has anew: each piece other columns."""
    fresh: Collection[bytes] = ()
    """Names of the columns that every row group has anew."""
    anew: set[int] = field(init=False)
    """Numbers of the columns that some row group has anew."""

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.source.groups):
            raise pa.ArrowInvalid("it has another number of row groups")
        own = (set(piece.columns) for group in self.pieces for piece in group)
        fresh = (i for i, column in enumerate(self.template.fields) if column.name in self.fresh)
        self.anew = set(fresh).union(*own)

    def write(self, target: Target, late: Late, pairs: Mapping[bytes, bytes]) -> None:
        """Write the file, with other values for some of the keys that it has; keys without one are left out."""
        at, groups, moved = target.write(MAGIC), [], []
        known = len(self.source.fields)
        unlike = {i for i in self.anew if i >= known or self._new(i).elements != self.source.fields[i].elements}
        for number, pieces in enumerate(self.pieces):
            own = list(pieces)
            lacking = unlike.difference(*(each.columns for each in own))
            if lacking:
                own.append(late(number, lacking))
            chunks = []
            for source, chunk in self._chunks(number, own):
                start, size = source.extent(chunk)
                chunks.append(_shifted(chunk, at - start))
                moved.append(_Moved(chunks[-1], source, at - start))
                for block in source.blocks(start, size):
                    at += target.write(block)
            groups.append(self._group(number, own, chunks))
        for each in moved:
            at = _write_bloom_filter(each, target, at)
        for number in (COLUMN_INDEX, OFFSET_INDEX):
            for each in moved:
                at = _write_index(each, number, target, at)
        footer = serialize(self._footer(groups, pairs))
        target.write(footer + len(footer).to_bytes(4, "little") + MAGIC)

    def _new(self, column: int) -> Field:
        return self.template.fields[column]

    def _chunks(self, number: int, pieces: Sequence[Piece]) -> Iterator[tuple[Source, Struct]]:
        """Yield the column chunks of a row group and where each lies."""
        for i in range(len(self.template.fields)):
            piece = next((piece for piece in pieces if i in piece.columns), None)
            if piece is not None:
                yield from ((piece.source, chunk) for chunk in piece.source.chunks(0, piece.columns[i]))
            else:
                yield from ((self.source, chunk) for chunk in self.source.chunks(number, i))

    def _group(self, number: int, pieces: Sequence[Piece], chunks: list[Struct]) -> Struct:
        group = dict(self.source.groups[number])
        group[CHUNKS] = (TType.LIST, (TType.STRUCT, chunks))
        group[SIZE] = (TType.I64, sum(_number(_struct(chunk, ABOUT), UNPACKED) for chunk in chunks))
        if pieces:
            group[GROUP_ROWS] = pieces[0].source.groups[0][GROUP_ROWS]
        if not self.anew.isdisjoint(self.source.sorted_by()):
            group.pop(SORTED_BY, None)
        if START in group and chunks:
            group[START] = (TType.I64, _extent(chunks[0])[0])
        if COMPRESSED in group:
            group[COMPRESSED] = (TType.I64, sum(_number(_struct(chunk, ABOUT), PACKED) for chunk in chunks))
        return group

    def _footer(self, groups: list[Struct], pairs: Mapping[bytes, bytes]) -> Struct:
        footer = dict(self.source.footer)
        described = [
            self._new(i) if i in self.anew else self.source.fields[i] for i in range(len(self.template.fields))
        ]
        root = {**_structs(footer, SCHEMA)[0], CHILDREN: (TType.I32, len(described))}
        elements = [root, *(element for column in described for element in column.elements)]
        footer[SCHEMA] = (TType.LIST, (TType.STRUCT, elements))
        if ORDERS in footer:
            orders = [order for column in described for order in column.orders]
            footer[ORDERS] = (TType.LIST, (TType.STRUCT, orders))
            if len(orders) != sum(column.leaves.stop - column.leaves.start for column in described):
                del footer[ORDERS]
        footer[ROWS] = (TType.I64, sum(_number(group, GROUP_ROWS) for group in groups))
        footer[GROUPS] = (TType.LIST, (TType.STRUCT, groups))
        if PAIRS in footer:
            old = _structs(footer, PAIRS)
            known = {(_text(pair, KEY), _text(pair, VALUE)) for pair in old}  # a key may come twice
            new = dict(pairs.items() - known)
            kept = [
                {**pair, VALUE: (TType.STRING, new[key])} if (key := _text(pair, KEY)) in new else pair
                for pair in old
                if _text(pair, KEY) in pairs
            ]
            footer[PAIRS] = (TType.LIST, (TType.STRUCT, kept))
        return footer


# Readers skip fields that are not of the type that the format says, so they are as if they were not there.


def _structs(struct: Struct, number: int) -> list[Struct]:
    """The structures in a list of another, none where it is missing."""
    type_, value = struct.get(number, (TType.STOP, None))
    structs: list[Struct] = value[1] if type_ == TType.LIST and value[0] == TType.STRUCT else []
    return structs


def _struct(struct: Struct, number: int) -> Struct:
    type_, value = struct.get(number, (TType.STOP, None))
    if type_ != TType.STRUCT:
        raise pa.ArrowInvalid("it does not tell what it must")
    inner: Struct = value
    return inner


def _number(struct: Struct, number: int) -> int:
    type_, value = struct.get(number, (TType.STOP, None))
    return int(value) if type_ in WHOLE else 0


def _text(struct: Struct, number: int) -> bytes:
    type_, value = struct.get(number, (TType.STOP, None))
    return bytes(value) if type_ == TType.STRING else b""


def _fields(footer: Struct) -> Iterator[Field]:
    """The columns of a file: its schema is a tree, written down from the root."""
    elements, orders = _structs(footer, SCHEMA), _structs(footer, ORDERS)
    at, leaf = 1, 0
    while at < len(elements):
        first, stop, leaves = at, at + 1, 0
        while at < min(stop, len(elements)):
            children = _number(elements[at], CHILDREN)
            leaves += children == 0
            stop += children
            at += 1
        own = slice(leaf, leaf := leaf + leaves)
        yield Field(_text(elements[first], NAME), elements[first:at], own, orders[own])


def _extent(chunk: Struct) -> tuple[int, int]:
    """Where the pages of a column chunk begin, and how many bytes they take."""
    about: Struct = _struct(chunk, ABOUT)
    starts = [_number(about, number) for number in (DATA_PAGE, INDEX_PAGE, DICTIONARY)]
    return min((start for start in starts if start > 0), default=0), _number(about, PACKED)


def _shifted(chunk: Struct, shift: int) -> Struct:
    about = dict(_struct(chunk, ABOUT))
    for number in (DATA_PAGE, INDEX_PAGE, DICTIONARY):
        if _number(about, number) > 0:
            about[number] = (TType.I64, _number(about, number) + shift)
    return {**chunk, FILE_OFFSET: (TType.I64, 0), ABOUT: (TType.STRUCT, about)}


def _write_bloom_filter(moved: _Moved, target: Target, at: int) -> int:
    """Carry the bloom filter of a column chunk, if it has one; return where the next thing goes."""
    about: Struct = _struct(moved.chunk, ABOUT)
    if not _number(about, BLOOM):
        return at
    start, size = _number(about, BLOOM), _number(about, BLOOM_SIZE)
    if not size:
        head, taken = parse(moved.source.read(start, BLOOM_HEADER))
        size = taken + _number(head, BITSET)
    about[BLOOM] = (TType.I64, at)
    for block in moved.source.blocks(start, size):
        at += target.write(block)
    return at


def _write_index(moved: _Moved, number: int, target: Target, at: int) -> int:
    """Carry a page index of a column chunk, if it has one; return where the next thing goes."""
    if not _number(moved.chunk, number):
        return at
    data = moved.source.read(_number(moved.chunk, number), _number(moved.chunk, number + 1))
    if number == OFFSET_INDEX:
        index, _ = parse(data)
        for page in _structs(index, PAGES):
            page[OFFSET] = (TType.I64, _number(page, OFFSET) + moved.shift)
        data = serialize(index)
    moved.chunk[number] = (TType.I64, at)
    moved.chunk[number + 1] = (TType.I32, len(data))
    return at + target.write(data)
