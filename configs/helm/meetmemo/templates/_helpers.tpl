{{/* The release's name goes before everything: two releases in a namespace do not meet. */}}
{{- define "meetmemo.name" -}}
{{- if contains "meetmemo" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-meetmemo" (.Release.Name | trunc 31 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods are selected. KubeRay sets app.kubernetes.io/name of its pods itself and selects by it. */}}
{{- define "meetmemo.selector" -}}
app.kubernetes.io/part-of: meetmemo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "meetmemo.labels" -}}
{{ include "meetmemo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* An image by digest where there is one. Takes a list: the root, the image's values. */}}
{{- define "meetmemo.image" -}}
{{- $image := index . 1 -}}
{{- $registry := (index . 0).Values.image.registry -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end -}}
{{- end -}}

{{- define "meetmemo.ledgerUrl" -}}
{{- with .Values.database -}}
postgresql+psycopg://{{ .user }}@{{ .host }}:{{ .port }}/{{ .name }}
{{- end -}}
{{- end -}}

{{- define "meetmemo.storeUrl" -}}
{{- with .Values.store -}}
{{- $query := list -}}
{{- if .endpoint }}{{ $query = append $query (printf "endpoint=%s" .endpoint) }}{{ end -}}
{{- if .region }}{{ $query = append $query (printf "region=%s" .region) }}{{ end -}}
s3://{{ .bucket }}{{ if .prefix }}/{{ trimAll "/" .prefix }}{{ end }}{{ if $query }}?{{ join "&" $query }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "meetmemo.modelsClaim" -}}
{{- .Values.models.existingClaim | default (printf "%s-models" (include "meetmemo.name" .)) -}}
{{- end -}}

{{/* The environment of every container of MeetMemo. */}}
{{- define "meetmemo.environment" -}}
env:
  # For commands in a pod (`meetmemo keys create`); replicas get theirs from serveConfigV2.
  - { name: MEETMEMO_LEDGER_URL, value: {{ include "meetmemo.ledgerUrl" . | quote }} }
  - { name: MEETMEMO_STORE_URL, value: {{ include "meetmemo.storeUrl" . | quote }} }
  - name: PGPASSWORD
    valueFrom: { secretKeyRef: { name: {{ .Values.database.secret.name }}, key: {{ .Values.database.secret.key }} } }
  {{- with .Values.store.secret }}
  {{- if .name }}
  - name: AWS_ACCESS_KEY_ID
    valueFrom: { secretKeyRef: { name: {{ .name }}, key: {{ .accessKeyId }} } }
  - name: AWS_SECRET_ACCESS_KEY
    valueFrom: { secretKeyRef: { name: {{ .name }}, key: {{ .secretAccessKey }} } }
  {{- end }}
  {{- end }}
  {{- with .Values.monitoring.tokenSecret }}
  {{- if .name }}
  - name: MEETMEMO_METRICS_TOKEN
    valueFrom: { secretKeyRef: { name: {{ .name }}, key: {{ .key }} } }
  {{- end }}
  {{- end }}
  - { name: RAY_USAGE_STATS_ENABLED, value: "0" }
  # A node waits so long for a head that is away, then ends itself.
  - { name: RAY_gcs_rpc_server_reconnect_timeout_s, value: "300" }
  - name: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH
    value: cluster.lifecycle.proxy_middleware:middlewares
  {{- range $name, $value := .Values.environment }}
  - { name: {{ $name }}, value: {{ $value | quote }} }
  {{- end }}
{{- with .Values.environmentSecrets }}
envFrom:
  {{- range . }}
  - secretRef: { name: {{ . }} }
  {{- end }}
{{- end }}
{{- end -}}

{{- define "meetmemo.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "meetmemo.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
{{- end -}}

{{- define "meetmemo.serviceAccount" -}}
{{- if or .Values.serviceAccount.name .Values.serviceAccount.create }}
serviceAccountName: {{ .Values.serviceAccount.name | default (include "meetmemo.name" .) }}
{{- end }}
{{- end -}}

{{/* Where pods are placed. Takes the values of the head or of a group. */}}
{{- define "meetmemo.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
