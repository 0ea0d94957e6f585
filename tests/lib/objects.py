"""Gateway API objects in few words, and files of them."""
import copy

API = "gateway.networking.k8s.io/v1"
HOUSE, ENVOY = "gateway.headgate.dev/v1alpha1", "gateway.envoyproxy.io/v1alpha1"


def meta(name, ns="default", **more):
    return {"name": name, **({"namespace": ns} if ns else {}), **more}


def listener(name="http", port=80, protocol="HTTP", hostname=None, routes=None):
    return {"name": name, "port": port, "protocol": protocol, **({"hostname": hostname} if hostname else {}),
            **({"allowedRoutes": routes} if routes else {})}


def gateway(name="gw", listeners=None, ns="default", port=80, **spec):
    return {"apiVersion": API, "kind": "Gateway", "metadata": meta(name, ns),
            "spec": {"gatewayClassName": "headgate", "listeners": listeners or [listener(port=port)], **spec}}


def route(name="route", rules=None, parents=("gw",), hostnames=None, ns="default", **spec):
    refs = [{"name": p} if isinstance(p, str) else p for p in parents]
    return {"apiVersion": API, "kind": "HTTPRoute", "metadata": meta(name, ns),
            "spec": {"parentRefs": refs, **({"hostnames": list(hostnames)} if hostnames else {}),
                     "rules": rules if rules is not None else [], **spec}}


def grpc_route(name="route", rules=None, **kw):
    return {**route(name, rules, **kw), "kind": "GRPCRoute"}


def grpc_rule(*backends, service=None, method=None, kind="Exact", headers=None, **more):
    match = {}
    if service or method:
        match["method"] = {"type": kind, **({"service": service} if service else {}), **({"method": method} if method else {})}
    if headers:
        match["headers"] = [{"name": n, "value": v} for n, v in headers.items()]
    return {**({"matches": [match]} if match else {}), **rule(*backends, **more)}


def ref(name, port=80, **more):
    return {"name": name, "port": port, **more}


def rule(*backends, path=None, kind="PathPrefix", filters=None, **more):
    out = {}
    if path:
        out["matches"] = [{"path": {"type": kind, "value": path}}]
    if filters:
        out["filters"] = list(filters)
    if backends:
        out["backendRefs"] = [ref(b) if isinstance(b, str) else b for b in backends]
    return {**out, **more}


def service(name, *endpoints, ns="default", port=80):
    """A Service and its EndpointSlice; endpoints are (host, port), all with the same port."""
    target = endpoints[0][1] if endpoints else 3000
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, ns),
         "spec": {"ports": [{"name": "http", "port": port, "targetPort": target}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": meta(name + "-1", ns, labels={"kubernetes.io/service-name": name}),
         "addressType": "IPv4", "ports": [{"name": "http", "port": target, "protocol": "TCP"}],
         "endpoints": [{"addresses": [h], "conditions": {"ready": True}} for h, _ in endpoints]},
    ]


def target(kind="HTTPRoute", name="route", section=None):
    """What a policy is attached to."""
    return {"group": "gateway.networking.k8s.io", "kind": kind, "name": name, **({"sectionName": section} if section else {})}


def policy(kind, name, at, ns="default", api=HOUSE, **spec):
    return {"apiVersion": api, "kind": kind, "metadata": meta(name, ns), "spec": {"targetRefs": [at], **spec}}


def btp(name="policy", at=None, **kw):
    """A BackendTrafficPolicy, on the route unless told otherwise."""
    return policy("BackendTrafficPolicy", name, at or target(), **kw)


def ctp(name="policy", section=None, **kw):
    """A ClientTrafficPolicy on the Gateway or one of its listeners."""
    return policy("ClientTrafficPolicy", name, target("Gateway", "gw", section), **kw)


def flat(objects):
    """Objects and lists of objects, as one list of copies."""
    out = []
    for o in objects:
        out += flat(o) if isinstance(o, (list, tuple)) else [copy.deepcopy(o)]
    return out


def conditions(holder):
    """{type: (status, reason)} of a status, a parent, a listener."""
    return {c["type"]: (c["status"], c["reason"]) for c in (holder or {}).get("conditions", [])}
