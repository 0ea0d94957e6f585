/*
 * worker.c - the worker process: it prepares before the jail, then turns its loop until it is told
 * to leave. Memory for connections, exchanges and attempts is reserved once, from the limit on
 * descriptors, and touched only as far as it is used. Each turn beats the heart word, looks at the
 * published generation and does what was left over. Leaving is one thing whoever asks for it: stop
 * accepting, let what runs finish, close what is idle, and end when nothing is left or the time is
 * over.
 */
#include "worker/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/attempt.h"
#include "worker/conn.h"
#include "worker/exchange.h"
#include "worker/inbox.h"
#include "worker/l4/l4.h"
#include "worker/listen.h"
#include "worker/secure.h"
#include "worker/terms.h"
#include "worker/protect/compress.h"
#include "worker/settings.h"
#include "worker/traffic.h"
#include "worker/tunnel.h"

#define TURN_MS 250
#define CHUNKS 65536
#define TUNNEL_SPREAD_MS 2000u
#define BUFFER_BYTES (256ull << 20) /* until a generation says otherwise */
#define CONNS_MAX 262144ull

/* What a role keeps between prepare() and run(); the one struct of this process is made in run().
 */
static struct {
	uint64_t seed[4];
	uint64_t nofile;
} prepared;

void
worker_prepare(void)
{
	struct rlimit r;

	tls_prepare();
	HG_CHECK(getrandom(&prepared.seed, sizeof(prepared.seed), 0) == sizeof(prepared.seed));
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	prepared.nofile =
	    getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY ? r.rlim_cur : 1024;
}

/* SplitMix64. */
uint64_t
worker_random(struct worker *w)
{
	uint64_t z = w->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

struct bytes
worker_date(struct worker *w)
{
	int64_t now = (int64_t)(clock_real() / SEC_NS);

	if (w->date_at != now) {
		w->date_at = now;
		clock_http_date(now, w->date);
	}
	return bytes_of(w->date, 29);
}

struct bytes
worker_second(struct worker *w, uint64_t real_ns)
{
	int64_t sec = (int64_t)(real_ns / SEC_NS);

	if (w->log_at != sec) {
		w->log_at = sec;
		clock_rfc3339(sec, w->log_sec);
	}
	return bytes_of(w->log_sec, 20);
}

static void
log_sink_ring(void *arg, enum log_level level, struct bytes line)
{
	struct worker *w = arg;

	(void)level;
	if (ring_put(&w->slot->ring, SLOT_RING_LOG, line) != 0)
		METRIC(w, log_dropped, 1);
}

static void
turn(void *arg)
{
	struct worker *w = arg;
	bool more;

	atomic_store_explicit(&w->slot->heartbeat, w->slot->heartbeat + 1, memory_order_relaxed);
	w->busy = false;
	more = inbox_turn(w);
	more |= listen_more(w);
	if (w->upool.freed) {
		if (w->draining)
			worker_maybe_over(w);
		traffic_wake(w);
	}
	loop_max_wait(w->loop, more || w->busy ? 0 : TURN_MS);
}

void
worker_maybe_over(struct worker *w)
{
	if (!w->draining || w->over || w->nconns || l4_busy(w) ||
	    !list_empty(&w->upool.ending))
		return;
	w->over = true;
	loop_stop(w->loop);
}

static void
grace_over(struct timer *t)
{
	struct worker *w = HG_CONTAINER(t, struct worker, grace);

	log_warn("grace is over, %u connections are closed", w->nconns);
	conn_close_all(w);
	l4_close_all(w);
	upool_close_ending(&w->upool);
	worker_maybe_over(w);
}

/* Spread, so that not all of a node's clients come back in one moment. Without a deadline they stay
 * until they end by themselves. */
static void
drain_tunnels(struct worker *w, uint32_t grace_ms)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_exchanges)
		tunnel_drain(LIST_ENTRY(it, struct exchange, link),
		    HG_MIN(grace_ms / 2, TUNNEL_SPREAD_MS));
}

void
worker_drain(struct worker *w, uint32_t grace_ms)
{
	if (!w->draining) {
		w->draining = true;
		gens_abort(&w->gens);
		listen_stop(w);
		conn_drain_all(w);
		l4_drain(w);
		if (grace_ms && grace_ms != UINT32_MAX)
			drain_tunnels(w, grace_ms);
		upool_close_idle(&w->upool);
	}
	/* A later message may shorten the time. */
	if (grace_ms == 0)
		grace_over(&w->grace);
	else if (grace_ms != UINT32_MAX)
		timer_in(w->loop, &w->grace, grace_ms);
	worker_maybe_over(w);
}

static void
init_pools(struct worker *w)
{
	uint32_t n = (uint32_t)HG_MIN(w->nofile, CONNS_MAX);

	HG_CHECK(bufs_init(&w->bufs, BUFFER_BYTES) == 0);
	HG_CHECK(pool_init(&w->conns, sizeof(struct conn), n) == 0);
	HG_CHECK(pool_init(&w->exchanges, sizeof(struct exchange), n) == 0);
	HG_CHECK(pool_init(&w->attempts, sizeof(struct attempt), n * 2) == 0);
	HG_CHECK(pool_init(&w->ups, sizeof(struct up), n) == 0);
	HG_CHECK(pool_init(&w->h2_streams, h2_stream_size(), n * 2) == 0);
	HG_CHECK(pool_init(&w->compressors, compress_size(), COMPRESSORS) == 0);
	HG_CHECK(pool_init(&w->chunks, body_chunk_size(), CHUNKS) == 0);
	w->h2 = (struct h2_env){.loop = w->loop,
	    .bufs = &w->bufs,
	    .streams = &w->h2_streams,
	    .limits = &w->limits,
	    .h2 = &w->h2_limits};
	w->h2_limits = h2_defaults;
	ipcount_init(&w->ips, n, &w->seed);
	w->secure = secure_new(w->env->tickets);
	w->l4 = l4_new(w);
	w->uptls = uptls_store_new(secure_env(w->secure));
	upool_init(&w->upool, w->loop, &w->bufs, &w->ups, &w->limits, w->slot, &w->seed);
	w->upool.h2 = &w->h2;
}

static void
init(struct worker *w, struct role_env *env)
{
	w->env = env;
	w->control = env->control;
	w->slot = env->slot;
	w->board = env->board;
	w->names = env->names;
	w->nofile = (uint32_t)HG_MIN(prepared.nofile, (uint64_t)UINT32_MAX);
	w->rng = prepared.seed[0];
	/* Tokens must be good for every worker, so their key is one that all of them see. */
	w->seed = env->buckets ? env->buckets->seed :
				 (struct hash_key){prepared.seed[1], prepared.seed[2]};
	list_init(&w->free_exchanges);
	list_init(&w->listeners);
	list_init(&w->waiting);
	w->counts.own = env->slot;
	list_init(&w->open_conns);
	list_init(&w->open_exchanges);
	timer_init(&w->grace, grace_over);
	gens_init(&w->gens);
	imsg_init(&w->chan, env->chan);
	w->loop = loop_new();
	HG_CHECK(w->loop != NULL);
	w->spare_fd = fcntl(w->chan.fd, F_DUPFD_CLOEXEC, 0);
	init_pools(w);
}

/* After the loop: what the drain left. */
static void
leave(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_exchanges) {
		struct exchange *x = LIST_ENTRY(it, struct exchange, link);

		if (x->retired)
			mirrors_cut(x);
	}
	upool_close_idle(&w->upool);
	upool_close_ending(&w->upool);
	loop_turn(w->loop, 0); /* `closed` of what was just closed */
	listen_release(w);
	l4_free(w->l4);
	upool_release(&w->upool);
	exchange_free_pools(w);
	timer_stop(&w->grace);
	if (!w->orphaned)
		inbox_send(w, PROTO_DRAINED, 0, NULL, 0);
	log_to(NULL, NULL);
	inbox_stop(w);
	gens_release(&w->gens);
	if (w->spare_fd >= 0)
		close(w->spare_fd);
	ipcount_release(&w->ips);
	terms_release(w);
	uptls_store_free(w->uptls);
	secure_free(w->secure);
	pool_release(&w->conns);
	pool_release(&w->exchanges);
	pool_release(&w->attempts);
	pool_release(&w->ups);
	pool_release(&w->chunks);
	pool_release(&w->h2_streams);
	pool_release(&w->compressors);
	bufs_release(&w->bufs);
	counts_release(&w->counts);
	loop_free(w->loop);
}

int
worker_run(struct role_env *env)
{
	struct worker *w = mem_zalloc(sizeof(*w));

	(void)signal(SIGPIPE, SIG_IGN);
	init(w, env);
	log_to(log_sink_ring, w);
	atomic_store_explicit(&w->slot->pid, (uint64_t)getpid(), memory_order_relaxed);
	loop_each_turn(w->loop, turn, w);
	loop_max_wait(w->loop, TURN_MS);
	inbox_start(w);
	loop_run(w->loop);
	leave(w);
	mem_free(w);
	return 0;
}
