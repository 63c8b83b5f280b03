"""Passwords, tokens, paths and rates, without a server."""

from urllib.parse import urljoin

import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from ioc.errors import TooMany
from ioc.model.access import Kind, Principal
from ioc.operations import access, gatekeeping
from ioc.operations.gatekeeping import Rate, SignInLimits, check_password, hash_password, is_local_path, network_of
from ioc.settings import Settings
from ioc.store.access import person_by_login, set_password_hash
from ioc.store.engine import Store
from ioc.web.throttle import IntakeLimits
from tests.access.conftest import HERE, NOON, PASSWORD, ROOT


def test_passwords_are_argon2id_with_the_parameters_of_owasp() -> None:
    parameters = extract_parameters(hash_password(PASSWORD))
    assert parameters.type.name == "ID"
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)
    assert (parameters.hash_len, parameters.salt_len) == (32, 16)


def test_nobody_has_no_password() -> None:
    assert not check_password(None, PASSWORD)
    assert not check_password("not a hash", PASSWORD)


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_sign_in(store: Store) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with store.writing() as connection:
        person = person_by_login(connection, "lan")
        assert person is not None
        set_password_hash(connection, person.id, old)
    access.sign_in(store, SignInLimits(), Settings.load({}), login="lan", password=PASSWORD, visit=HERE, now=NOON)
    with store.reading() as connection:
        person = person_by_login(connection, "lan")
    assert person is not None
    assert person.password_hash is not None
    assert not gatekeeping.needs_new_hash(person.password_hash)
    assert check_password(person.password_hash, PASSWORD)


def test_tokens_have_256_bits_and_never_repeat() -> None:
    tokens = {gatekeeping.new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert {len(token) for token in tokens} == {43}


def test_a_new_password_ends_open_sessions(store: Store) -> None:
    settings = Settings.load({})
    signed = access.sign_in(store, SignInLimits(), settings, login="lan", password=PASSWORD, visit=HERE, now=NOON)
    assert access.find_session(store, signed.token, settings, NOON) is not None
    access.set_password(ROOT, store, login="lan", password="another long password", now=NOON)
    assert access.find_session(store, signed.token, settings, NOON) is None


def test_secrets_do_not_show_in_a_records_text(store: Store) -> None:
    signed = access.sign_in(
        store, SignInLimits(), Settings.load({}), login="lan", password=PASSWORD, visit=HERE, now=NOON
    )
    assert signed.token not in repr(signed)
    assert signed.csrf not in repr(signed)
    assert "argon2" not in repr(access.list_people(ROOT, store))


@given(st.text())
def test_a_local_path_never_leads_to_another_host(text: str) -> None:
    if is_local_path(text):
        assert urljoin("https://ioc.example.vn/a/b", text).startswith("https://ioc.example.vn/")


@pytest.mark.parametrize("path", ["", "x", "//h", "/\\h", "/a\nb", "/a b", "https://h", "/" + "x" * 2_000])
def test_other_paths_are_not_local(path: str) -> None:
    assert not is_local_path(path)


# --- rates -----------------------------------------------------------------------------------------------------


def test_a_rate_lets_the_burst_through_and_then_the_rate() -> None:
    rate = Rate(2.0, 4, what="calls")
    for _ in range(4):
        rate.take("key", 100.0)
    with pytest.raises(TooMany) as refused:
        rate.take("key", 100.0)
    assert refused.value.retry_after_s == 1.0
    rate.take("other", 100.0)
    rate.take("key", 100.5)
    with pytest.raises(TooMany):
        rate.take("key", 100.5)


def test_what_costs_more_than_the_burst_is_let_in_and_owed() -> None:
    rate = Rate(10.0, 20, what="messages")
    rate.take("key", 0.0, cost=100)
    with pytest.raises(TooMany) as refused:
        rate.take("key", 0.0)
    assert refused.value.retry_after_s == pytest.approx(8.1)
    rate.take("key", 10.0, cost=20)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=50))
def test_no_more_than_burst_and_rate_ever_gets_through(tries: list[tuple[float, int]]) -> None:
    rate, now, passed = Rate(3.0, 5, what="calls"), 0.0, 0
    for wait, cost in tries:
        now += wait
        try:
            rate.take("key", now, cost=cost)
            passed += cost
        except TooMany:
            continue
    assert passed <= 5 + 3.0 * now + 1e-6


def test_a_flood_of_new_keys_does_not_grow_without_bound_and_does_not_free_the_busy_one() -> None:
    rate = Rate(1.0, 2, what="calls")
    rate.take("busy", 0.0, cost=2)
    for number in range(30_000):
        rate.take(f"{number}", 0.0)
    assert len(rate._full_at) <= 10_000
    with pytest.raises(TooMany):
        rate.take("busy", 0.0)


def test_a_sender_has_its_rates_of_requests_and_messages() -> None:
    limits = IntakeLimits(Settings.load({"IOC_INTAKE_REQUESTS": "1", "IOC_INTAKE_MESSAGES": "10"}))
    one, other = Principal(Kind.SOURCE, "one", "one"), Principal(Kind.SOURCE, "other", "other")
    limits.take_request(one, 0.0)
    limits.take_request(one, 0.0)
    with pytest.raises(TooMany):
        limits.take_request(one, 0.0)
    limits.take_request(other, 0.0)
    limits.take_messages(one, 20, 0.0)
    with pytest.raises(TooMany):
        limits.take_messages(one, 1, 0.0)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("?", "?"),
    ],
)
def test_one_customer_of_ipv6_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
