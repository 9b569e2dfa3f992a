"""When a build counts as current, and how templates are read."""

import pytest

from local.app import App
from local.build import digest, parts
from local.templates import read_template

TEMPLATE = """
Resources:
  Front: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/front, Role: !GetAtt Role.Arn}}
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layers/core}}
  Table: {Type: AWS::DynamoDB::Table}
"""


@pytest.fixture
def app(tmp_path):
    for name in ("functions/front/handler.py", "layers/core/core.py", "docs/read.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return App(tmp_path, tmp_path / "build")


def test_parts_are_the_folders_the_template_names(app):
    assert parts(app) == ["functions/front", "layers/core"]


@pytest.mark.parametrize("name", ["functions/front/handler.py", "layers/core/core.py", "template.yaml"])
def test_changed_source_needs_a_build(app, name):
    before = digest(app)

    (app.source / name).write_text((app.source / name).read_text() + "\n# changed")

    assert digest(app) != before


def test_compiled_files_and_other_folders_need_no_build(app):
    before = digest(app)

    cache = app.source / "functions/front/__pycache__/handler.pyc"
    cache.parent.mkdir()
    cache.write_text("compiled")
    (app.source / "docs/read.md").write_text("2")

    assert digest(app) == before


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("!Ref Name", {"Ref": "Name"}),
        ("!GetAtt Name.Arn", {"Fn::GetAtt": ["Name", "Arn"]}),
        ("!Sub 'a ${B}'", {"Fn::Sub": "a ${B}"}),
        ("!If [Wanted, !Ref A, {b: 1}]", {"Fn::If": ["Wanted", {"Ref": "A"}, {"b": 1}]}),
        ("!Transform {Name: x}", {"Fn::Transform": {"Name": "x"}}),
    ],
)
def test_short_tags_become_long_ones(tmp_path, short, long):
    (tmp_path / "template.yaml").write_text(f"value: {short}")

    assert read_template(tmp_path / "template.yaml") == {"value": long}
