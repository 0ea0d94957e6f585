/*
 * pipe.c - two channels back to back. What one side reads is sent by the other out of the same
 * buffer; past CHAN_HIGH the reader pauses until it has drained. Nothing is read from the client
 * before there is somebody to read for, so another place can be tried without losing a byte.
 */
#include "cli/pipe.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

struct pipe {
	struct list link;
	struct pipe_env *env;
	void *owner;
	struct chan down, up;
	struct timer timer;
	struct task over;
	struct reach_place *places;
	unsigned nplaces, next, tried;
	unsigned ends, finishing; /* sides that have said all; that have not got all yet */
	bool connected, dead;
};

static void attempt(struct pipe *, int err);

static void
free_pipe(struct task *t)
{
	struct pipe *p = HG_CONTAINER(t, struct pipe, over);

	list_del(&p->link);
	p->env->n--;
	mem_free(p->places);
	mem_free(p);
}

/* Callbacks of both channels may stand on the stack: the memory goes after them. */
static void
end(struct pipe *p, bool hard)
{
	if (p->dead)
		return;
	p->dead = true;
	timer_stop(&p->timer);
	if (hard)
		chan_abort(&p->down);
	else
		chan_close(&p->down);
	chan_close(&p->up);
	loop_defer(p->env->loop, &p->over);
}

static void
give_up(struct pipe *p, int err)
{
	p->env->failed(p->owner, &p->places[(p->next + p->nplaces - 1) % p->nplaces], err);
	end(p, true);
}

/* ---- both sides */

static struct chan *
other(struct pipe *p, const struct chan *c)
{
	return c == &p->down ? &p->up : &p->down;
}

static uint32_t
on_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct chan *to = other(c->owner, c);

	chan_send(to, slice_of(b, b->data + off, n));
	if (to->over_high)
		chan_pause(c);
	return n;
}

static void
on_drained(struct chan *c)
{
	chan_resume(other(c->owner, c));
}

static void
on_eof(struct chan *c)
{
	struct pipe *p = c->owner;

	if (p->finishing) {
		if (--p->finishing == 0)
			end(p, false);
		return;
	}
	chan_shutdown(other(p, c));
	if (c->write_failed) /* it has closed: what the other still says is dropped for a while */
		timer_in(p->env->loop, &p->timer, PIPE_LAST_MS);
	if (++p->ends < 2)
		return;
	/* Both have said all: over when both have got all. */
	p->finishing = 2;
	chan_finish(&p->down);
	chan_finish(&p->up);
}

static void
on_error(struct chan *c, enum hg_err e)
{
	(void)e;
	end(c->owner, true);
}

static const struct chan_events down_events = {
    .data = on_data, .eof = on_eof, .drained = on_drained, .error = on_error};

/* ---- connecting */

static void
on_open(struct chan *c)
{
	struct pipe *p = c->owner;

	p->connected = true;
	timer_stop(&p->timer);
	/* An endpoint that closes in the middle may have said something first. */
	p->up.drain_on_error = true;
	chan_resume(&p->down);
}

static void
up_error(struct chan *c, enum hg_err e)
{
	struct pipe *p = c->owner;
	socklen_t len = sizeof(int);
	int err = 0;

	if (p->connected) {
		on_error(c, e);
		return;
	}
	(void)getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	chan_close(c);
	attempt(p, err ? err : ECONNREFUSED);
}

static const struct chan_events up_events = {.open = on_open,
    .data = on_data,
    .eof = on_eof,
    .drained = on_drained,
    .error = up_error};

/* The next place; if there is none, err is what the last one said. */
static void
attempt(struct pipe *p, int err)
{
	while (p->tried < p->nplaces) {
		const struct reach_place *to = &p->places[p->next];
		struct bytes path = to->unix_path[0] ? bytes_str(to->unix_path) : BYTES_NONE;

		p->next = (p->next + 1) % p->nplaces;
		p->tried++;
		if (chan_connect(&p->up, p->env->loop, p->env->bufs, &to->addr, path, &up_events,
			p) == 0) {
			timer_in(p->env->loop, &p->timer, PIPE_CONNECT_MS);
			return;
		}
		err = errno;
	}
	give_up(p, err);
}

static void
fire(struct timer *t)
{
	struct pipe *p = HG_CONTAINER(t, struct pipe, timer);

	if (p->connected) {
		end(p, false);
		return;
	}
	chan_close(&p->up);
	attempt(p, 0);
}

void
pipe_start(struct pipe_env *env, int fd, const struct reach *r, unsigned first, void *owner)
{
	struct pipe *p = mem_zalloc(sizeof(*p));

	HG_CHECK(r->n != 0);
	p->env = env;
	p->owner = owner;
	p->nplaces = r->n;
	p->next = first % r->n;
	p->places = mem_alloc(r->n * sizeof(*p->places));
	memcpy(p->places, r->v, r->n * sizeof(*p->places));
	timer_init(&p->timer, fire);
	task_init(&p->over, free_pipe);
	list_append(&env->open, &p->link);
	env->n++;
	p->up = (struct chan){.watch.fd = -1, .closed = true};
	chan_init(&p->down, env->loop, env->bufs, fd, &down_events, p);
	chan_pause(&p->down);
	chan_start(&p->down, false);
	attempt(p, 0);
}

void
pipe_close_all(struct pipe_env *env)
{
	LIST_FOREACH_SAFE(it, tmp, &env->open) {
		struct pipe *p = LIST_ENTRY(it, struct pipe, link);

		end(p, false);
		task_cancel(&p->over);
		free_pipe(&p->over);
	}
}
