"""What `make audit` makes of the answers of pip-audit and npm."""

import json

from scripts.audit import describe_report, parse_npm_audit, parse_pip_audit


def test_advisory_of_a_python_package_names_the_release_that_fixes_it() -> None:
    advisory = {"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}
    output = {
        "dependencies": [
            {"name": "good", "version": "1.0", "vulns": []},
            {"name": "bad", "version": "2.0", "vulns": [advisory]},
        ]
    }
    report = parse_pip_audit(json.dumps(output))
    assert report.advisories == ["bad 2.0: PYSEC-2026-1, fixed in 2.1"]
    assert report.not_audited == []


def test_package_that_the_source_does_not_know_is_not_audited() -> None:
    output = {"dependencies": [{"name": "lost", "skip_reason": "Dependency not found on PyPI"}]}
    report = parse_pip_audit(json.dumps(output))
    assert report.not_audited == ["lost "]
    assert describe_report(report).startswith("not audited")


def test_source_that_does_not_answer_is_reported_as_unavailable() -> None:
    for report in (parse_pip_audit(""), parse_npm_audit(""), parse_npm_audit('{"error": {}}')):
        assert "unavailable" in describe_report(report)


def test_advisory_of_a_page_package_names_its_severity_and_versions() -> None:
    output = {"vulnerabilities": {"vite": {"severity": "high", "range": "<5.0"}}}
    assert parse_npm_audit(json.dumps(output)).advisories == ["vite: high, affects <5.0"]
    assert describe_report(parse_npm_audit('{"vulnerabilities": {}}')) == "no advisories"
