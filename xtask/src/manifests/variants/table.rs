//! Sets of values, and the fields that each gives.

/// An object, a pointer into it, and the JSON that is expected there; an empty text for nothing.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// A set of values, and the fields that it gives.
pub(super) struct Variant {
    pub(super) values: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

/// All sets, each with its reason where it is not plain.
pub(super) const VARIANTS: [Variant; 8] = [
    // Custom resources are absent where the cluster does not have their types.
    Variant {
        values: &[],
        fields: &[
            ("ServiceMonitor/posthorn", "", ""),
            ("PrometheusRule/posthorn", "", ""),
            ("HTTPRoute/posthorn", "", ""),
            ("Ingress/posthorn", "", ""),
            ("ConfigMap/posthorn-dashboard", "", ""),
            (
                "Pod/posthorn-test-ready",
                "/metadata/annotations/helm.sh~1hook",
                "\"test\"",
            ),
        ],
    },
    Variant {
        values: &[
            "--api-versions=monitoring.coreos.com/v1",
            "dashboard.enabled=true",
            "serviceMonitor.labels.release=prometheus",
            "serviceMonitor.namespace=monitoring",
            "prometheusRule.labels.role=alerts",
            "prometheusRule.runbookUrl=https://a.example/R.md",
            "--set-json=serviceMonitor.relabelings=[{\"targetLabel\":\"team\",\"replacement\":\"a\"}]",
        ],
        fields: &[
            (
                "ServiceMonitor/posthorn",
                "/metadata/labels/release",
                "\"prometheus\"",
            ),
            (
                "ServiceMonitor/posthorn",
                "/metadata/namespace",
                "\"monitoring\"",
            ),
            (
                "ServiceMonitor/posthorn",
                "/spec/namespaceSelector/matchNames/0",
                "\"posthorn\"",
            ),
            (
                "ServiceMonitor/posthorn",
                "/spec/endpoints/0/relabelings/2/targetLabel",
                "\"team\"",
            ),
            (
                "PrometheusRule/posthorn",
                "/metadata/labels/role",
                "\"alerts\"",
            ),
            (
                "ConfigMap/posthorn-dashboard",
                "/metadata/labels/grafana_dashboard",
                "\"1\"",
            ),
        ],
    },
    // Ids that OpenShift assigns, one pod without a budget, and numbers and booleans as settings.
    Variant {
        values: &[
            "podSecurityContext.runAsUser=null",
            "redis.podSecurityContext.runAsUser=null",
            "autoscaling.enabled=false",
            "replicas=1",
            "config.MAX_BODY_BYTES=1048576",
            "config.REQUIRE_WRITE_TOKEN=true",
            "fullnameOverride=inbox",
            "networkPolicy.allowNamespace=false",
            "--set-json=networkPolicy.extraIngress=[{\"from\":[{\"podSelector\":{}}]}]",
        ],
        fields: &[
            (
                "Deployment/inbox",
                "/spec/template/spec/securityContext/runAsUser",
                "",
            ),
            (
                "StatefulSet/inbox-redis",
                "/spec/template/spec/securityContext/runAsUser",
                "",
            ),
            ("PodDisruptionBudget/inbox", "", ""),
            ("ConfigMap/inbox", "/data/MAX_BODY_BYTES", "\"1048576\""),
            ("ConfigMap/inbox", "/data/REQUIRE_WRITE_TOKEN", "\"true\""),
            (
                "NetworkPolicy/inbox",
                "/spec/ingress/2/from/0/podSelector",
                "{}",
            ),
        ],
    },
    Variant {
        values: &[
            "global.imageRegistry=mirror.example",
            "--set-json=global.imagePullSecrets=[\"a\"]",
            "image.pullSecrets[0]=b",
            "nameOverride=north",
            "commonLabels.team=mail",
            "commonAnnotations.a=b",
            "podLabels.tier=web",
            "podAnnotations.c=d",
            "nodeSelector.disk=ssd",
            "priorityClassName=high",
            "--set-json=tolerations=[{\"operator\":\"Exists\"}]",
            "--set-json=args=[\"serve\"]",
            "--set-json=extraEnv=[{\"name\":\"X\",\"value\":\"1\"}]",
            "initContainers[0].name=first",
            "extraContainers[0].name=beside",
            "extraEnvFrom[0].secretRef.name=more",
            "extraVolumes[0].name=v",
            "extraVolumeMounts[0].name=v",
            "strategy.type=Recreate",
            "strategy.rollingUpdate=null",
            "readinessProbe.periodSeconds=7",
            "serviceAccount.annotations.role=r",
            "service.type=NodePort",
            "service.port=8080",
            "service.annotations.e=f",
            "--set-json=networkPolicy.extraIngress=[{\"from\":[{\"ipBlock\":{\"cidr\":\"192.0.2.0/24\"}}]}]",
            "topologySpreadConstraints[0].maxSkew=2",
            "affinity.nodeAffinity.x=y",
        ],
        fields: &[
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/containers/0/image",
                "\"mirror.example/posthorn:0.1.0\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/imagePullSecrets",
                r#"[{"name":"a"},{"name":"b"}]"#,
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/metadata/labels/team",
                "\"mail\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/metadata/labels/tier",
                "\"web\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/metadata/annotations/c",
                "\"d\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/nodeSelector/disk",
                "\"ssd\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/priorityClassName",
                "\"high\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/tolerations/0/operator",
                "\"Exists\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/topologySpreadConstraints/0/maxSkew",
                "2",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/affinity/nodeAffinity/x",
                "\"y\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/containers/0/args/0",
                "\"serve\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/containers/1/name",
                "\"beside\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/initContainers/0/name",
                "\"first\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/volumes/0/name",
                "\"v\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/containers/0/volumeMounts/0/name",
                "\"v\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/containers/0/envFrom/1/secretRef/name",
                "\"more\"",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/template/spec/containers/0/readinessProbe/periodSeconds",
                "7",
            ),
            (
                "Deployment/posthorn-north",
                "/spec/strategy",
                r#"{"type":"Recreate"}"#,
            ),
            (
                "ServiceAccount/posthorn-north",
                "/metadata/annotations/role",
                "\"r\"",
            ),
            ("Service/posthorn-north", "/spec/type", "\"NodePort\""),
            ("Service/posthorn-north", "/spec/ports/0/port", "8080"),
            // The metrics stay in the cluster.
            ("Service/posthorn-north", "/spec/ports/1", ""),
            ("Service/posthorn-north-metrics", "/spec/type", ""),
            (
                "Service/posthorn-north-metrics",
                "/spec/ports/0/targetPort",
                "\"metrics\"",
            ),
            ("Service/posthorn-north", "/metadata/annotations/e", "\"f\""),
        ],
    },
    Variant {
        values: &[
            "store=embedded",
            "persistence.enabled=true",
            "persistence.size=5Gi",
        ],
        fields: &[
            ("StatefulSet/posthorn", "/spec/replicas", "1"),
            (
                "StatefulSet/posthorn",
                "/spec/volumeClaimTemplates/0/spec/resources/requests/storage",
                "\"5Gi\"",
            ),
            (
                "StatefulSet/posthorn",
                "/spec/template/spec/securityContext/fsGroup",
                "65532",
            ),
            ("StatefulSet/posthorn-redis", "", ""),
            ("HorizontalPodAutoscaler/posthorn", "", ""),
            ("PodDisruptionBudget/posthorn", "", ""),
        ],
    },
    Variant {
        values: &[
            "ingress.enabled=true",
            "ingress.hosts[0].host=a.example",
            "ingress.hosts[1].host=b.example",
            "ingress.hosts[1].paths[0].path=/inbox",
            "ingress.hosts[1].paths[0].pathType=Exact",
            "httpRoute.enabled=true",
            "httpRoute.parentRefs[0].name=gateway",
            "httpRoute.hostnames[0]=c.example",
            "networkPolicy.ingressNamespace=gateway",
            "autoscaling.targetMemoryUtilizationPercentage=80",
            "autoscaling.behavior.scaleDown.stabilizationWindowSeconds=60",
            "podDisruptionBudget.maxUnavailable=",
            "podDisruptionBudget.minAvailable=2",
        ],
        fields: &[
            ("Ingress/posthorn", "/spec/tls", ""),
            ("Ingress/posthorn", "/spec/ingressClassName", ""),
            (
                "Ingress/posthorn",
                "/spec/rules/1/http/paths/0/path",
                "\"/inbox\"",
            ),
            (
                "HTTPRoute/posthorn",
                "/spec/parentRefs/0/name",
                "\"gateway\"",
            ),
            (
                "HTTPRoute/posthorn",
                "/spec/rules/0/backendRefs/0/port",
                "80",
            ),
            (
                "HorizontalPodAutoscaler/posthorn",
                "/spec/metrics/1/resource/name",
                "\"memory\"",
            ),
            (
                "HorizontalPodAutoscaler/posthorn",
                "/spec/behavior/scaleDown/stabilizationWindowSeconds",
                "60",
            ),
            ("PodDisruptionBudget/posthorn", "/spec/minAvailable", "2"),
        ],
    },
    Variant {
        values: &[
            "redis.enabled=false",
            "externalRedis.mode=sentinel",
            "externalRedis.sentinelService=mymaster",
            "--set-json=externalRedis.nodes=[\"a:26379\",\"b:26379\"]",
            "externalRedis.username=posthorn",
            "externalRedis.existingSecret=redis",
            "externalRedis.tls.enabled=true",
            "externalRedis.tls.existingSecret=tls",
            "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
            "--set-json=networkPolicy.redisPorts=[26379,6390]",
        ],
        fields: &[
            (
                "Deployment/posthorn",
                "env:REDIS_URL",
                "\"rediss+sentinel://a:26379,b:26379/mymaster/0\"",
            ),
            ("Deployment/posthorn", "env:REDIS_USERNAME", "\"posthorn\""),
            (
                "Deployment/posthorn",
                "env:REDIS_CA_FILE",
                "\"/etc/posthorn/redis-tls/ca.crt\"",
            ),
            (
                "Deployment/posthorn",
                "/spec/template/spec/volumes/0/secret/secretName",
                "\"tls\"",
            ),
            (
                "NetworkPolicy/posthorn",
                "/spec/egress/1/ports/1/port",
                "6390",
            ),
        ],
    },
    Variant {
        values: &[
            "redis.enabled=false",
            "externalRedis.mode=cluster",
            "externalRedis.host=redis.example",
            "networkPolicy.redisPeers[0].podSelector.matchLabels.app=redis",
            "redis.exporter.enabled=false",
        ],
        fields: &[
            (
                "Deployment/posthorn",
                "env:REDIS_URL",
                "\"redis+cluster://redis.example:6379\"",
            ),
            ("StatefulSet/posthorn-redis", "", ""),
        ],
    },
];
