{{- define "mybouncer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* A release that has the chart's name in its own is not called after it twice. */ -}}
{{- define "mybouncer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "mybouncer.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "mybouncer.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "mybouncer.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mybouncer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mybouncer.labels" -}}
{{ include "mybouncer.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "mybouncer.secretName" -}}
{{- default (include "mybouncer.fullname" .) .Values.upstream.existingSecret }}
{{- end }}

{{- define "mybouncer.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- printf "%s%s%s" .Values.image.repository (ternary "@" ":" (hasPrefix "sha256:" $tag)) $tag }}
{{- end }}

{{- define "mybouncer.configuration" -}}
upstream: {{ .Values.upstream.url | quote }}
upstream_password_file: /run/secrets/mybouncer/upstream-password
listen: ["0.0.0.0:6033"]
http: 0.0.0.0:6034
{{- if .Values.tls.existingSecret }}
tls_cert: /etc/mybouncer/tls/tls.crt
tls_key: /etc/mybouncer/tls/tls.key
{{- end }}
drain_delay: {{ int .Values.drain.delaySeconds }}s
drain_timeout: {{ int .Values.drain.timeoutSeconds }}s
{{- with .Values.config }}
{{ toYaml . }}
{{- end }}
{{- end }}
