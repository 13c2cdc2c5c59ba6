"""The definitions of other projects' kinds, as they publish them: cert-manager's, the Prometheus Operator's, and of
reports.

go.mod and go.sum pin the modules that hold them. To update: edit the version, and `go mod download` in this folder.
"""

from pathlib import Path

from tests.support.go_programs import module_files

HERE = Path(__file__).resolve().parent


def cert_manager() -> list[Path]:
    """Of Issuers and Certificates. Raises `BinariesUnavailable`."""
    folder = module_files(HERE, "github.com/cert-manager/cert-manager") / "deploy" / "crds"
    return [folder / f"cert-manager.io_{kind}.yaml" for kind in ("issuers", "certificates")]


def prometheus_operator() -> list[Path]:
    """Of ServiceMonitors and PrometheusRules. Raises `BinariesUnavailable`."""
    folder = module_files(HERE, "github.com/prometheus-operator/prometheus-operator")
    crds = folder / "example" / "prometheus-operator-crd"
    return [crds / f"monitoring.coreos.com_{kind}.yaml" for kind in ("servicemonitors", "prometheusrules")]


def reports() -> dict[str, Path]:
    """Of OpenReports' Reports and of PolicyReports, which Kyverno publishes. Raises `BinariesUnavailable`."""
    open_reports = module_files(HERE, "github.com/openreports/reports-api") / "config" / "crd"
    kyverno = module_files(HERE, "github.com/kyverno/kyverno") / "config" / "crds" / "policyreport"
    return {
        "reports.openreports.io": open_reports / "openreports.io_reports.yaml",
        "policyreports.wgpolicyk8s.io": kyverno / "wgpolicyk8s.io_policyreports.yaml",
    }
