{{/* The template of the server's pods. */}}
{{- define "posthorn.pod" -}}
{{- $name := include "posthorn.fullname" . }}
{{- $embedded := eq .Values.store "embedded" }}
metadata:
  labels:
    {{- include "posthorn.merged" (list .Values.commonLabels .Values.podLabels (dict "app.kubernetes.io/name" $name)) | nindent 4 }}
  annotations:
    {{- /* A changed setting rolls the pods. */}}
    {{- $checksum := include (print $.Template.BasePath "/config-map.yaml") . | sha256sum }}
    {{- include "posthorn.merged" (list .Values.commonAnnotations .Values.podAnnotations (dict "checksum/config" $checksum)) | nindent 4 }}
spec:
  serviceAccountName: {{ include "posthorn.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
  enableServiceLinks: false
  {{- include "posthorn.pullSecrets" . | nindent 2 }}
  # The process drains itself on SIGTERM, so there is no preStop hook.
  terminationGracePeriodSeconds: {{ add .Values.drainDelaySeconds .Values.shutdownTimeoutSeconds 5 }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
    {{- if and $embedded (not (hasKey . "fsGroup")) (hasKey . "runAsGroup") }}
    fsGroup: {{ .runAsGroup }}
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.schedulerName }}
  schedulerName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if not $embedded }}
  topologySpreadConstraints:
    {{- include "posthorn.topologySpread" . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: posthorn
      image: {{ include "posthorn.image" (dict "image" .Values.image "root" .) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- with .Values.args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      envFrom:
        - configMapRef:
            name: {{ $name }}
        {{- with .Values.extraEnvFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      env:
        {{- include "posthorn.env" . | nindent 8 }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: http
          containerPort: 5000
        - name: metrics
          containerPort: 9090
      {{- include "posthorn.probe" (dict "name" "startupProbe" "path" "/health/startup" "port" "http" "timings" .Values.startupProbe) | nindent 6 }}
      # On the port that clients cannot fill. A full pod is not ready, on the other one, but is not restarted.
      {{- include "posthorn.probe" (dict "name" "livenessProbe" "path" "/health/live" "port" "metrics" "timings" .Values.livenessProbe) | nindent 6 }}
      {{- include "posthorn.probe" (dict "name" "readinessProbe" "path" "/health/ready" "port" "http" "timings" .Values.readinessProbe) | nindent 6 }}
      {{- with .Values.lifecycle }}
      lifecycle:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- with .Values.containerSecurityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "posthorn.mounts" . | nindent 6 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "posthorn.volumes" . | nindent 2 }}
{{- end }}

{{/* The probe `name` of `path` at `port`, unless its `timings` are null. */}}
{{- define "posthorn.probe" -}}
{{- if kindIs "map" .timings -}}
{{ .name }}:
  httpGet:
    path: {{ .path }}
    port: {{ .port }}
  {{- with .timings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- end }}

{{- define "posthorn.env" -}}
{{- $keys := .Values.existingSecretKeys }}
- name: SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.existingSecret }}
      key: {{ $keys.secretKey }}
- name: SECRET_KEY_PREVIOUS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.existingSecret }}
      key: {{ $keys.secretKeyPrevious }}
      optional: true
{{- if eq .Values.store "embedded" }}
- name: STORE_URL
  value: file:/var/lib/posthorn/posthorn.db
{{- else if .Values.redis.enabled }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.existingSecret }}
      key: {{ $keys.redisPassword }}
- name: REDIS_URL
  value: redis://{{ include "posthorn.fullname" . }}-redis:6379/0
- name: STORE_URL
  value: $(REDIS_URL)
{{- else }}
{{- with .Values.externalRedis }}
{{- $secret := .existingSecret | default $.Values.existingSecret }}
{{- if .urlFromSecret }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ .existingSecretUrlKey }}
{{- else }}
{{- with .username }}
- name: REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- if .auth }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ .existingSecretPasswordKey }}
{{- end }}
- name: REDIS_URL
  value: {{ include "posthorn.externalRedisUrl" $ }}
{{- end }}
- name: STORE_URL
  value: $(REDIS_URL)
{{- if .tls.existingSecret }}
{{- with .tls.caKey }}
- name: REDIS_CA_FILE
  value: /etc/posthorn/redis-tls/{{ . }}
{{- end }}
{{- if .tls.certKey }}
- name: REDIS_CERT_FILE
  value: /etc/posthorn/redis-tls/{{ .tls.certKey }}
- name: REDIS_KEY_FILE
  value: /etc/posthorn/redis-tls/{{ .tls.keyKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" if the certificates of the external Redis are mounted. */}}
{{- define "posthorn.redisTls" -}}
{{- if and (eq .Values.store "redis") (not .Values.redis.enabled) .Values.externalRedis.tls.existingSecret }}true{{ end -}}
{{- end }}

{{- define "posthorn.mounts" -}}
{{- $embedded := eq .Values.store "embedded" }}
{{- $tls := include "posthorn.redisTls" . }}
{{- if or $embedded $tls .Values.extraVolumeMounts }}
volumeMounts:
  {{- if $embedded }}
  - name: data
    mountPath: /var/lib/posthorn
  {{- end }}
  {{- if $tls }}
  - name: redis-tls
    mountPath: /etc/posthorn/redis-tls
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "posthorn.volumes" -}}
{{- $claim := and (eq .Values.store "embedded") .Values.persistence.existingClaim }}
{{- $tls := include "posthorn.redisTls" . }}
{{- if or $claim $tls .Values.extraVolumes }}
volumes:
  {{- with $claim }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ . }}
  {{- end }}
  {{- if $tls }}
  - name: redis-tls
    secret:
      secretName: {{ .Values.externalRedis.tls.existingSecret }}
      defaultMode: 0440
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
