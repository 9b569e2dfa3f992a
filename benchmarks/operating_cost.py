"""What members told to partners, lifetime calculations and doing nothing make the product ask of AWS.

`python -m benchmarks.operating_cost` plays the real handlers over an AWS in memory with all that the template has, and
writes `cli/audience_cli/cost/operating.json`, which `audiences cost` prices beside the events of `benchmarks.cost`.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from audience_core import wiring, wiring_archive
from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, SubscriptionState, Target, delivery_bucket_of
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.pipeline.deliver import deliver
from benchmarks.cost import set_credentials
from benchmarks.metering import Index, Meter
from local.templates import read_template
from tests.support import lifetime_stack
from tests.support.control import ACCOUNT, CONNECTION, a_connection, an_account, an_audience, an_output
from tests.support.http_api import Caller, a_context
from tests.support.whole_stack import TEMPLATE, WholeStack, forget_wiring

KEPT = Path(__file__).parents[1] / "cli" / "audience_cli" / "cost" / "operating.json"
MEMBERS = 400
INDEXES = {"LedgerTable": Index(("dirty_bucket", "dirty_since"), is_whole=True)}
_MONTHLY = {"rate(1 minute)": 43_800, "rate(5 minutes)": 8_760}
_A_NIGHT = 30.4


@contextmanager
def metered() -> Iterator[tuple[WholeStack, Meter]]:
    set_credentials()
    meter = Meter(INDEXES, is_on=False)
    with mock_aws(), pytest.MonkeyPatch.context() as patch, meter.watching():
        stack = WholeStack()
        stack.tell(patch, RECONCILE_PAUSE_S="0")
        try:
            yield stack, meter
        finally:
            forget_wiring()


def counted(meter: Meter, work: Callable[[], Any]) -> dict[str, Any]:
    """Requests, units and milliseconds of the processor outside of requests."""
    meter.counts.clear()
    meter.is_on, inside = True, meter.spent
    began = time.thread_time()
    work()
    cpu_ms = round((time.thread_time() - began - (meter.spent - inside)) * 1000)
    meter.is_on = False
    figures: dict[str, dict[str, int]] = {}
    for (name, what), many in sorted(meter.counts.items()):
        figures.setdefault(name, {})[what] = many
    return {"cpu_ms": cpu_ms, "counts": figures}


def measure_delivery(members: int = MEMBERS) -> dict[str, Any]:
    """Members that joined, told to a webhook in messages of its size, a wake-up a lane."""
    with metered() as (_, meter):
        stores, sent = wiring.stores(), []
        stores.outputs.save(an_output())
        stores.audiences.save(an_audience())
        stores.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))
        for number in range(1, members + 1):
            target = Target((Identity("email", f"somebody-{number}@example.com"),))
            stores.ledger.desire(ACCOUNT, CONNECTION, Mpid(number), target, 1, 1000)

        def send(request: HttpRequest) -> HttpResponse:
            sent.append(request)
            return HttpResponse(200, {}, b"{}")

        lanes = sorted({delivery_bucket_of(Mpid(number)) for number in range(1, members + 1)})

        def drain_all() -> None:
            for bucket in lanes:
                wake_up = WakeUp(ACCOUNT, CONNECTION, bucket)
                deliver(stores, send, wake_up, 1, lambda: 2000, 10**15)

        figures = counted(meter, drain_all)
    assert len(lanes) == DELIVERY_BUCKETS
    return {"members": members, "lanes": len(lanes), "messages": len(sent), **figures}


def measure_idle() -> dict[str, Any]:
    """Runs of the schedules when nothing happens: one account, an audience, nobody in it."""
    with metered() as (stack, meter):
        stores = wiring.stores()
        stores.accounts.create(an_account())
        stores.audiences.publish(an_audience())
        found: dict[str, Any] = {}
        for name, each in stack.template["Resources"].items():
            for event in each.get("Properties", {}).get("Events", {}).values():
                if event["Type"] == "Schedule":
                    properties = each["Properties"]
                    handler = import_module(f"functions.{properties['CodeUri'].split('/')[-1]}.handler").lambda_handler
                    handler({}, a_context())
                    figures = counted(meter, partial(handler, {}, a_context()))
                    schedule = event["Properties"]["Schedule"]
                    runs = _MONTHLY.get(schedule, _A_NIGHT)
                    memory = properties.get("MemorySize", stack.template["Globals"]["Function"]["MemorySize"])
                    found[name] = {"runs_a_month": runs, "memory_mb": memory, **figures}
        return found


def measure_calculation() -> dict[str, Any]:
    """Requests of a calculation over two shards: what they ask does not depend on how many events a shard has."""
    with metered() as (_, meter), pytest.MonkeyPatch.context() as patch:
        premium = lifetime_stack.opened(lifetime_stack.premium_stack())
        patch.setattr(wiring, "stores", lambda: premium)
        wiring_archive.calculation.cache_clear()
        lifetime_stack.three_buyers(premium)
        call = Caller(lifetime_stack.everything, lifetime_stack.PREMIUM)
        calculation = lifetime_stack.started(call, lifetime_stack.created(call)).body["id"]
        figures = counted(meter, lambda: lifetime_stack.run(SimpleNamespace(**vars(premium)), calculation))
        wiring_archive.calculation.cache_clear()
    return {"shards": 2, **figures}


def scheduled() -> set[str]:
    """Functions that run by the clock."""
    resources = read_template(TEMPLATE)["Resources"]
    return {
        name
        for name, each in resources.items()
        if any(event["Type"] == "Schedule" for event in each.get("Properties", {}).get("Events", {}).values())
    }


def standing() -> dict[str, int]:
    """What of the template costs by the month: alarms, and queues that functions wait for."""
    resources = read_template(TEMPLATE)["Resources"].values()
    alarms = sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources)
    events = [event for each in resources for event in each.get("Properties", {}).get("Events", {}).values()]
    return {"alarms": alarms, "queues": sum(event["Type"] == "SQS" for event in events)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="write nothing")
    found = {"delivery": measure_delivery(), "idle": measure_idle(), "lifetime": measure_calculation(), **standing()}
    text = json.dumps(found, indent=1) + "\n"
    if parser.parse_args().print:
        print(text)
    else:
        KEPT.write_text(text)


if __name__ == "__main__":
    main()
