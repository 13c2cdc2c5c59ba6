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

{{- /* The configuration file: config, and of the platform's values the two flags alone. A section that stands there with
nothing below it takes the chart's own defaults away; what can't be missing is here again. */ -}}
{{- define "git-token-webhook.config" -}}
{{- $installer := .Values.installer | default dict }}
{{- $appProxy := (index .Values "app-proxy" | default dict).config | default dict }}
{{- $flags := dict
  "installer" (dict "skipValidation" ($installer.skipValidation | default false))
  "app-proxy" (dict "config" (dict "skipGitPermissionValidation" ($appProxy.skipGitPermissionValidation | default "false"))) }}
{{- $keys := dict "encryption" (dict "keysDir" "/etc/git-token-webhook/keys") }}
{{- toYaml (merge $flags (.Values.config | default dict | deepCopy) $keys) -}}
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
  {{- with .Values.webhooks.namespaceLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ append (.Values.webhooks.excludedNamespaces | default list) .Release.Namespace | uniq | toJson }}
# An error in the expression would deny the write, hence all the optional fields. The last part leaves out an update of
# a Secret that was already being deleted, unless it changes data, labels or our marks.
matchConditions:
  - name: holds-git-credentials
    expression: >-
      [object, oldObject].exists(o, o != null && (
      o.metadata.?labels[?'argocd.argoproj.io/secret-type'].orValue('') == 'repo-creds' ||
      {{- with include "git-token-webhook.ownConditions" (dict "role" "runtime" "Values" .Values) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      ((o.metadata.?labels[?'io.codefresh.integration-type'].orValue('') == 'git' ||
      {{- with include "git-token-webhook.ownConditions" (dict "role" "user" "Values" .Values) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      o.metadata.?name.orValue('').startsWith('git-default-') ||
      (o.metadata.?name.orValue('') == '' && o.metadata.?generateName.orValue('').startsWith('git-default-'))) &&
      !(o.?type.orValue('') in ['kubernetes.io/service-account-token', 'kubernetes.io/tls', 'kubernetes.io/ssh-auth',
      'kubernetes.io/dockercfg', 'kubernetes.io/dockerconfigjson', 'bootstrap.kubernetes.io/token']) &&
      !o.?type.orValue('').startsWith('helm.sh/')))) &&
      (oldObject == null || !has(oldObject.metadata.deletionTimestamp) || object == null || has(object.stringData) ||
      object.?data.orValue({}) != oldObject.?data.orValue({}) ||
      object.metadata.?labels.orValue({}) != oldObject.metadata.?labels.orValue({}) ||
      [object, oldObject].exists(o, o.metadata.?annotations.orValue({}).exists(name,
      name.startsWith('git-token-webhook/') &&
      object.metadata.?annotations[?name] != oldObject.metadata.?annotations[?name])))
{{- end }}

{{- /* The conditions of config.rules, and those that are given as they are; each ends in ||. For each rule all of its labels
must be there and one of its names; namespaces and urls the server looks at itself. Rules of the role user don't hold for
the types that Kubernetes defines, so they stand apart. */ -}}
{{- define "git-token-webhook.ownConditions" -}}
{{- $role := .role }}
{{- range (.Values.config | default dict).rules }}
{{- if eq (.role | default "runtime") $role }}
{{- $needed := list }}
{{- range $key, $value := .labels }}
{{- $needed = append $needed (printf "o.metadata.?labels[?'%s'].orValue('') == '%s'" $key $value) }}
{{- end }}
{{- $names := list }}
{{- range .names }}
{{- $start := regexFind "^[a-z0-9.-]*" . }}
{{- if eq $start . }}
{{- $names = append $names (printf "o.metadata.?name.orValue('') == '%s'" $start) }}
{{- else if $start }}
{{- $names = append $names (printf "o.metadata.?name.orValue('').startsWith('%s')" $start) }}
{{- $names = append $names (printf "(o.metadata.?name.orValue('') == '' && o.metadata.?generateName.orValue('').startsWith('%s'))" $start) }}
{{- else }}
{{- $names = append $names "true" }}
{{- end }}
{{- end }}
{{- if and $names (not (has "true" $names)) }}
{{- $needed = append $needed (printf "(%s)" (join " || " $names)) }}
{{- end }}
{{- if not $needed }}
{{- fail (printf "config.rules: %s: names that begin with a wildcard would send every Secret of the cluster to the webhook; add labels" .name) }}
{{- end }}
{{- if regexMatch "[^A-Za-z0-9._/-]" (join "" (concat (keys (.labels | default dict)) (values (.labels | default dict)))) }}
{{- fail (printf "config.rules: %s: no label can be written like this" .name) }}
{{- end }}
({{ join " && " $needed }}) ||
{{- end }}
{{- end }}
{{- if eq $role "runtime" }}
{{- range .Values.webhooks.conditions }}
({{ . }}) ||
{{- end }}
{{- end }}
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
