"""The tests of GRPCRoute: manifests of our own where the suite's are not shared, steps, and rows for table.py."""
import collections

import steps as s
from cluster import INFRA, grpcs, pod_service
from lib import objects as o

SN = s.SN
SERVICE = "gateway_api_conformance.echo_basic.grpcecho.GrpcEcho"


def be(n, **more):
    return o.ref(f"grpc-infra-backend-v{n}", 8080, **more)


def rt(name, *rules, parents=(SN,), **more):
    return o.grpc_route(name, rules=list(rules), parents=parents, ns=INFRA, **more)


def rule(n, method=None, **more):
    return o.grpc_rule(be(n), service=SERVICE if method else None, method=method, **more)


# ---- steps

def call(c, gw, method, host, metadata):
    with grpcs.Client(c.address(gw), authority=host) as client:
        return client.unary(method, SERVICE)(b"", timeout=20, metadata=list((metadata or {}).items()))


def calls(to, method="Echo", host=None, gw=SN, metadata=None, sees=None, absent=()):
    """One call: to = 1, 2, 3 (that backend) or the name of a status."""
    def step(c):
        what = f"{method} {host or ''} {metadata or ''}"
        try:
            got = grpcs.reply(call(c, gw, method, host, metadata))
        except grpcs.grpc.RpcError as e:
            assert e.code().name == to, f"{what}: {e.code().name}, not {to}"
            return
        assert pod_service(got["pod"]) == f"grpc-infra-backend-v{to}", f"{what}: from {got['pod']}, not {to}"
        assert got["method"] == f"/{SERVICE}/{method}" and got["namespace"] == INFRA, got
        for name, value in (sees or {}).items():
            assert got["metadata"].get(name) == value, f"{what}: backend saw {got['metadata']}"
        assert not set(absent) & set(got["metadata"]), f"{what}: backend saw {got['metadata']}"
    step.about = f"{method} {host or ''} -> {to}"
    return step


def weights(shares, n=500):
    def step(c):
        count = collections.Counter()
        with grpcs.Client(c.address(SN)) as client:
            for _ in range(n):
                count[pod_service(grpcs.reply(client.unary("Echo", SERVICE)(b"", timeout=20))["pod"])] += 1
        for backend, share in shares.items():
            have = count.pop(f"grpc-infra-backend-v{backend}", 0) / n
            assert abs(have - share) <= 0.05 and (share or have == 0), f"{backend} has {have}, not {share}"
        assert not count, count
    return step


# ---- manifests

def headers():
    def match(*alternatives):
        return [{"headers": [{"name": n, "value": v} for n, v in m.items()]} for m in alternatives]
    return [rt("by-metadata", *({"matches": match(*m), "backendRefs": [be(n)]} for n, m in (
        (1, ({"version": "one"},)), (2, ({"version": "two"},)), (1, ({"version": "two", "color": "orange"},)),
        (1, ({"color": "blue"}, {"color": "green"})), (2, ({"color": "red"}, {"color": "yellow"})))))]


def listeners():
    same = {"namespaces": {"from": "Same"}}
    hosts = {"one": "bar.com", "two": "foo.bar.com", "three": "*.bar.com", "four": "*.foo.com"}
    gw = o.gateway("grpc-names", [o.listener(n, 80, hostname=h, routes=same) for n, h in hosts.items()], ns=INFRA)
    at = {1: ("one",), 2: ("two",), 3: ("three", "four")}
    return [gw] + [rt(f"to-{n}", rule(n), parents=[{"name": "grpc-names", "sectionName": x} for x in names]) for n, names in at.items()]


def gateways():
    """One route on two Gateways, and one more on each."""
    gws = [o.gateway(f"grpc-gw-{x}", [o.listener(port=80)], ns=INFRA) for x in "ab"]
    return gws + [rt("on-both", rule(1, "Echo"), parents=("grpc-gw-a", "grpc-gw-b")),
                  rt("on-a", rule(2, "EchoTwo"), parents=("grpc-gw-a",)), rt("on-b", rule(3, "EchoTwo"), parents=("grpc-gw-b",))]


def intersections():
    """On one listener two routes have the same name: the longer original counts, not the older route."""
    out = []
    for gw, listener, wide, narrow in (("grpc-exact", "abc.example.com", "*.example.com", "abc.example.com"),
                                       ("grpc-wide", "*.example.com", "*.com", "*.example.com")):
        out.append(o.gateway(gw, [o.listener(port=80, hostname=listener)], ns=INFRA))
        for n, host, age in ((1, wide, "2026-01-01T00:00:00Z"), (2, narrow, "2026-01-02T00:00:00Z")):
            out.append(rt(f"{gw}-{n}", rule(n, "Echo"), parents=(gw,), hostnames=[host]))
            out[-1]["metadata"]["creationTimestamp"] = age
    return out


def modifier():
    def edit(**how):
        return [{"type": "RequestHeaderModifier", "requestHeaderModifier": how}]
    x = {"name": "x-header-set", "value": "set"}, {"name": "x-header-add", "value": "add"}
    return [rt("edits", rule(1, "Echo", filters=edit(set=[x[0]])),
               rule(2, "EchoTwo", filters=edit(set=[x[0]], add=[x[1]], remove=["x-header-remove"])))]


BLUE = [({"version": "one"}, 1), ({"version": "two"}, 2), ({"version": "two", "color": "orange"}, 1),
        ({"version": "two", "color": "blue"}, 2), ({"color": "orange"}, "UNIMPLEMENTED"), ({"other": "one"}, "UNIMPLEMENTED"),
        ({"color": "blue"}, 1), ({"color": "green"}, 1), ({"color": "red"}, 2), ({"color": "yellow"}, 2)]
NAMES = {"bar.com": 1, "foo.bar.com": 2, "baz.bar.com": 3, "many.prefixes.bar.com": 3, "many.prefixes.foo.com": 3,
         "foo.com": "UNIMPLEMENTED", "no.such.host": "UNIMPLEMENTED"}
ROWS = [
    ("GRPCExactMethodMatching", "grpcroute-exact-method-matching",
     calls(1), calls(2, "EchoTwo"), calls("UNIMPLEMENTED", "EchoThree")),
    ("GRPCRouteHeaderMatching", headers(), [calls(to, metadata=m) for m, to in BLUE]),
    ("GRPCRouteListenerHostnameMatching", listeners(), [calls(to, host=h, gw="grpc-names") for h, to in NAMES.items()]),
    ("GRPCRouteMultipleGateways", gateways(), calls(1, gw="grpc-gw-a"), calls(1, gw="grpc-gw-b"),
     calls(2, "EchoTwo", gw="grpc-gw-a"), calls(3, "EchoTwo", gw="grpc-gw-b")),
    ("GRPCRouteMultipleRoutesAttachmentSameHostnameIntersection", intersections(),
     calls(2, host="abc.example.com", gw="grpc-exact"), calls(2, host="abc.example.com", gw="grpc-wide")),
    ("GRPCRouteNamedRule", "grpcroute-named-rule", calls(1), calls(2, "EchoTwo")),
    ("GRPCRouteRequestHeaderModifier", modifier(),
     calls(1, metadata={"x-header-set": "old"}, sees={"x-header-set": "set"}),
     calls(2, "EchoTwo", metadata={"x-header-add": "first", "x-header-remove": "y"},
           sees={"x-header-set": "set", "x-header-add": "first, add"}, absent=["x-header-remove"])),
    ("GRPCRouteWeight", "grpcroute-weight", weights({1: 0.7, 2: 0.3, 3: 0})),
] if grpcs else []
