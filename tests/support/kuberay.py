"""The form of KubeRay's RayService, 1.6.2, from the field reference that KubeRay publishes with a release.

No package carries the custom resource definitions. Every field of the reference is here; any other is refused, and what
is Kubernetes' own (pods, services) is left to its strict schemas.
"""

from typing import Any

_KUBERNETES = "/api/_definitions.json#/$defs/io.k8s.api.core.v1."


def _kubernetes(kind: str) -> dict[str, Any]:
    return {"$ref": _KUBERNETES + kind}


def _object(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT, _FLAG = {"type": "string"}, {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
_CREDENTIAL = _object(valueFrom=_kubernetes("EnvVarSource"), value=_TEXT)
_UPGRADE_OPTIONS = _object(
    maxSurgePercent=_COUNT, stepSizePercent=_COUNT, intervalSeconds=_COUNT, gatewayClassName=_TEXT
)

_AUTOSCALER = _object(
    resources=_kubernetes("ResourceRequirements"),
    image=_TEXT,
    imagePullPolicy=_TEXT,
    securityContext=_kubernetes("SecurityContext"),
    idleTimeoutSeconds=_COUNT,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    version={"enum": ["v1", "v2"]},
    env=_list(_kubernetes("EnvVar")),
    envFrom=_list(_kubernetes("EnvFromSource")),
    volumeMounts=_list(_kubernetes("VolumeMount")),
)
_HEAD = _object(
    "rayStartParams",
    "template",
    template=_kubernetes("PodTemplateSpec"),
    headService=_kubernetes("Service"),
    enableIngress=_FLAG,
    resources=_QUANTITIES,
    labels=_TEXTS,
    rayStartParams=_TEXTS,
    serviceType=_TEXT,
)
_WORKERS = _object(
    "groupName",
    "minReplicas",
    "maxReplicas",
    "rayStartParams",
    "template",
    suspend=_FLAG,
    groupName=_TEXT,
    replicas=_COUNT,
    minReplicas=_COUNT,
    maxReplicas=_COUNT,
    idleTimeoutSeconds=_COUNT,
    resources=_QUANTITIES,
    labels=_TEXTS,
    rayStartParams=_TEXTS,
    template=_kubernetes("PodTemplateSpec"),
    scaleStrategy=_object(workersToDelete=_list(_TEXT)),
    numOfHosts=_COUNT,
)
_CLUSTER = _object(
    "headGroupSpec",
    upgradeStrategy=_object(type={"enum": ["Recreate", "None"]}),
    authOptions=_object(enableK8sTokenAuth=_FLAG, secretName=_TEXT, mode={"enum": ["disabled", "token"]}),
    suspend=_FLAG,
    managedBy=_TEXT,
    autoscalerOptions=_AUTOSCALER,
    headServiceAnnotations=_TEXTS,
    enableInTreeAutoscaling=_FLAG,
    gcsFaultToleranceOptions=_object(
        redisUsername=_CREDENTIAL, redisPassword=_CREDENTIAL, externalStorageNamespace=_TEXT, redisAddress=_TEXT
    ),
    headGroupSpec=_HEAD,
    rayVersion=_TEXT,
    workerGroupSpecs=_list(_WORKERS),
)
RAY_SERVICE = _object(
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayService"},
    metadata={"$ref": "/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
    spec=_object(
        "rayClusterConfig",
        rayClusterDeletionDelaySeconds=_COUNT,
        serviceUnhealthySecondThreshold=_COUNT,
        deploymentUnhealthySecondThreshold=_COUNT,
        serveService=_kubernetes("Service"),
        upgradeStrategy=_object(
            type={"enum": ["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]},
            clusterUpgradeOptions=_UPGRADE_OPTIONS,
        ),
        managedBy=_TEXT,
        serveConfigV2=_TEXT,
        rayClusterConfig=_CLUSTER,
        excludeHeadPodFromServeSvc=_FLAG,
    ),
)
"""JSON Schema of a RayService; references go to the definitions of a version of Kubernetes."""
