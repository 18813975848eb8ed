"""The SCRAM verifier of a password, computed here, so that no server ever logs the password.

The form is the one PostgreSQL stores (RFC 5803, RFC 7677; manual chapter 54.8, pg_authid).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

ITERATIONS = 4096
"""PostgreSQL's own default (scram_iterations)."""


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` for an ASCII password."""
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${ITERATIONS}:{_b64(salt)}${_b64(stored_key)}:{_b64(server_key)}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
