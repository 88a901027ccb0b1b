"""The manifests for Kubernetes fit the operator and are the cluster of ``ray_cluster.yaml``."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import ValidationError, validate

ROOT = Path(__file__).parents[1]
KUBERAY = ROOT / "deploy" / "kuberay"


def strict(required, **optional):
    """An object of these fields and no other."""
    fields = {**required, **optional}
    return {
        "type": "object",
        "properties": fields,
        "required": [*required],
        "additionalProperties": False,
    }


def listed(item):
    """At least one of these."""
    return {"type": "array", "items": item, "minItems": 1}


TEXT, TRUTH, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
TEXTS = {"type": "object", "additionalProperties": TEXT}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(m|Mi|Gi)?$"}
QUANTITIES = {"type": "object", "additionalProperties": QUANTITY}

CONTAINER = strict(
    {
        "name": TEXT,
        "image": TEXT,
        "securityContext": strict(
            {
                "allowPrivilegeEscalation": {"const": False},
                "capabilities": strict({"drop": {"const": ["ALL"]}}),
            }
        ),
        "resources": strict({"requests": QUANTITIES, "limits": QUANTITIES}),
    },
    env=listed(strict({"name": TEXT, "value": TEXT})),
    volumeMounts=listed(strict({"name": TEXT, "mountPath": TEXT})),
)
POD = strict(
    {
        "metadata": strict({"labels": TEXTS}),
        "spec": strict(
            {
                "automountServiceAccountToken": {"const": False},
                "securityContext": strict(
                    {
                        "runAsNonRoot": {"const": True},
                        "runAsUser": {"type": "integer", "minimum": 1},
                        "seccompProfile": strict({"type": {"const": "RuntimeDefault"}}),
                    },
                    fsGroup=COUNT,
                ),
                "containers": listed(CONTAINER),
            },
            restartPolicy={"enum": ["Never", "OnFailure"]},
            tolerations=listed(strict({"key": TEXT, "operator": TEXT, "effect": TEXT})),
            volumes=listed(
                strict(
                    {"name": TEXT},
                    persistentVolumeClaim=strict({"claimName": TEXT}),
                    emptyDir=strict({}, medium={"const": "Memory"}, sizeLimit=QUANTITY),
                )
            ),
        ),
    }
)
CLUSTER = strict(
    {
        "rayVersion": TEXT,
        "authOptions": strict({"mode": {"const": "token"}}),
        "headGroupSpec": strict(
            {
                "serviceType": {"enum": ["ClusterIP"]},
                "enableIngress": {"const": False},
                "rayStartParams": TEXTS,
                "template": POD,
            }
        ),
        "workerGroupSpecs": listed(
            strict(
                {
                    "groupName": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
                    "replicas": COUNT,
                    "minReplicas": COUNT,
                    "maxReplicas": COUNT,
                    "rayStartParams": TEXTS,
                    "template": POD,
                }
            )
        ),
    }
)
JOB = strict(
    {
        "entrypoint": TEXT,
        "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"]},
        "backoffLimit": COUNT,
        "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
        "shutdownAfterJobFinishes": TRUTH,
        "ttlSecondsAfterFinished": COUNT,
        "rayClusterSpec": CLUSTER,
    },
    submitterPodTemplate=POD,
)
"""Fields of ``ray.io/v1`` (KubeRay 1.5.1) as far as we use them; the values are our rules."""


def resource(kind, spec):
    """A manifest of the operator's."""
    named = strict({"name": TEXT})
    return strict(
        {
            "apiVersion": {"const": "ray.io/v1"},
            "kind": {"const": kind},
            "metadata": named,
            "spec": spec,
        }
    )


SCHEMAS = {
    "raycluster.yaml": resource("RayCluster", CLUSTER),
    "rayjob.yaml": resource("RayJob", JOB),
}


def manifest(name):
    """A manifest as the operator reads it."""
    return yaml.safe_load((KUBERAY / name).read_text(encoding="utf-8"))


def cluster_in(name):
    """The cluster that a manifest makes."""
    spec = manifest(name)["spec"]
    return spec.get("rayClusterSpec", spec)


def groups_of(cluster):
    """The head and all groups of workers."""
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.fixture(scope="module")
def rented():
    """The same cluster for ``ray up``."""
    return yaml.safe_load((ROOT / "ray_cluster.yaml").read_text(encoding="utf-8"))


BOTH = pytest.mark.parametrize("name", sorted(SCHEMAS))


@BOTH
def test_a_manifest_has_known_fields_only(name):
    """And pods that run as nobody in particular, without rights that they do not need."""
    validate(manifest(name), SCHEMAS[name])


@BOTH
def test_the_schema_finds_a_slip(name):
    """A wrong name deep inside is refused: the test above can fail."""
    wrong = manifest(name)
    cluster = wrong["spec"].get("rayClusterSpec", wrong["spec"])
    cluster["workerGroupSpecs"][0]["minReplica"] = 1

    with pytest.raises(ValidationError, match="minReplica"):
        validate(wrong, SCHEMAS[name])


def test_both_manifests_make_one_cluster():
    """They differ in who may reach the dashboard, and in nothing else."""
    stays, goes = cluster_in("raycluster.yaml"), cluster_in("rayjob.yaml")
    assert stays["headGroupSpec"]["rayStartParams"].pop("dashboard-host") == "127.0.0.1"
    assert goes["headGroupSpec"]["rayStartParams"].pop("dashboard-host") == "0.0.0.0"

    assert stays == goes


@BOTH
def test_every_container_runs_the_image_of_ray_up(name, rented):
    """One image for all, the submitter included."""
    text = (KUBERAY / name).read_text(encoding="utf-8")
    images = {line.split("image:")[1].strip() for line in text.splitlines() if "image:" in line}

    assert images == {rented["docker"]["image"]}


@BOTH
def test_start_options_are_those_of_ray_up(name, rented):
    """Head without work, dashboard where the cluster stays on loopback, no usage statistics."""
    cluster = cluster_in(name)
    (head,) = rented["head_start_ray_commands"]
    options = dict(word[2:].partition("=")[::2] for word in head.split() if word[:2] == "--")
    theirs = cluster["headGroupSpec"]["rayStartParams"]

    assert options["num-cpus"] == theirs["num-cpus"] == "0"
    assert "disable-usage-stats" in options
    assert {g["rayStartParams"]["disable-usage-stats"] for g in groups_of(cluster)} == {"true"}
    if name == "raycluster.yaml":
        assert options["dashboard-host"] == theirs["dashboard-host"]


@BOTH
def test_groups_are_the_node_types_of_ray_up(name, rented):
    """The same numbers, the same names of engines, a GPU where there is an engine."""
    types = {
        kind.replace("_", "-"): (own["min_workers"], own["max_workers"], own["resources"])
        for kind, own in rented["available_node_types"].items()
        if kind != rented["head_node_type"]
    }
    groups = {}
    for group in cluster_in(name)["workerGroupSpecs"]:
        # The operator puts the value into a shell command, which takes the outer quotes away.
        quoted = group["rayStartParams"].get("resources", '"{}"')
        own = json.loads(json.loads(quoted))
        groups[group["groupName"]] = (group["minReplicas"], group["maxReplicas"], own)
        assert group["replicas"] == group["minReplicas"]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == bool(own)

    assert types == groups


@BOTH
def test_all_nodes_share_the_volume_that_is_claimed(name, rented):
    """At the path where ``ray up`` mounts it."""
    claim, _ = yaml.safe_load_all((KUBERAY / "prerequisites.yaml").read_text(encoding="utf-8"))
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    (path,) = {
        option.removeprefix("--volume=").partition(":")[2]
        for option in rented["docker"]["run_options"]
        if option.startswith("--volume=")
    }
    for group in groups_of(cluster_in(name)):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {
            mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]
        }
        assert mounts["shared"] == path
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert {*mounts} == {*volumes}


@BOTH
def test_the_fence_is_around_every_pod(name):
    """The policy selects by a label, which is easily forgotten."""
    _, fence = yaml.safe_load_all((KUBERAY / "prerequisites.yaml").read_text(encoding="utf-8"))
    labels = fence["spec"]["podSelector"]["matchLabels"]
    templates = [group["template"] for group in groups_of(cluster_in(name))]
    if (submitter := manifest(name)["spec"].get("submitterPodTemplate")) is not None:
        templates.append(submitter)

    assert fence["spec"]["policyTypes"] == ["Ingress"]
    for template in templates:
        assert labels.items() <= template["metadata"]["labels"].items()


def test_a_job_tries_again_and_cleans_up():
    """A build resumes, so trying again is safe; the whole of it is bounded."""
    spec = manifest("rayjob.yaml")["spec"]

    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"]
    assert spec["ttlSecondsAfterFinished"] > 0
    assert "--address auto" in spec["entrypoint"]
    assert "--out /shared/" in spec["entrypoint"]


@BOTH
def test_the_version_of_ray_is_the_one_that_is_tested(name):
    """In the manifest, in the image, and in the constraints."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (pinned,) = (line.partition("==")[2] for line in pins if line.startswith("ray=="))
    image = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")

    assert cluster_in(name)["rayVersion"] == pinned
    assert f"FROM rayproject/ray:{pinned}-py311\n" in image
