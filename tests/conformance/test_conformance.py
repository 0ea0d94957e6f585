"""Gateway API conformance over plain HTTP, without Kubernetes: table.py says what, this applies it."""
import os

import pytest
import yaml

import cluster as k
import steps
from lib import tls
from lib.block import Block
from lib.fixtures import shared, skip_loudly
from table import TESTS

SHARED = shared("gateway-api", "conformance")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "manifests.yaml"), encoding="utf-8") as f:
    OWN = {name: [d for d in yaml.safe_load_all(text) if d] for name, text in yaml.safe_load(f).items()}


def manifest(m):
    if not isinstance(m, str):
        return m
    return OWN.get(m) or k.load(os.path.join(SHARED, "tests", m + ".yaml"))


@pytest.fixture(scope="module")
def world():
    """The gateway with the base manifests applied."""
    if not SHARED:
        skip_loudly("conformance: no shared/gateway-api/conformance here")
    block = Block()
    c = k.Cluster(block)
    try:
        data = k.certificate()
        c.apply(k.load(os.path.join(SHARED, "base", "manifests.yaml")) +
                [k.secret("tls-validity-checks-certificate", k.INFRA, data), k.secret("l4-certificate", k.INFRA, data),
                 k.secret("certificate", k.WEB, data), tls.ca_map("tls-checks-ca-certificate", c.ca, k.INFRA),
                 tls.ca_map("mismatch-ca-certificate", c.stranger, k.INFRA),
                 tls.secret("tls-checks-client-certificate", c.signed, k.INFRA)])
        yield c
        c.stop()
    finally:
        c.kill()


@pytest.fixture
def applied(world):
    """apply(objects): they go again after the test; keep: they stay, since a port that closes costs a second."""
    keys = []

    def apply(objs, keep=False):
        got = world.apply(objs)
        keys.extend([] if keep else got)
    yield apply
    if keys:
        world.delete(keys)


@pytest.mark.parametrize("test", TESTS, ids=[t.name for t in TESTS])
def test_conformance(world, applied, test):
    objs = manifest(test.manifest)
    applied(objs, test.keep)
    if test.wait:
        steps.routes_accepted(world, [o for o in objs if isinstance(o, dict)])
    for step in test.steps:
        step(world)


def test_grpc_is_there():
    if not k.grpcs:
        skip_loudly("conformance of GRPCRoutes: python3-grpcio is not installed")


@pytest.mark.heavy
@pytest.mark.parametrize("test", [t for t in TESTS if t.reads], ids=[t.name for t in TESTS if t.reads])
def test_from_the_start(world, applied, test):
    """The same when it starts on a full folder, in libconfig. Only tests that change no objects."""
    objs = manifest(test.manifest)
    applied(objs)
    world.start_again()
    try:
        if test.wait:
            steps.routes_accepted(world, [o for o in objs if isinstance(o, dict)])
        for step in test.steps:
            step(world)
    finally:
        world.write_again()


def test_base_is_ready(world):
    """The Gateways of the base: Accepted and Programmed, an address each."""
    seen = set()
    for name in ("same-namespace", "all-namespaces", "backend-namespaces"):
        steps.gateway(name, {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")})(world)
        seen.add(world.address(name)[0])
    assert len(seen) == 3


def test_list_covers_the_suite():
    """Each test that the official list names has a row here."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "official-issue3.txt"), encoding="utf-8") as g:
        names = {line.strip() for line in g if line.strip() and not line.startswith("#")}
    assert len(names) == 72
    assert names - {t.name for t in TESTS} == set()
