"""What `make run` does and says once the product is deployed."""


def run(outputs: dict[str, str]) -> None:
    for name, value in sorted(outputs.items()):
        print(f"  {name}: {value}")
