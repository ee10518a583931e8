"""Links, in real databases: made, undone, restarted, tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

import dblink
import pgwire
from dblink.links import LinkError, Target
from dblink.links.store import open_store
from pgwire.testing.cluster import Cluster
from tests.dblink.links.kit import PASSWORD, World

CLERK = Target("stock", "clerk", cluster="pc-b")


@contextmanager
def refused(code: str, *words: str) -> Iterator[None]:
    with pytest.raises(LinkError) as caught:
        yield
    assert caught.value.code == code, caught.value
    for word in words:
        assert word in caught.value.message
    assert PASSWORD not in str(caught.value)


@pytest.fixture
def shop(server: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(server.conninfo("shop")) as connection:
        yield connection


@pytest.fixture
def keeper(world: World) -> World:
    """The clusters' maintenance role is one that is no superuser."""
    for name in ("pc-a", "pc-b"):
        world.catalogue.change_cluster(name, conninfo=world.server.conninfo(user="keeper"))
    return world


@pytest.fixture
def wrapper(shop: pgwire.Connection) -> Iterator[None]:
    """There is a wrapper, which the role keeper may use."""
    shop.execute("CREATE FOREIGN DATA WRAPPER dblink_fdw VALIDATOR postgresql_fdw_validator")
    shop.execute("GRANT USAGE ON FOREIGN DATA WRAPPER dblink_fdw TO keeper")
    yield
    shop.execute("DROP FOREIGN DATA WRAPPER dblink_fdw CASCADE")


# Made and undone.


def test_a_link_is_a_connection_name(each_world: World) -> None:
    link = each_world.create()
    assert link.state == "active"
    assert link.health is not None and link.health.ok
    assert each_world.catalogue.links("pc-a") == [link]
    assert each_world.catalogue.link("pc-a", "dblink_test") == link
    with dblink.Session(each_world.server.conninfo("shop")) as session:
        assert session.dblink("dblink_test", "SELECT * FROM item").fetchall() == [("chair", 3)]
    each_world.catalogue.delete_link("pc-a", "dblink_test")
    assert each_world.catalogue.links("pc-a") == []
    assert each_world.left() == []


def test_what_stands_in_the_source_database(world: World, shop: pgwire.Connection) -> None:
    link = world.create(roles=["app", "PUBLIC", "postgres", "app"])
    (server,) = shop.query(
        "SELECT srvname, srvoptions, obj_description(oid, 'pg_foreign_server'), srvowner::regrole"
        " FROM pg_foreign_server"
    )
    host, port = world.server.host, world.server.port
    options = [f"host={host}", f"port={port}", "dbname=stock"]
    assert server == ("dblink_test", options, f"dblink link {link.id}", "postgres")
    mappings = shop.query("SELECT usename, umoptions FROM pg_user_mappings ORDER BY 1").rows
    login = ["user=clerk", f"password={PASSWORD}"]
    assert mappings == [("app", login), ("postgres", login), ("public", login)]
    assert shop.query("SELECT has_server_privilege('app', 'dblink_test', 'USAGE')").scalar()


def test_nobody_else_may_use_it(world: World, shop: pgwire.Connection) -> None:
    world.create()
    assert not shop.query("SELECT has_server_privilege('app', 'dblink_test', 'USAGE')").scalar()


def test_roles_of_the_cluster_are_the_default(world: World) -> None:
    world.catalogue.change_cluster("pc-a", roles=["app"])
    assert world.create().roles == ("app",)
    with dblink.Session(world.server.conninfo("shop", user="app")) as session:
        session.dblink_connect("dblink_test")
        assert session.dblink("SELECT current_user").scalar() == "clerk"
    assert world.create("other", roles=[]).roles == ()


def test_a_server_of_ones_own(world: World) -> None:
    target = Target("stock", "clerk", address="127.0.0.1", port=world.server.port, vpc="vpc-1")
    assert world.create(target=target).target == target
    assert world.catalogue.quota_used() == {"pc-a": 1, "pc-b": 0}
    with dblink.Session(world.server.conninfo("shop")) as session:
        assert session.dblink("dblink_test", "SELECT count(*) FROM item").scalar() == 1


def test_a_cluster_linked_to_itself_counts_once(world: World) -> None:
    world.create(target=replace(CLERK, cluster="pc-a"))
    assert world.catalogue.quota_used() == {"pc-a": 1, "pc-b": 0}


@pytest.mark.parametrize("length", [1, 63, 64])
def test_names_of_every_length(world: World, length: int) -> None:
    name = "n" * length
    world.create(name)
    with dblink.Session(world.server.conninfo("shop")) as session:
        assert session.dblink(name, "SELECT 1").scalar() == 1


def test_a_name_counts_by_63_bytes_in_a_database(world: World) -> None:
    world.create("n" * 63 + "a")
    with refused("InvalidDBLinkName.ServerExists", "n" * 63):
        world.create("n" * 63 + "b")
    assert len(world.catalogue.links()) == 1


def test_the_wrapper_goes_with_the_last_link(world: World) -> None:
    world.create("one")
    world.create("two")
    world.catalogue.delete_link("pc-a", "one")
    assert "wrapper dblink_fdw" in world.left()
    world.catalogue.delete_link("pc-a", "two")
    assert world.left() == []


@pytest.mark.usefixtures("wrapper")
def test_a_wrapper_of_somebody_elses_stays(world: World) -> None:
    world.create()
    world.catalogue.delete_link("pc-a", "dblink_test")
    assert world.left() == ["wrapper dblink_fdw"]


def test_mappings_that_somebody_has_added_go_too(world: World, shop: pgwire.Connection) -> None:
    world.create()
    shop.execute("CREATE USER MAPPING FOR app SERVER dblink_test")
    shop.execute("CREATE USER MAPPING FOR PUBLIC SERVER dblink_test")
    world.catalogue.delete_link("pc-a", "dblink_test")
    assert world.left() == []


@pytest.mark.usefixtures("wrapper")
def test_without_a_superuser(keeper: World) -> None:
    keeper.create(roles=["app"])
    assert keeper.catalogue.test_link("pc-a", "dblink_test").ok
    keeper.catalogue.restart_link("pc-a", "dblink_test")
    with dblink.Session(keeper.server.conninfo("shop", user="app")) as session:
        session.dblink_connect("dblink_test")
    keeper.catalogue.delete_link("pc-a", "dblink_test")
    assert keeper.left() == ["wrapper dblink_fdw"]


def test_names_are_no_sql(world: World, server: Cluster) -> None:
    odd = """a 'quoted' "name" \\ {} $1 --"""
    for database in ("shop", "stock"):
        with pgwire.connect(server.conninfo(database)) as admin:
            quoted = admin.query("SELECT quote_ident($1)", [odd]).scalar()
            if database == "shop":
                admin.execute(f"CREATE ROLE {quoted} LOGIN PASSWORD $$x'\"\\$$")
                admin.execute(f"CREATE DATABASE {quoted}")
    try:
        world.create(
            database=odd,
            target=Target(odd, odd, cluster="pc-b"),
            password="x'\"\\",
            roles=[odd],
        )
        assert world.catalogue.test_link("pc-a", "dblink_test").ok
        with dblink.Session(server.conninfo(odd)) as session:
            assert session.dblink("dblink_test", "SELECT current_user").scalar() == odd
        world.catalogue.delete_link("pc-a", "dblink_test")
    finally:
        with pgwire.connect(server.conninfo()) as admin:
            admin.execute(f"DROP DATABASE {quoted} WITH (FORCE)")
            admin.execute(f"DROP ROLE {quoted}")


# Refused.


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"name": "1a"}, "InvalidDBLinkName.Malformed"),
        ({"cluster": "pc-c"}, "InvalidDBClusterId.NotFound"),
        ({"account": "a2"}, "InvalidDBClusterId.NotFound"),
        ({"database": ""}, "InvalidDBName.Malformed"),
        ({"database": "no\0shop"}, "InvalidDBName.Malformed"),
        ({"database": "x" * 64}, "InvalidDBName.Malformed"),
        ({"database": "nowhere"}, "InvalidSourceDBName.NotFound"),
        ({"password": ""}, "InvalidPassword.Malformed"),
        ({"password": "a\0b"}, "InvalidPassword.Malformed"),
        ({"password": "wrong"}, "InvalidTarget.Refused"),
        ({"roles": ["nobody"]}, "InvalidRole.NotFound"),
        ({"roles": ["no\0body"]}, "InvalidDBName.Malformed"),
        ({"client_token": ""}, "InvalidClientToken.Malformed"),
        ({"client_token": "x" * 65}, "InvalidClientToken.Malformed"),
        ({"client_token": "é"}, "InvalidClientToken.Malformed"),
        ({"region": "nowhere"}, "InvalidRegionId.NotFound"),
        ({"region": "cn-beijing"}, "InvalidRegionId.Mismatch"),
        ({"target": Target("stock", "clerk")}, "InvalidTarget"),
        ({"target": replace(CLERK, address="127.0.0.1", port=1)}, "InvalidTarget"),
        ({"target": Target("stock", "clerk", address="127.0.0.1")}, "InvalidTarget"),
        ({"target": Target("stock", "clerk", port=5432)}, "InvalidTarget"),
        ({"target": replace(CLERK, cluster="pc-x")}, "InvalidDBClusterId.NotFound"),
        ({"target": replace(CLERK, database="nowhere")}, "InvalidTarget.Refused"),
        ({"target": replace(CLERK, account="nobody")}, "InvalidTarget.Refused"),
        ({"target": replace(CLERK, account="")}, "InvalidDBName.Malformed"),
        (
            {"target": Target("s", "c", address="db.example", port=1)},
            "InvalidTargetIp.Malformed",
        ),
        (
            {"target": Target("s", "c", address="127.0.0.1", port=65536)},
            "InvalidTargetPort.Malformed",
        ),
        ({"target": Target("s", "c", address="127.0.0.1", port=1)}, "InvalidTarget.Refused"),
        (
            {"target": Target("s", "c", address="169.254.169.254", port=80)},
            "InvalidTarget.Forbidden",
        ),
    ],
)
def test_what_cannot_be_leaves_nothing(world: World, options: dict[str, Any], code: str) -> None:
    with refused(code):
        world.create(**options)
    assert world.catalogue.links() == []
    assert world.catalogue.reconcile() == []
    assert world.catalogue.quota_used() == {"pc-a": 0, "pc-b": 0}


def test_a_link_of_that_name(world: World) -> None:
    world.create()
    with refused("InvalidDBLinkName.Duplicate"):
        world.create(database="stock")
    world.create(cluster="pc-b", database="stock")  # unique in its source cluster only


@pytest.mark.usefixtures("wrapper")
def test_a_foreign_server_of_that_name(world: World, shop: pgwire.Connection) -> None:
    shop.execute("CREATE SERVER dblink_test FOREIGN DATA WRAPPER dblink_fdw")
    with refused("InvalidDBLinkName.ServerExists", "shop"):
        world.create()
    assert world.left() == ["server dblink_test", "wrapper dblink_fdw"]
    shop.execute("DROP SERVER dblink_test")


@pytest.mark.parametrize("full", ["pc-a", "pc-b"])
def test_a_quota_counts_on_both_sides(world: World, full: str) -> None:
    world.catalogue.configure(quota=2)
    world.catalogue.add_cluster(
        "pc-c", region="cn-hangzhou", account="a1", conninfo=world.server.conninfo()
    )
    # One where it is the source, one where it is the target.
    world.create("one", full, target=replace(CLERK, cluster="pc-c"))
    world.create("two", "pc-c", target=replace(CLERK, cluster=full))
    with refused("QuotaExceeded.DBLink", full, "2"):
        world.create("three")
    own = Target("stock", "clerk", address="127.0.0.1", port=world.server.port)
    if full == "pc-b":
        world.create("three", target=own)  # a server of one's own has none


def test_regions_and_accounts_do_not_mix(world: World) -> None:
    where = world.server.conninfo()
    world.catalogue.add_cluster("far", region="cn-beijing", account="a1", conninfo=where)
    world.catalogue.add_cluster("strange", region="cn-hangzhou", account="a2", conninfo=where)
    with refused("OperationDenied.RegionMismatch", "cn-beijing", "cn-hangzhou"):
        world.create(target=replace(CLERK, cluster="far"))
    with refused("InvalidDBClusterId.NotFound", "strange"):
        world.create(target=replace(CLERK, cluster="strange"))


def test_without_a_superuser_nor_a_wrapper(keeper: World) -> None:
    with refused("InvalidSource.Refused", "dblink_fdw", "Must be superuser"):
        keeper.create()
    assert keeper.left() == []


def test_objects_that_depend_on_a_link(world: World, shop: pgwire.Connection) -> None:
    world.create()
    shop.execute("CREATE FOREIGN TABLE item (name text) SERVER dblink_test")
    with refused("OperationDenied.DBLinkInUse", "item"):
        world.catalogue.delete_link("pc-a", "dblink_test")
    assert world.catalogue.link("pc-a", "dblink_test").state == "active"
    assert world.catalogue.test_link("pc-a", "dblink_test").ok
    shop.execute("DROP FOREIGN TABLE item")


@pytest.mark.parametrize("do", ["delete_link", "restart_link", "test_link", "link"])
def test_there_is_no_such_link(world: World, do: str) -> None:
    with refused("InvalidDBLinkName.NotFound", "pc-a", "nothing"):
        getattr(world.catalogue, do)("pc-a", "nothing")
    with refused("InvalidDBClusterId.NotFound"):
        getattr(world.catalogue, do)("pc-x", "nothing")


# What others do to a link.


def dropped(shop: pgwire.Connection) -> None:
    shop.execute("DROP SERVER dblink_test CASCADE")


def replaced(shop: pgwire.Connection) -> None:
    dropped(shop)
    shop.execute("CREATE SERVER dblink_test FOREIGN DATA WRAPPER dblink_fdw")


def without_mapping(shop: pgwire.Connection) -> None:
    shop.execute("DROP USER MAPPING FOR CURRENT_USER SERVER dblink_test")


def without_password(shop: pgwire.Connection) -> None:
    shop.execute("ALTER USER MAPPING FOR CURRENT_USER SERVER dblink_test OPTIONS (DROP password)")


@pytest.mark.parametrize("harm", [dropped, replaced, without_mapping, without_password])
def test_a_link_that_is_broken(
    world: World, shop: pgwire.Connection, harm: Callable[[pgwire.Connection], None]
) -> None:
    world.create()
    harm(shop)
    assert not world.catalogue.test_link("pc-a", "dblink_test").ok
    with refused("OperationDenied.DBLinkBroken", "Delete it and create it again"):
        world.catalogue.restart_link("pc-a", "dblink_test")
    world.catalogue.delete_link("pc-a", "dblink_test")
    if harm is replaced:
        assert "server dblink_test" in world.left()  # it is none of ours
        shop.execute("DROP SERVER dblink_test")
    if harm in (dropped, replaced):
        # Then nobody has seen the wrapper to be out of use.
        assert world.left() == ["wrapper dblink_fdw"]
        shop.execute("DROP FOREIGN DATA WRAPPER dblink_fdw")


def test_a_source_that_is_gone(world: World, server: Cluster) -> None:
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("CREATE DATABASE passing")
    world.create(database="passing")
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("DROP DATABASE passing WITH (FORCE)")
    with refused("InvalidSourceDBName.NotFound", "passing"):
        world.catalogue.delete_link("pc-a", "dblink_test")
    assert not world.catalogue.test_link("pc-a", "dblink_test").ok
    world.catalogue.delete_link("pc-a", "dblink_test", force=True)
    assert world.catalogue.links() == []


def test_a_source_that_cannot_be_reached(world: World) -> None:
    world.create()
    world.catalogue.change_cluster("pc-a", conninfo="host=127.0.0.1 port=1")
    for do in (world.catalogue.delete_link, world.catalogue.restart_link):
        with refused("InvalidSource.Unreachable", "Connection refused"):
            do("pc-a", "dblink_test")
    health = world.catalogue.test_link("pc-a", "dblink_test")
    assert "cannot be reached" in str(health.problem)
    assert world.catalogue.link("pc-a", "dblink_test").state == "active"
    world.catalogue.change_cluster("pc-a", conninfo=world.server.conninfo())


# Restarted and tested.


def test_restarting_follows_the_target(world: World, shop: pgwire.Connection) -> None:
    world.create(roles=["app"])
    shop.execute("DROP USER MAPPING FOR app SERVER dblink_test")
    shop.execute("REVOKE USAGE ON FOREIGN SERVER dblink_test FROM app")
    by_tcp = world.server.conninfo(host="127.0.0.1", sslmode="disable")
    world.catalogue.change_cluster("pc-b", conninfo=by_tcp)
    link = world.catalogue.restart_link("pc-a", "dblink_test")
    assert link.health == world.catalogue.link("pc-a", "dblink_test").health
    options = shop.query("SELECT srvoptions FROM pg_foreign_server").scalar()
    assert sorted(options) == [
        *("dbname=stock", "host=127.0.0.1", f"port={world.server.port}", "sslmode=disable")
    ]
    with dblink.Session(world.server.conninfo("shop", user="app")) as session:
        session.dblink_connect("dblink_test")
    world.catalogue.change_cluster("pc-b", conninfo=world.server.conninfo())
    world.catalogue.restart_link("pc-a", "dblink_test")
    options = shop.query("SELECT srvoptions FROM pg_foreign_server").scalar()
    assert "sslmode=disable" not in options


def test_restarting_changes_nothing_that_does_not_work(
    world: World, shop: pgwire.Connection
) -> None:
    world.create()
    before = shop.query("SELECT srvoptions FROM pg_foreign_server").scalar()
    world.catalogue.change_cluster("pc-b", conninfo="host=127.0.0.1 port=1")
    with refused("InvalidTarget.Refused", "127.0.0.1"):
        world.catalogue.restart_link("pc-a", "dblink_test")
    assert shop.query("SELECT srvoptions FROM pg_foreign_server").scalar() == before
    health = world.catalogue.link("pc-a", "dblink_test").health
    assert health is not None and "Connection refused" in str(health.problem)
    assert world.catalogue.test_link("pc-a", "dblink_test").ok


def test_a_password_that_has_changed(world: World, server: Cluster) -> None:
    world.create()
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("ALTER ROLE clerk PASSWORD 'another'")
        try:
            health = world.catalogue.test_link("pc-a", "dblink_test")
            assert not health.ok and health.latency is None
            assert "password authentication failed" in str(health.problem)
            assert world.catalogue.link("pc-a", "dblink_test").health == health
            with refused("InvalidTarget.Refused", "password authentication failed"):
                world.catalogue.restart_link("pc-a", "dblink_test")
        finally:
            quoted = PASSWORD.replace("'", "''")
            admin.execute(f"ALTER ROLE clerk PASSWORD '{quoted}'")
    assert world.catalogue.test_link("pc-a", "dblink_test").ok


def test_restarting_leaves_out_a_role_that_is_gone(world: World, server: Cluster) -> None:
    with pgwire.connect(server.conninfo("shop")) as admin:
        admin.execute("CREATE ROLE passing")
        world.create(roles=["passing"])
        admin.execute("DROP OWNED BY passing")
        admin.execute("DROP USER MAPPING IF EXISTS FOR passing SERVER dblink_test")
        admin.execute("DROP ROLE passing")
    world.catalogue.restart_link("pc-a", "dblink_test")


# Client tokens.


def test_a_token_makes_a_retry_harmless(each_world: World) -> None:
    link = each_world.create(client_token="t1")
    assert each_world.create(client_token="t1") == each_world.catalogue.link("pc-a", link.name)
    assert each_world.catalogue.quota_used() == {"pc-a": 1, "pc-b": 1}
    with refused("IdempotentParameterMismatch"):
        each_world.create("other", client_token="t1")
    with refused("IdempotentParameterMismatch"):
        each_world.create(client_token="t1", target=replace(CLERK, database="shop"))
    with refused("InvalidDBLinkName.Duplicate"):
        each_world.create(client_token="t2")


def test_a_token_of_what_failed_can_be_used_again(world: World) -> None:
    with refused("InvalidTarget.Refused"):
        world.create(client_token="t1", password="wrong")
    world.create(client_token="t1")


def test_a_token_is_forgotten_with_its_link(world: World) -> None:
    first = world.create(client_token="t1")
    world.catalogue.delete_link("pc-a", "dblink_test")
    assert world.create(client_token="t1").id != first.id


def test_a_token_is_forgotten_after_a_day(world: World) -> None:
    world.create("one", client_token="t1")
    with open_store(world.where).transaction() as store:
        store.query("UPDATE client_token SET made = '2026-01-01T00:00:00.000000Z'")
    world.create("two", client_token="t2")
    world.create("three", client_token="t1")
