"""Reading an LMDB file so that whatever is damaged in it is an error, and never the end of the process.

LMDB's own library maps the file and follows the numbers in it: where a damaged one leads past the end, the process
dies of SIGBUS or SIGSEGV, or goes round in circles. Here each page is read by itself and each number in it is checked.
The format is that of LMDB 0.9 (data version 1) on 64-bit little-endian machines; only the main database is read.
"""

import os
import struct
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_PAGE = struct.Struct("<QHHHH")  # its number, padding, flags, end of the places of nodes, start of the nodes
_META = struct.Struct("<II 16x I 44x 32x QQQQ")  # as in ``_Meta``; between lie the list of free pages and statistics
_NODE = struct.Struct("<HHHH")  # size, low and high, flags, size of the key; in a branch, the number of a page
_BRANCH, _LEAF, _OVERFLOW, _LEAF_OF_DUPLICATES = 0x01, 0x02, 0x04, 0x20
_LARGE, _NOT_PLAIN = 0x01, 0x06  # flags of a node: its value lies in pages of its own; it is no plain value
_NO_PAGE = 2**64 - 1
_MOST_LEVELS = 32


class DamagedLmdb(ValueError):
    """A file that is no LMDB database of the version read here, or is damaged; the message says where."""


class _Meta(NamedTuple):
    """What one of the two head pages says: the numbers of the main database as a transaction left it."""

    magic: int
    version: int
    page_size: int
    entries: int
    root: int
    last_page: int
    transaction: int


class Entry(NamedTuple):
    """A key, the size of its value in bytes, and where that lies: in ``page`` from ``start`` on, or in other pages."""

    key: bytes
    size: int
    page: bytes
    start: int
    is_large: bool


class LmdbFile:
    """The main database of an LMDB file, as it was when the file was opened.

    Args:
        descriptor: The open file, which is closed with this object.

    Attributes:
        size: Bytes of the file.
        entries: How many the database says it has.

    Raises:
        DamagedLmdb: If it is no LMDB file, or is cut short.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self.size = os.fstat(descriptor).st_size
        self._page_size = 4096
        first = self._meta(0)
        self._page_size = first.page_size
        if not 512 <= self._page_size <= 2**16 or self._page_size & (self._page_size - 1):
            raise DamagedLmdb(f"it says that its pages have {self._page_size} bytes")
        meta = max(first, self._meta(1), key=lambda meta: meta.transaction)  # the later of the two counts
        self.entries, self._root, self._last = meta.entries, meta.root, meta.last_page
        needed = (self._last + 1) * self._page_size
        if self.size < needed:
            raise DamagedLmdb(f"it is cut short: it has {self.size} bytes of {needed}")

    def get(self, key: bytes) -> Entry | None:
        """The entry of a key; None if there is none.

        Raises:
            DamagedLmdb: If a page on the way to it is damaged.
        """
        number = self._root
        for _ in range(_MOST_LEVELS if number != _NO_PAGE else 0):
            page, is_leaf, places = self._tree_page(number)

            def key_at(place: int, page: bytes = page) -> bytes:
                return _node(page, place)[0]

            if is_leaf:
                at = bisect_left(places, key, key=key_at)
                entry = self._entry(page, places[at]) if at < len(places) else None
                return entry if entry and entry.key == key else None
            at = bisect_right(places, key, lo=1, key=key_at) - 1  # the first key of a branch is not stored
            number = _child(page, places[at])
        if number != _NO_PAGE:
            raise DamagedLmdb(f"it has more than {_MOST_LEVELS} levels of pages")
        return None

    def __iter__(self) -> Iterator[Entry]:
        """All entries, by key; raises DamagedLmdb where a page is damaged, or is come by twice."""
        seen: set[int] = set()
        waiting = [] if self._root == _NO_PAGE else [self._root]
        while waiting:
            number = waiting.pop()
            if number in seen:
                raise DamagedLmdb(f"page {number} belongs to two branches")
            seen.add(number)
            page, is_leaf, places = self._tree_page(number)
            if is_leaf:
                yield from (self._entry(page, place) for place in places)
            else:
                waiting.extend(_child(page, place) for place in reversed(places))

    def value(self, entry: Entry, most: int) -> bytes:
        """The value of an entry; raises DamagedLmdb if it has more than ``most`` bytes or lies outside the file."""
        if entry.size > most:
            raise DamagedLmdb(f"a value has {entry.size} bytes, above {most}")
        if not entry.is_large:
            return entry.page[entry.start : entry.start + entry.size]
        (number,) = struct.unpack_from("<Q", entry.page, entry.start)
        data = self._bytes(number, _PAGE.size + entry.size)
        if not _PAGE.unpack_from(data)[2] & _OVERFLOW:
            raise DamagedLmdb(f"page {number} holds no large value")
        return data[_PAGE.size :]

    def _bytes(self, number: int, count: int) -> bytes:
        """So many bytes from the start of a page on."""
        start = number * self._page_size
        data = os.pread(self._descriptor, count, start) if start + count <= self.size else b""
        if len(data) < count:  # so too where the file was cut after it was opened
            raise DamagedLmdb(f"page {number} lies past the end")
        return data

    def _meta(self, number: int) -> _Meta:
        meta = _Meta(*_META.unpack_from(self._bytes(number, _PAGE.size + _META.size), _PAGE.size))
        if (meta.magic, meta.version) != (_MAGIC, _VERSION):
            raise DamagedLmdb("it does not start as an LMDB file of data version 1")
        return meta

    def _tree_page(self, number: int) -> tuple[bytes, bool, tuple[int, ...]]:
        """A page of the tree, whether it is a leaf, and the places of its nodes in it."""
        if not 2 <= number <= self._last:
            raise DamagedLmdb(f"a branch leads to page {number} of {self._last}")
        page = self._bytes(number, self._page_size)
        own, _, flags, lower, upper = _PAGE.unpack_from(page)
        kind = flags & (_BRANCH | _LEAF | _OVERFLOW | _LEAF_OF_DUPLICATES)
        if own != number or kind not in (_BRANCH, _LEAF) or not _PAGE.size <= lower <= upper <= self._page_size:
            raise DamagedLmdb(f"page {number} is damaged")
        count = (lower - _PAGE.size) // 2
        if kind == _BRANCH and not count:
            raise DamagedLmdb(f"page {number} is a branch that leads nowhere")
        return page, kind == _LEAF, struct.unpack_from(f"<{count}H", page, _PAGE.size)

    def _entry(self, page: bytes, place: int) -> Entry:
        key, start, (low, high, flags, _) = _node(page, place)
        size, is_large = low | high << 16, bool(flags & _LARGE)
        if flags & _NOT_PLAIN or start + (8 if is_large else size) > len(page):
            raise DamagedLmdb("an entry is damaged, or is a database of its own")
        return Entry(key, size, page, start, is_large)


def _node(page: bytes, place: int) -> tuple[bytes, int, tuple[int, ...]]:
    """The key of a node, where what follows it starts, and its head."""
    if place + _NODE.size > len(page):
        raise DamagedLmdb("a node lies past the end of its page")
    head = _NODE.unpack_from(page, place)
    start = place + _NODE.size + head[3]
    if start > len(page):
        raise DamagedLmdb("a key lies past the end of its page")
    return page[place + _NODE.size : start], start, head


def _child(page: bytes, place: int) -> int:
    """The number of the page that a node of a branch leads to."""
    low, high, flags, _ = _node(page, place)[2]
    return low | high << 16 | flags << 32
