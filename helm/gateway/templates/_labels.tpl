{{- define "logits.labels" -}}
app.kubernetes.io/name: logits-gateway
app.kubernetes.io/part-of: logits
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
