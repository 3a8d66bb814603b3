"""`make audit`: asks the advisory sources about every pinned package.

python -m scripts.audit
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.steps import ROOT, TOOLS, SetupError, run_logged
from scripts.toolchains import ensure_npm_environment, pip_install

LOCKS = (
    "requirements.lock",
    "requirements-test.lock",
    "requirements-tools.lock",
    "requirements-audit.lock",
)
NODE_FOLDERS = (ROOT / "web" / "client", ROOT / "tests" / "oidc")
TOOL = TOOLS / "audit" / "bin" / "pip-audit"
ADVISED, NOT_AUDITED = 1, 2  # exit codes


@dataclass
class Report:
    advisories: list[str] = field(default_factory=list)
    not_audited: list[str] = field(default_factory=list)


def main() -> int:
    """Returns 0 without advisories, 1 with some, 2 if a source did not answer about a package."""
    try:
        install_pip_audit()
        reports = dict(audit_all_locks())
    except SetupError as error:
        print(error)
        return NOT_AUDITED
    for name, report in reports.items():
        print(f"{name}: {describe_report(report)}")
    if any(report.advisories for report in reports.values()):
        return ADVISED
    return NOT_AUDITED if any(report.not_audited for report in reports.values()) else 0


def describe_report(report: Report) -> str:
    if report.not_audited and not report.advisories:
        return "not audited: the advisory source is unavailable here"
    return "\n  ".join(report.advisories) or "no advisories"


def install_pip_audit() -> None:
    if not TOOL.exists():
        run_logged("audit-venv", [sys.executable, "-m", "venv", TOOL.parents[1]])
        pip_install(TOOL.parents[1], "requirements-audit.lock")


def audit_all_locks() -> Iterator[tuple[str, Report]]:
    for lock in LOCKS:
        command = [str(TOOL), "-r", lock, "--no-deps", "--disable-pip", "--progress-spinner=off"]
        yield lock, parse_pip_audit(run_for_output([*command, "-f", "json"], ROOT))
    for folder in NODE_FOLDERS:
        name = f"{folder.relative_to(ROOT)}/package-lock.json"
        yield name, parse_npm_audit(run_for_output(["npm", "audit", "--json"], folder))


def run_for_output(command: list[str], folder: Path) -> str:
    """stdout; both programs exit with an error where there are advisories."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ensure_npm_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def parse_pip_audit(output: str) -> Report:
    report = Report()
    for package in json.loads(output or "{}").get("dependencies", [{"name": "all"}]):
        name = f"{package['name']} {package.get('version', '')}"
        if "vulns" not in package:
            report.not_audited.append(name)
        for advisory in package.get("vulns", ()):
            fixed = ", ".join(advisory["fix_versions"]) or "no release yet"
            report.advisories.append(f"{name}: {advisory['id']}, fixed in {fixed}")
    return report


def parse_npm_audit(output: str) -> Report:
    answer = json.loads(output or "{}")
    if "vulnerabilities" not in answer:
        return Report(not_audited=["all"])
    return Report(
        advisories=[
            f"{name}: {found['severity']}, affects {found['range']}"
            for name, found in answer["vulnerabilities"].items()
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
