"""What is said to the shell of another machine: small scripts for any POSIX sh, busybox's too.

Knows the words only; who sends them and reads the answer is `connections.ssh_exchange`. A script
goes over standard input, so that the list of processes there shows nothing but the line that runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import NamedTuple

GRACE_S = 2
"""How long a process group may take to end by SIGTERM: pg_dump cancels its query on the server."""

_DESCRIPTORS = range(5, 10)
"""Of the files of a line; a POSIX shell need know no number above 9."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Marks(NamedTuple):
    """Words that no output has by chance, between which an exchange's own output stands."""

    ready: str
    password: str
    end: str

    @classmethod
    def of(cls, token: str) -> Marks:
        """Those of one exchange."""
        return cls(*(f"nightferry-{what}-{token}" for what in ("ready", "password", "end")))


def opening(marks: Marks, user: str | None, *, asks: bool) -> str:
    """The command that opens a shell as ``user``, which then reads its script from one line.

    Whoever logged in is that user already, is root, or becomes it by sudo; ``asks`` says that sudo
    may ask for a password, which it then reads from standard input.
    """
    inner = (
        f"echo {marks.ready}; echo {marks.ready} >&2; "
        'IFS= read -r script && eval "$(printf %b "$script")"'
    )
    shell = f"/bin/sh -c {quote(inner)}"
    if user is None:
        return f"exec {shell}"
    who = quote(user)
    how = f"-S -p {marks.password}" if asks else "-n"
    become = (
        f'if [ "$(id -un)" = {who} ]; then exec {shell}; '
        f'elif [ "$(id -u)" = 0 ]; then exec su -s /bin/sh -c {quote(inner)} {who}; '
        f"else exec env LC_ALL=C sudo {how} -H -u {who} -- {shell}; fi"
    )
    return f"exec /bin/sh -c {quote(become)}"


def in_one_line(script: str) -> bytes:
    """The script as `opening` reads it: printf's %b makes several lines of it again."""
    line = script.replace("\\", "\\\\").replace("\n", "\\n")
    return line.encode("utf-8", "surrogateescape") + b"\n"


def line_script(
    marks: Marks, line: str, env: Mapping[str, str], limit_s: float, files: Mapping[str, str] = {}
) -> str:
    """Runs the line in a process group of its own, which ends with the channel's input.

    So it ends when it is cancelled, when the connection dies, and by itself after ``limit_s``.
    Raises ValueError for a name that is none for a variable, and for too many files.
    """
    if len(files) > len(_DESCRIPTORS):
        raise ValueError(f"more than {len(_DESCRIPTORS)} files for one line")
    numbers = dict(zip(files, _DESCRIPTORS, strict=False))
    paths = {name: f"/proc/self/fd/{number}" for name, number in numbers.items()}
    held = "".join(_file(marks, numbers[name], content) for name, content in files.items())
    let_go = "".join(f"exec {number}<&-\n" for number in numbers.values())
    return f"""\
{_exports({**env, **paths})}
{held}exec 3<&0 </dev/null
setsid /bin/sh -c {quote(line)} 3<&- &
group=$!
{let_go}trap '' PIPE
exec 4>&2 2>/dev/null
finish() {{
  trap '' TERM
  kill -s TERM -- "-$group" || kill "$group"
  looked=0
  while kill -s 0 -- "-$group" && [ "$looked" -lt {GRACE_S * 10} ]; do
    sleep 0.1 || sleep 1
    looked=$((looked + 1))
  done
  kill -s KILL -- "-$group"
}}
(exec >/dev/null 4>&-; read -r word <&3; finish) &
lifeline=$!
(
  exec >/dev/null 3<&- 4>&-
  trap 'kill -s KILL "$!"; exit' TERM
  sleep {round(limit_s) + GRACE_S} &
  wait "$!"
  finish
) &
limit=$!
exec 3<&-
wait "$group"
code=$?
kill "$lifeline" "$limit"
{_end(marks, 4)}
"""


def staging_script(marks: Marks, path: str, stamp: str, size: int, *, creates: bool = False) -> str:
    """Makes the backup, and beside it the new file, of what comes over standard input.

    Neither is there if one of them cannot be whole, on disk, and with owner and mode of the file;
    prints the file that the path, if it is a link, leads to. The file itself is not touched; what
    an engine that was killed has made ready for it before is taken away. With
    ``creates`` there may be none: then there is no backup either, and the new one has mode 0644.
    """
    missing = ":" if creates else 'fail "No such file or directory"'
    return f"""\
code=1
export LC_ALL=C
umask 077
fail() {{ printf '%s\\n' "$1" >&2; exit 1; }}
trap '[ "$code" = 0 ] || rm -f -- "$new" "$backup" 2>/dev/null
{_end(marks)}' EXIT
trap 'exit 1' HUP INT TERM PIPE
path={quote(path)}
[ -e "$path" ] || {missing}
[ -f "$path" ] || [ ! -e "$path" ] || fail "it is no plain file"
real=$(readlink -f -- "$path") || fail "No such file or directory"
folder=${{real%/*}}/
backup=$folder${{real##*/}}.nightferry-{stamp}
new=$folder.${{real##*/}}.nightferry-{stamp}
rm -f -- "$folder.${{real##*/}}.nightferry-"*
like() {{ [ "$(stat -c '%u %g %a' -- "$1")" = "$(stat -c '%u %g %a' -- "$real")" ]; }}
if [ -e "$real" ]; then
  for copy in "$backup" "$new"; do
    cp -a -- "$real" "$copy" || exit 1
    like "$copy" || fail "its owner and mode cannot be kept: become root or its owner"
  done
  dd if="$real" of="$backup" bs=65536 conv=fsync 2>/dev/null || fail "no backup could be written"
else
  touch -- "$new" || exit 1
  chmod 0644 "$new" || exit 1
fi
dd of="$new" bs=65536 conv=fsync 2>/dev/null || fail "it could not be written"
[ "$(wc -c <"$new")" -eq {size} ] || fail "only part of it arrived"
printf '%s\\n' "$real"
code=0
"""


def swap_line(real: str, stamp: str) -> str:
    """Puts the staged file in the place of the old one, in one act."""
    folder, _, name = real.rpartition("/")
    new = f"{folder}/.{name}.nightferry-{stamp}"
    there = quote(f"{folder}/")
    return f"export LC_ALL=C; mv -f -- {quote(new)} {quote(real)} && {{ sync {there} || sync; }}"


def take_script(marks: Marks, real: str, stamp: str) -> str:
    """`swap_line` for a staged file that has waited: only if the file is still what it was.

    Answers before the folder is on disk, which then comes by itself.
    """
    folder, _, name = real.rpartition("/")
    new = quote(f"{folder}/.{name}.nightferry-{stamp}")
    there, backup = quote(f"{folder}/"), quote(backup_of(real, stamp))
    return f"""\
export LC_ALL=C
cmp -s -- {quote(real)} {backup} && mv -f -- {new} {quote(real)}
code=$?
(sync {there} || sync) </dev/null >/dev/null 2>&1 &
{_end(marks)}
"""


def backup_of(real: str, stamp: str) -> str:
    """Where the file is kept as it was."""
    return f"{real}.nightferry-{stamp}"


def unstage_line(path: str, stamp: str, *, backup: bool) -> str:
    """Takes the staged file away, so that no belated `swap_line` can find it any more."""
    suffix = f"nightferry-{stamp}"
    also = f' "$real.{suffix}"' if backup else ""
    return (
        f'real=$(readlink -f -- {quote(path)}) && rm -f -- "${{real%/*}}/.${{real##*/}}.{suffix}"'
        + also
    )


def detached_line(argv: Sequence[str], log: str) -> str:
    """Starts a process in a session of its own, its output appended to ``log``; prints its pid."""
    program = quote(argv[0])
    lacking = f"{{ echo 'there is no program '{program} >&2; exit 1; }}"
    return (
        f"command -v {program} >/dev/null || {lacking}"
        f"; exec 2>>{quote(log)} || exit 1"
        f"; cd /; setsid {' '.join(map(quote, argv))} </dev/null >&2 & echo $!"
    )


def _file(marks: Marks, number: int, content: str) -> str:
    """Holds a file open in which the content stands, and which no folder has any more by then.

    So nothing is left of it once the last process that holds it has ended, whatever ended it.
    """
    return f"""\
file=$(mktemp /dev/shm/nightferry.XXXXXX 2>/dev/null || mktemp) || {{
  code=$?
  {_end(marks)}
  exit
}}
exec {number}<>"$file"
rm -f -- "$file"
printf %s {quote(content)} >&{number}
"""


def _exports(env: Mapping[str, str]) -> str:
    if wrong := [name for name in env if not _NAME.fullmatch(name)]:
        raise ValueError(f"no name of a variable: {', '.join(wrong)}")
    return "\n".join(f"export {name}={quote(value)}" for name, value in env.items())


def _end(marks: Marks, errors: int = 2) -> str:
    return f"echo {marks.end} $code; echo {marks.end} $code >&{errors}"
