{{- define "logits.labels" -}}
app.kubernetes.io/part-of: logits
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
logits.ai/component: {{ .component }}
{{- end }}

{{- define "logits.selector" -}}
app.kubernetes.io/part-of: logits
logits.ai/component: {{ .component }}
{{- end }}

{{- define "logits.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "logits.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end }}

{{- define "logits.identity" -}}
- name: HOME
  value: /tmp
- name: LOGITS_LISTEN_ADDRESS
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: LOGITS_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: LOGITS_POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
- name: LOGITS_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: LOGITS_DATA_DIRECTORY
  value: /var/lib/logits
{{- end }}

{{- define "logits.ports" -}}
- name: http
  containerPort: 8080
- name: metrics
  containerPort: 9090
{{- end }}

{{- define "logits.probes" -}}
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 1
  timeoutSeconds: 2
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{- define "logits.image" -}}
{{- required (printf "images.%s: give the image by digest, repository@sha256:<64 hex>" .key) .value -}}
{{- end }}
