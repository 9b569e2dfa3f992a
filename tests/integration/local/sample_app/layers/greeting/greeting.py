"""What the sample's functions share."""

import os


def greet(name: str) -> str:
    return f"{os.environ['GREETING']} {name}"
