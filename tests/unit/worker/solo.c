/*
 * solo.c - one worker without a master: every host and path of PORT goes to 127.0.0.1:BACKEND…. Log
 * lines go to standard output (SOLO_QUIET: there are none). For trying things and for the byte
 * corpus; not built by the makefile: make B=/tmp/b all-archives; cc -D_GNU_SOURCE -I. -include
 * base/banned.h tests/unit/worker/solo.c …
 */
#include "tests/unit/worker/harness.h"

#include "base/parse.h"

static uint16_t
port_of(const char *text)
{
	uint64_t v = 0;

	HG_CHECK(parse_u64(bytes_str(text), 65535, &v));
	return (uint16_t)v;
}

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

int
main(int argc, char **argv)
{
	static struct harness h;
	static struct world w;
	uint16_t ports[16];
	struct addr a;
	unsigned n = 0;
	int fd, rc;

	if (argc < 3) {
		fprintf(stderr, "usage: solo PORT BACKEND...\n");
		return 64;
	}
	for (int i = 2; i < argc && n < 16; i++)
		ports[n++] = port_of(argv[i]);
	world_init(&w, 1);
	if (getenv("SOLO_QUIET"))
		w.m.settings.access_log = IM_LOG_OFF;
	fd = harness_bind(&a, port_of(argv[1]));
	world_socket(&w, 1, a.port);
	w.listener.port = a.port;
	world_backend(world_rule(&w, "/"), world_cluster(&w, "demo/back:80", ports, n), 1);
	harness_start(&h);
	harness_socket(&h, 1, &a, fd, 1);
	if (!harness_serve(&h, world_seal(&w), 1)) {
		fprintf(stderr, "refused\n");
		return 1;
	}
	printf("worker %d serves 127.0.0.1:%u\n", (int)h.pid, a.port);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	for (bool told = false;; told |= stop) {
		enum slot_ringkind kind;
		struct proto_drain d = {2000};
		struct bytes line;
		struct pollfd p = {h.chan.fd, POLLIN, 0};
		bool over = poll(&p, 1, 100) == 1 && p.revents &&
		    (imsg_recv(&h.chan, &h.in) < 0 || h.in.type == PROTO_DRAINED);

		if (stop && !told)
			(void)imsg_send(&h.chan, PROTO_DRAIN, 0, &d, sizeof(d), NULL, 0);
		while (ring_get(&h.env.slot->ring, &kind, &line) == 1) {
			fwrite(line.p, 1, line.n, stdout);
			ring_done(&h.env.slot->ring, line);
		}
		fflush(stdout);
		if (over)
			break;
	}
	rc = harness_reap(&h);
	printf("worker ended: %d\n", rc);
	return rc;
}
