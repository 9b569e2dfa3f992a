"""Somebody who may sign in to the console of this machine's sample account."""

import json

from local import aws
from local.app import LocalError
from local.deploy import Outputs

EMAIL = "ann@shop.example"
# Of a user pool on loopback that ends with the local AWS; on AWS people choose their own.
PASSWORD = "Trailhead-2026"


def ensure(outputs: Outputs, endpoint: str, account_id: int, role: str = "admin", email: str = EMAIL) -> None:
    """Invite a person as an operator does, and choose the password that the invitation asks for.

    Raises:
        LocalError: the product refused.
    """
    command = {"action": "create_user", "account_id": account_id, "role": role, "email": email}
    answer = aws.client("lambda", endpoint).invoke(
        FunctionName=outputs["AccountsAdminFunction"], Payload=json.dumps(command)
    )
    said = json.loads(answer["Payload"].read())
    if answer.get("FunctionError") and said.get("errorType") != "ConflictError":
        raise LocalError(f"nobody can sign in to the console: {said.get('errorMessage', said)}")
    aws.client("cognito-idp", endpoint).admin_set_user_password(
        UserPoolId=outputs["UserPoolId"], Username=email, Password=PASSWORD, Permanent=True
    )
