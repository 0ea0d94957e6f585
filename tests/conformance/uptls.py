"""TLS to backends, and HTTP/2 without it: tests of BackendTLSPolicy, of the Gateway's client certificate, of appProtocol h2c."""
import hashlib
import importlib.util
import ssl

import steps as s
from cluster import INFRA
from lib import tls

SN, HOST = s.SN, "abc.example.com"
ROWS = []


def test(name, manifest, *steps):
    ROWS.append((name, manifest, steps))


def change(name, edit):
    def step(c):
        before = c.get("BackendTLSPolicy", name)["metadata"]["generation"]
        s.policy(name, "Accepted")(c)
        c.change("BackendTLSPolicy", name, edit)
        assert c.get("BackendTLSPolicy", name)["metadata"]["generation"] != before
        s.policy(name, "Accepted")(c)
    step.changes = True
    return step


def other_hostname(p):
    p["spec"]["validation"]["hostname"] = "foo.example.com"


def replace_ca(c):
    """The steps of reconcile-test: a ConfigMap that is not there, then is, then is empty, then is good again."""
    name, ca = "reconcile-test", tls.ca_map("reconcile-ca", c.ca, INFRA)

    def other(p):
        p["spec"]["validation"]["caCertificateRefs"] = [{"group": "", "kind": "ConfigMap", "name": "reconcile-ca"}]
    good, bad = s.policy(name, "Accepted"), s.policy(name, "NoValidCACertificate", "InvalidCACertificateRef")
    good(c)
    c.change("BackendTLSPolicy", name, other)
    bad(c)
    keys = []
    for text, want in ((None, good), ("", bad), (None, good)):
        keys = c.apply([ca if text is None else {**ca, "data": {"ca.crt": text}}])
        want(c)
    c.delete(keys)


replace_ca.changes = True


def client_certificate(c):
    r = s.send(c, "/", "gateway-tls-backend-client-certificate", HOST)
    want = hashlib.sha256(ssl.PEM_cert_to_DER_cert(c.signed.text("crt"))).hexdigest()
    assert r.json()["tls"]["client"] == want, "the backend saw another certificate"


def paths(status, *names):
    return s.asks({f"/backendtlspolicy-{n}": status for n in names}, host=HOST)


test("BackendTLSPolicy", "backendtlspolicy",
     s.policy("normative-test", "Accepted", gateways=(SN, "same-namespace-with-https-listener")),
     s.secure("/backendtlspolicy", HOST), s.policy("host-mismatch", "Accepted"), s.policy("cert-mismatch", "Accepted"),
     paths(502, "host-mismatch", "cert-mismatch"), replace_ca)

GOOD, MISMATCH = ("san-dns", "san-uri", "multiple-sans"), ("san-dns-mismatch", "san-uri-mismatch", "multiple-mismatch-sans")
test("BackendTLSPolicySANValidation", "backendtlspolicy-san", [s.policy(n, "Accepted") for n in GOOD + MISMATCH],
     [s.secure(f"/backendtlspolicy-{n}", HOST) for n in GOOD], paths(502, *MISMATCH))

INVALID = ("nonexistent-ca-certificate-ref", "malformed-ca-certificate-ref")
test("BackendTLSPolicyInvalidCACertificateRef", "backendtlspolicy-invalid-ca-certificate-ref",
     [s.policy(n, "NoValidCACertificate", "InvalidCACertificateRef") for n in INVALID], paths(500, *INVALID))

test("BackendTLSPolicyObservedGenerationBump", "backendtlspolicy-observed-generation-bump",
     change("observed-generation-bump", other_hostname))

test("GatewayTLSBackendClientCertificate", "gateway-tls-backend-client-certificate",
     s.gateway("gateway-tls-backend-client-certificate", {"ResolvedRefs": ("True", "ResolvedRefs")}),
     s.policy("gateway-tls-backend-client-certificate-test", "Accepted", gateways=("gateway-tls-backend-client-certificate",)),
     s.secure("/", HOST, gw="gateway-tls-backend-client-certificate"), client_certificate)

if importlib.util.find_spec("h2"):  # python3-h2
    test("HTTPRouteBackendProtocolH2C", "httproute-backend-protocol-h2c", s.ask("/", "v1"))
