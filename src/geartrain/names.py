# SPDX-License-Identifier: MIT
"""Names on the wire: functions, prefixes, client ids and tokens, checked and encoded for clients and workers."""

from typing import TypeAlias

from geartrain.errors import LocalProtocolError
from geartrain.protocol.limits import MAX_CLIENT_ID
from geartrain.wording import counted

__all__ = [
    "MAX_FUNCTION",
    "MAX_TOKEN",
    "MIN_TOKEN",
    "Text",
    "client_id_bytes",
    "encode",
    "function_bytes",
    "token_bytes",
    "value_bytes",
]

Text: TypeAlias = str | bytes

MAX_FUNCTION = 512  # bytes, libgearman's limit; the C server drops a connection at about 8,000
MIN_TOKEN = 16  # letters; so many random ones cannot be guessed
MAX_TOKEN = 512


def encode(text: str | bytes | bytearray | memoryview, what: str) -> bytes:
    """Return text as UTF-8 and bytes unchanged.

    Args:
        text: The value.
        what: Its name in the error message.

    Raises:
        TypeError: The value is neither text nor bytes.
    """
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytearray | memoryview):
        return bytes(text)
    raise TypeError(f"{what} is str or bytes, not {type(text).__name__}")


def value_bytes(value: object) -> bytes:
    """Return a value that no codec encodes: text as UTF-8 and bytes unchanged.

    Raises:
        TypeError: The value is neither text nor bytes.
    """
    if isinstance(value, str | bytes | bytearray | memoryview):
        return encode(value, "a value")
    raise TypeError(
        f"without a codec, a value is str or bytes, not {type(value).__name__}: {value!r:.80}; for other values, pass "
        "codec=geartrain.JSON to the client and the worker"
    )


def function_bytes(name: Text, prefix: Text = b"") -> bytes:
    """Return a function's name on the wire, with the prefix of its namespace in front.

    Raises:
        LocalProtocolError: The name is empty, too long or contains a NUL byte.
    """
    encoded = encode(name, "a function's name")
    if not encoded:
        raise LocalProtocolError("a function's name cannot be empty")
    encoded = encode(prefix, "a prefix") + encoded
    if b"\0" in encoded:
        raise LocalProtocolError(f"a function's name cannot contain a NUL byte: {encoded[:80]!r}")
    if len(encoded) > MAX_FUNCTION:
        raise LocalProtocolError(f"a function's name may have {MAX_FUNCTION} bytes with its prefix, not {len(encoded)}")
    return encoded


def client_id_bytes(client_id: str) -> bytes:
    """Return a client id on the wire; ``gearadmin --workers`` shows it.

    Raises:
        LocalProtocolError: The id would break that listing.
    """
    if not isinstance(client_id, str):
        raise TypeError(f"a client id is str, not {type(client_id).__name__}")
    if not (client_id.isascii() and client_id.isprintable()) or " " in client_id or len(client_id) > MAX_CLIENT_ID:
        raise LocalProtocolError(
            f"a client id is up to {MAX_CLIENT_ID} printable ASCII characters without spaces, not {client_id[:200]!r}"
        )
    return client_id.encode()


def token_bytes(token: str) -> bytes:
    """Return an authorization token on the wire.

    Raises:
        LocalProtocolError: The token has a wrong length or letters that are not allowed. It is not in the message.
    """
    if not isinstance(token, str):
        raise TypeError(f"a token is str, not {type(token).__name__}")
    if not (token.isascii() and token.isprintable()) or " " in token or not MIN_TOKEN <= len(token) <= MAX_TOKEN:
        raise LocalProtocolError(
            f"a token is {MIN_TOKEN} to {MAX_TOKEN} printable ASCII characters without spaces; "
            f"this one has {counted(len(token), 'character')}"
        )
    return token.encode()
