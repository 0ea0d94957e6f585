"""gRPC with python3-grpcio and no generated code: messages are bytes. A server whose methods cover all four kinds of call,
and the same kinds for clients."""
import collections
import concurrent.futures
import json
import threading

import grpc

SERVICE = "hg.test.Echo"
BIG = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Server:
    """Methods of hg.test.Echo:
    Unary      the message back; trailing metadata x-count; metadata fail-with: N ends with that status
    Collect    all messages of the client in one
    Spread     each byte of the message as a message
    Talk       each message back at once
    Wait       nothing until the call ends
    .calls: {method: number of calls}; .metadata: that of each call; .left: deadlines as the server saw them;
    .cancelled: calls that ended before their answer."""

    def __init__(self, host, port=3000, credentials=None):
        self.calls, self.metadata, self.left, self.cancelled, self.lock = {}, [], [], 0, threading.Lock()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=[*BIG, ("grpc.so_reuseport", 0)])
        u, c, s, t = (grpc.unary_unary_rpc_method_handler, grpc.stream_unary_rpc_method_handler,
                      grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {
            "Unary": u(self.unary), "Collect": c(self.collect), "Spread": s(self.spread), "Talk": t(self.talk),
            "Wait": u(self.wait)})])
        at = f"{host}:{port}"
        bound = self.server.add_secure_port(at, credentials) if credentials else self.server.add_insecure_port(at)
        assert bound == port
        self.address = (host, port)
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()

    def note(self, method, context):
        with self.lock:
            self.calls[method] = self.calls.get(method, 0) + 1
            self.metadata.append(dict(context.invocation_metadata()))
            self.left.append(context.time_remaining())

    def unary(self, message, context):
        self.note("Unary", context)
        meta = dict(context.invocation_metadata())
        context.set_trailing_metadata([("x-count", str(self.calls["Unary"])), ("x-raw-bin", b"\0\xff\n")])
        if "fail-with" in meta:
            code = next(c for c in grpc.StatusCode if c.value[0] == int(meta["fail-with"]))
            context.abort(code, "as asked: \u00e4%")
        return message

    def collect(self, messages, context):
        self.note("Collect", context)
        return b"".join(messages)

    def spread(self, message, context):
        self.note("Spread", context)
        context.send_initial_metadata([("x-first", "yes")])
        for i in range(len(message)):
            yield message[i:i + 1]

    def talk(self, messages, context):
        self.note("Talk", context)
        yield from messages

    def wait(self, _, context):
        done = threading.Event()
        context.add_callback(done.set)
        self.note("Wait", context)
        done.wait(30)
        with self.lock:
            self.cancelled += 1
        return b"late"


def reply(message):
    return json.loads(message)


class Pod:
    """The conformance suite's gRPC echo, but answers are JSON: what was called, with which metadata, in which pod."""

    def __init__(self, host, port, ns, name):
        self.host, self.ns, self.name = host, ns, name

        def echo(_, context):
            meta = collections.defaultdict(list)
            for key, value in context.invocation_metadata():
                meta[key].append(value if isinstance(value, str) else value.hex())
            return json.dumps({"pod": name, "namespace": ns, "method": context._rpc_event.call_details.method.decode(),
                               "metadata": {k: ", ".join(v) for k, v in meta.items()}}).encode()
        handler = grpc.unary_unary_rpc_method_handler(echo)
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            "gateway_api_conformance.echo_basic.grpcecho.GrpcEcho", {"Echo": handler, "EchoTwo": handler})])
        assert self.server.add_insecure_port(f"{host}:{port}") == port
        self.server.start()

    def stop(self):
        self.server.stop(0).wait()


class Client:
    """`with Client(address) as c: c.unary("Unary")(b"x")`"""

    def __init__(self, address, authority=None, credentials=None, name=None):
        self.options = [*BIG, ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        if authority:
            self.options.append(("grpc.default_authority", authority))
        if name:
            self.options.append(("grpc.ssl_target_name_override", name))
        at = f"{address[0]}:{address[1]}"
        self.channel = grpc.secure_channel(at, credentials, self.options) if credentials else \
            grpc.insecure_channel(at, self.options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def unary(self, method, service=SERVICE):
        return self.channel.unary_unary(f"/{service}/{method}")

    def collect(self, method="Collect"):
        return self.channel.stream_unary(f"/{SERVICE}/{method}")

    def spread(self, method="Spread"):
        return self.channel.unary_stream(f"/{SERVICE}/{method}")

    def talk(self, method="Talk"):
        return self.channel.stream_stream(f"/{SERVICE}/{method}")


class Feed:
    """Messages for a streaming call, one by one: an iterator that waits for put()."""

    def __init__(self):
        self.items, self.cond, self.ended = [], threading.Condition(), False

    def put(self, item):
        with self.cond:
            self.items.append(item)
            self.cond.notify()

    def end(self):
        with self.cond:
            self.ended = True
            self.cond.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.cond:
            self.cond.wait_for(lambda: self.items or self.ended, 30)
            if not self.items:
                raise StopIteration
            return self.items.pop(0)


def status(call, *args, **kw):
    """The status with which a call ends, as (name, details)."""
    try:
        call(*args, timeout=kw.pop("timeout", 20), **kw)
    except grpc.RpcError as e:
        return e.code().name, e.details()
    return "OK", ""
