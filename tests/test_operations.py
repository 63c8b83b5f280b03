"""Every operation takes the Principal first: a rule that holds only if something checks it."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import ioc.operations

# What opens the store for somebody takes a Principal. Only the gate has none yet: these make one.
MADE_BY_THE_GATE = {"sign_in", "find_session", "mark_seen", "sign_out", "redeem", "principal_of_key"}
MADE_BY_THE_GATE |= {"pair_screen", "find_screen", "mark_screen_seen"}
MADE_BY_THE_GATE |= {"is_linked", "sign_in_external"}
TRANSACTIONS = {"changing"}  # what operations open the store with, once they know who asks
OPENS_THE_STORE = {"Store", "Province", "Intake"}


def operations() -> Iterator[tuple[str, list[inspect.Parameter]]]:
    for module_info in pkgutil.iter_modules(ioc.operations.__path__, "ioc.operations."):
        module = importlib.import_module(module_info.name)
        for name, member in inspect.getmembers(module, inspect.isfunction):
            if member.__module__ == module.__name__ and not name.startswith("_"):
                yield f"{module_info.name}.{name}", list(inspect.signature(member).parameters.values())


def test_every_operation_on_the_store_takes_the_principal_first() -> None:
    without = [
        name
        for name, parameters in operations()
        if any(getattr(one.annotation, "__name__", one.annotation) in OPENS_THE_STORE for one in parameters)
        and not any(one.name == "connection" for one in parameters)  # a part of an operation that has begun
        and name.rpartition(".")[2] not in MADE_BY_THE_GATE | TRANSACTIONS
        and (parameters[0].name, parameters[0].annotation.__name__) != ("principal", "Principal")
    ]
    assert without == []


def test_the_rule_sees_operations_at_all() -> None:
    names = {name for name, parameters in operations() if parameters and parameters[0].name == "principal"}
    assert len(names) > 15
