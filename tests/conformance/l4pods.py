"""Pods for TCPRoute, UDPRoute and TLSRoute: each answers with its name, in clear on 3000 and over TLS on 8443."""
import contextlib
import json
import socket
import ssl
import threading


class TcpPod:
    """Every chunk is answered with a line, the pod's name; a request of HTTP with JSON that has it."""

    def __init__(self, host, namespace, pod, pair=None):
        self.host, self.who, self.socks = host, {"namespace": namespace, "pod": pod}, []
        self.listen(3000, None)
        if pair:
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ctx.load_cert_chain(*pair)
            self.listen(8443, ctx)

    def listen(self, port, ctx):
        s = socket.create_server((self.host, port), backlog=128)
        self.socks.append(s)
        threading.Thread(target=self.accept, args=(s, ctx), daemon=True).start()

    def accept(self, s, ctx):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(s.accept()[0], ctx), daemon=True).start()

    def serve(self, sock, ctx):
        with contextlib.suppress(OSError), sock:
            sock.settimeout(20)
            with (ctx.wrap_socket(sock, server_side=True) if ctx else sock) as c:
                while data := c.recv(65536):
                    if data.startswith(b"GET "):
                        body = json.dumps(self.who).encode()
                        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                    else:
                        c.sendall(self.who["pod"].encode() + b"\n")

    def stop(self):
        for s in self.socks:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
