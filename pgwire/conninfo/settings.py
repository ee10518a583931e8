"""From what the user said to what holds: precedence, defaults, checks. Manual: 32.1.2, 32.15."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pgwire.conninfo.locale_encoding import locale_encoding
from pgwire.conninfo.options import OPTIONS, STARTUP_ENVIRONMENT
from pgwire.conninfo.preset import secured
from pgwire.conninfo.service import service_settings
from pgwire.conninfo.strings import settle
from pgwire.conninfo.targets import Target, target_list, with_passwords
from pgwire.conninfo.text import HIDDEN, parse_integer
from pgwire.conninfo.validation import protocol_versions, scram_key, validate
from pgwire.errors import ConninfoError

__all__ = ["Settings", "resolve", "unsupported"]


class Settings(Mapping[str, str]):
    """The options of one connection with their values; those that are unset are missing.

    Immutable. Made by `resolve`. The password file's passwords are in the targets, not here.
    """

    __slots__ = ("_explicit", "_startup_environment", "_targets", "_values", "home")

    def __init__(
        self,
        values: Mapping[str, str],
        explicit: Mapping[str, str],
        targets: tuple[Target, ...],
        startup_environment: Mapping[str, str],
        home: str | None = None,
    ) -> None:
        """`home` is the user's home directory, where default files of TLS are; None: nowhere."""
        self._values = dict(values)
        self._explicit = MappingProxyType(_Said(explicit))
        self._targets = targets
        self._startup_environment = MappingProxyType(dict(startup_environment))
        self.home = home

    def __getitem__(self, keyword: str) -> str:
        return self._values[keyword]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Settings {_shown(self._values)}>"

    @property
    def explicit(self) -> Mapping[str, str]:
        """What the connection string and the options said, without files and environment."""
        return self._explicit

    @property
    def targets(self) -> tuple[Target, ...]:
        """The places to try, in this order; at least one."""
        return self._targets

    @property
    def startup_environment(self) -> Mapping[str, str]:
        """Run-time parameters that the environment sets (PGDATESTYLE, PGTZ, PGGEQO)."""
        return self._startup_environment

    @property
    def protocol_versions(self) -> tuple[int, int]:
        """The oldest protocol version to accept and the one to ask for, such as 3 << 16 | 2."""
        return protocol_versions(self._values)

    @property
    def scram_client_key(self) -> bytes | None:
        """The 32 bytes of the option of that name."""
        return scram_key(self._values, "client")

    @property
    def scram_server_key(self) -> bytes | None:
        """The 32 bytes of the option of that name."""
        return scram_key(self._values, "server")

    def integer(self, keyword: str) -> int | None:
        """The value of an option that is an integer, in its own unit; None if it is unset.

        Raises ConninfoError in libpq's words if it is none. `resolve` does not check it: libpq does
        so only when it comes to use the option, and not at all where it has no use for it.
        """
        value = self._values.get(keyword)
        return None if value is None else parse_integer(keyword, value)

    def startup_parameters(self) -> dict[str, str]:
        """What StartupMessage says besides the protocol version. Manual: 54.7, StartupMessage."""
        values = self._values
        parameters = {
            "user": values["user"],
            "database": values["dbname"],
            "replication": values.get("replication"),
            "options": values.get("options"),
            # An empty name keeps the fallback out.
            "application_name": values.get(
                "application_name", values.get("fallback_application_name")
            ),
            "client_encoding": values.get("client_encoding"),
        }
        said = {name: value for name, value in parameters.items() if value}
        return {**said, **self._startup_environment}


class _Said(dict[str, str]):
    """Options with their values, shown without secrets."""

    def __repr__(self) -> str:
        return f"<{_shown(self)}>"


def _shown(values: Mapping[str, str]) -> str:
    return " ".join(
        f"{keyword}={HIDDEN if OPTIONS[keyword].secret else repr(value)}"
        for keyword, value in values.items()
    )


def resolve(
    conninfo: str | None = None,
    options: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    home: str | None = None,
    ambient: bool = True,
    secure: bool = False,
) -> Settings:
    """All options of a connection, from everywhere options come from, checked.

    For each option the first of these counts: `options`, the connection string, the service file,
    the environment, the default.

    Arguments:
        conninfo: a connection string of either form.
        options: by keyword; None and empty values count as not given, as for PQconnectdbParams.
            ``dbname`` is a name only, never a connection string in its place.
        environ: environment to read, by default the process's.
        home: the user's home directory, by default HOME of `environ`, else the system's record.
        ambient: False leaves out the environment, service files and the password file, for strings
            of somebody who must not profit from what this process may read. A service is then not
            found. The default user is still the operating system's.
        secure: demand what `pgwire.conninfo.preset.SECURE` says.

    Raises ConninfoError with libpq's message. What is valid but beyond this version is told by
    `unsupported`.

    Manual: 32.1.2 Parameter Key Words, 32.15 Environment Variables, 32.16, 32.17.
    """
    explicit = settle(conninfo, options or {})
    if secure:
        explicit = secured(explicit)
    environ = os.environ if environ is None else environ
    if not ambient:
        environ, home = {}, None
    elif home is None:
        home = _home_directory(environ)

    values = dict(explicit)
    service = values.get("service", environ.get("PGSERVICE"))
    if service is not None:
        if not ambient:
            raise ConninfoError(f'definition of service "{service}" not found')
        for keyword, value in service_settings(service, environ, home).items():
            values.setdefault(keyword, value)
    _add_defaults(values, environ)

    targets = target_list(values)
    if not values.get("user"):
        values["user"] = _user_name()
    if not values.get("dbname"):
        values["dbname"] = values["user"]
    password = values.get("password")
    if ambient and not password and not values.get("passfile") and home is not None:
        values["passfile"] = _default_passfile(home)
    validate(values)
    values.setdefault("sslcertmode", "allow")  # no default in PQconndefaults, but in force
    if values.get("client_encoding") == "auto":
        values["client_encoding"] = locale_encoding()
    targets = with_passwords(
        targets,
        password=password,
        passfile=values.get("passfile") if ambient else None,
        dbname=values["dbname"],
        user=values["user"],
    )
    if values.get("load_balance_hosts") == "random":
        import random

        random.shuffle(targets)
    ordered = {keyword: values[keyword] for keyword in OPTIONS if keyword in values}
    return Settings(ordered, explicit, tuple(targets), _startup_environment(environ), home)


def unsupported(settings: Settings) -> str | None:
    """Which demand of `settings` this version cannot meet, and why; None if it can meet all."""
    for keyword, value in settings.items():
        reason = OPTIONS[keyword].refused.get(value)
        if reason is not None:
            return f"{keyword}={value} is not supported: {reason}"
    return None


def _add_defaults(values: dict[str, str], environ: Mapping[str, str]) -> None:
    """What the environment says, then the defaults, for options that are still unset."""
    mode_is_default = False
    for keyword, option in OPTIONS.items():
        if keyword in values:
            continue
        if option.environment is not None and option.environment in environ:
            values[keyword] = environ[option.environment]
        elif keyword == "sslmode" and environ.get("PGREQUIRESSL", "").startswith("1"):
            values[keyword] = "require"
        elif option.default is not None:
            values[keyword] = option.default
            mode_is_default |= keyword == "sslmode"
    # Certificates of the whole world prove nothing unless the name is compared too.
    if mode_is_default and values.get("sslrootcert") == "system":
        values["sslmode"] = "verify-full"


def _startup_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        parameter: environ[variable]
        for variable, parameter in STARTUP_ENVIRONMENT.items()
        if variable in environ and environ[variable].lower() != "default"
    }


def _home_directory(environ: Mapping[str, str]) -> str | None:
    if os.name == "nt":
        directory = environ.get("APPDATA")
        return f"{directory}\\postgresql" if directory else None
    if environ.get("HOME"):
        return environ["HOME"]
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir or None
    except KeyError:
        return None


def _default_passfile(home: str) -> str:
    return f"{home}\\pgpass.conf" if os.name == "nt" else f"{home}/.pgpass"


def _user_name() -> str:
    """The operating system's user."""
    if os.name == "nt":
        import getpass

        return getpass.getuser()
    import pwd

    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        raise ConninfoError(f"local user with ID {number} does not exist") from None
