"""The local AWS from the command line: `python -m local run | stop | reset | deploy | build | logs`."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from local import console, console_build, emulator, logs, tour
from local.app import PRODUCT, STATE, LocalError
from local.build import LAMBDA_PLATFORM, build
from local.deploy import Outputs, deploy
from local.emulator import Emulator
from local.package import drop_old_layers

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(chosen: Emulator, arguments: argparse.Namespace) -> None:
    """Start if it does not run yet, deploy what changed; the caller that started it stays until it is told to end."""
    if emulator.running_pid(chosen) and emulator.is_ready(chosen):
        url = console.start(chosen, build_and_deploy(chosen))
        print(f"redeployed to {chosen.endpoint}, the console to {url}; `make stop` ends it")
        return
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    keep = False
    try:
        start(chosen)
        tour.run(build_and_deploy(chosen), lambda outputs: console.start(chosen, outputs))
        keep = arguments.detach or not (arguments.foreground or sys.stdin.isatty())
        stay(chosen, keep)
    except KeyboardInterrupt:
        print()
    finally:
        if not keep:
            stop_undisturbed(chosen)


def stay(chosen: Emulator, keep: bool) -> None:
    if keep:
        print(f"the local AWS keeps running at {chosen.endpoint}; `make stop` ends it")
        return
    print(f"the local AWS runs at {chosen.endpoint}; Ctrl-C ends it")
    while emulator.running_pid(chosen):
        time.sleep(1)


def stop_undisturbed(chosen: Emulator) -> None:
    """A second Ctrl-C must not leave half of it behind."""
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if emulator.stop(chosen):
        print("the local AWS has ended")


def start(chosen: Emulator) -> None:
    # Left behind by a run that was killed.
    emulator.stop(chosen)
    drop_old_layers(STATE / "layers", time.time())
    began = time.monotonic()
    emulator.start(chosen)
    report("local AWS is up", began)


def build_and_deploy(chosen: Emulator) -> Outputs:
    began = time.monotonic()
    report("built" if build(PRODUCT) else "build is current", began)
    began = time.monotonic()
    report("console built" if console_build.build() else "console is current", began)
    began = time.monotonic()
    outputs, omissions = deploy(PRODUCT, chosen)
    alike: dict[str, list[str]] = {}
    for each in omissions:
        alike.setdefault(each.reason, []).append(each.logical_id)
    for reason, names in alike.items():
        print(f"  left out locally: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''} ({reason})")
    report("deployed", began)
    return outputs


def report(what: str, began: float) -> None:
    print(f"{what} ({time.monotonic() - began:.1f} s)", flush=True)


def stop(chosen: Emulator, _: argparse.Namespace) -> None:
    print("the local AWS has ended" if emulator.stop(chosen) else "the local AWS was not running")


def reset(chosen: Emulator, _: argparse.Namespace) -> None:
    require_running(chosen)
    emulator.empty(chosen)
    tour.run(build_and_deploy(chosen), lambda outputs: console.start(chosen, outputs))


def deploy_again(chosen: Emulator, _: argparse.Namespace) -> None:
    require_running(chosen)
    build_and_deploy(chosen)


def build_only(_: Emulator, __: argparse.Namespace) -> None:
    """For AWS, unlike the build of `run`, which is for this machine."""
    console_build.build()
    build(PRODUCT, os.environ.get("LAYER_PLATFORM", LAMBDA_PLATFORM))


def follow_logs(chosen: Emulator, _: argparse.Namespace) -> None:
    require_running(chosen)
    try:
        logs.follow(chosen)
    except KeyboardInterrupt:
        print()


def require_running(chosen: Emulator) -> None:
    if not emulator.running_pid(chosen):
        raise LocalError("the local AWS is not running: make run")


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


COMMANDS: dict[str, Callable[[Emulator, argparse.Namespace], None]] = {
    "run": run,
    "stop": stop,
    "reset": reset,
    "deploy": deploy_again,
    "build": build_only,
    "logs": follow_logs,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--detach", action="store_true", help="run: leave it running in the background")
    parser.add_argument("--foreground", action="store_true", help="run: stay, even without a terminal")
    arguments = parser.parse_args()
    try:
        COMMANDS[arguments.command](emulator.default_emulator(), arguments)
    except LocalError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
