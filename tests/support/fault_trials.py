"""Which faults of a story are tried, and what tells a run that ended otherwise."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.faults import Ending, Fault, How

_READS = ("Get", "BatchGet", "Query", "Scan", "List", "Head", "Describe")


@dataclass(frozen=True)
class Difference:
    """A run that did not end as the undisturbed one.

    Args:
        call: the one that failed.
        found: what differs: as it is, and as it should be; or why there is no end.
    """

    fault: Fault
    call: str
    found: Mapping[str, Any]


def difference(fault: Fault, attempt: Callable[[Fault], Ending], undisturbed: Ending) -> Difference | None:
    """None when all ended well; a fault that no call came to strike is a difference, too."""
    call = undisturbed.calls[fault.at - 1] if fault.at else ""
    try:
        found, expected = attempt(fault), undisturbed.state
    except Exception as error:
        return Difference(fault, call, {type(error).__name__: str(error)})
    if fault.at > len(found.calls):
        return Difference(fault, call, {"calls": (len(found.calls), "too few")})
    differing = {key: (found.state[key], expected[key]) for key in expected if found.state[key] != expected[key]}
    return Difference(fault, call, differing) if differing else None


def faults_of(undisturbed: Ending, of: str = "", alike: int = 2) -> Iterator[Fault]:
    """All messages twice, and the last of them first; a death and a throttle at every call of every invocation.

    To die after one call is to die before the next one of the same invocation, and whether what was only read was read
    makes no difference: deaths are tried where something has been written since the one before.

    Args:
        of: the functions that are disturbed, all by default.
        alike: so many of the invocations of one function and step that make the same calls in the same order are
            disturbed: the first ones, and the last. A job makes hundreds, for buckets that hold nobody.
    """
    yield Fault(0, How.TWICE)
    yield Fault(0, How.REVERSED)
    kinds = defaultdict[tuple[str, ...], list[range]](list)
    for calls, kind in undisturbed.invocations():
        if kind[0].startswith(of):
            kinds[kind].append(calls)
    chosen = [each for found in kinds.values() for each in (*found[: alike - 1], *found[alike - 1 :][-1:])]
    for calls in sorted(chosen, key=lambda each: each.start):
        for at in calls:
            if at == calls[0] or not _is_read(undisturbed.calls[at - 2]):
                yield Fault(at, How.BEFORE)
            yield Fault(at, How.THROTTLE)
        if calls and not _is_read(undisturbed.calls[calls[-1] - 1]):
            yield Fault(calls[-1], How.AFTER)


def _is_read(call: str) -> bool:
    service, operation = call.split(" ")
    return service != "partner" and operation.startswith(_READS)
