//! Values that the chart has to reject.

/// Sets of values, each with a part of the reason.
pub(super) const REJECTED: [(&[&str], &str); 39] = [
    (&["config.SECRET_KEY=x"], "SECRET_KEY"),
    (&["config.RETENTION_AEG=7d"], "RETENTION_AEG"),
    (&["replicas=-1"], "replicas"),
    (&["image.digest=latest"], "digest"),
    (&["replicaCount=2"], "replicaCount"),
    (&["drainDelaySeconds=10s"], "drainDelaySeconds"),
    (&["autoscaling.minReplicas=0"], "minReplicas"),
    (&["autoscaling.minReplicas=11"], "minReplicas is greater"),
    (&["workerScaling.workers[0].deployment=mailer"], "workers"),
    (
        &["workerScaling.prometheusAddress=prometheus:9090"],
        "prometheusAddress",
    ),
    (
        &["commonLabels.app\\.kubernetes\\.io/name=x"],
        "propertyName",
    ),
    (&["podDisruptionBudget.minAvailable=2"], "maxUnavailable"),
    (&["redis.maxmemory=2Gi"], "redis.maxmemory"),
    (&["redis.enabled=false"], "externalRedis.host"),
    (
        &["redis.enabled=false", "externalRedis.host=redis"],
        "networkPolicy.redisPeers",
    ),
    (
        &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "externalRedis.mode=sentinel",
        ],
        "sentinelService",
    ),
    (
        &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "externalRedis.mode=sentinel",
            "externalRedis.sentinelService=mymaster",
            "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
        ],
        "networkPolicy.redisPorts",
    ),
    (
        &[
            "redis.enabled=false",
            "externalRedis.nodes[0]=a:7000",
            "externalRedis.mode=cluster",
            "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
        ],
        "networkPolicy.redisPorts",
    ),
    (
        &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "externalRedis.mode=cluster",
            "externalRedis.tls.enabled=true",
            "externalRedis.tls.existingSecret=tls",
        ],
        "SSL_CERT_FILE",
    ),
    (
        &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "externalRedis.tls.existingSecret=tls",
        ],
        "externalRedis.tls.enabled",
    ),
    (&["redis.storage=2Gi"], "redis.storage"),
    (&["service.type=LoadBalancer"], "networkPolicy.extraIngress"),
    (
        &[
            "--api-versions=gateway.networking.k8s.io/v1",
            "httpRoute.enabled=auto",
            "httpRoute.parentRefs[0].name=gateway",
        ],
        "networkPolicy.ingressNamespace",
    ),
    (
        &["ingress.enabled=true", "ingress.hosts[0].host=a"],
        "networkPolicy.ingressNamespace",
    ),
    (
        &["ingress.enabled=true", "networkPolicy.ingressNamespace=a"],
        "needs ingress.hosts",
    ),
    (
        &["httpRoute.enabled=true", "networkPolicy.ingressNamespace=a"],
        "needs httpRoute.parentRefs",
    ),
    (&["store=embedded"], "persistence.enabled=true"),
    // Connections that no rule of egress allows.
    (
        &["config.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"],
        "the connections of OTEL_EXPORTER_OTLP_ENDPOINT: allow them in networkPolicy.extraEgress",
    ),
    (
        &[
            "config.WEBHOOK_PROXY=http://proxy:3128",
            "config.WEBHOOK_ALLOW_CIDRS=10.0.0.0/8",
        ],
        "the connections of WEBHOOK_ALLOW_CIDRS, WEBHOOK_PROXY:",
    ),
    (
        &["config.WEBHOOK_PROXY_FILE=/run/proxy"],
        "WEBHOOK_PROXY_FILE",
    ),
    (
        &[
            "extraEnv[0].name=WEBHOOK_PROXY",
            "extraEnv[0].valueFrom.secretKeyRef.name=a",
            "extraEnv[0].valueFrom.secretKeyRef.key=b",
        ],
        "the connections of WEBHOOK_PROXY:",
    ),
    // An external Redis has no rule with the embedded store, and a second Redis has none either.
    (
        &[
            "store=embedded",
            "persistence.enabled=true",
            "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
            "extraEnv[0].name=REDIS_URL",
            "extraEnv[0].value=redis://a:6379",
        ],
        "the connections of REDIS_URL:",
    ),
    (
        &[
            "extraEnv[0].name=STORE_URL",
            "extraEnv[0].value=redis://posthorn-redis.other:6379",
        ],
        "the connections of STORE_URL:",
    ),
    // Metrics that no rule of ingress allows Prometheus to scrape.
    (
        &[
            "serviceMonitor.enabled=true",
            "networkPolicy.monitoringNamespace=",
        ],
        "values need: serviceMonitor.enabled=true. Set networkPolicy.monitoringNamespace",
    ),
    (
        &[
            "--api-versions=monitoring.coreos.com/v1",
            "networkPolicy.monitoringNamespace=",
        ],
        "serviceMonitor.enabled=auto, prometheusRule.enabled=auto",
    ),
    (
        &[
            "prometheusRule.enabled=true",
            "networkPolicy.monitoringNamespace=",
        ],
        "values need: prometheusRule.enabled=true.",
    ),
    (
        &[
            "dashboard.enabled=true",
            "networkPolicy.monitoringNamespace=",
        ],
        "values need: dashboard.enabled=true.",
    ),
    (
        &[
            "workerScaling.workers[0].deployment=mailer",
            "workerScaling.workers[0].topic=jobs",
            "workerScaling.workers[0].consumer=mailer",
            "networkPolicy.monitoringNamespace=",
        ],
        "values need: workerScaling.workers.",
    ),
    (
        &[
            "serviceMonitor.enabled=true",
            "networkPolicy.monitoringNamespace=",
            "networkPolicy.extraIngress[0].from[0].ipBlock.cidr=192.0.2.0/24",
        ],
        "redis.exporter.enabled=false",
    ),
];
