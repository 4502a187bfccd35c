"""What a server's answer says of a file, and whether it is believed.

The body itself is read elsewhere. Here it is decided whether it may be: whether it is the file
that was asked for, as it lies on the server, and of which size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steeple.errors import ContentError, InputError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = [
    "NO_REST",
    "REST",
    "WHOLE",
    "PassingError",
    "admit",
    "check_packing",
    "check_way",
    "extent",
    "head_size",
    "is_rest",
    "reason",
    "validator",
    "whole_size",
]

WHOLE, REST, NO_REST = 200, 206, 416
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_PLAIN = ("", "identity")


class PassingError(Exception):
    """What may be better the next time; ``pause`` is how many seconds the server asks for."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def admit(url: str, response: BaseHTTPResponse, *statuses: int) -> None:
    """Lets answers with these statuses pass.

    Raises:
        PassingError: it has another, which passes by itself.
        InputError: it has another.
    """
    if response.status in statuses:
        return
    said = f"{response.status} {response.reason or ''}".strip()
    if response.status in _PASSING:
        raise PassingError(said, float(_number(response.headers.get("Retry-After")) or 0))
    raise InputError(f"{url}: {said}; it may have moved: try a mirror")


def check_way(url: str, response: BaseHTTPResponse) -> None:
    """Refuses to be sent from an encrypted address to a plain one: most archives have no sum.

    Raises:
        InputError: it was.
    """
    steps = response.retries.history if response.retries else ()
    plain = [step.redirect_location for step in steps if _is_plain(step.redirect_location)]
    if plain and not _is_plain(url):
        raise InputError(f"{url}: sends on to {plain[0]}, which is not encrypted; try a mirror")


def check_packing(url: str, response: BaseHTTPResponse) -> None:
    """Refuses what is packed for the way: it would be kept as it comes, and be another file.

    Raises:
        ContentError: it is packed.
    """
    packing = _packing(response)
    # Servers call a .tgz that, which is its own kind and not done for the way. Were it done for the
    # way nevertheless, there would be no archive in it.
    own = urlsplit(url).path.lower().endswith((".gz", ".tgz")) and packing in ("gzip", "x-gzip")
    if packing not in _PLAIN and not own:
        raise ContentError(
            f"{url}: is sent packed ({packing!r}), although it was asked for as it is; try a mirror"
        )


def head_size(response: BaseHTTPResponse) -> int | None:
    """How large a file is, by the answer to HEAD; None if that does not say.

    Servers that make answers as they go say 0 there, and mean that nothing follows.
    """
    if response.status != WHOLE or _packing(response) not in _PLAIN:
        return None
    return _number(response.headers.get("Content-Length")) or None


def whole_size(
    url: str, response: BaseHTTPResponse, planned: int | None, *, sure: bool
) -> int | None:
    """How large the file is that is being sent as a whole; None if only its own end will tell.

    Args:
        url: where it is.
        response: the answer.
        planned: its size in bytes, by an earlier answer; None: unknown.
        sure: whether its content tells later if it is whole: a sum, or an archive's own end.

    Raises:
        ContentError: it has another size than it had, or none that is said, so a line that breaks
            would look like its end.
    """
    # With both, the pieces count (RFC 9112, section 6.3).
    length = None if response.chunked else _number(response.headers.get("Content-Length"))
    if length is None and planned is None and not (response.chunked or sure):
        raise ContentError(
            f"{url}: its server does not say how large it is, so nobody could tell whether all of "
            "it came; try a mirror"
        )
    if None not in (length, planned) and length != planned:
        raise ContentError(
            f"{url}: announces {length:,} bytes, and was announced with {planned:,}; run the same "
            "again, or try a mirror"
        )
    return planned if length is None else length


def is_rest(response: BaseHTTPResponse, have: int, of: str, total: int | None) -> bool:
    """Whether an answer is the rest of a part, or says that there is none.

    Two halves of different files would be a file that nobody published.

    Args:
        response: the answer, of the status REST or NO_REST.
        have: how many bytes the part has.
        of: the validator of the file it is a part of.
        total: the size of that file in bytes; None: unknown.
    """
    start, whole = extent(response)
    if response.status == NO_REST:
        start = whole
    said = validator(response)
    if start != have or whole is None or said not in (None, of):
        return False
    return said == of if total is None else whole == total


def extent(response: BaseHTTPResponse) -> tuple[int | None, int | None]:
    """Where the part that was sent begins, and how large the whole is, as far as it is said."""
    text = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)", text)
    return (_number(match[1]), _number(match[2])) if match else (None, None)


def validator(response: BaseHTTPResponse) -> str | None:
    """The strong ETag, or else the date; a weak ETag does not promise the same bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def reason(error: Exception) -> str:
    """What broke, without the addresses of Python objects."""
    inner = getattr(error, "reason", None) or error
    text = re.sub(r"<[^>]*>|HTTPS?Connection(?:Pool)?\([^)]*\)", "", str(inner)).strip(" :,()")
    return f"no answer ({text or type(error).__name__})"


def _packing(response: BaseHTTPResponse) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


def _is_plain(url: str | None) -> bool:
    return urlsplit(url or "").scheme == "http"


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None
