"""The manifests are what Kubernetes accepts, and say of the image and the server what holds."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from model import PROJECT
from webui.settings import Settings

DEPLOY = PROJECT / "deploy"
MANIFESTS = sorted(
    file.relative_to(DEPLOY)
    for file in [*DEPLOY.glob("kubernetes/*.yaml"), DEPLOY / "training.yaml"]
    if file.name != "kustomization.yaml"
)


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


@pytest.mark.parametrize("version", ["1.30", "1.37"])
@pytest.mark.parametrize("file", MANIFESTS, ids=str)
def test_manifests_fit_the_schemas_of_kubernetes(file: Path, version: str) -> None:
    for document in documents(DEPLOY / file):
        kubernetes_validate.validate(document, version, strict=True)


def test_kustomize_builds_every_manifest_with_the_image_of_the_registry() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    folder = DEPLOY / "kubernetes"
    built = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=True
    )
    objects = list(yaml.safe_load_all(built.stdout))
    files = [file for file in folder.glob("*.yaml") if file.name != "kustomization.yaml"]
    assert len(objects) == sum(len(documents(file)) for file in files)
    (deployment,) = (one for one in objects if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example/cifar10:")


def test_every_variable_that_is_set_is_a_setting() -> None:
    known = {setting.variable for setting in Settings.describe()}
    (deployment,) = (
        one
        for one in documents(DEPLOY / "kubernetes" / "serving.yaml")
        if one["kind"] == "Deployment"
    )
    runtime, _ = documents(DEPLOY / "kserve" / "torchserve.yaml")
    for spec in (deployment["spec"]["template"]["spec"], runtime["spec"]):
        (container,) = spec["containers"]
        assert {variable["name"] for variable in container["env"]} <= known
