"""Every callback of the running application and what a browser, or anybody else, may send to it.

The list is the one that the application itself gives to a browser (`/_dash-dependencies`), compared with the one that
it answers from.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dash import Dash

from ioc.web.app import WebApp
from tests.access_matrix.canaries import FOREIGN, MARKS, OWN
from tests.access_matrix.parameters import property_values
from tests.access_matrix.wire import JSON, Asked

UPDATE: Final = "/_dash-update-component"
MOST_PRODUCT: Final = 300
_WILD: Final = (["ALL"], ["MATCH"], ["ALLSMALLER"])


@dataclass(frozen=True, slots=True)
class Callback:
    """One entry of /_dash-dependencies."""

    output: str
    inputs: tuple[tuple[str, str], ...]
    state: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"callback {self.output}"


def dash_of(web: WebApp) -> Dash:
    """The Dash application behind the server."""
    for one in web.server.user_middleware:
        if isinstance(found := one.kwargs.get("dash_app"), Dash):
            return found
    raise AssertionError("Dash has left no middleware on the server: find it anew in tests/access_matrix/callbacks.py")


def found_callbacks(dependencies: bytes) -> tuple[Callback, ...]:
    """The callbacks of an answer of /_dash-dependencies that run on the server."""
    return tuple(
        Callback(
            one["output"],
            tuple((part["id"], part["property"]) for part in one["inputs"]),
            tuple((part["id"], part["property"]) for part in one["state"]),
        )
        for one in json.loads(dependencies)
        if not one.get("clientside_function")
    )


def calls_of(callback: Callback, pathnames: Sequence[str]) -> Iterator[Asked]:
    """Every value of every argument; all combinations where they are few, else one at a time."""
    parts = (*callback.inputs, *callback.state)
    choices = [property_values(name, pathnames, str(callback)) for _, name in parts]
    total = 1
    for values in choices:
        total *= len(values)
    if total <= MOST_PRODUCT:
        combinations: Iterator[tuple[Any, ...]] = itertools.product(*choices)
    else:
        first = [values[0] for values in choices]
        combinations = ((*first[:at], value, *first[at + 1 :]) for at, values in enumerate(choices) for value in values)
    for values in combinations:
        for group in (OWN, FOREIGN) if "{" in callback.output + str(parts) else (OWN,):
            payload = payload_of(callback, values, f"c-{MARKS[group]}")
            yield Asked("POST", UPDATE, "", json.dumps(payload).encode(), JSON, named_in(payload))


def payload_of(callback: Callback, values: Sequence[Any], index: str) -> dict[str, Any]:
    """What Dash's renderer would send; `index` stands for wild parts of ids."""
    told = [
        _argument(id_, name, value, index)
        for (id_, name), value in zip((*callback.inputs, *callback.state), values, strict=True)
    ]
    inputs, state = told[: len(callback.inputs)], told[len(callback.inputs) :]
    changed = callback.inputs[0]
    return {
        "output": callback.output,
        "outputs": _outputs(callback.output, index),
        "inputs": inputs,
        "state": state,
        "changedPropIds": [f"{changed[0]}.{changed[1]}"],
    }


def _argument(id_: str, name: str, value: Any, index: str) -> Any:
    if not id_.startswith("{"):
        return {"id": id_, "property": name, "value": value}
    known, is_list = _filled(id_, index)
    one = {"id": known, "property": name, "value": value}
    return [one] if is_list else one


def _outputs(output: str, index: str) -> Any:
    texts = output.strip(".").split("...") if output.startswith("..") else [output]
    outputs = []
    for text in texts:
        id_, _, name = text.partition("@")[0].rpartition(".")
        outputs.append({"id": _filled(id_, index)[0] if id_.startswith("{") else id_, "property": name})
    return outputs if output.startswith("..") else outputs[0]


def _filled(id_: str, index: str) -> tuple[dict[str, Any], bool]:
    known = json.loads(id_)
    wild = [name for name, value in known.items() if value in _WILD]
    is_list = any(known[name] == ["ALL"] for name in wild)
    return {**known, **dict.fromkeys(wild, index)}, is_list


def named_in(payload: Any) -> tuple[str, ...]:
    """The ids that a payload names: an answer may say them back."""
    if isinstance(payload, dict):
        return tuple({one for value in payload.values() for one in named_in(value)})
    if isinstance(payload, list):
        return tuple({one for value in payload for one in named_in(value)})
    if isinstance(payload, str) and len(payload) > 5:
        return (payload, payload.rpartition("/")[2], payload.rpartition("=")[2])
    return ()
