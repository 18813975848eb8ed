"""The servers and endpoints of a move, and its loose ends, as rows and details."""

from __future__ import annotations

from profiles.events import NightEnded
from profiles.fold import LooseEndState, Night
from profiles.profile import (
    ByHand,
    ConnectionFile,
    Endpoint,
    Host,
    PgBouncer,
    Profile,
    Server,
    SshHost,
)
from tui.words import figures
from tui.words.rows import Row, heading
from tui.words.text import Line, Span, cell, clip, labelled, line
from tui.words.view import profile_of, version_of


def server_rows(night: Night, cells: int) -> list[Row]:
    """Source, destination, standbys, then every endpoint clients use."""
    profile = profile_of(night)
    if profile is None:
        return []
    rows = [heading("The servers", f"databases: {', '.join(profile.databases)}", cells)]
    names = [each.name for each in (*(server for _, server in _roles(profile)), *profile.endpoints)]
    name_cells = min(max(len(name) for name in names), cells - 12 - 22 - 22)
    rows += [_server_row(night, each, role, cells, name_cells) for role, each in _roles(profile)]
    rows.append(heading("How clients reach them", "", cells))
    return [*rows, *[_endpoint_row(endpoint, cells, name_cells) for endpoint in profile.endpoints]]


def _roles(profile: Profile) -> list[tuple[str, Server]]:
    standbys = [("standby", server) for server in profile.standbys]
    return [("source", profile.source), ("destination", profile.destination), *standbys]


def _server_row(night: Night, server: Server, role: str, cells: int, names: int) -> Row:
    seen = night.servers.get(server.name)
    size = figures.size(seen.size_bytes) if seen and seen.size_bytes else ""
    spare = max(cells - 12 - names - 2 - 20, 8)
    columns = line(
        Span(cell(role, 12), "dim"),
        Span(cell(server.name, names) + "  ", "strong"),
        cell(f"{server.address}:{server.port}", spare),
        " " + cell(version_of(night, server), 10),
        size,
    )
    return Row(f"server:{server.name}", clip(columns, cells))


def _address(endpoint: Endpoint) -> str:
    match endpoint:
        case PgBouncer():
            return f"PgBouncer {endpoint.address}:{endpoint.port}/{endpoint.database}"
        case ConnectionFile():
            return f"file {endpoint.path}"
        case ByHand():
            return f"by hand {endpoint.address}"


def _endpoint_row(endpoint: Endpoint, cells: int, names: int) -> Row:
    columns = line(
        Span(cell(endpoint.access, 12), "dim"),
        Span(cell(endpoint.name, names) + "  ", "strong"),
        cell(_address(endpoint), max(cells - 12 - names - 2, 8)),
    )
    return Row(f"endpoint:{endpoint.name}", clip(columns, cells))


def server_detail(night: Night, key: str, cells: int) -> list[Line]:
    """All that the profile says of the focused server or endpoint."""
    profile = profile_of(night)
    kind, _, name = key.partition(":")
    if profile is None:
        return []
    if kind == "endpoint":
        endpoint = profile.endpoint(name)
        how = endpoint.how if isinstance(endpoint, ByHand) else _address(endpoint)
        lines = [*labelled("name", endpoint.name, cells), *labelled("switch", how, cells)]
        host = None if isinstance(endpoint, ByHand) else endpoint.host
        return lines if host is None else [*lines, *labelled("host", _host(host), cells)]
    server = profile.server(name)
    reached = f"{server.user}@{server.address}:{server.port}"
    reached += ", through SSH to its host" if server.by_tunnel else ""
    lines = labelled("name", server.name, cells, "strong")
    lines += labelled("reached", reached, cells)
    lines += labelled("TLS", server.tls or "as the address asks for", cells)
    lines += labelled("country", f"{server.country}, operated by {server.operated_by}", cells)
    lines += labelled("host", _host(server.host), cells)
    return [*lines, *labelled("replicate", _seen_from_destination(server), cells)]


def _host(host: Host | None) -> str:
    """How the machine is reached, in words."""
    if not isinstance(host, SshHost):
        return "this machine" if host else "not reached: what is done there is done by hand"
    user = f"{host.user}@" if host.user else ""
    through = f", through {', '.join(host.jump)}" if host.jump else ""
    lines_for = f"; lines there as {host.sudo_user}, by sudo" if host.sudo_user else ""
    return f"{user}{host.ssh} by SSH{through}{lines_for}"


def _seen_from_destination(server: Server) -> str:
    """Where the destination reaches it, if that is not where we do."""
    if tunnel := server.replication_tunnel:
        return f"through SSH: {tunnel.login}, port {tunnel.login_port}"
    seen = server.seen_from_destination
    return f"{seen.address}:{seen.port}" if seen else ""


def loose_end_rows(night: Night, cells: int) -> list[Row]:
    """What is still lying about on a server."""
    ends = night.open_loose_ends()
    if not ends:
        return [heading("Loose ends", "none", cells)]
    rows = [heading("Loose ends", f"{len(ends)} open", cells)]
    return [*rows, *[_loose_end_row(end, cells) for end in ends]]


def _loose_end_row(end: LooseEndState, cells: int) -> Row:
    server = min(24, cells // 4)
    columns = line(
        Span("!  ", "warn"),
        cell(end.loose_end.what, cells - server - 5),
        "  ",
        Span(cell(end.loose_end.server, server), "dim"),
    )
    return Row(f"loose:{end.loose_end.id}", columns)


def loose_end_detail(night: Night, key: str, cells: int) -> list[Line]:
    """What it is, where, since when, and what settles it."""
    end = night.loose_ends.get(key.partition(":")[2])
    if end is None:
        return []
    step = night.steps.get(end.loose_end.settled_by)
    settled_by = step.title if step else end.loose_end.settled_by
    lines = labelled("left", f"{end.loose_end.what} on {end.loose_end.server}", cells, "strong")
    lines += labelled("since", figures.clock(end.opened), cells)
    return [*lines, *labelled("settles", f"{settled_by}: a step above", cells)]


def report_path(night: Night) -> str:
    """Where the report is, once the night has ended."""
    ends = [told.report for told in night.told if isinstance(told, NightEnded)]
    return ends[-1] if ends else ""
