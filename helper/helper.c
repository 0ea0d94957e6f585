/*
 * helper.c - the process for what takes its time and carries no client's byte: names and health
 * checks now; fetches and the admin page are further modules on the same loop. It adopts each
 * generation after the workers and never votes; if it dies, the regions keep their last content and
 * the next one goes on from there.
 *
 * The resolver opens its files and random sources in prepare(), before the jail.
 */
#include "helper/helper.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/imsg.h"
#include "base/log.h"
#include "base/mem.h"
#include "helper/health.h"
#include "helper/names.h"

#define HOSTS_MAX (256 * 1024)
#define CHECK_SLICE 100000u

/* The one struct of this process. */
static struct helper {
	struct loop *loop;
	struct imsg_chan chan;
	struct watch watch;
	struct resolver *resolver;
	struct asker names;
	struct health health;
	struct imsg in;
	struct board *board;
	bool over;
} helper;

void
helper_prepare(void)
{
	int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct bytes hosts = BYTES_NONE;
	char *text = NULL;

	tls_prepare();
	if (fd >= 0) {
		ssize_t n;

		text = mem_alloc(HOSTS_MAX);
		n = read(fd, text, HOSTS_MAX);
		if (n > 0)
			hosts = bytes_of(text, (size_t)n);
		close(fd);
	}
	helper.resolver = resolver_new(NULL, hosts);
	mem_free(text);
}

static void
query(void *arg, const char *name, void (*done)(void *, const struct resolve_answer *),
    void *done_arg)
{
	static const struct resolve_answer none = {.why = "no resolver"};
	struct helper *h = arg;

	if (h->resolver)
		resolver_query(h->resolver, name, done, done_arg);
	else
		done(done_arg, &none);
}

static void
moved(void *arg, uint32_t slot)
{
	struct helper *h = arg;

	if (h->board)
		health_moved(&h->health, slot);
}

static void
adopt(struct helper *h, int fd, uint32_t seq)
{
	struct image im;
	uint64_t pos = 0;
	char why[128] = "it cannot be opened";
	enum hg_err err = image_open(fd, &im);

	if (err != HG_OK) {
		log_error("generation %u: %s", seq, why);
		return;
	}
	do
		err = image_check(&im, &pos, CHECK_SLICE, why);
	while (err == HG_ERR_AGAIN);
	if (err == HG_OK) {
		asker_adopt(&h->names, &im);
		if (h->board)
			health_adopt(&h->health, &im);
	} else {
		log_error("generation %u: %s", seq, why);
	}
	image_close(&im);
}

static void
ready(struct watch *w, uint32_t events)
{
	struct helper *h = HG_CONTAINER(w, struct helper, watch);
	int r;

	(void)events;
	while ((r = imsg_recv(&h->chan, &h->in)) == 1) {
		bool ok = proto_take(h->in.type, h->in.data, h->in.len);

		if (ok && h->in.type == PROTO_NAMES && h->in.nfds == 1)
			adopt(h, h->in.fds[0], h->in.seq);
		else if (ok && h->in.type == PROTO_DRAIN)
			h->over = true;
		imsg_close_fds(&h->in);
	}
	if (r < 0 || h->over)
		loop_stop(h->loop);
}

int
helper_run(struct role_env *env)
{
	struct helper *h = &helper;

	h->loop = loop_new();
	if (!h->loop || !env->names) {
		log_error("cannot start");
		return 1;
	}
	if (h->resolver)
		resolver_attach(h->resolver, h->loop);
	asker_init(&h->names, h->loop, env->names, (struct names_ops){query, h, moved});
	h->board = env->board;
	if (h->board)
		health_init(&h->health, h->loop, h->board, env->names);
	imsg_init(&h->chan, env->chan);
	h->watch = (struct watch){.fd = env->chan, .ready = ready};
	if (loop_watch(h->loop, &h->watch, EPOLLIN) != 0)
		return 1;
	loop_max_wait(h->loop, 60000);
	loop_run(h->loop);
	if (h->resolver)
		resolver_free(h->resolver);
	asker_release(&h->names);
	if (h->board)
		health_release(&h->health);
	loop_free(h->loop);
	imsg_release(&h->chan);
	return 0;
}
