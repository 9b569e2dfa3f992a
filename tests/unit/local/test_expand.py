"""What the local deployment leaves out of a template."""

from local.expand import references, without_unhosted, without_versions

ALARM = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": "ALARM(a)"}}
TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {}}


def test_hosted_template_is_left_as_it_is():
    template = {"Resources": {"Topic": TOPIC}, "Outputs": {"Name": {"Value": {"Ref": "Topic"}}}}

    kept, omissions = without_unhosted(template)

    assert kept == template
    assert omissions == []


def test_unhosted_resource_goes_with_its_reason_and_what_names_it():
    template = {
        "Resources": {
            "Unwell": ALARM,
            "Topic": {**TOPIC, "DependsOn": ["Unwell", "Queue"]},
            "Queue": {"Type": "AWS::SQS::Queue", "DependsOn": "Unwell"},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Pattern": {"Fn::Sub": "x ${Unwell.Arn}"}}},
        },
        "Outputs": {"Gone": {"Value": {"Fn::GetAtt": ["Unwell", "Arn"]}}, "Kept": {"Value": {"Ref": "Topic"}}},
    }

    kept, omissions = without_unhosted(template)

    assert kept["Resources"] == {"Topic": {**TOPIC, "DependsOn": ["Queue"]}, "Queue": {"Type": "AWS::SQS::Queue"}}
    assert set(kept["Outputs"]) == {"Kept"}
    assert {each.logical_id: each.reason.split(":")[-1].strip() for each in omissions} == {
        "Unwell": "single alarms are hosted, their combinations are not",
        "Rule": "needs Unwell",
        "Gone": "an output of something left out",
    }


def test_references_are_found_in_every_form():
    value = {
        "a": [{"Ref": "One"}, {"Fn::GetAtt": ["Two", "Arn"]}, {"Fn::GetAtt": "Three.Arn"}],
        "b": {"Fn::Sub": ["${Four}/${x}", {"x": {"Fn::Sub": "${Five.Arn}-y"}}]},
    }

    found = set(references(value))

    assert found == {"One", "Two", "Three", "Four", "x", "Five"}


def test_aliases_of_functions_are_the_functions_themselves():
    alias = {
        "FunctionName": {"Ref": "Greet"},
        "Name": "live",
        "FunctionVersion": {"Fn::GetAtt": ["GreetV1", "Version"]},
    }
    template = {
        "Resources": {
            "Greet": {"Type": "AWS::Lambda::Function", "Properties": {}},
            "GreetV1": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Greet"}}},
            "GreetAliaslive": {"Type": "AWS::Lambda::Alias", "Properties": alias},
            "Source": {"Type": "X", "Properties": {"FunctionName": {"Ref": "GreetAliaslive"}}},
            "Api": {"Type": "Y", "Properties": {"Uri": [{"Fn::Sub": "functions/${GreetAliaslive}/invocations"}]}},
        }
    }

    direct = without_versions(template)["Resources"]

    assert set(direct) == {"Greet", "Source", "Api"}
    assert direct["Source"]["Properties"] == {"FunctionName": {"Fn::GetAtt": ["Greet", "Arn"]}}
    assert direct["Api"]["Properties"] == {"Uri": [{"Fn::Sub": "functions/${Greet.Arn}/invocations"}]}
