/*
 * harness.h - a worker without a master, for tests and for trying things: makes the regions, forks
 * a process that runs worker_run(), and speaks the master's part of shm/proto.h over the channel.
 * Images come from conf/build out of models that are written down here as C.
 */
#ifndef TESTS_UNIT_WORKER_HARNESS_H
#define TESTS_UNIT_WORKER_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/imsg.h"
#include "base/mem.h"
#include "conf/build/build.h"
#include "net/sock.h"
#include "shm/role.h"
#include "worker/worker.h"

/* ---- a model */

#define WORLD_RULES 64
struct world {
	struct arena arena;
	struct model m;
	struct m_gateway gateway;
	struct m_listener listener, *plistener;
	struct m_socket sockets[4];
	struct m_route route;
	struct m_attach attach;
	struct m_rule rules[WORLD_RULES];
	struct m_cluster *clusters[WORLD_RULES];
	uint32_t ids;
};

static inline void *
world_zalloc(struct world *w, size_t n)
{
	return arena_zalloc(&w->arena, n);
}

static inline void
world_init(struct world *w, uint64_t generation)
{
	memset(w, 0, sizeof(*w));
	arena_init(&w->arena, 4096, 0);
	w->ids = 100;
	w->m = (struct model){.arena = &w->arena,
	    .generation = generation,
	    .gateways = &w->gateway,
	    .ngateways = 1,
	    .sockets = w->sockets,
	    .listeners = &w->listener,
	    .nlisteners = 1,
	    .routes = &w->route,
	    .nroutes = 1,
	    .clusters = w->clusters,
	    .via = BYTES("headgate"),
	    .server = BYTES("headgate")};
#define LIM(m_, def, lo, hi, unit, doc) w->m.settings.m_ = def;
	IM_LIMITS(LIM)
#undef LIM
	w->m.settings.access_log = IM_LOG_JSON;
	w->gateway = (struct m_gateway){.ns = BYTES("infra"), .name = BYTES("gw")};
	w->listener = (struct m_listener){.id = 1,
	    .name = BYTES("http"),
	    .hostname = BYTES_NONE,
	    .port = 8080,
	    .protocol = IM_HTTP,
	    .attach = &w->attach,
	    .nattach = 1};
	w->plistener = &w->listener;
	w->route = (struct m_route){
	    .kind = IM_HTTPROUTE, .ns = BYTES("shop"), .name = BYTES("web"), .rules = w->rules};
	w->attach = (struct m_attach){.route = &w->route};
}

static inline void
world_release(struct world *w)
{
	arena_release(&w->arena);
}

static inline void
world_socket(struct world *w, uint32_t id, uint16_t port)
{
	struct m_socket *s = &w->sockets[w->m.nsockets++];

	*s = (struct m_socket){.id = id,
	    .transport = IM_TCP,
	    .protocol = IM_HTTP,
	    .listeners = &w->plistener,
	    .nlisteners = 1};
	HG_CHECK(addr_parse_ip(BYTES("127.0.0.1"), &s->addr));
	s->addr.port = port;
}

static inline struct m_cluster *
world_cluster(struct world *w, const char *name, const uint16_t *ports, unsigned n)
{
	struct m_cluster *c = world_zalloc(w, sizeof(*c));

	*c = (struct m_cluster){.name = bytes_str(name),
	    .dns_slot = IM_NONE,
	    .proto = IM_UP_H1,
	    .id = w->ids++,
	    .nendpoints = n};
	c->endpoints = world_zalloc(w, (n + 1) * sizeof(*c->endpoints));
	for (unsigned i = 0; i < n; i++) {
		HG_CHECK(addr_parse_ip(BYTES("127.0.0.1"), &c->endpoints[i].addr));
		c->endpoints[i].addr.port = ports[i];
		c->endpoints[i].id = w->ids++;
		c->endpoints[i].weight = 1;
	}
	w->clusters[w->m.nclusters++] = c;
	return c;
}

static inline struct m_rule *
world_rule(struct world *w, const char *prefix)
{
	struct m_rule *r = &w->rules[w->route.nrules++];

	*r = (struct m_rule){.id = w->ids++,
	    .index = (uint16_t)(w->route.nrules - 1),
	    .route = &w->route,
	    .nmatches = 1};
	r->matches = world_zalloc(w, sizeof(*r->matches));
	r->matches[0] = (struct m_match){.path_type = M_PATH_PREFIX, .path = bytes_str(prefix)};
	r->backends = world_zalloc(w, 8 * sizeof(*r->backends));
	r->filters = world_zalloc(w, 8 * sizeof(*r->filters));
	return r;
}

static inline struct m_backend *
world_backend(struct m_rule *r, struct m_cluster *c, uint32_t weight)
{
	struct m_backend *b = &r->backends[r->nbackends++];

	*b = (struct m_backend){.weight = weight, .cluster = c};
	return b;
}

static inline struct m_filter *
world_filter(struct m_rule *r, uint8_t type)
{
	struct m_filter *f = &r->filters[r->nfilters++];

	*f = (struct m_filter){.type = type};
	return f;
}

/* A sealed image, or -1. */
static inline int
world_seal(struct world *w)
{
	struct blob_writer *out = NULL;
	struct build_stats stats;
	int fd;

	if (build_image(&w->m, &out, &stats) != HG_OK)
		return -1;
	fd = blob_seal(out, "image");
	blob_writer_free(out);
	return fd;
}

/* ---- a worker */

struct harness {
	struct role_env env; /* as the worker sees it; regions are shared with us */
	struct control_page *control;
	struct imsg_chan chan;
	struct imsg in;
	pid_t pid;
};

static unsigned harness_nofile,
    harness_waste; /* next worker: limit on descriptors (0 = ours), how many are gone */

static struct bucket_table *harness_buckets; /* of the next workers, or NULL */

static inline void *
harness_region(size_t n)
{
	void *p = mmap(
	    NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	HG_CHECK(p != MAP_FAILED);
	return p;
}

static inline void
harness_start(struct harness *h)
{
	int fds[2];

	memset(h, 0, sizeof(*h));
	h->control = harness_region(sizeof(*h->control));
	h->env = (struct role_env){.control = h->control,
	    .slot = harness_region(sizeof(struct slot_segment)),
	    .board = harness_region(sizeof(struct board)),
	    .names = harness_region(sizeof(struct names)),
	    .buckets = harness_buckets,
	    .accesslog = -1,
	    .hello = {.nslots = 1}};
	HG_CHECK(imsg_pair(fds) == 0);
	h->pid = fork();
	HG_CHECK(h->pid >= 0);
	if (h->pid == 0) {
		close(fds[0]);
		h->env.chan = fds[1];
		if (harness_nofile) {
			struct rlimit r = {harness_nofile, harness_nofile};

			HG_CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
			for (unsigned i = 0; i < harness_waste; i++)
				HG_CHECK(dup(fds[1]) >= 0);
		}
		worker_prepare();
		_exit(worker_run(&h->env));
	}
	close(fds[1]);
	imsg_init(&h->chan, fds[0]);
}

/* The next message of this type; others are skipped. false: none in time, or the worker is gone. */
static inline bool
harness_wait(struct harness *h, uint32_t type)
{
	for (int i = 0; i < 50; i++) {
		if (imsg_wait(&h->chan, &h->in, 10000) != 1)
			return false;
		if (h->in.type == type)
			return true;
	}
	return false;
}

/* A socket bound to a free port of loopback (`port` 0), for harness_socket(). */
static inline int
harness_bind(struct addr *a, uint16_t port)
{
	int fd;

	HG_CHECK(addr_parse_ip(BYTES("127.0.0.1"), a));
	a->port = port;
	fd = sock_bind(a, false, true);
	HG_CHECK(fd >= 0 && sock_local(fd, a));
	return fd;
}

static inline void
harness_socket(struct harness *h, uint32_t id, const struct addr *a, int fd, uint64_t since)
{
	struct proto_socket s = {.key = {.addr = *a, .id = id, .transport = IM_TCP}, .listen = 1};

	HG_CHECK(imsg_send(&h->chan, PROTO_SOCKET, (uint32_t)since, &s, sizeof(s), &fd, 1) == 0);
	close(fd);
}

/* Offer, wait, publish, wait. false: refused (reason in h->in). Takes fd. */
static inline bool
harness_serve(struct harness *h, int fd, uint64_t generation)
{
	bool ready;

	HG_CHECK(imsg_send(&h->chan, PROTO_OFFER, (uint32_t)generation, NULL, 0, &fd, 1) == 0);
	close(fd);
	do {
		if (imsg_wait(&h->chan, &h->in, 10000) != 1)
			return false;
		ready = h->in.type == PROTO_READY;
	} while (!ready && h->in.type != PROTO_REFUSED);
	if (!ready)
		return false;
	atomic_store(&h->control->published, generation);
	HG_CHECK(imsg_send(&h->chan, PROTO_COMMIT, (uint32_t)generation, NULL, 0, NULL, 0) == 0);
	return harness_wait(h, PROTO_ACTIVE);
}

/* Its exit status, 1000 + signal, or -1. */
static inline int
harness_reap(struct harness *h)
{
	int status = -1;

	if (waitpid(h->pid, &status, 0) != h->pid)
		return -1;
	imsg_release(&h->chan);
	munmap(h->control, sizeof(*h->control));
	munmap(h->env.slot, sizeof(struct slot_segment));
	munmap(h->env.board, sizeof(struct board));
	munmap(h->env.names, sizeof(struct names));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Drains it. */
static inline int
harness_stop(struct harness *h, uint32_t grace_ms)
{
	struct proto_drain d = {grace_ms};

	(void)imsg_send(&h->chan, PROTO_DRAIN, 0, &d, sizeof(d), NULL, 0);
	return harness_reap(h);
}

#endif
