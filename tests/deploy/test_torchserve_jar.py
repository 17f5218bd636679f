"""The list of what TorchServe's jar was built of is of the TorchServe that is installed."""

import json
import re
import zipfile
from importlib.metadata import version
from importlib.resources import files

from model import PROJECT


def test_the_list_names_what_the_installed_jar_holds() -> None:
    bom = json.loads((PROJECT / "deploy" / "torchserve-jar.cdx.json").read_text())
    assert bom["metadata"]["component"]["version"] == version("torchserve")
    listed = {part["name"]: part["version"] for part in bom["components"]}
    jar = files("ts") / "frontend" / "model-server.jar"
    with jar.open("rb") as content, zipfile.ZipFile(content) as classes:
        netty = classes.read("META-INF/io.netty.versions.properties").decode()
        # The other libraries' own files with versions were left out of the jar.
        grpc = classes.read("io/grpc/internal/GrpcUtil.class")
    assert set(re.findall(r"netty-codec-http2?\.version=(.+)", netty)) == {listed["netty-all"]}
    assert listed["grpc-netty-shaded"].encode() in grpc
