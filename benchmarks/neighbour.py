"""What a neighbour at ten times its quota does to another account, beyond what as many requests do to the emulator.

    python -m benchmarks.neighbour                          # 7 rounds of three phases of 12 s

A quiet account sends events, one a request, each of a user who joins its audience with it, and measures the call until
its 202 and from there until the member list has the user. In each round, in changing order, its neighbour

* sends nothing;
* sends as much as it may; beside that, as many requests as it sends too many in the third phase go to a route of the
  same API, with the same authorizer, behind which a function does nothing but answer 429 (the control);
* sends ten times what it may.

Emulator, load and functions share the processors of one machine, so extra requests cost the quiet account something
whatever is done with them. The difference of the third phase to the second is what the product adds to that.
"""

import argparse
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import httpx

from benchmarks.latency import Load, probe_mpids, within_a_day
from benchmarks.load import Sender
from local.aws import ACCESS_KEY, REGION
from local.stack import Stack, ensure_stack
from tests.support.partners import a_partner
from tests.support.shop import Shop, cpu_seconds

_QUOTA, _TIMES = 2, 10
_CONTROL = "/v2/control"
_REFUSES = b"""def lambda_handler(event, context):
    return {"statusCode": 429, "headers": {"Retry-After": "1"}, "body": "{}"}
"""
_ALONE, _BESIDE_CONTROL, _BESIDE_NEIGHBOUR = PHASES = (
    "alone",
    "beside the control",
    f"beside a neighbour at {_TIMES} times its quota",
)
_ORDERS = ((0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1))


@dataclass
class Measured:
    """Milliseconds of each call until its 202, and from there until the list had the member, round by round.

    Args:
        cpu_s: processor time of the whole stack in each round.
    """

    calls: list[list[float]] = field(default_factory=list)
    visible: list[list[float]] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def add(self, load: Load, cpu_s: float) -> None:
        assert not load.taken.lost, "a member never came to its list"
        self.cpu_s.append(cpu_s)
        self.calls.append([each * 1000 for each in load.taken.calls])
        self.visible.append([each * 1000 for each in load.taken.visible])


def add_control(stack: Stack) -> None:
    """A route of the API, behind the authorizer of ingest, to a function that knows nothing."""
    functions, apis = stack.client("lambda"), stack.client("apigatewayv2")
    model = functions.get_function(FunctionName=_function(stack, "IngestApiFunction"))
    code = httpx.get(model["Code"]["Location"], timeout=30).content
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        start = archive.getinfo("bootstrap"), archive.read("bootstrap")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(*start)
        archive.writestr("handler.py", _REFUSES)
    known = model["Configuration"]
    created = functions.create_function(
        FunctionName="control",
        Runtime=known["Runtime"],
        Role=known["Role"],
        Handler="handler.lambda_handler",
        Code={"ZipFile": packed.getvalue()},
    )
    (api,) = (each["ApiId"] for each in apis.get_apis()["Items"] if each["ApiId"] in stack.outputs["ApiUrl"])
    (authorizer,) = (each for each in apis.get_authorizers(ApiId=api)["Items"] if each["Name"] == "Input")
    integration = apis.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=created["FunctionArn"], PayloadFormatVersion="2.0"
    )
    apis.create_route(
        ApiId=api,
        RouteKey=f"POST {_CONTROL}",
        Target=f"integrations/{integration['IntegrationId']}",
        AuthorizationType="CUSTOM",
        AuthorizerId=authorizer["AuthorizerId"],
    )


def _function(stack: Stack, logical_id: str) -> str:
    found = stack.client("cloudformation").describe_stack_resource(StackName="audiences", LogicalResourceId=logical_id)
    name: str = found["StackResourceDetail"]["PhysicalResourceId"]
    return name


class Neighbour:
    """What it sends meanwhile, and how it was answered."""

    def __init__(self, shop: Shop) -> None:
        self._real, self._control = Sender(shop), Sender(shop, _CONTROL)
        self.statuses: dict[str, dict[int, int]] = {}

    def during[T](self, phase: str, seconds: float, act: Callable[[], T]) -> T:
        sent = {
            _ALONE: [],
            _BESIDE_CONTROL: [(self._real, _QUOTA), (self._control, _QUOTA * (_TIMES - 1))],
            _BESIDE_NEIGHBOUR: [(self._real, _QUOTA * _TIMES)],
        }[phase]
        with ThreadPoolExecutor(2) as pool:
            taken = [pool.submit(sender.run, rate, seconds) for sender, rate in sent]
            done = act()
        told = self.statuses.setdefault(phase, {})
        for each in taken:
            for status, count in each.result().statuses.items():
                told[status] = told.get(status, 0) + count
        return done


def measure(quiet: Shop, noisy: Shop, given: argparse.Namespace) -> None:
    needed = round(given.rate * given.seconds) + 1
    audience = quiet.audience("Probed", within_a_day("probe"))
    mpids = probe_mpids(quiet, needed * (given.rounds * len(PHASES) + 2))
    neighbour, measured = Neighbour(noisy), {phase: Measured() for phase in PHASES}

    def quietly() -> Load:
        load = Load(quiet, audience, [mpids.pop() for _ in range(needed)], probe_every=1)
        load.run(iter(()), given.rate, given.seconds)
        return load

    neighbour.during(_BESIDE_CONTROL, given.seconds, quietly)
    neighbour.during(_BESIDE_NEIGHBOUR, given.seconds, quietly)
    neighbour.statuses.clear()
    for number in range(given.rounds):
        for place in _ORDERS[number % len(_ORDERS)]:
            before = cpu_seconds(quiet.stack)
            load = neighbour.during(PHASES[place], given.seconds, quietly)
            measured[PHASES[place]].add(load, cpu_seconds(quiet.stack) - before)
        print(f"round {number + 1}; load {os.getloadavg()[0]:.1f}", flush=True)
    tell(measured, neighbour, given)


def tell(measured: dict[str, Measured], neighbour: Neighbour, given: argparse.Namespace) -> None:
    for what, of in (("call to 202", "calls"), ("202 to member list", "visible")):
        rounds: dict[str, list[list[float]]] = {phase: getattr(measured[phase], of) for phase in PHASES}
        for phase in PHASES:
            every = [each for some in rounds[phase] for each in some]
            print(f"{what}, {phase}: p50 {median(every):.0f} ms, p99 {_percentile(every, 99):.0f} ms of {len(every)}")
        for percent in (50, 99):
            beside, control = ([each for some in rounds[phase] for each in some] for phase in reversed(PHASES[1:]))
            beyond = _percentile(beside, percent) / _percentile(control, percent) - 1
            print(f"{what}, p{percent} beyond the control: {beyond:+.1%} over all rounds together")
            pairs = zip(rounds[_BESIDE_NEIGHBOUR], rounds[_BESIDE_CONTROL], strict=True)
            ratios = [_percentile(one, percent) / _percentile(other, percent) - 1 for one, other in pairs]
            told = ", ".join(f"{each:+.0%}" for each in sorted(ratios))
            print(f"{what}, p{percent} beyond the control: {median(ratios):+.1%} in the middle round ({told})")
    extra = given.rounds * given.seconds * _QUOTA * (_TIMES - 1)
    for phase in PHASES[1:]:
        more = sum(measured[phase].cpu_s) - sum(measured[_ALONE].cpu_s)
        print(
            f"processor time of the stack, {phase}: {1000 * more / extra:.1f} ms more for each request beyond the quota"
        )
    print(f"the neighbour's answers: {neighbour.statuses}")


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="best an odd number")
    parser.add_argument("--seconds", type=float, default=12, help="of each phase")
    parser.add_argument("--rate", type=float, default=5, help="requests a second of the quiet account")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ensure_stack(Path(folder)) as stack, a_partner() as partner:
        os.environ.update({"AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY})
        os.environ.update({"AWS_SECRET_ACCESS_KEY": ACCESS_KEY, "AWS_DEFAULT_REGION": REGION})
        add_control(stack)
        print(f"{os.cpu_count()} processors, {given.rate} requests a second, phases of {given.seconds} s", flush=True)
        measure(Shop(stack, partner), Shop(stack, partner, batches_per_second=_QUOTA), given)


if __name__ == "__main__":
    main()
