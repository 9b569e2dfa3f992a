"""An issuer of access tokens with a key set of its own, as Cognito publishes one."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool"


def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def publishing(key: rsa.RSAPrivateKey) -> Iterator[str]:
    """Base URL of a server that publishes the key at /jwks.json."""
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    key_set = json.dumps({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}).encode()

    class Publisher(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/jwks.json" else 404)
            self.end_headers()
            self.wfile.write(key_set)

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def a_token(key: rsa.RSAPrivateKey, kid: str = "k1", algorithm: str = "RS256", **given: Any) -> str:
    """A good one, but for the claims that are given; None leaves one out."""
    claims = {
        "iss": ISSUER,
        "client_id": "client-1",
        "token_use": "access",
        "scope": "audiences/api",
        "exp": int(time.time()) + 60,
    }
    kept = {name: value for name, value in {**claims, **given}.items() if value is not None}
    return jwt.encode(kept, key, algorithm, {"kid": kid})
