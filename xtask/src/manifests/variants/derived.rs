//! Sets of values from which the chart derives others, merges maps, or has to do without.

use super::table::Variant;

/// All sets.
pub(super) const DERIVED: [Variant; 17] = [
    // The server rejects a hint that is greater than the smallest limit.
    Variant {
        values: &["autoscaling.minReplicas=11", "autoscaling.maxReplicas=20"],
        fields: &[("ConfigMap/posthorn", "/data/QUOTA_REPLICAS_HINT", "\"10\"")],
    },
    Variant {
        values: &["replicas=11", "autoscaling.enabled=false"],
        fields: &[("ConfigMap/posthorn", "/data/QUOTA_REPLICAS_HINT", "\"10\"")],
    },
    Variant {
        values: &["--set-string=config.RATE_LIMIT_MESSAGE=20/hour; 02 per 60 seconds"],
        fields: &[("ConfigMap/posthorn", "/data/QUOTA_REPLICAS_HINT", "\"2\"")],
    },
    Variant {
        values: &[
            "replicas=30",
            "autoscaling.enabled=false",
            "config.RATE_LIMIT_MESSAGE=100/minute",
            "extraEnv[0].name=RATE_LIMIT_DEFAULT",
            "extraEnv[0].value=25 per day",
        ],
        fields: &[("ConfigMap/posthorn", "/data/QUOTA_REPLICAS_HINT", "\"25\"")],
    },
    Variant {
        values: &[
            "replicas=11",
            "autoscaling.enabled=false",
            "config.QUOTA_REPLICAS_HINT=4",
        ],
        fields: &[("ConfigMap/posthorn", "/data/QUOTA_REPLICAS_HINT", "\"4\"")],
    },
    Variant {
        values: &["config.RATE_LIMIT_ENABLED=false"],
        fields: &[("ConfigMap/posthorn", "/data/QUOTA_REPLICAS_HINT", "")],
    },
    // Without a proxy of the chart every client could choose its address.
    Variant {
        values: &[],
        fields: &[("ConfigMap/posthorn", "/data/TRUSTED_PROXY_HOPS", "\"0\"")],
    },
    Variant {
        values: &[
            "ingress.enabled=true",
            "ingress.hosts[0].host=a.example",
            "networkPolicy.ingressNamespace=traefik",
        ],
        fields: &[("ConfigMap/posthorn", "/data/TRUSTED_PROXY_HOPS", "\"1\"")],
    },
    Variant {
        values: &[
            "--api-versions=gateway.networking.k8s.io/v1",
            "httpRoute.enabled=auto",
            "httpRoute.parentRefs[0].name=gateway",
            "httpRoute.matches=null",
            "networkPolicy.ingressNamespace=gateway",
        ],
        fields: &[
            ("ConfigMap/posthorn", "/data/TRUSTED_PROXY_HOPS", "\"1\""),
            ("HTTPRoute/posthorn", "/spec/rules/0/matches", ""),
        ],
    },
    Variant {
        values: &[
            "ingress.enabled=true",
            "ingress.hosts[0].host=a.example",
            "networkPolicy.ingressNamespace=traefik",
            "config.TRUSTED_PROXY_HOPS=2",
        ],
        fields: &[("ConfigMap/posthorn", "/data/TRUSTED_PROXY_HOPS", "\"2\"")],
    },
    // Quantities with a fraction, and large ones.
    Variant {
        values: &["redis.storage=1Ti", "redis.resources.limits.memory=1.5Gi"],
        fields: &[(
            "StatefulSet/posthorn-redis",
            "/spec/template/spec/containers/0/env/0/value",
            "\"724775731\"",
        )],
    },
    // A number, which a file of values gives with an exponent.
    Variant {
        values: &[
            "--set-json=redis.resources.limits.memory=2147483648",
            "redis.maxmemory=0.5Gi",
        ],
        fields: &[(
            "StatefulSet/posthorn-redis",
            "/spec/template/spec/containers/0/env/0/value",
            "\"536870912\"",
        )],
    },
    // Absent maps are empty, and absent probes and strategies are left to Kubernetes.
    Variant {
        values: &[
            "--set-json=commonLabels=null",
            "commonAnnotations=null",
            "labels=null",
            "annotations=null",
            "podLabels=null",
            "podAnnotations=null",
            "redis.podLabels=null",
            "redis.podAnnotations=null",
            "redis.maxmemory=null",
            "service.labels=null",
            "service.annotations=null",
            "serviceAccount.labels=null",
            "image.pullSecrets=null",
            "global=null",
            "extraEnv=null",
            "strategy=null",
            "podSecurityContext=null",
            "startupProbe=null",
            "livenessProbe=null",
            "readinessProbe=null",
            "podDisruptionBudget.minAvailable=null",
            "podDisruptionBudget.maxUnavailable=null",
        ],
        fields: &[
            ("Deployment/posthorn", "/metadata/annotations", ""),
            ("Deployment/posthorn", "/spec/strategy", ""),
            (
                "Deployment/posthorn",
                "/spec/template/metadata/labels",
                r#"{"app.kubernetes.io/name":"posthorn"}"#,
            ),
            (
                "Deployment/posthorn",
                "/spec/template/spec/containers/0/startupProbe",
                "",
            ),
            (
                "Deployment/posthorn",
                "/spec/template/spec/containers/0/livenessProbe",
                "",
            ),
            (
                "Deployment/posthorn",
                "/spec/template/spec/containers/0/readinessProbe",
                "",
            ),
            ("PodDisruptionBudget/posthorn", "/spec/maxUnavailable", "1"),
        ],
    },
    // A specific label or annotation wins over a common one, and the chart's own over both.
    Variant {
        values: &[
            "commonLabels.team=a",
            "labels.team=b",
            "--set-string=podLabels.team=",
            "commonAnnotations.team=a",
            "annotations.team=b",
            "podAnnotations.checksum/config=x",
            "redis.podAnnotations.checksum/config=x",
        ],
        fields: &[
            ("Deployment/posthorn", "/metadata/labels/team", "\"b\""),
            ("Deployment/posthorn", "/metadata/annotations/team", "\"b\""),
            (
                "Deployment/posthorn",
                "/spec/template/metadata/labels/team",
                "\"\"",
            ),
            (
                "StatefulSet/posthorn-redis",
                "/spec/template/metadata/labels/team",
                "\"a\"",
            ),
            (
                "Deployment/posthorn",
                "/metadata/labels/app.kubernetes.io~1managed-by",
                "\"Helm\"",
            ),
        ],
    },
    // `Recreate` takes no `rollingUpdate`, and `minAvailable` alone is enough.
    Variant {
        values: &[
            "strategy.type=Recreate",
            "podDisruptionBudget.minAvailable=2",
        ],
        fields: &[
            (
                "Deployment/posthorn",
                "/spec/strategy",
                r#"{"type":"Recreate"}"#,
            ),
            ("PodDisruptionBudget/posthorn", "/spec/minAvailable", "2"),
            ("PodDisruptionBudget/posthorn", "/spec/maxUnavailable", ""),
        ],
    },
    // The metrics have a Service of their own, so their port may be the same.
    Variant {
        values: &[
            "service.type=LoadBalancer",
            "service.port=9090",
            "--set-json=networkPolicy.extraIngress=[{\"from\":[{\"ipBlock\":{\"cidr\":\"192.0.2.0/24\"}}]}]",
            "config.HOST=::",
        ],
        fields: &[
            ("Service/posthorn", "/spec/ports/0/port", "9090"),
            ("Service/posthorn-metrics", "/spec/ports/0/port", "9090"),
            ("ConfigMap/posthorn", "/data/HOST", "\"::\""),
        ],
    },
    // The store is in a Redis with replicas.
    Variant {
        values: &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
            "config.STORE_DURABILITY=replicated",
        ],
        fields: &[(
            "ConfigMap/posthorn",
            "/data/STORE_DURABILITY",
            "\"replicated\"",
        )],
    },
];
