"""testssl.sh, the scanner that people use, against an HTTPS listener: nothing above LOW but what a self-made certificate earns."""
import json
import shutil
import subprocess

import pytest

from lib import objects as o, tls
from lib.fixtures import skip_loudly

# What the certificate of a test is told: nobody signed it, nobody can revoke it, and it lives for 30 days.
OWN = {"cert_chain_of_trust", "cert_revocation", "cert_expirationStatus", "cert_notAfter"}
# Its client leaves with the end of its input, now and then before a TLS 1.3 ticket has come; test_tls.py resumes.
OWN |= {"sessionresumption_ticket"}


@pytest.mark.heavy
def test_scan(instance, echo, tmp_path, capsys):
    scanner = shutil.which("testssl") or shutil.which("testssl.sh")
    if not scanner:
        skip_loudly("testssl.sh is not installed: the scan of a TLS listener is left out", capsys)
    e = echo("e")
    made = {"ec": tls.Pair(tmp_path, "ec", ("a.test",)), "rsa": tls.Pair(tmp_path, "rsa", ("a.test",), rsa=True)}
    g = instance(o.gateway(listeners=[tls.listener("a", 8443, "ec", "rsa")]), o.service("e", e.address),
                 o.route("all", [o.rule("e", path="/")]),
                 *[tls.secret(n, p) for n, p in made.items()])
    at, out = g.address(), tmp_path / "scan.json"
    run = subprocess.run([scanner, "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", at[0], "-p", "-s",
                          "-f", "-S", "-U", "--jsonfile", str(out), f"a.test:{at[1]}"],
                         capture_output=True, text=True, check=False, timeout=600)
    found = json.loads(out.read_text())
    assert len(found) > 80, run.stdout[-2000:]
    bad = [(f["id"], f["severity"], f["finding"]) for f in found
           if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN") and f["id"].split(" ")[0] not in OWN]
    assert not bad, bad
    by = {f["id"]: f["finding"] for f in found}
    assert "not offered" in by["TLS1"] and "not offered" in by["TLS1_1"] and "offered" in by["TLS1_3"]
