"""What can go wrong, as one tree; an error carries what was tried, what was answered, what to do.

    NightferryError
    ├── ProfileError            the profile cannot be read, or says something impossible
    ├── JournalError            the journal cannot be read or written
    │   ├── JournalVersionError     it was written by another major version
    │   └── JournalLockedError      another engine holds this night
    ├── SecretError             a reference did not become a value
    ├── ConnectError            no session with a server, pooler or host
    │   ├── UnreachableError        nothing listens there, or nothing answers in time
    │   ├── LoginRefusedError       it answered, and did not let us in
    │   ├── TlsRefusedError         no encryption both sides accept
    │   └── HostKeyError            a host's SSH key is not one the operator trusts
    │       ├── UnknownHostKeyError     never seen before: to be compared and accepted
    │       └── ChangedHostKeyError     another one than known_hosts has: stop
    ├── AnswerError             the server answered a statement with an error
    │   └── LockTimeoutError        the lock was not free within lock_timeout; try again
    ├── ServerLostError         the session ended in the middle
    ├── DeadlineError           no answer within the deadline
    ├── HostError               a command or a file on a host went wrong
    │   └── HostLostError           the connection with a host ended in the middle
    ├── PoolerError             a pooler's console said no, or lied
    ├── EvidenceError           the commands ran, and it does not hold
    ├── EngineError             no engine, or one that does not answer
    └── RefusedError            the engine refuses a request, and says why

None of them draws itself, and none ever carries a secret.
"""

from __future__ import annotations


class NightferryError(Exception):
    """What every error of ours carries: who, what was tried, what it answered, what to do next."""

    def __init__(self, where: str, tried: str, answered: str, remedy: str = "") -> None:
        self.where = where
        self.tried = tried
        self.answered = answered
        self.remedy = remedy
        super().__init__(where, tried, answered, remedy)

    def __str__(self) -> str:
        said = f"{self.where}: {self.tried}: {self.answered}".rstrip(". \n")
        return f"{said}. {self.remedy}" if self.remedy else f"{said}."


class ProfileError(NightferryError):
    """The profile cannot be read, or says something impossible; ``problems`` holds every one."""

    def __init__(
        self, where: str, problems: tuple[str, ...], tried: str = "read the profile"
    ) -> None:
        self.problems = problems
        super().__init__(where, tried, "\n".join(problems), "Correct it and start again.")


class JournalError(NightferryError):
    """The journal cannot be read or written."""


class JournalVersionError(JournalError):
    """The journal was written by another major version of its format."""


class JournalLockedError(JournalError):
    """Another engine holds the lock on this night's journal."""


class SecretError(NightferryError):
    """A reference did not become a value: no such variable, a failing command, nobody to ask."""


class ConnectError(NightferryError):
    """No session with a server, pooler or host."""


class UnreachableError(ConnectError):
    """Nothing listens there, the name is unknown, or nothing answered in time."""


class LoginRefusedError(ConnectError):
    """The server answered and did not let us in."""


class TlsRefusedError(ConnectError):
    """No encryption that both sides accept, or a certificate that does not hold."""


class HostKeyError(ConnectError):
    """A host's SSH key is not one that the operator's known_hosts trusts; no login was tried."""


class UnknownHostKeyError(HostKeyError):
    """The host is not in known_hosts: its key is to be compared and accepted by the operator."""

    def __init__(
        self,
        where: str,
        tried: str,
        answered: str,
        remedy: str,
        *,
        fingerprint: str,
        line: str,
        known_hosts: str,
    ) -> None:
        """``line`` is what accepting it adds to the file ``known_hosts``."""
        self.fingerprint = fingerprint
        self.line = line
        self.known_hosts = known_hosts
        super().__init__(where, tried, answered, remedy)


class ChangedHostKeyError(HostKeyError):
    """The host shows another key than known_hosts has, or a revoked one: it may be an impostor."""


class AnswerError(NightferryError):
    """The server answered a statement with an error; ``code`` is its SQLSTATE."""

    def __init__(
        self, where: str, tried: str, answered: str, remedy: str = "", *, code: str = ""
    ) -> None:
        self.code = code
        super().__init__(where, tried, answered, remedy)


class LockTimeoutError(AnswerError):
    """A lock was not free within ``lock_timeout`` (SQLSTATE 55P03): nothing happened, try again."""


class ServerLostError(NightferryError):
    """The session ended in the middle of something: what became of it is not known."""


class DeadlineError(NightferryError):
    """No answer within the deadline; the statement was cancelled on the server."""


class HostError(NightferryError):
    """A command or a file on a host went wrong."""


class HostLostError(HostError):
    """The connection with a host ended in the middle: what became of the command is not known."""


class PoolerError(NightferryError):
    """A pooler's console said no, or said yes and did not do it."""


class EvidenceError(NightferryError):
    """The commands ran without an error, and yet it does not hold."""


class EngineError(NightferryError):
    """No engine answers for this night, or it answers in another protocol."""


class RefusedError(NightferryError):
    """The engine refuses a request, and says why."""
