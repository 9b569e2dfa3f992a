"""What is uploaded to the local AWS."""

import io
import json
import os
import zipfile

import pytest

from local.app import LOCAL_FILES
from local.package import Folders, drop_old_layers, keep_layer, upload_files, zipped


@pytest.fixture
def folders(tmp_path):
    for name, content in {
        "build/Front/handler.py": "first",
        "build/Layer/python/shared.py": "shared",
        "machine.asl.yaml": "StartAt: A\nStates: {A: {Type: Succeed}}\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Folders(tmp_path / "build", tmp_path / "layers")


def a_template():
    return {
        "Resources": {
            "Front": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Code": {"S3Bucket": LOCAL_FILES, "S3Key": "Front"},
                    "Layers": [{"Ref": "Layer123"}],
                },
            },
            "Layer123": {
                "Type": "AWS::Lambda::LayerVersion",
                "Properties": {"Content": {"S3Bucket": LOCAL_FILES, "S3Key": "Layer"}},
            },
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionS3Location": {"Bucket": LOCAL_FILES, "Key": "../machine.asl.yaml"}},
            },
        }
    }


def read_by_front(window_s):
    mapping = {"FunctionName": {"Ref": "Front"}, "MaximumBatchingWindowInSeconds": window_s}
    return {"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}}


def uploaded(folders, **others):
    """The template after the upload, and what was uploaded by key."""
    template, store = a_template(), dict[str, bytes]()
    template["Resources"] |= others

    def upload(content, suffix):
        key = f"{len(store)}{suffix}"
        store[key] = content
        return {"S3Bucket": "b", "S3Key": key}

    upload_files(template, folders, upload)
    return template["Resources"], store


def bundle_of(folders, **others):
    resources, store = uploaded(folders, **others)
    return store[resources["Front"]["Properties"]["Code"]["S3Key"]]


def test_function_gets_its_code_and_the_real_runtime_client(folders):
    with zipfile.ZipFile(io.BytesIO(bundle_of(folders))) as archive:
        assert archive.read("handler.py") == b"first"
        assert b"function_runtime.py" in archive.read("bootstrap")
        assert archive.getinfo("bootstrap").external_attr >> 16 & 0o111


def test_function_reads_its_layers_from_the_kept_copy(folders):
    with zipfile.ZipFile(io.BytesIO(bundle_of(folders))) as archive:
        bootstrap = archive.read("bootstrap").decode()

    (copy,) = folders.layers.iterdir()
    assert f"$LAMBDA_TASK_ROOT:{copy}/python" in bootstrap
    assert (copy / "python/shared.py").read_text() == "shared"


@pytest.mark.parametrize(("window_s", "niceness"), [(30, 10), (0, 5), (None, 5)])
def test_function_that_gathers_events_goes_last(folders, window_s, niceness):
    with zipfile.ZipFile(io.BytesIO(bundle_of(folders, **read_by_front(window_s)))) as archive:
        assert f"exec nice -n {niceness} ".encode() in archive.read("bootstrap")


def test_changed_layer_changes_the_function(folders):
    before = bundle_of(folders)

    (folders.build / "Layer/python/shared.py").write_text("other")

    assert bundle_of(folders) != before


def test_unchanged_function_is_the_same_bundle(folders):
    before = bundle_of(folders)

    os.utime(folders.build / "Front/handler.py", (0, 0))

    assert bundle_of(folders) == before


def test_state_machine_is_uploaded_as_json(folders):
    resources, store = uploaded(folders)

    key = resources["Machine"]["Properties"]["DefinitionS3Location"]["Key"]
    assert json.loads(store[key]) == {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}


def test_zip_keeps_every_file():
    with zipfile.ZipFile(io.BytesIO(zipped({"a": b"1", "b/c": b"2"}))) as archive:
        assert archive.namelist() == ["a", "b/c"]


def test_layers_unused_for_a_week_are_dropped(folders):
    kept = keep_layer(folders.build / "Layer", folders.layers)
    touched = kept.stat().st_mtime
    six_days, eight_days = 6 * 86_400, 8 * 86_400

    drop_old_layers(folders.layers, touched + six_days)
    assert kept.exists()

    drop_old_layers(folders.layers, touched + eight_days)
    assert not kept.exists()
