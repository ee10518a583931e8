"""What becomes of a request: who it is from, whether they may, and what they get.

Everything here may block, and runs in a thread of its own.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, cast

import pgwire
from dblink.api import signature
from dblink.api.actions import ACTIONS, VERSION, Name, Parameter
from dblink.api.answers import Value, whole_seconds
from dblink.api.limits import AtWork, Buckets
from dblink.api.request import Head, Request, read
from dblink.api.seam import Catalogue
from dblink.links import policy, rules
from dblink.links.conditions import context_of
from dblink.links.errors import LinkError
from dblink.links.model import AccessKey, Cluster, Link, Target
from dblink.links.store import StoreError

log = logging.getLogger("dblink.api")

_STORE_FAILS: Final = (StoreError, pgwire.Error, sqlite3.Error, OSError)

_NOBODY: Final = secrets.token_hex(16)
"""The secret of keys that do not exist: to find that out costs as much as a wrong signature."""

Members = Mapping[str, Value]


class Peer(NamedTuple):
    """Where a request comes from.

    Attributes:
        address: IP address; None if it has none.
        secure: whether over TLS.
    """

    address: str | None
    secure: bool


class Outcome(NamedTuple):
    """What became of a request.

    Attributes:
        action: what was done, or was to be done; empty if that is unknown.
        key_id: whose signature was found right; empty: nobody's.
        result: members of the answer, or what is wrong.
        parameters: of the request, once it could be read; else None.
        wait: seconds after which to try again; None: nothing is said of that.
    """

    action: str
    key_id: str
    result: Members | LinkError
    parameters: Mapping[str, str] | None
    wait: float | None


class Dispatcher:
    """Meets requests on a catalogue. Thread-safe, as the catalogue is.

    Args:
        catalogue: what is asked.
        buckets: how often an access key may ask.
        at_work: how much of what one asks for is at work at once.
        clock: the moment it is, with a time zone.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        buckets: Buckets,
        at_work: AtWork,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalogue = catalogue
        self._buckets = buckets
        self._at_work = at_work
        self._clock = clock

    def meet(self, head: Head, body: bytes, peer: Peer) -> Outcome:
        """Do what a request asks for, and say what came of it. Raises nothing."""
        turn = _Turn(self._catalogue, self._buckets, self._at_work, self._clock(), peer)
        result: Members | LinkError
        try:
            result = turn.run(head, body)
        except LinkError as error:
            result = error
        except _STORE_FAILS as error:
            log.error("the store of the catalogue fails: %s", _told(error))
            result = LinkError("ServiceUnavailable", reason="its store fails.")
        except Exception as error:
            log.error("a request failed: %s", _told(error))
            result = LinkError("InternalError")
        return Outcome(turn.action, turn.key_id, result, turn.parameters, turn.wait)


class _Turn:
    """One request."""

    def __init__(
        self,
        catalogue: Catalogue,
        buckets: Buckets,
        at_work: AtWork,
        now: datetime,
        peer: Peer,
    ) -> None:
        self._catalogue = catalogue
        self._buckets = buckets
        self._at_work = at_work
        self._now = now
        self._peer = peer
        self.action = ""
        self.key_id = ""
        self.parameters: Mapping[str, str] | None = None
        self.wait: float | None = None

    def run(self, head: Head, body: bytes) -> Members:
        request = read(head, body)
        self.parameters = request.parameters
        key = self._authenticate(request)
        self.key_id = key.id
        self.wait = self._buckets.take(key.id) or None
        if self.wait is not None:
            raise LinkError("Throttling.User", seconds=whole_seconds(self.wait))
        if not self._at_work.enter_for(key.id):
            self.wait = 1.0
            raise LinkError("Throttling", seconds=whole_seconds(self.wait))
        try:
            return self._act(request, key)
        finally:
            self._at_work.leave_for(key.id)

    def _authenticate(self, request: Request) -> AccessKey:
        """The access key that has signed. Its nonce is spent when the signature is right, not
        before: nobody else can spend it."""
        if request.parameters.get("SecurityToken"):
            raise LinkError(
                "IncompleteSignature",
                reason="SecurityToken belongs to temporary credentials, which there are none of "
                "here.",
            )
        signed = signature.examine(request.signable, self._now)
        key: AccessKey | None = None
        unknown: LinkError | None = None
        try:
            key = self._catalogue.access_key(signed.key_id)
        except LinkError as error:
            unknown = error
        try:
            signature.verify(request.signable, signed, _NOBODY if key is None else key.secret)
        except LinkError:
            if unknown is None:
                raise
        if key is None:
            raise unknown or LinkError("InvalidAccessKeyId.NotFound")
        if not key.active:
            raise LinkError("InvalidAccessKeyId.Inactive")
        if not self._catalogue.use_nonce(key.id, signed.nonce, signed.until):
            raise LinkError("SignatureNonceUsed")
        return key

    def _act(self, request: Request, key: AccessKey) -> Members:
        if request.action not in ACTIONS:
            raise LinkError("InvalidAction.NotFound", action=request.action[:64])
        self.action = request.action
        if request.version != VERSION:
            raise LinkError("InvalidVersion", version=request.version[:64], right=VERSION)
        if (request.parameters.get("Format") or "JSON").upper() not in ("JSON", "XML"):
            raise LinkError("InvalidParameter", parameter="Format", reason="is JSON or XML")
        given = _given(request.action, request.parameters)
        cluster = self._cluster(given, key)
        if self.action == "CreateDBLink":
            return self._create(cluster, given, key)
        if self.action == "DescribeDBLinks":
            links = self._catalogue.links(cluster.id, given.get("DBLinkName"))
            return {
                "DBInstanceName": cluster.id,
                "DBLinkInfos": [_info(link) for link in links],
            }
        if self.action == "DeleteDBLink":
            self._catalogue.delete_link(cluster.id, given["DBLinkName"])
            return {}
        self._restart(cluster, given.get("DBLinkName"))
        return {"DBClusterId": cluster.id}

    def _cluster(self, given: Mapping[str, str], key: AccessKey) -> Cluster:
        """The source cluster. Whether one exists is told to those who could do something to it."""
        name = given["DBClusterId"]
        try:
            cluster = self._catalogue.cluster(name, account=key.account)
        except LinkError:
            self._permit(key, policy.resource_of(given.get("RegionId", ""), key.account, name))
            raise
        self._permit(key, policy.resource_of(cluster.region, cluster.account, cluster.id))
        return cluster

    def _create(self, cluster: Cluster, given: Mapping[str, str], key: AccessKey) -> Members:
        target = _target(given)
        if target.cluster is not None:
            self._check_target(target.cluster, cluster.region, key)
        self._catalogue.create_link(
            cluster.id,
            given["DBLinkName"],
            database=given["SourceDBName"],
            target=target,
            password=given["TargetDBPasswd"],
            region=given.get("RegionId"),
            resource_group=given.get("ResourceGroupId"),
            client_token=given.get("ClientToken"),
            account=key.account,
        )
        return {}

    def _restart(self, cluster: Cluster, name: str | None) -> None:
        """Restart a link, or as the service does all of a cluster: then each of them, whatever
        becomes of others, and the first failure is told."""
        if name is not None:
            self._catalogue.restart_link(cluster.id, name)
            return
        failures = []
        for link in self._catalogue.links(cluster.id):
            try:
                self._catalogue.restart_link(cluster.id, link.name)
            except LinkError as error:
                if error.code != "InvalidDBLinkName.NotFound":  # somebody has deleted it meanwhile
                    failures.append(error)
        if failures:
            raise failures[0]

    def _check_target(self, name: str, region: str, key: AccessKey) -> None:
        """Refuse a target that a policy denies to link to, or that is none of the account's."""
        unknown: LinkError | None = None
        try:
            region = self._catalogue.cluster(name, account=key.account).region
        except LinkError as error:
            unknown = error
        resource = policy.resource_of(region, key.account, name)
        if self._decide(key, resource) is policy.Decision.DENIED:
            self._no_permission(resource)
        if unknown is not None:
            raise unknown

    def _permit(self, key: AccessKey, resource: str) -> None:
        if self._decide(key, resource) is not policy.Decision.ALLOWED:
            self._no_permission(resource)

    def _decide(self, key: AccessKey, resource: str) -> policy.Decision:
        context = context_of(self._peer.address, self._now, secure=self._peer.secure)
        action = f"{policy.SERVICE}:{self.action}"
        try:
            return policy.decide(key.policies, action, resource, context)
        except LinkError as error:  # who has changed the store by hand: it might have denied
            log.error("a policy of the access key %s is none: %s", key.id, error)
            return policy.Decision.DENIED

    def _no_permission(self, resource: str) -> None:
        action = f"{policy.SERVICE}:{self.action}"
        raise LinkError("NoPermission", action=action, resource=resource)


def _given(name: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters of an action, without those that are empty or mean nothing to it."""
    action = ACTIONS[cast(Name, name)]
    given = {}
    for parameter in action.parameters:
        value = parameters.get(parameter.name, "")
        if value:
            _check(parameter, value)
            given[parameter.name] = value
        elif parameter.required:
            raise LinkError("MissingParameter", parameter=parameter.name)
    return given


_CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    "DBLinkName": rules.check_link_name,
    "SourceDBName": partial(rules.check_name, parameter="SourceDBName"),
    "TargetDBName": partial(rules.check_name, parameter="TargetDBName"),
    "TargetDBAccount": partial(rules.check_name, parameter="TargetDBAccount"),
    "ClientToken": rules.check_client_token,
}
"""Parameters whose rules have codes of their own. What the catalogue knows better, such as whether
there is a cluster or a region of that name, is left to it."""


def _check(parameter: Parameter, value: str) -> None:
    check = _CHECKS.get(parameter.name)
    if check is not None:
        check(value)
    elif len(value) > parameter.max_length:
        reason = f"has more than {parameter.max_length} characters"
        raise LinkError("InvalidParameter", parameter=parameter.name, reason=reason)


def _target(given: Mapping[str, str]) -> Target:
    """Raises LinkError: InvalidTarget, InvalidTargetIp.Malformed, InvalidTargetPort.Malformed."""
    cluster = given.get("TargetDBInstanceName")
    address, port = given.get("TargetIp"), given.get("TargetPort")
    if cluster is not None and (address is not None or port is not None):
        raise LinkError("InvalidTarget", reason="both are given")
    number: int | None = None
    if cluster is None:
        if address is None or port is None:
            missing = "neither is given" if address is port else "one half is missing"
            raise LinkError("InvalidTarget", reason=missing)
        address, number = rules.check_address(address, port)
    return Target(
        given["TargetDBName"],
        given["TargetDBAccount"],
        cluster=cluster,
        address=address,
        port=number,
        vpc=given.get("VpcId"),
    )


def _info(link: Link) -> Mapping[str, str]:
    return {
        "DBInstanceName": link.cluster,
        "DBLinkName": link.name,
        "SourceDBName": link.database,
        "TargetDBName": link.target.database,
        "TargetDBInstanceName": link.target.cluster or "",
        "TargetAccount": link.target.account,
    }


def _told(error: Exception) -> str:
    """What may be logged of an exception: what it is and where it was raised. Its message might
    quote what it was raised for."""
    what = type(error).__name__
    if isinstance(error, pgwire.Error) and getattr(error, "sqlstate", None):
        what += f" (SQLSTATE {error.sqlstate})"
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = ", ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames)
    return f"{what} in {where}"
