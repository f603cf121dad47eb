{{/* The name of every object: `fullnameOverride`, or the release, with `nameOverride` behind it. */}}
{{- define "posthorn.fullname" -}}
{{- $name := .Release.Name -}}
{{- if .Values.nameOverride }}{{ $name = printf "%s-%s" $name .Values.nameOverride }}{{ end -}}
{{- .Values.fullnameOverride | default $name | trunc 48 | trimSuffix "-" -}}
{{- end }}

{{/* A list of maps, some of them absent, as one in YAML. Of equal keys the last wins. */}}
{{- define "posthorn.merged" -}}
{{- $all := dict -}}
{{- range . }}{{ range $key, $value := . }}{{ $_ := set $all $key $value }}{{ end }}{{ end -}}
{{- if $all }}{{ toYaml $all }}{{ end -}}
{{- end }}

{{/* Labels of an object called `name`, with optional `labels`; pods are selected by the first of the chart's own alone. */}}
{{- define "posthorn.labels" -}}
{{- $own := dict "app.kubernetes.io/name" .name "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/part-of" "posthorn" "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- /* A version may have a `+`, a label may not. */ -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- include "posthorn.merged" (list .root.Values.commonLabels .labels $own) -}}
{{- end }}

{{/* The metadata of an object: `name`, `root`, and optional `suffix`, `labels`, `annotations`, `namespace`. */}}
{{- define "posthorn.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "posthorn.labels" (dict "name" (.component | default .name) "root" .root "labels" .labels) | nindent 2 }}
{{- with include "posthorn.merged" (list .root.Values.commonAnnotations .annotations) }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{/* An image: `image` with registry, repository, tag and digest. */}}
{{- define "posthorn.image" -}}
{{- $registry := (.root.Values.global | default dict).imageRegistry | default .image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" $registry $name }}{{ end -}}
{{- if .image.digest }}{{ $name }}@{{ .image.digest }}
{{- else }}{{ $name }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "posthorn.pullSecrets" -}}
{{- $names := concat ((.Values.global | default dict).imagePullSecrets | default list) (.Values.image.pullSecrets | default list) -}}
{{- with $names }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "posthorn.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "posthorn.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{/* A value as text: a whole number has no exponent, and null is empty. */}}
{{- define "posthorn.text" -}}
{{- if kindIs "invalid" . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end }}

{{/* "true" if the store is the Redis of the chart. */}}
{{- define "posthorn.ownRedis" -}}
{{- if and (eq .Values.store "redis") .Values.redis.enabled }}true{{ end -}}
{{- end }}

{{/* The number of pods that always run. */}}
{{- define "posthorn.replicas" -}}
{{- if eq .Values.store "embedded" }}1
{{- else if .Values.autoscaling.enabled }}{{ .Values.autoscaling.minReplicas }}
{{- else }}{{ .Values.replicas }}{{ end -}}
{{- end }}

{{/* The URL of the external Redis, without credentials. */}}
{{- define "posthorn.externalRedisUrl" -}}
{{- $redis := .Values.externalRedis -}}
{{- $scheme := ternary "rediss" "redis" $redis.tls.enabled -}}
{{- if eq $redis.mode "single" -}}
{{ $scheme }}://{{ $redis.host }}:{{ $redis.port }}/{{ $redis.database }}
{{- else -}}
{{- $hosts := $redis.nodes | default (list (printf "%s:%v" $redis.host $redis.port)) | join "," -}}
{{- if eq $redis.mode "sentinel" -}}
{{ $scheme }}+sentinel://{{ $hosts }}/{{ $redis.sentinelService }}/{{ $redis.database }}
{{- else -}}
{{ $scheme }}+cluster://{{ $hosts }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The egress rule for DNS. */}}
{{- define "posthorn.dnsEgress" -}}
- to:
    {{- toYaml .Values.networkPolicy.dnsPeers | nindent 4 }}
  ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- end }}

{{/* The pods of the release, but not those of its Redis. */}}
{{- define "posthorn.topologySpread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      app.kubernetes.io/name: {{ include "posthorn.fullname" $ }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{/* "true" if an object of `group` is wanted: "auto" asks the cluster. */}}
{{- define "posthorn.wants" -}}
{{- if eq (toString .enabled) "true" }}true
{{- else if and (eq (toString .enabled) "auto") (.root.Capabilities.APIVersions.Has .group) }}true{{ end -}}
{{- end }}

{{/* "true" if the HTTPRoute is rendered. */}}
{{- define "posthorn.wantsHttpRoute" -}}
{{- if .Values.httpRoute.parentRefs -}}
{{- include "posthorn.wants" (dict "root" . "enabled" .Values.httpRoute.enabled "group" "gateway.networking.k8s.io/v1") -}}
{{- end -}}
{{- end }}

{{/* The bytes of `quantity`, such as 512Mi, 1.5Gi or 2e9, of the value called `name`. */}}
{{- define "posthorn.bytes" -}}
{{- $text := include "posthorn.text" .quantity -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 -}}
{{- $number := regexFind "^[0-9]+([.][0-9]*)?([eE][0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- if or (not $number) (not (hasKey $units $unit)) -}}
{{- fail (printf "%s is %q, and not a number of bytes with a unit such as Mi, Gi or Ti: 512Mi, 1.5Gi" .name $text) -}}
{{- end -}}
{{- int64 (mulf (float64 $number) (float64 (get $units $unit))) -}}
{{- end }}

{{/* The memory of Redis' data, in bytes: below half of the limit, because the fork that rewrites the
append-only file may copy every page. */}}
{{- define "posthorn.redisMaxmemory" -}}
{{- $limit := int64 (include "posthorn.bytes" (dict "name" "redis.resources.limits.memory" "quantity" .Values.redis.resources.limits.memory)) -}}
{{- $wanted := div (mul $limit 45) 100 -}}
{{- with .Values.redis.maxmemory }}{{ $wanted = int64 (include "posthorn.bytes" (dict "name" "redis.maxmemory" "quantity" .)) }}{{ end -}}
{{- if gt (mul $wanted 2) $limit }}{{ fail "redis.maxmemory is more than half of redis.resources.limits.memory, so a rewrite of the append-only file could be killed" }}{{ end -}}
{{- $wanted -}}
{{- end }}

{{/* The settings in `config` and `extraEnv` as JSON. A value from a Secret or a field is "unknown", and `extraEnvFrom` is not read. */}}
{{- define "posthorn.settings" -}}
{{- $settings := dict -}}
{{- range $name, $value := .Values.config }}{{ $_ := set $settings $name (include "posthorn.text" $value) }}{{ end -}}
{{- range .Values.extraEnv -}}
{{- $_ := set $settings (toString .name) (hasKey . "valueFrom" | ternary "unknown" (toString (.value | default ""))) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end }}

{{/* `QUOTA_REPLICAS_HINT`: the number of pods, at most what the server accepts, which is the smallest limit. Empty without
quotas. */}}
{{- define "posthorn.quotaReplicas" -}}
{{- $settings := include "posthorn.settings" . | fromJson -}}
{{- $enabled := get $settings "RATE_LIMIT_ENABLED" | trim | lower -}}
{{- if not (has $enabled (list "false" "0" "no" "off")) -}}
{{- $hint := min 10000 (max 1 (int (include "posthorn.replicas" .))) -}}
{{- /* The server's defaults. `cargo xtask manifests` checks them. */ -}}
{{- $limits := dict "RATE_LIMIT_MESSAGE" "10 per minute" "RATE_LIMIT_READ" "600 per minute" "RATE_LIMIT_CONSUME" "6000 per minute" "RATE_LIMIT_DELETE" "600 per minute" "RATE_LIMIT_DEFAULT" "200 per day;50 per hour" -}}
{{- range $name, $default := $limits -}}
{{- range regexFindAll "(^|[;,|])\\s*[0-9]+" (get $settings $name | default $default | trim) -1 -}}
{{- $hint = min $hint (max 1 (atoi (regexFind "[0-9]+" .))) -}}
{{- end -}}
{{- end -}}
{{- $hint -}}
{{- end -}}
{{- end }}

{{/* `TRUSTED_PROXY_HOPS`: the proxy that an Ingress or HTTPRoute of the chart puts in front of the pods. Without one every
client could choose its address by the header. */}}
{{- define "posthorn.proxyHops" -}}
{{- if or .Values.ingress.enabled (include "posthorn.wantsHttpRoute" .) }}1{{ else }}0{{ end -}}
{{- end }}

{{/* The settings in `config` and `extraEnv` whose connections the chart's own rules of egress do not allow, joined by
commas. A value from a Secret counts as an address. So does a loopback address: a sidecar that forwards connections has the
policy of its pod. `cargo xtask manifests` checks that no setting with an address is missing here. */}}
{{- define "posthorn.egressSettings" -}}
{{- $settings := include "posthorn.settings" . | fromJson -}}
{{- $found := list -}}
{{- if ne (get $settings "OTEL_SDK_DISABLED") "true" -}}
{{- if get $settings "OTEL_EXPORTER_OTLP_ENDPOINT" }}{{ $found = append $found "OTEL_EXPORTER_OTLP_ENDPOINT" }}{{ end -}}
{{- end -}}
{{- range list "WEBHOOK_ALLOW_CIDRS" "WEBHOOK_PROXY" "WEBHOOK_PROXY_FILE" -}}
{{- if get $settings . }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- /* URLs of Redis come from `extraEnv` only. The rules allow the chart's Redis, or the peers of an external one. */ -}}
{{- $allowed := "^(file:|memory:|[$][(]REDIS_URL[)]|$)" -}}
{{- if include "posthorn.ownRedis" . -}}
{{- $allowed = printf "%s|(//|@)%s-redis([.]%s[.a-z0-9-]*)?(:6379|/|$)" $allowed (include "posthorn.fullname" .) .Release.Namespace -}}
{{- else if and (eq .Values.store "redis") .Values.networkPolicy.redisPeers -}}
{{- $allowed = "" -}}
{{- end -}}
{{- range list "REDIS_URL" "REDIS_URL_FILE" "STORE_URL" -}}
{{- if not (regexMatch $allowed (get $settings .)) }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- join ", " $found -}}
{{- end }}
