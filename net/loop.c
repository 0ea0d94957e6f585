/*
 * loop.c - one thread's turn over epoll. Descriptors are added once, edge-triggered, with all they
 * ever want; nothing is changed while they live, so steady traffic makes no epoll_ctl. The array of
 * events belongs to the loop, and unwatching strikes out what this turn has not delivered yet:
 * generations in the event tag were rejected, since a scan of 128 slots on close is cheaper than a
 * check on each event. Work that callbacks put off runs after the events, then all output goes out,
 * one call a socket. What is put off while that runs gets a few more rounds, the rest waits for the
 * next turn, which then does not sleep: nothing can keep a turn from ending.
 */
#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/timer.h"

#define EVENTS 128
#define ROUNDS 4

struct loop {
	struct loop_clock clock;
	int epfd;
	bool stop;
	uint32_t max_wait;
	int at, got; /* of events: the one being delivered, and how many */
	struct list deferred, flushes;
	void (*hook)(void *);
	void *hook_arg;
	struct wheel wheel;
	struct epoll_event events[EVENTS];
};

struct loop *
loop_new(void)
{
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *l;

	if (epfd < 0)
		return NULL;
	l = mem_zalloc(sizeof(*l));
	l->epfd = epfd;
	l->max_wait = 250;
	l->clock.now = clock_mono();
	list_init(&l->deferred);
	list_init(&l->flushes);
	wheel_init(&l->wheel, l->clock.now);
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	close(l->epfd);
	mem_free(l);
}

int
loop_watch(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events | EPOLLET, .data.ptr = w};

	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, w->fd, &e);
}

void
loop_forget(struct loop *l, struct watch *w)
{
	for (int i = l->at; i < l->got; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

void
loop_unwatch(struct loop *l, struct watch *w)
{
	struct epoll_event e = {0};

	loop_forget(l, w);
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, &e);
}

void
timer_set(struct loop *l, struct timer *t, uint64_t deadline)
{
	wheel_set(&l->wheel, t, HG_MAX(deadline, 1u));
}

void
timer_in(struct loop *l, struct timer *t, uint64_t ms)
{
	timer_set(l, t, l->clock.now + ms * MS_NS);
}

void
task_init(struct task *t, void (*run)(struct task *))
{
	list_init(&t->link);
	t->run = run;
}

void
loop_defer(struct loop *l, struct task *t)
{
	if (list_empty(&t->link))
		list_append(&l->deferred, &t->link);
}

void
loop_flush(struct loop *l, struct task *t)
{
	if (list_empty(&t->link))
		list_append(&l->flushes, &t->link);
}

void
task_cancel(struct task *t)
{
	list_del(&t->link);
}

void
loop_each_turn(struct loop *l, void (*hook)(void *), void *arg)
{
	l->hook = hook;
	l->hook_arg = arg;
}

void
loop_max_wait(struct loop *l, uint32_t ms)
{
	l->max_wait = ms;
}

/* Runs what is on the list now; what these put on it comes in the next round. */
static void
run_all(struct list *tasks)
{
	struct list now;

	for (int round = 0; round < ROUNDS && !list_empty(tasks); round++) {
		now.next = tasks->next;
		now.prev = tasks->prev;
		now.next->prev = now.prev->next = &now;
		list_init(tasks);
		while (!list_empty(&now)) {
			struct task *t = LIST_ENTRY(now.next, struct task, link);

			list_del(&t->link);
			t->run(t);
		}
	}
}

static int
wait_ms(const struct loop *l, int timeout_ms)
{
	uint64_t ns = wheel_wait(&l->wheel, l->clock.now), ms;

	if (!list_empty(&l->deferred) || !list_empty(&l->flushes))
		return 0;
	ms = ns == UINT64_MAX ? l->max_wait : HG_MIN((ns + MS_NS - 1) / MS_NS, l->max_wait);
	if (timeout_ms >= 0)
		ms = HG_MIN(ms, (uint64_t)timeout_ms);
	return (int)ms;
}

void
loop_turn(struct loop *l, int timeout_ms)
{
	int n;

	if (l->hook)
		l->hook(l->hook_arg);
	n = epoll_wait(l->epfd, l->events, EVENTS, wait_ms(l, timeout_ms));
	HG_CHECK(n >= 0 || errno == EINTR);
	l->clock.now = clock_mono();
	l->got = HG_MAX(n, 0);
	for (l->at = 0; l->at < l->got;) {
		const struct epoll_event *e = &l->events[l->at++];
		struct watch *w = e->data.ptr;

		if (w)
			w->ready(w, e->events);
	}
	l->at = l->got = 0;
	wheel_run(&l->wheel, l->clock.now);
	run_all(&l->deferred);
	run_all(&l->flushes);
}

void
loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop)
		loop_turn(l, -1);
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}
