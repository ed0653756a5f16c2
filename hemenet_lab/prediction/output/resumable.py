"""A table of predictions that can be gone on with after a kill at any moment.

Beside the table lies its record, ``<name>.progress``: in the first line what the table is made
with, then a line per complex with its name, the size of its files and the number of bytes that the
table has with it. A complex is written first and recorded then, so that what a kill leaves behind
the last recorded byte is cut off, and nothing is there twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from hemenet_lab.prediction import Complex, Result, complex_key
from hemenet_lab.prediction.output.written import Form

VERSION = 1
ADVICE = "give another --out, or --overwrite to start anew"


@dataclass(slots=True)
class _Kept:
    """What is kept in memory of a complex in the table; there may be very many."""

    files: bytes
    end: int
    crc: int
    failures: Sequence[str]
    more: Any

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> _Kept:
        """From a line of the record."""
        files = _key(json.dumps(line["files"]))
        return cls(files, line["end"], line["crc"], line.get("failures", ()), line.get("more"))


class Resumable:
    """A file of predictions, new or begun before.

    Args:
        path: The file.
        form: How it is written.
        identity: What all predictions in it are made with, by name; plain values.
        overwrite: Forget what is there.

    Raises:
        ValueError: What is there was not begun here, or with something else, or was changed since;
            or another process writes to it.
    """

    def __init__(
        self, path: Path, form: Form, identity: Mapping[str, Any], overwrite: bool = False
    ) -> None:
        self.path, self._form = path, form
        self._spool = path.with_name(f"{path.name}.partial") if form.spooled else path
        self.record = path.with_name(f"{path.name}.progress")
        self._done: dict[bytes, _Kept] = {}
        self._closed = False
        self._end, self._crc = len(form.head), zlib.crc32(form.head)
        self._data: BinaryIO | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not overwrite and not self.record.exists():
            raise ValueError(f"{path} is there, and not from a run that can be resumed; {ADVICE}")
        self._journal = self.record.open("a+b")
        try:
            self._lock()
            begun = path.exists() or self._spool.exists()
            lines = self._lines() if begun and not overwrite else []
            if lines:
                self._take(lines, json.loads(json.dumps(dict(identity))))
            else:
                self._journal.truncate(0)
                path.unlink(missing_ok=True)
                self._spool.write_bytes(form.head)
                self._note({"version": VERSION, "made_with": dict(identity)})
        except BaseException:
            self._journal.close()
            raise

    def __len__(self) -> int:
        """Complexes that are in the table."""
        return len(self._done)

    def has(self, asked: Complex) -> bool:
        """Check that a complex is in the table.

        Raises:
            ValueError: It is, and its files have changed since.
        """
        found = self._done.get(_key(_name(asked)))
        if found is None:
            return False
        if found.files != _key(json.dumps(_stamp(asked))):
            raise ValueError(f"{asked.shown} has changed since {self.path} got it; {ADVICE}")
        return True

    def kept(self, asked: Complex) -> Any:
        """What was recorded with a complex that is in the table; it is given once."""
        found = self._done[_key(_name(asked))]
        more, found.more = found.more, None
        return more

    def failures(self, asked: Complex) -> list[str]:
        """Models and poses of a complex in the table for which there is no prediction, and why."""
        return list(self._done[_key(_name(asked))].failures)

    def add(
        self,
        asked: Complex,
        results: Sequence[Result],
        more: Any = None,
        failures: Sequence[str] = (),
    ) -> None:
        """Write a complex, and record that it is there.

        Args:
            asked: The request.
            results: All of its predictions.
            more: Plain values to keep with it, outside of the table.
            failures: What there is no prediction for, such as a pose too large for the memory.
        """
        if self._data is None:
            self._data = self._opened()
        block = self._form.block(results, first=self._end == len(self._form.head))
        self._data.write(block)
        self._data.flush()
        self._end += len(block)
        self._crc = zlib.crc32(block, self._crc)
        line: dict[str, Any] = {"complex": _name(asked), "files": _stamp(asked)}
        line |= {"end": self._end, "crc": self._crc}
        if failures:
            line["failures"] = list(failures)
        self._done[_key(line["complex"])] = _Kept.of(line)
        self._note(line if more is None else {**line, "more": more})

    def close(self, complete: bool) -> None:
        """Finish the file.

        Args:
            complete: Nothing is to come; what is spooled becomes the file then only.
        """
        try:
            if not self._closed and (complete or not self._form.spooled):
                self._data = self._data or self._opened()
                self._data.seek(self._end)
                self._data.truncate()
                self._data.write(self._form.tail)
                self._data.flush()
                if complete and self._form.spooled:
                    self._form.finish(self._spool, self.path)
                    self._note({"closed": True})
                    self._spool.unlink()
        finally:
            if self._data is not None:
                self._data.close()
            self._journal.close()

    # --- details --------------------------------------------------------------------------------

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not a Unix
            return
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another process writes to {self.path}; wait for it") from None

    def _lines(self) -> list[dict[str, Any]]:
        """Whole lines of the record; a last one that was half written is cut off."""
        self._journal.seek(0)
        content = self._journal.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._journal.truncate(len(whole))
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            if lines and lines[0]["version"] != VERSION:
                raise ValueError(f"its version is {lines[0]['version']}")
            return lines
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.record} cannot be read ({error}); {ADVICE}") from error

    def _take(self, lines: list[dict[str, Any]], identity: dict[str, Any]) -> None:
        """Take up what a run before has left."""
        before = lines[0]["made_with"]
        for name in {**before, **identity}:
            old, new = before.get(name), identity.get(name)
            if old != new:
                raise ValueError(
                    f"{self.path} was begun with another {name}: {_short(old)}, now {_short(new)}; "
                    f"{ADVICE}"
                )
        if self._form.spooled and not (
            self._spool.exists() or any("closed" in line for line in lines)
        ):
            raise ValueError(f"{self._spool} is missing, which {self.path} is made of; {ADVICE}")
        for line in lines[1:]:
            self._closed = self._form.spooled and "closed" in line
            if "complex" in line:
                self._done[_key(line["complex"])] = _Kept.of(line)
        if self._closed:
            self._spool.unlink(missing_ok=True)
            if not self.path.exists():
                raise ValueError(f"{self.path} is missing, but {self.record} is there; {ADVICE}")
            return
        size = self._spool.stat().st_size
        # longer than the file: lost with the machine's power, not with a kill
        self._done = {key: each for key, each in self._done.items() if each.end <= size}
        ends = [(each.end, each.crc) for each in self._done.values()]
        self._end, self._crc = max(ends, default=(self._end, self._crc))
        if self._checksum() != self._crc:
            raise ValueError(f"{self._spool} was changed by something else; {ADVICE}")

    def _checksum(self) -> int:
        crc, left = 0, self._end
        with self._spool.open("rb") as stream:
            while left and (part := stream.read(min(left, 1 << 22))):
                crc, left = zlib.crc32(part, crc), left - len(part)
        return crc

    def _opened(self) -> BinaryIO:
        """The stream of blocks, behind the last one that is recorded."""
        if self._closed:
            self._form.unfinish(self.path, self._spool)
            self._end = self._spool.stat().st_size
            self._crc = self._checksum()
            self._rewrite()
        stream = self._spool.open("r+b")
        stream.truncate(self._end)
        stream.seek(self._end)
        return stream

    def _rewrite(self) -> None:
        """Record the complexes of a spool that was made of the finished file."""
        lines = self._lines()
        made = self.record.with_name(f"{self.record.name}.new")
        with made.open("wb") as stream:
            for line in lines:
                if "complex" in line:
                    line |= {"end": self._end, "crc": self._crc}
                if "closed" not in line:
                    stream.write(_line(line))
        os.replace(made, self.record)
        self._journal.close()
        self._journal = self.record.open("a+b")
        self._lock()
        self._closed = False

    def _note(self, line: Mapping[str, Any]) -> None:
        self._journal.write(_line(line))
        self._journal.flush()


def _line(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def _key(text: str) -> bytes:
    """A short stand-in for a text."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _name(asked: Complex) -> str:
    return json.dumps(complex_key(asked))


def _stamp(asked: Complex) -> list[Any]:
    """What tells that the files of a complex are those that were read."""
    return [_of_file(each) for each in (asked.structure, asked.ligand) if each is not None]


def _of_file(thing: Any) -> Any:
    if isinstance(thing, bytes):
        return hashlib.sha256(thing).hexdigest()
    try:
        found = os.stat(thing)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _short(value: Any) -> str:
    text = ", ".join(map(_short, value)) if isinstance(value, list) else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text


class Streamed:
    """A table on a stream, such as standard output, with the calls of a `Resumable` one.

    Args:
        stream: Takes text.
        form: How it is written.

    Raises:
        ValueError: The form needs a file.
    """

    def __init__(self, stream: TextIO, form: Form) -> None:
        if form.spooled:
            raise ValueError("parquet needs a file: give --out FILE")
        self._stream, self._form, self._first = stream, form, True
        self._write(form.head)

    def add(
        self,
        asked: Complex,
        results: Sequence[Result],
        more: Any = None,
        failures: Sequence[str] = (),
    ) -> None:
        """Write a complex."""
        self._write(self._form.block(results, self._first))
        self._first = False

    def close(self, complete: bool) -> None:
        """Write the end."""
        self._write(self._form.tail)

    def _write(self, block: bytes) -> None:
        self._stream.write(block.decode("utf-8"))
        self._stream.flush()
