{{- define "git-token-webhook.selector" -}}
app.kubernetes.io/name: git-token-webhook
app.kubernetes.io/component: server
{{- end }}

{{- define "git-token-webhook.labels" -}}
app.kubernetes.io/name: git-token-webhook
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "git-token-webhook.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* The configuration file: config, and of the platform's values the two flags alone. */ -}}
{{- define "git-token-webhook.config" -}}
{{- $flags := dict
  "installer" (dict "skipValidation" .Values.installer.skipValidation)
  "app-proxy" (dict "config" (dict "skipGitPermissionValidation" (index .Values "app-proxy" "config" "skipGitPermissionValidation"))) -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $flags) -}}
{{- end }}

{{- define "git-token-webhook.subject" -}}
kind: ServiceAccount
name: git-token-webhook
namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* What both webhooks have in common: which Secrets they are called for. */ -}}
{{- define "git-token-webhook.selection" -}}
timeoutSeconds: {{ .Values.webhooks.timeoutSeconds }}
matchPolicy: Equivalent
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    resources: [secrets]
    scope: Namespaced
    # No DELETE: a Secret can always go, also while the webhook is down.
    operations: [CREATE, UPDATE]
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ append .Values.webhooks.excludedNamespaces .Release.Namespace | uniq | toJson }}
# It must never err, because an error of it refuses the write: hence all the optional fields.
matchConditions:
  - name: holds-git-credentials
    expression: >-
      [object, oldObject].exists(o, o != null && (
      o.metadata.?labels[?'argocd.argoproj.io/secret-type'].orValue('') == 'repo-creds' ||
      o.metadata.?labels[?'io.codefresh.integration-type'].orValue('') == 'git' ||
      {{- range .Values.webhooks.conditions }}
      ({{ . }}) ||
      {{- end }}
      o.metadata.?name.orValue('').startsWith('git-default-') ||
      (o.metadata.?name.orValue('') == '' && o.metadata.?generateName.orValue('').startsWith('git-default-'))))
{{- end }}

{{- define "git-token-webhook.webhookMetadata" -}}
metadata:
  name: git-token-webhook
  labels:
    {{- include "git-token-webhook.labels" . | nindent 4 }}
  {{- if eq .Values.certificates.mode "cert-manager" }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/git-token-webhook
  {{- end }}
{{- end }}

{{- /* caBundle is left to who makes the certificates: neither install nor upgrade ever touches theirs. */ -}}
{{- define "git-token-webhook.clientConfig" -}}
service:
  namespace: {{ .root.Release.Namespace }}
  name: git-token-webhook
  port: 443
  path: {{ .path }}
{{- if eq .root.Values.certificates.mode "provided" }}
caBundle: {{ required "certificates.caBundle: with mode provided, the certificates (PEM) that yours is checked against" .root.Values.certificates.caBundle | b64enc }}
{{- end }}
{{- end }}

{{- /* What all containers have in common. */ -}}
{{- define "git-token-webhook.container" -}}
image: {{ include "git-token-webhook.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- end }}
