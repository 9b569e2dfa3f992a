"""How an HTTP API's body becomes resources."""

from local.http_apis import with_explicit_routes

INTEGRATION = {"type": "aws_proxy", "uri": {"Fn::Sub": "arn:${Front.Arn}/invocations"}, "payloadFormatVersion": "2.0"}


def an_api(**paths):
    body = {
        "info": {"title": "people"},
        "components": {
            "securitySchemes": {
                "Token": {
                    "type": "oauth2",
                    "x-amazon-apigateway-authorizer": {
                        "type": "jwt",
                        "identitySource": "$request.header.Authorization",
                        "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["people"]},
                    },
                },
                "Key": {
                    "type": "apiKey",
                    "x-amazon-apigateway-authorizer": {
                        "type": "request",
                        "authorizerUri": "arn:key",
                        "enableSimpleResponses": True,
                    },
                },
            }
        },
        "paths": paths,
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
    }
    return {
        "Resources": {"Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body, "FailOnWarnings": True}}}
    }


def resources_of(template, kind):
    return {
        name: each["Properties"]
        for name, each in with_explicit_routes(template)["Resources"].items()
        if each["Type"] == f"AWS::ApiGatewayV2::{kind}"
    }


def routes_of(template):
    return {route["RouteKey"]: route for route in resources_of(template, "Route").values()}


def test_api_keeps_no_body_but_its_name_and_cors():
    (api,) = resources_of(an_api(), "Api").values()

    assert api == {"Name": "people", "ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": ["*"]}}


def test_routes_of_one_function_share_one_integration():
    operation = {"x-amazon-apigateway-integration": INTEGRATION}
    template = an_api(
        **{"/a": {"get": operation, "post": operation}, "/b": {"x-amazon-apigateway-any-method": operation}}
    )

    routes = routes_of(template)

    (integration,) = resources_of(template, "Integration")
    assert set(routes) == {"GET /a", "POST /a", "ANY /b"}
    assert {route["Target"]["Fn::Sub"] for route in routes.values()} == {f"integrations/${{{integration}}}"}


def test_routes_name_their_authorizer_and_scopes():
    def secured(requirement):
        return {"get": {"x-amazon-apigateway-integration": INTEGRATION, "security": requirement}}

    routes = routes_of(
        an_api(
            **{"/jwt": secured([{"Token": ["read"]}]), "/key": secured([{"Key": []}]), "/open": secured([{"NONE": []}])}
        )
    )

    assert routes["GET /jwt"]["AuthorizationType"] == "JWT"
    assert routes["GET /jwt"]["AuthorizationScopes"] == ["read"]
    assert routes["GET /key"]["AuthorizationType"] == "CUSTOM"
    assert routes["GET /key"]["AuthorizerId"] == {"Ref": "ApiAuthorizerKey"}
    assert "AuthorizerId" not in routes["GET /open"]


def test_default_route_has_no_method():
    operation = {"x-amazon-apigateway-integration": INTEGRATION}

    routes = routes_of(an_api(**{"/$default": {"x-amazon-apigateway-any-method": operation}}))

    assert set(routes) == {"$default"}


def test_each_kind_of_authorizer_is_written_out():
    authorizers = resources_of(an_api(), "Authorizer")

    assert authorizers["ApiAuthorizerToken"]["JwtConfiguration"]["Issuer"] == "https://issuer.example"
    assert authorizers["ApiAuthorizerKey"]["EnableSimpleResponses"] is True
    assert authorizers["ApiAuthorizerKey"]["IdentitySource"] == ["$request.header.Authorization"]
