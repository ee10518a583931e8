"""Who may do what: policy documents, in the language of the service's access management (RAM).

A document is a JSON object:

    {"Version": "1",
     "Statement": [{"Effect": "Allow",
                    "Action": ["polardb:Describe*", "polardb:CreateDBLink"],
                    "Resource": "acs:polardb:cn-hangzhou:*:dbcluster/pc-*",
                    "Condition": {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}}]}

A statement that denies wins over every one that allows; what nothing allows is not allowed. All
operators and keys of a condition must hold; several values are alternatives, of which one has to
match, or none if the operator is a negated one. A key that the request does not have makes the
condition fail, whatever the operator.

Nothing in a document is passed over: a member, an operator or a value that means nothing here is
refused when the document comes in, since a statement that denies must not be lost by a slip.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from dblink.links.conditions import CONDITIONS, KEYS, Test
from dblink.links.errors import LinkError
from dblink.links.wildcards import matches, overlap

SERVICE: Final = "polardb"

ACTIONS: Final = (
    "polardb:CreateDBLink",
    "polardb:DescribeDBLinks",
    "polardb:DeleteDBLink",
    "polardb:RestartDBLink",
)
"""All that can be allowed."""

MAX_STATEMENTS: Final = 100
MAX_VALUES: Final = 100
"""Actions, resources or values of a condition, in one list."""

MAX_LENGTH: Final = 512
"""Characters of one of them."""

_ACTION: Final = re.compile(r"\*|[A-Za-z*?]+:[A-Za-z*?]+")
_STATEMENT: Final = ("Effect", "Action", "Resource", "Condition")


class Decision(enum.Enum):
    """What policies say to a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """By a statement that denies."""
    NOT_ALLOWED = "not allowed"
    """By no statement at all."""


class _Statement(NamedTuple):
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    tests: tuple[tuple[str, Test], ...]

    def fits(self, action: str, resource: str, context: Mapping[str, object]) -> bool:
        return (
            any(matches(pattern.lower(), action.lower()) for pattern in self.actions)
            and any(matches(pattern, resource) for pattern in self.resources)
            and all(key in context and test(context[key]) for key, test in self.tests)
        )


def check(document: object) -> Mapping[str, Any]:
    """`document`, if it is a policy.

    Args:
        document: as parsed JSON.

    Raises LinkError InvalidPolicy, which names what is wrong, and what would be right.
    """
    _statements(document)
    assert isinstance(document, Mapping)
    return document


def parse(text: str) -> Mapping[str, Any]:
    """The policy that `text` is, as JSON. Raises LinkError InvalidPolicy, also for an object that
    has a member twice, of which a parser would drop one."""
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        _refuse("it is nested too deeply")
    except ValueError as error:
        _refuse(f"it is no JSON: {error}.")
    return check(document)


def decide(
    policies: Iterable[Mapping[str, Any]],
    action: str,
    resource: str,
    context: Mapping[str, object],
) -> Decision:
    """What `policies` say to a request.

    Args:
        policies: documents that `check` has let pass.
        action: one of `ACTIONS`.
        resource: what the action is done to, see `resource_of`.
        context: values of the keys in `dblink.links.conditions`.

    Raises LinkError InvalidPolicy for a document that is none: it might have denied the request.
    """
    decision = Decision.NOT_ALLOWED
    for document in policies:
        for statement in _statements(document):
            if statement.fits(action, resource, context):
                if not statement.allows:
                    return Decision.DENIED
                decision = Decision.ALLOWED
    return decision


def resource_of(region: str, account: str, cluster: str) -> str:
    """The name of a cluster in policies."""
    return f"acs:{SERVICE}:{region}:{account}:dbcluster/{cluster}"


# Reading a document.


def _refuse(reason: str) -> NoReturn:
    raise LinkError("InvalidPolicy", reason=reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _refuse(f'the member "{twice}" stands twice in one object.')
    return members


def _statements(document: object) -> list[_Statement]:
    members = _members(document, "the document", ("Version", "Statement"))
    if members["Version"] != "1":
        _refuse(f'Version is "1", not {_shown(members["Version"])}.')
    statements = members["Statement"]
    if not isinstance(statements, list | tuple) or not 0 < len(statements) <= MAX_STATEMENTS:
        _refuse(f"Statement is a list of 1 to {MAX_STATEMENTS} statements.")
    return [_statement(s, f"statement {n}") for n, s in enumerate(statements, 1)]


def _statement(statement: object, where: str) -> _Statement:
    members = _members(statement, where, _STATEMENT, optional=("Condition",))
    if members["Effect"] not in ("Allow", "Deny"):
        _refuse(f'the Effect of {where} is "Allow" or "Deny", not {_shown(members["Effect"])}.')
    return _Statement(
        members["Effect"] == "Allow",
        _texts(members["Action"], f"Action of {where}", _check_action),
        _texts(members["Resource"], f"Resource of {where}", _check_resource),
        tuple(_tests(members.get("Condition", {}), f"Condition of {where}")),
    )


def _members(
    value: object, where: str, names: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _refuse(f"{where} is an object, not {_shown(value)}.")
    for name in value:
        if name not in names:
            _refuse(f"{where} has a member {_shown(name)}. Known are {_listed(names)}.")
    for name in names:
        if name not in value and name not in optional:
            _refuse(f"{where} has no {name}.")
    return value


def _texts(value: object, where: str, check: Callable[[str, str], None]) -> tuple[str, ...]:
    values = _values(value, where)
    for text in values:
        if not isinstance(text, str):
            _refuse(f"{where} is a string or a list of strings, not {_shown(text)}.")
        if not 0 < len(text) <= MAX_LENGTH:
            _refuse(f"each string in {where} has 1 to {MAX_LENGTH} characters.")
        check(text, where)
    return tuple(values)


def _values(value: object, where: str) -> list[Any]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not 0 < len(values) <= MAX_VALUES:
        _refuse(f"{where} has 1 to {MAX_VALUES} values.")
    return values


def _check_action(action: str, where: str) -> None:
    if not _ACTION.fullmatch(action):
        _refuse(f'{where}: {_shown(action)} is no action, like "{ACTIONS[0]}" or "{SERVICE}:*".')
    if not any(matches(action.lower(), known.lower()) for known in ACTIONS):
        _refuse(f"{where}: {_shown(action)} matches none of {_listed(ACTIONS)}.")


def _check_resource(resource: str, where: str) -> None:
    # Regions, accounts and clusters have no colon and no slash in them: see dblink.links.rules.
    if not overlap(resource, resource_of("*", "*", "*"), without=":/"):
        right = resource_of("{region}", "{account}", "{id}")
        _refuse(f'{where}: {_shown(resource)} matches no cluster. They are "{right}".')


def _tests(condition: object, where: str) -> Iterable[tuple[str, Test]]:
    operators = _members(condition, where, tuple(CONDITIONS), optional=tuple(CONDITIONS))
    for name, keys in operators.items():
        operator = CONDITIONS[name]
        place = f"{name} in {where}"
        for key, value in _members(keys, place, tuple(KEYS), optional=tuple(KEYS)).items():
            if key not in operator.keys:
                _refuse(f"{place}: {key} cannot be compared so, only {_listed(operator.keys)}.")
            try:
                values = _values(value, f"{key} of {place}")
                yield key, operator.test(key, values)
            except ValueError as error:
                _refuse(f"{key} of {place}: {error}.")


def _shown(value: object) -> str:
    """A value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
