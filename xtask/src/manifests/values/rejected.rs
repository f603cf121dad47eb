//! Values that the chart has to reject.

/// Sets of values, each with a part of the reason.
pub(super) const REJECTED: [(&[&str], &str); 102] = [
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
        "/commonLabels/app.kubernetes.io~1name",
    ),
    (
        &[
            "podDisruptionBudget.minAvailable=2",
            "podDisruptionBudget.maxUnavailable=1",
        ],
        "minAvailable or maxUnavailable",
    ),
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
    // Budgets that block the drain of every node, and a rollout that replaces no pod.
    (
        &["podDisruptionBudget.minAvailable=3"],
        "minAvailable=3 keeps each of the 3 pods",
    ),
    (
        &["podDisruptionBudget.minAvailable=100%"],
        "minAvailable=100% keeps",
    ),
    (
        &["podDisruptionBudget.minAvailable=70%"],
        "minAvailable=70% keeps",
    ),
    (
        &[
            "podDisruptionBudget.minAvailable=2",
            "autoscaling.enabled=false",
            "replicas=2",
        ],
        "minAvailable=2 keeps each of the 2 pods",
    ),
    (
        &["podDisruptionBudget.maxUnavailable=0"],
        "podDisruptionBudget.maxUnavailable=0",
    ),
    (
        &["podDisruptionBudget.minAvailable=most"],
        "podDisruptionBudget/minAvailable",
    ),
    (
        &["strategy.rollingUpdate.maxSurge=0"],
        "strategy.rollingUpdate.maxSurge=0",
    ),
    (&["strategy.type=Canary"], "/strategy/type"),
    // Services that the API server rejects.
    (
        &["service.port=9090"],
        "service.metricsPort are the same port",
    ),
    (
        &["service.nodePort=30000"],
        "service.nodePort and service.externalTrafficPolicy need",
    ),
    (
        &["service.externalTrafficPolicy=Local"],
        "service.nodePort and service.externalTrafficPolicy need",
    ),
    (
        &["service.loadBalancerClass=a"],
        "need service.type=LoadBalancer",
    ),
    (
        &["service.type=NodePort", "service.clusterIP=None"],
        "service.clusterIP=None needs",
    ),
    // Pods that nothing reaches.
    (&["config.HOST=127.0.0.1"], "config.HOST is \"127.0.0.1\""),
    (&["config.HOST=127.1"], "config.HOST is \"127.1\""),
    (&["config.HOST=localhost"], "config.HOST is \"localhost\""),
    (&["config.HOST=::1"], "config.HOST is \"::1\""),
    (
        &["--set-string=config.HOST=[::1]"],
        "config.HOST is \"[::1]\"",
    ),
    (
        &["config.HOST=0:0:0:0:0:0:0:1"],
        "config.HOST is \"0:0:0:0:0:0:0:1\"",
    ),
    (&["config.HOST="], "config.HOST is \"\""),
    (&["config.HOST=null"], "config.HOST is \"\""),
    (
        &["extraEnv[0].name=HOST", "extraEnv[0].value=localhost"],
        "config.HOST is",
    ),
    // A store that never reaches its durability, and an external Redis that is not used, or not as a whole.
    (
        &["config.STORE_DURABILITY=replicated"],
        "STORE_DURABILITY=replicated needs",
    ),
    (
        &[
            "store=embedded",
            "persistence.enabled=true",
            "config.STORE_DURABILITY=replicated",
        ],
        "STORE_DURABILITY=replicated needs",
    ),
    (
        &["externalRedis.host=a"],
        "while the chart runs a Redis: set redis.enabled=false",
    ),
    (
        &["externalRedis.urlFromSecret=true"],
        "while the chart runs a Redis",
    ),
    (
        &["externalRedis.mode=cluster"],
        "while the chart runs a Redis",
    ),
    (
        &[
            "store=embedded",
            "persistence.enabled=true",
            "externalRedis.nodes[0]=a:7000",
        ],
        "no effect with store=embedded",
    ),
    (
        &["redis.enabled=false", "externalRedis.nodes[0]=a:7000"],
        "externalRedis.nodes needs",
    ),
    (
        &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "externalRedis.mode=cluster",
            "externalRedis.database=1",
        ],
        "externalRedis.database=0",
    ),
    // Quantities, by the name of their value.
    (
        &["redis.resources.limits.memory=2Xi"],
        "redis.resources.limits.memory is \"2Xi\"",
    ),
    (
        &["redis.resources.limits.memory=null"],
        "redis.resources.limits.memory is \"\"",
    ),
    (&["redis.storage=10"], "/redis/storage"),
    // Labels of the chart's own.
    (
        &["commonLabels.app\\.kubernetes\\.io/managed-by=x"],
        "/commonLabels/app.kubernetes.io~1managed-by",
    ),
    (
        &["labels.app\\.kubernetes\\.io/part-of=x"],
        "/labels/app.kubernetes.io~1part-of",
    ),
    (
        &["service.labels.helm\\.sh/chart=x"],
        "/service/labels/helm.sh~1chart",
    ),
    (
        &["podLabels.app\\.kubernetes\\.io/name=x"],
        "/podLabels/app.kubernetes.io~1name",
    ),
    // A section without its values.
    (&["autoscaling=null"], "'autoscaling'"),
    (&["config=null"], "'config'"),
    (&["dashboard=null"], "'dashboard'"),
    (&["existingSecretKeys=null"], "'existingSecretKeys'"),
    (&["externalRedis=null"], "'externalRedis'"),
    (&["httpRoute=null"], "'httpRoute'"),
    (&["image=null"], "'image'"),
    (&["ingress=null"], "'ingress'"),
    (&["networkPolicy=null"], "'networkPolicy'"),
    (&["persistence=null"], "'persistence'"),
    (&["podDisruptionBudget=null"], "'podDisruptionBudget'"),
    (&["prometheusRule=null"], "'prometheusRule'"),
    (&["redis=null"], "'redis'"),
    (&["replicas=null"], "'replicas'"),
    (&["resources=null"], "'resources'"),
    (&["service=null"], "'service'"),
    (&["serviceAccount=null"], "'serviceAccount'"),
    (&["serviceMonitor=null"], "'serviceMonitor'"),
    (&["workerScaling=null"], "'workerScaling'"),
    (&["externalRedis.tls=null"], "'tls'"),
    (&["redis.exporter=null"], "'exporter'"),
    (&["redis.image=null"], "'image'"),
    (&["redis.resources=null"], "'resources'"),
    (&["service.port=null"], "'port'"),
    (&["networkPolicy.dnsPeers=null"], "'dnsPeers'"),
    (&["image.repository=null"], "'repository'"),
];
