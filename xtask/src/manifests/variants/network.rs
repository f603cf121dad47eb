//! Sets of values that need a rule of the network policy, with that rule or without the need for it. What the chart
//! rejects is in `values/rejected.rs`.

use super::table::Variant;

/// All sets.
pub(super) const NETWORK: [Variant; 5] = [
    // One rule of egress serves all connections: the chart cannot compare it with addresses.
    Variant {
        values: &[
            "config.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
            "config.WEBHOOK_ALLOW_CIDRS=10.0.0.0/8",
            "extraEnv[0].name=WEBHOOK_PROXY",
            "extraEnv[0].valueFrom.secretKeyRef.name=a",
            "extraEnv[0].valueFrom.secretKeyRef.key=b",
            "networkPolicy.extraEgress[0].to[0].ipBlock.cidr=192.0.2.0/24",
        ],
        fields: &[
            (
                "ConfigMap/posthorn",
                "/data/OTEL_EXPORTER_OTLP_ENDPOINT",
                "\"http://collector:4318\"",
            ),
            (
                "NetworkPolicy/posthorn",
                "/spec/egress/2/to/0/ipBlock/cidr",
                "\"192.0.2.0/24\"",
            ),
        ],
    },
    // Without a policy nothing is cut off.
    Variant {
        values: &[
            "networkPolicy.enabled=false",
            "networkPolicy.monitoringNamespace=",
            "serviceMonitor.enabled=true",
            "config.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
            "config.WEBHOOK_PROXY=http://proxy:3128",
        ],
        fields: &[
            ("NetworkPolicy/posthorn", "", ""),
            (
                "ConfigMap/posthorn",
                "/data/WEBHOOK_PROXY",
                "\"http://proxy:3128\"",
            ),
        ],
    },
    // What is switched off, unset or in the chart's Redis needs no rule, and metrics that nothing reads neither.
    Variant {
        values: &[
            "config.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
            "config.OTEL_SDK_DISABLED=true",
            "config.WEBHOOK_PROXY=http://proxy:3128",
            "extraEnv[0].name=WEBHOOK_PROXY",
            "--set-string=extraEnv[0].value=",
            "extraEnv[1].name=STORE_URL",
            "extraEnv[1].value=redis://posthorn-redis:6379/1",
            "networkPolicy.monitoringNamespace=",
        ],
        fields: &[
            ("NetworkPolicy/posthorn", "/spec/egress/2", ""),
            ("NetworkPolicy/posthorn", "/spec/ingress/1", ""),
            ("NetworkPolicy/posthorn-redis", "/spec/ingress/1", ""),
        ],
    },
    // The store in a second Redis beside the first: the peers of both are the operator's.
    Variant {
        values: &[
            "redis.enabled=false",
            "externalRedis.host=a",
            "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
            "extraEnv[0].name=STORE_URL",
            "extraEnv[0].value=redis://b:6379",
        ],
        fields: &[(
            "NetworkPolicy/posthorn",
            "/spec/egress/1/to/0/ipBlock/cidr",
            "\"192.0.2.0/24\"",
        )],
    },
    // A rule of ingress in place of the namespace of Prometheus, without the metrics of Redis.
    Variant {
        values: &[
            "serviceMonitor.enabled=true",
            "redis.exporter.enabled=false",
            "networkPolicy.monitoringNamespace=",
            "networkPolicy.extraIngress[0].from[0].ipBlock.cidr=192.0.2.0/24",
        ],
        fields: &[
            ("ServiceMonitor/posthorn-redis", "", ""),
            (
                "NetworkPolicy/posthorn",
                "/spec/ingress/1/from/0/ipBlock/cidr",
                "\"192.0.2.0/24\"",
            ),
        ],
    },
];
